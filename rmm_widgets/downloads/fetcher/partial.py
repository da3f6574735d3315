"""One unfinished file: a sparse partial, and beside it a sidecar with the ranges that have arrived.

The pair can be taken up again after a kill at any moment: the sidecar is replaced in one step and only
ever names bytes that were written before. A lie in it (a power loss, another program) is found by the
hash, which is compared before the file gets its place. How the pair is named, and why no two processes
ever write to the same file, is told in `downloads.unfinished`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from ..digest import Fingerprint, new_hash
from ..folders import start_write_back
from ..layout import CacheLayout
from ..plan import PlannedFile
from ..ranges import Ranges

SAVE_EVERY = 1 << 20
"""Bytes that a kill may cost: the sidecar is written again whenever so many have arrived since; of two or more
ranges half as many each."""
SYNC_FROM = 8 << 20
"""Bytes from which a file is forced to disk before it gets its place; for thousands of small files
that would take longer than the download, and the hash of a damaged one is found by a verification."""
WRITE_BACK_EVERY = 8 << 20
"""Bytes after which the system is asked to begin writing to disk; the fsync at the end waits for the rest."""
_CHUNK = 1 << 20
_HAS_POSITIONS = hasattr(os, "preadv") and hasattr(os, "pwrite")


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
        self._guard = threading.Lock()
        self._working = layout.unfinished.begin(planned.digest, planned.size)
        self._have = Ranges(self._working.have)
        self._claimed = Ranges(self._working.have)
        self._saved = self._have.total
        self._saving = threading.Lock()
        """Held while the working file's name or record is changed; taken before the guard."""
        self._behind = 0
        self._sync: threading.Thread | None = None
        with self._working.file as file:
            if os.fstat(file).st_size > self.size:
                os.ftruncate(file, self.size)

    @property
    def have(self) -> int:
        """Bytes that are there."""
        return self._have.total

    @property
    def prefix(self) -> int:
        """Bytes that are there without a gap from the start."""
        with self._guard:
            return self._have.prefix()

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
        # What is there, or is being written at this moment, is left alone: no byte of the file is ever
        # written twice, so that none can change once it was hashed.
        with self._guard:
            self._check_open()
            gaps = self._claimed.gaps(position, position + len(data))
            for start, end in gaps:
                self._claimed.add(start, end)
        for start, end in gaps:
            self._write(start, data[start - position : end - position])
        if self._is_save_due() and self._saving.acquire(blocking=False):
            try:
                self._save()
            finally:
                self._saving.release()
        return sum(end - start for start, end in gaps)

    def _is_save_due(self) -> bool:
        # Where several ranges grow at once, each has grown by its part only.
        return self._have.total - self._saved >= SAVE_EVERY * max(1, len(self._have) // 2)

    def _write(self, position: int, data: memoryview) -> None:
        while data:
            try:
                with nullcontext() if _HAS_POSITIONS else self._guard, self._working.file as file:
                    written = _write_at(file, data, position)
            except OSError:
                self._check_open()
                raise
            with self._guard:
                self._have.add(position, position + written)
                self._behind += written
                is_far_behind = self._behind >= WRITE_BACK_EVERY
                if is_far_behind:
                    self._behind = 0
            if is_far_behind:
                self._write_back()
            position, data = position + written, data[written:]

    def _write_back(self) -> None:
        """Have the system begin to put on disk what was written, so that little is left to wait for at the end."""
        with contextlib.suppress(OSError), self._working.file as file:
            start_write_back(file)

    def read(self, position: int, buffer: memoryview) -> int:
        """Read back what was written. Returns the number of bytes, 0 at the end of the file.

        Raises:
            OSError: The disk refused.
            PartialClosedError: The job ended meanwhile.
        """
        if _HAS_POSITIONS:
            try:
                with self._working.file as file:
                    return os.preadv(file, [buffer], position)
            except OSError:
                self._check_open()
                raise
        with self._guard:
            self._check_open()
            with self._working.file as file:
                os.lseek(file, position, os.SEEK_SET)
                data = os.read(file, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let go of the file and keep it for the next try; safe to call twice."""
        with self._saving, self._guard:
            if not self._working.file.is_closed:
                self._working.rest(tuple(self._have))

    def discard(self, *, aside: bool = False) -> None:
        """Let go of the file and remove it, with whatever else is unfinished of this content.

        Args:
            aside: Keep it in quarantine.
        """
        with self._saving, self._guard:
            if not self._working.file.is_closed:
                self._working.discard(aside=aside)

    def begin_sync(self) -> None:
        """Force a large file to disk in a thread of its own while its last bytes are hashed; `publish` waits."""
        if self.size >= SYNC_FROM:
            self._sync = threading.Thread(target=self._force_to_disk, daemon=True)
            self._sync.start()

    def _force_to_disk(self) -> None:
        with contextlib.suppress(OSError), self._working.file as file:  # `publish` does it again, and says why not
            os.fsync(file)

    def publish(self, blob: Path) -> Fingerprint:
        """Give the finished, verified file its place in the folder of blobs. Returns what tells it from a later one.

        Raises:
            OSError: The disk refused.
            PartialClosedError: The job ended meanwhile.
        """
        if self._sync is not None:
            self._sync.join()
        with self._saving, self._guard:
            self._check_open()
            return self._working.publish(blob.name, sync=self.size >= SYNC_FROM)

    def hasher(self) -> PrefixHasher:
        """A hasher that follows this file as it grows."""
        return PrefixHasher(self.read, self._digest, self.size)

    def _check_open(self) -> None:
        if self._working.file.is_closed:
            raise PartialClosedError

    def _save(self) -> None:
        with self._guard:
            if self._working.file.is_closed:
                return
            have, total = tuple(self._have), self._have.total
        try:
            self._working.save(have)
        except OSError:
            return  # the old one still holds, and only says less; a full disk shows at the next write
        self._saved = total


class PrefixHasher:
    """Hashes a file from its start, as far as it is there, so that little is left to do at the end.

    Args:
        read: Reads the file at a position into a buffer; the very file that is published afterwards.
    """

    def __init__(self, read: Callable[[int, memoryview], int], digest: str, size: int) -> None:
        self._read = read
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
        while self._position < limit and not stopped():
            count = self._read(self._position, buffer[: limit - self._position])
            if not count:
                return
            self._hash.update(buffer[:count])
            self._position += count


def _write_at(file: int, data: memoryview, position: int) -> int:
    if _HAS_POSITIONS:
        return os.pwrite(file, data, position)
    os.lseek(file, position, os.SEEK_SET)
    return os.write(file, data)
