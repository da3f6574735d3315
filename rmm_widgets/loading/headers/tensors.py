"""What headers have in common: a tensor's description, and how a file is opened and its damage told."""

from __future__ import annotations

import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from ...errors import LoadError

__all__ = ["MAX_TENSORS", "TensorInfo", "opened"]

MAX_TENSORS = 50_000
"""More in one file are refused; the largest published models have a few thousand."""

_BUFFER = 1 << 18


class TensorInfo(msgspec.Struct, frozen=True):
    """One tensor of a file.

    Attributes:
        dtype: In the format's own words: "BF16", "Q4_K".
        shape: As the file states it (GGUF: the axis that varies fastest comes first).
        nbytes: Bytes of its data in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int


@contextmanager
def opened(path: Path) -> Generator[tuple[BinaryIO, int]]:
    """A file of weights and its size; a ValueError inside says what is wrong with it.

    Raises:
        LoadError: It cannot be read, or is damaged.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("it is no file")
        with path.open("rb", buffering=_BUFFER) as file:
            yield file, path.stat().st_size
    except (ValueError, RecursionError) as error:
        raise LoadError(
            f"{path.name} is damaged: {_reason(error)}",
            hint="Run `%rmm verify` on the model, then download it again; if it stays so, the repository is broken.",
        ) from None
    except OSError as error:
        raise LoadError(
            f"{path.name} cannot be read: {error.strerror or error}", hint="Run `%rmm verify` on the model."
        ) from error


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
