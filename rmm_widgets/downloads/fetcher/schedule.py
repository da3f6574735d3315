"""Who does what next in one job: files in order, their segments in order, and files others hold."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable

from .file import FileTransfer, Segment

LOCK_POLL = 0.2
"""Seconds between looks at a file that another program is fetching."""


class Schedule:
    """Hands out work to the job's threads. Thread-safe.

    Small files come first, so that large ones, which many connections can share, make the end.
    """

    def __init__(self, files: Iterable[FileTransfer]) -> None:
        self._changed = threading.Condition()
        self._files = deque(sorted(files, key=lambda file: file.size))
        self._unfinished = len(self._files)
        self._segments: deque[Segment] = deque()
        self._elsewhere: deque[tuple[float, FileTransfer]] = deque()
        self._in_work: set[FileTransfer] = set()
        self._is_stopped = False

    @property
    def is_done(self) -> bool:
        """True when every file is finished or abandoned."""
        return self._unfinished == 0

    @property
    def only_waits(self) -> bool:
        """True when all that is left is being fetched by other programs."""
        return bool(self._elsewhere) and not self._files and not self._in_work

    def take(self) -> Segment | FileTransfer | None:
        """A segment to fetch or a file to open; blocks until there is one. None: nothing more to do."""
        with self._changed:
            while not self._is_stopped and self._unfinished:
                if (work := self._next()) is not None:
                    return work
                self._changed.wait(LOCK_POLL)
            return None

    def add(self, segments: Iterable[Segment]) -> None:
        """Offer the segments of an open file."""
        with self._changed:
            self._segments.extend(segments)
            self._changed.notify_all()

    def postpone(self, file: FileTransfer) -> None:
        """Look at a file again later: another program is fetching it."""
        with self._changed:
            self._in_work.discard(file)
            self._elsewhere.append((time.monotonic() + LOCK_POLL, file))

    def repeat(self, file: FileTransfer) -> None:
        """Fetch a file once more from its start."""
        with self._changed:
            self._in_work.discard(file)
            self._files.append(file)
            self._changed.notify()

    def finish(self, file: FileTransfer) -> None:
        """A file is in its place."""
        self._settle(file)

    def abandon(self, file: FileTransfer) -> None:
        """A file cannot be fetched; the others can."""
        self._settle(file)

    def _settle(self, file: FileTransfer) -> None:
        with self._changed:
            if file not in self._in_work:
                return
            self._in_work.remove(file)
            self._segments = deque(segment for segment in self._segments if segment.file is not file)
            self._unfinished -= 1
            if not self._unfinished:
                self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _next(self) -> Segment | FileTransfer | None:
        while self._segments:
            segment = self._segments.popleft()
            if not segment.is_superseded:
                return segment
        file = None
        if self._files:
            file = self._files.popleft()
        elif self._elsewhere and self._elsewhere[0][0] <= time.monotonic():
            file = self._elsewhere.popleft()[1]
        if file is not None:
            self._in_work.add(file)
        return file
