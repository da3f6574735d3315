"""The one place where the gate reads the headers of weights: whether a file keeps what its first bytes promise.

Strict readers of the formats belong here, one a suffix; each raises `ValueError` or `LoadError` with what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import LoadError

__all__ = ["header_problem"]

_GGUF_VERSIONS = frozenset([1, 2, 3])


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


def _check_gguf(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(24)
    if len(head) < 24:
        raise ValueError("it is cut off")
    if int.from_bytes(head[4:8], "little") not in _GGUF_VERSIONS:
        raise ValueError("it is of no known version")


_CHECKS: Mapping[str, Callable[[Path], None]] = {".gguf": _check_gguf}
