"""The hashes the Hub publishes: sha256 for large files, git's sha1 for the others.

How a published digest is looked up belongs to `plan`; this module only computes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

SHA256_LENGTH = 64
_CHUNK = 1 << 20


class Hash(Protocol):
    """What this package needs of a hashlib object."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more bytes."""
        ...

    def hexdigest(self) -> str:
        """The hash of all bytes so far, in lower-case hex."""
        ...


def new_hash(digest: str, size: int) -> Hash:
    """A hash to compare with `digest`, told apart by its length, for a file of `size` bytes."""
    if len(digest) == SHA256_LENGTH:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def file_matches(path: Path, digest: str, on_bytes: Callable[[int], None]) -> bool:
    """Whether the file's bytes have this digest; `on_bytes` gets the size of each chunk read.

    Raises:
        OSError: The file cannot be read.
    """
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        computed = new_hash(digest, path.stat().st_size)
        while count := file.readinto(buffer):
            computed.update(buffer[:count])
            on_bytes(count)
    return computed.hexdigest() == digest
