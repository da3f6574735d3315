"""The hashes the Hub publishes: sha256 for large files, git's sha1 for the others.

How a published digest is looked up belongs to `plan`; this module only computes.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

SHA256_LENGTH = 64
_CHUNK = 1 << 20


class Fingerprint(NamedTuple):
    """What tells a file from a later one at the same place without reading it."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Fingerprint:
        """The fingerprint of a file whose status this is."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino)


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


def file_digest(path: Path, like: str | None, on_bytes: Callable[[int], None]) -> tuple[str, Fingerprint]:
    """Hash a file in the way that gave the digest `like`, or by sha256 where there is none.

    Args:
        on_bytes: Gets the size of each chunk read; what it raises ends the work.

    Returns:
        The digest, and which file it was computed of.

    Raises:
        OSError: The file cannot be read, or was changed meanwhile.
    """
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        computed = new_hash(like or "0" * SHA256_LENGTH, before.st_size)
        while count := file.readinto(buffer):
            computed.update(buffer[:count])
            on_bytes(count)
        fingerprint = Fingerprint.of(os.fstat(file.fileno()))
    if fingerprint != Fingerprint.of(before):
        raise OSError(errno.EAGAIN, "the file is being written", str(path))
    return computed.hexdigest(), fingerprint
