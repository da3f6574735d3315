"""The record beside an unfinished file: which ranges of it have arrived. Nothing in it is believed blindly.

It is read as something anybody may have written: bounded in size and number, and cut to what the file
beside it can hold. A lie that is left after that is found by the hash of the finished file.
"""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec

from .folders import read_file
from .ranges import Ranges

MAX_BYTES = 1 << 20
MAX_RANGES = 10_000


class Sidecar(msgspec.Struct, frozen=True):
    """What is in a partial file; stands beside it. `have` lists half-open byte ranges."""

    v: int
    size: int
    digest: str
    have: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """Bytes in all ranges together."""
        return sum(end - start for start, end in self.have)


def read_sidecar(partial: Path, sidecar: Path, digest: str) -> Sidecar | None:
    """What an unfinished file holds; None where that cannot be said.

    A link, a pipe or a folder in the place of the file, or a file with a second name, is none of ours.
    """
    try:
        status = partial.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            return None
        stored = msgspec.json.decode(read_file(sidecar, MAX_BYTES, follow=False), type=Sidecar)
    except (OSError, ValueError, RecursionError):
        return None
    if stored.v != 1 or stored.digest != digest or len(stored.have) > MAX_RANGES:
        return None
    limit = min(stored.size, status.st_size)
    have = Ranges((start, end) for start, end in stored.have if 0 <= start < end <= limit)
    return Sidecar(1, stored.size, digest, tuple(have))
