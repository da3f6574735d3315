"""One unfinished file: a sparse partial, and beside it a sidecar with the ranges that have arrived.

The pair can be taken up again after a kill at any moment: the sidecar is replaced in one step and only
ever names bytes that were written before. A lie in it (a power loss, another program) is found by the
hash, which is compared before the file gets its place.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..digest import Fingerprint, new_hash
from ..layout import SIDECAR_SUFFIX, CacheLayout, Sidecar, write_atomically
from ..plan import PlannedFile
from ..ranges import Ranges

SAVE_EVERY = 1 << 20
"""Bytes that a kill may cost: the sidecar is written again whenever so many have arrived since."""
SYNC_FROM = 8 << 20
"""Bytes from which a file is forced to disk before it gets its place; for thousands of small files
that would take longer than the download, and the hash of a damaged one is found by a verification."""
_CHUNK = 1 << 20


class PartialClosedError(Exception):
    """The job has let go of the file; nothing may be written to it any more."""


class Partial:
    """The partial of one content, open for writing by several threads. Hold the content's lock meanwhile.

    Raises:
        OSError: The file cannot be made or opened.
    """

    def __init__(self, layout: CacheLayout, planned: PlannedFile) -> None:
        self.size = planned.size
        self._digest = planned.digest
        self._path = layout.partial(planned.digest)
        self._sidecar = self._path.with_name(f"{planned.digest}{SIDECAR_SUFFIX}")
        self._guard = threading.Lock()
        sidecar = layout.read_sidecar(planned.digest)
        self._have = Ranges(sidecar.have if sidecar and sidecar.size == planned.size else ())
        self._saved = self._have.total
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.fdopen(os.open(self._path, flags, 0o644), "r+b", buffering=0)
        if os.fstat(self._file.fileno()).st_size > self.size:
            self._file.truncate(self.size)

    @property
    def have(self) -> int:
        """Bytes that are there."""
        return self._have.total

    @property
    def prefix(self) -> int:
        """Bytes that are there without a gap from the start."""
        with self._guard:
            return self._have.prefix()

    @property
    def is_complete(self) -> bool:
        """True when no byte is missing."""
        return self._have.total == self.size

    def missing(self) -> list[tuple[int, int]]:
        """The ranges still to fetch."""
        with self._guard:
            return self._have.missing(self.size)

    def write(self, position: int, data: memoryview) -> int:
        """Write bytes at a position. Returns how many of them were not there before.

        Raises:
            OSError: The disk refused; what fitted is kept.
            PartialClosedError: The job ended meanwhile.
        """
        with self._guard:
            if self._file.closed:
                raise PartialClosedError
            before = self._have.total
            while data:
                self._file.seek(position)
                written = self._file.write(data)
                self._have.add(position, position + written)
                position, data = position + written, data[written:]
            if self._have.total - self._saved >= SAVE_EVERY:
                self._save()
            return self._have.total - before

    def close(self) -> None:
        """Let go of the file and keep it for the next try; safe to call twice."""
        with self._guard:
            if self._file.closed:
                return
            if self._have.total > self._saved:
                self._save()
            self._file.close()

    def discard(self, aside: Path | None = None) -> None:
        """Let go of the file and remove it, or move it `aside`."""
        with self._guard:
            self._file.close()
            self._sidecar.unlink(missing_ok=True)
            if aside is not None:
                self._path.replace(aside)
            else:
                self._path.unlink(missing_ok=True)

    def publish(self, blob: Path) -> Fingerprint:
        """Give the finished, verified file its place. Returns what tells it from a later one.

        Raises:
            OSError: The disk refused.
            PartialClosedError: The job ended meanwhile.
        """
        with self._guard:
            if self._file.closed:
                raise PartialClosedError
            if self.size >= SYNC_FROM:
                os.fsync(self._file.fileno())
            fingerprint = Fingerprint.of(os.fstat(self._file.fileno()))
            self._file.close()
            self._path.replace(blob)
            self._sidecar.unlink(missing_ok=True)
            return fingerprint

    def hasher(self) -> PrefixHasher:
        """A hasher that follows this file as it grows."""
        return PrefixHasher(self._path, self._digest, self.size)

    def _save(self) -> None:
        sidecar = Sidecar(v=1, size=self.size, digest=self._digest, have=tuple(self._have))
        try:
            write_atomically(self._sidecar, msgspec.json.encode(sidecar), scratch=self._path.parent)
        except OSError:
            return  # the old one still holds, and only says less; a full disk shows at the next write
        self._saved = self._have.total


class PrefixHasher:
    """Hashes a file from its start, as far as it is there, so that little is left to do at the end."""

    def __init__(self, path: Path, digest: str, size: int) -> None:
        self._path = path
        self._digest = digest
        self._size = size
        self._hash = new_hash(digest, size)
        self._position = 0
        self._turn = threading.Lock()

    def feed(self, position: int, data: memoryview) -> None:
        """Take bytes that were just written, where they are the next ones: cheaper than reading them again."""
        if position == self._position and self._turn.acquire(blocking=False):
            try:
                if position == self._position:
                    self._hash.update(data)
                    self._position += len(data)
            finally:
                self._turn.release()

    def follow(self, limit: int, stopped: Callable[[], bool]) -> None:
        """Hash up to `limit` bytes of the file, unless another thread is at it already."""
        if self._turn.acquire(blocking=False):
            try:
                self._advance(limit, stopped)
            finally:
                self._turn.release()

    def matches(self, stopped: Callable[[], bool]) -> bool:
        """Hash the rest and compare; False also where `stopped` said so before the end."""
        with self._turn:
            self._advance(self._size, stopped)
        return self._position == self._size and self._hash.hexdigest() == self._digest

    def _advance(self, limit: int, stopped: Callable[[], bool]) -> None:
        if self._position >= limit:
            return
        buffer = memoryview(bytearray(min(_CHUNK, limit - self._position)))
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._position)
            while self._position < limit and not stopped():
                count = file.readinto(buffer[: limit - self._position])
                if not count:
                    return
                self._hash.update(buffer[:count])
                self._position += count
