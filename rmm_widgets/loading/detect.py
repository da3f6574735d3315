"""Which loader fits a folder, from its files alone: nothing is imported, no weights are opened.

The table of what repositories are is `hub.identify`; here it meets the loaders.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..errors import ModelNotAvailableError, UnsupportedModelError
from ..hub.card import parse_card
from ..hub.identify import Evidence, Identity, identify
from ..types import ModelType
from .files import list_files, read_optional_json, read_text
from .loaders import all_loaders

__all__ = ["Detection", "detect", "read_evidence"]

_CARD_LIMIT = 1 << 18


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """How a folder can be loaded.

    Attributes:
        loader: Name for `loaders.open_servable`.
        library: The Python library that the loader needs.
        model_type: What the repository seems to be; None where nothing tells.
        detail: The evidence, in a few words.
        preload: Modules that the loader imports anyway.
    """

    loader: str
    library: str
    model_type: ModelType | None
    detail: str
    preload: tuple[str, ...] = ()


_WEIGHTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("safetensors", (".safetensors",)),
    ("GGUF", (".gguf",)),
    ("pickled", (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".joblib")),
    ("TensorFlow", (".h5", ".keras", ".tflite", ".pb")),
    ("Flax", (".msgpack",)),
)


def detect(folder: Path) -> Detection:
    """The loader, library and type for a model's folder.

    Raises:
        ModelNotAvailableError: There is no such folder.
        UnsupportedModelError: No loader takes what is in it.
        LoadError: A configuration file is damaged.
    """
    if not folder.is_dir():
        raise ModelNotAvailableError("The model's folder is not on disk", hint="Download the model first.")
    evidence = read_evidence(folder)
    identity = identify(evidence)
    for loader in all_loaders():
        if found := loader.match(evidence, identity):
            return Detection(
                loader=loader.name,
                library=loader.library,
                model_type=found.model_type,
                detail=found.detail,
                preload=loader.preload,
            )
    raise _unsupported(evidence, identity)


def read_evidence(folder: Path) -> Evidence:
    """What the small files of a folder say about it."""
    card = parse_card(read_text(folder / "README.md", _CARD_LIMIT))
    return Evidence(
        files=list_files(folder),
        config=read_optional_json(folder / "config.json") or {},
        index=read_optional_json(folder / "model_index.json") or {},
        pipeline_tag=card.pipeline_tag,
        library=card.library,
        tags=card.tags,
    )


def _unsupported(evidence: Evidence, identity: Identity) -> UnsupportedModelError:
    kinds = [kind for kind, endings in _WEIGHTS if evidence.has(*endings)]
    found = f"{' and '.join(kinds)} weights" if kinds else "no weights that we know"
    made_for = f" for {identity.library}" if identity.library else ""
    reason = f" ({identity.reason})" if identity.reason else ""
    return UnsupportedModelError(
        f"No loader for this repository: it has {found}{made_for}{reason} and no *.onnx files",
        hint="Choose a repository with ONNX files (search for 'onnx'), or export this one with "
        "`optimum-cli export onnx` and register the result.",
    )
