"""The one place where the gate reads the headers of weights: whether a file keeps what its first bytes promise.

Strict readers of the formats belong here, one a suffix; each raises `ValueError` or `LoadError` with what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import LoadError
from ..headers.gguf import read_gguf_header
from ..headers.safetensors import read_safetensors_header

__all__ = ["header_problem"]


def header_problem(path: Path, suffix: str) -> str | None:
    """What is wrong with the header of a safetensors or GGUF file; None where nothing is, and for other suffixes."""
    check = _CHECKS.get(suffix)
    if check is None:
        return None
    try:
        check(path)
    except (ValueError, LoadError) as error:
        return str(error)
    return None


_CHECKS: Mapping[str, Callable[[Path], object]] = {
    ".gguf": read_gguf_header,
    ".safetensors": read_safetensors_header,
}
