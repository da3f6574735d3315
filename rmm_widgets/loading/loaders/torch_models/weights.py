"""Which files of a repository hold the weights that a library on torch will read."""

from __future__ import annotations

import re
from pathlib import Path

from ...files import list_files

__all__ = ["weight_files"]

_WEIGHTS = re.compile(r"(?:.*/)?(?:diffusion_)?(?:pytorch_)?model(?:-\d+-of-\d+)?(\.safetensors|\.bin)")
_OTHER_FORMATS = ("onnx/", "openvino/")


def weight_files(folder: Path, *, inside: str = "") -> list[str]:
    """The files with weights that a library will read: safetensors, else pickles, never both.

    Args:
        folder: The repository.
        inside: How their paths begin; empty for all of it.
    """
    found = {path: _WEIGHTS.fullmatch(path) for path in list_files(folder) if path.startswith(inside)}
    kinds = {path: fits[1] for path, fits in found.items() if fits and not path.startswith(_OTHER_FORMATS)}
    safe = [path for path, kind in kinds.items() if kind == ".safetensors"]
    return safe or list(kinds)
