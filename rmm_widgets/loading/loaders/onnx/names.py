"""Which ONNX file of a repository is which part of a model. Pure, by names alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from ....types import ModelType

__all__ = ["DECODER", "ENCODER", "WHOLE", "has_all_parts", "pick_file"]

WHOLE = ("model",)
ENCODER = ("encoder_model", "vision_model")
DECODER = ("decoder_model", "text_decoder_model")
"""Names without ending, best first."""

_VARIANTS = ("", "_fp16", "_quantized", "_int8", "_uint8", "_q8", "_q4f16", "_q4", "_bnb4")  # best first


def pick_file(paths: Iterable[str], names: Sequence[str]) -> str | None:
    """The first of these names that the repository has, in `onnx/` or at its root; a lone other file too.

    Where the plain file is not there, its half-precision or quantised form will do (`model_fp16` ...).
    """
    found = sorted(path for path in paths if path.endswith(".onnx"))
    found = (
        [path for path in found if PurePosixPath(path).parent == PurePosixPath("onnx")]
        or [path for path in found if "/" not in path]
        or found
    )
    by_name = {PurePosixPath(path).stem: path for path in found}
    for name in names:
        for variant in _VARIANTS:
            if name + variant in by_name:
                return by_name[name + variant]
    return found[0] if len(found) == 1 else None


def has_all_parts(paths: Sequence[str], model_type: ModelType | None) -> bool:
    """Whether every file that a model of this type is made of is there; any will do where the type is not known."""
    if model_type is None:
        return any(path.endswith(".onnx") for path in paths)
    parts = (ENCODER, DECODER) if model_type is ModelType.CAPTION_GENERATOR else (WHOLE,)
    picked = {pick_file(paths, names) for names in parts}
    return None not in picked and len(picked) == len(parts)
