"""Which files of a repository are worth fetching. Pure.

The automatic choice takes every file except a second copy of the same weights: pickles where a safe
format is there, and the quantised or half-precision twins of an ONNX file whose plain form is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

SAFE_WEIGHTS = frozenset([".safetensors", ".onnx", ".gguf"])
OTHER_WEIGHTS = frozenset([".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".ot", ".pkl"])

_ONNX_VARIANT = re.compile(
    r"(?P<plain>.+?)[_.-](?:quantized|fp16|float16|bf16|fp8|[qu]*int[48]|q[248]|q4f16|q8f16|bnb4|nf4|o[1-4])(?:[_.-]\w+)*",
    re.IGNORECASE,
)
_SENTENCE_MODULE = re.compile(r"\d+_\w+")


def choose_files(
    paths: Sequence[str],
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """The files to fetch, in the order given.

    With `allow_patterns` the caller chooses and nothing is left out on its own account. Patterns are
    globs over the whole path; one that ends with `/` means everything in that folder.
    """
    chosen = _automatic(paths) if allow_patterns is None else [p for p in paths if _matches(p, allow_patterns)]
    return tuple(path for path in chosen if not _matches(path, ignore_patterns or ()))


def is_weights(path: str) -> bool:
    """True for a file that holds a model's parameters, going by its name."""
    return PurePosixPath(path).suffix.lower() in SAFE_WEIGHTS | OTHER_WEIGHTS


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, f"{pattern}*" if pattern.endswith("/") else pattern) for pattern in patterns)


def _automatic(paths: Sequence[str]) -> list[str]:
    onnx = {path for path in paths if path.lower().endswith(".onnx")}
    twins = {path for path in onnx if _plain_form(path) in onnx}
    has_safe_weights = any(_suffix(path) in SAFE_WEIGHTS for path in paths)
    return [
        path
        for path in paths
        if path != ".gitattributes"
        and not _belongs_to(path, twins)
        and not (has_safe_weights and _suffix(path) in OTHER_WEIGHTS and not _is_needed(path, paths, onnx))
    ]


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _plain_form(path: str) -> str | None:
    """`onnx/model.onnx` for `onnx/model_fp16.onnx`; None where the name says nothing of a variant."""
    file = PurePosixPath(path)
    variant = _ONNX_VARIANT.fullmatch(file.stem)
    return str(file.with_name(f"{variant['plain']}{file.suffix}")) if variant else None


def _belongs_to(path: str, onnx_files: set[str]) -> bool:
    """True for one of these ONNX files and for the external data beside it (`model.onnx_data`, `.onnx.data`)."""
    found = path.lower().rfind(".onnx")
    return found >= 0 and "/" not in path[found:] and path[: found + len(".onnx")] in onnx_files


def _is_needed(path: str, paths: Sequence[str], onnx: set[str]) -> bool:
    """True for weights that only look like a second copy.

    External data of an ONNX file may be called `model.onnx.bin` or `model.bin`, and a module of
    sentence-transformers (`2_Dense/`) may have no safe form although the model itself has one.
    """
    file = PurePosixPath(path)
    if ".onnx" in file.name.lower() or str(file.with_suffix(".onnx")) in onnx:
        return True
    if not _SENTENCE_MODULE.fullmatch(str(file.parent)) or "modules.json" not in paths:
        return False
    return not any(PurePosixPath(p).parent == file.parent and _suffix(p) in SAFE_WEIGHTS for p in paths)
