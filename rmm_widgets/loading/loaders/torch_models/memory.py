"""What a torch model will take, from the sizes of its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...files import list_files, read_optional_json
from ...loader import MemoryEstimate

__all__ = ["estimate_torch", "weight_files"]

_LIBRARIES = 400 << 20
"""Bytes of a process with torch and transformers, measured with torch 2.13 and transformers 5.23."""
_WORKING = 0.2
"""Bytes for a call, as a share of the weights; never less than `_LEAST_WORKING`."""
_LEAST_WORKING = 32 << 20
_WEIGHTS = re.compile(r"(?:.*/)?(?:diffusion_)?(?:pytorch_)?model(?:-\d+-of-\d+)?(\.safetensors|\.bin)")
_OTHER_FORMATS = ("onnx/", "openvino/")
_WIDTHS = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def estimate_torch(folder: Path, files: Iterable[str], config: Mapping[str, Any]) -> MemoryEstimate:
    """For weights in these files of a folder, in the precision that a configuration asks for."""
    stored = sum((folder / path).stat().st_size for path in files)
    weights = int(stored * _widening(folder, str(config.get("dtype", "auto"))))
    return MemoryEstimate(weights=weights, working=max(int(_WORKING * weights), _LEAST_WORKING), libraries=_LIBRARIES)


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


def _widening(folder: Path, dtype: str) -> float:
    """How much larger the weights are in memory than on disk."""
    known = read_optional_json(folder / "config.json") or read_optional_json(folder / "model" / "config.json") or {}
    stored = str(known.get("dtype") or known.get("torch_dtype") or "float32").removeprefix("torch.")
    return _WIDTHS[dtype] / _WIDTHS[stored] if dtype in _WIDTHS and stored in _WIDTHS else 1.0
