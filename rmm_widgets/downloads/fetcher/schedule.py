"""Who does what next in one job: small files, then large ones by segments, and files that others hold."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable

from .file import FileTransfer, Segment
from .small import SmallFile, SmallFiles

LOCK_POLL = 0.2
"""Seconds between looks at a file that another program is fetching."""
WORTH_SHARING = 1.0
"""Seconds: a segment that would take longer than this is shared with a connection that has nothing to do."""

Unopened = FileTransfer | SmallFiles
Work = Segment | SmallFile | Unopened


class Schedule:
    """Hands out work to the job's threads. Thread-safe.

    Small files come first, so that large ones, which many connections can share, make the end. A
    connection stays with its file, in order, so that the file is hashed while it comes; one that has
    nothing of its own begins the next file, then helps where most is left.
    """

    def __init__(self, files: Iterable[FileTransfer], small: SmallFiles | None = None) -> None:
        self._changed = threading.Condition()
        large = sorted(files, key=lambda file: file.size)
        self._unopened: deque[Unopened] = deque(large)
        self._unfinished = len(large)
        if small is not None and small.files:
            self._unopened.appendleft(small)
            self._unfinished += len(small.files)
        self._small: deque[SmallFile] = deque()
        self._segments: dict[FileTransfer, deque[Segment]] = {}
        self._running: set[Segment] = set()
        self._elsewhere: deque[tuple[float, Unopened]] = deque()
        self._in_work: set[FileTransfer] = set()
        self._small_in_work = 0
        self._is_stopped = False

    @property
    def is_done(self) -> bool:
        """True when every file is finished or abandoned."""
        return self._unfinished == 0

    @property
    def only_waits(self) -> bool:
        """True when all that is left is being fetched by other programs."""
        return bool(self._elsewhere) and not self._unopened and not self._in_work and not self._small_in_work

    @property
    def has_work(self) -> bool:
        """True when another connection would have something to do at once."""
        with self._changed:
            return bool(self._small or self._unopened or any(self._segments.values()) or self._slowest())

    def take(self, last: FileTransfer | None = None) -> Work | None:
        """Something to fetch or to open; blocks until there is. None: nothing more to do.

        Args:
            last: The file that this thread worked on.
        """
        with self._changed:
            idle_since = time.monotonic()
            while not self._is_stopped and self._unfinished:
                if (work := self._next(last)) is not None:
                    return work
                # Not at once: what is nearly done, or has just become fast, is better left alone.
                if time.monotonic() >= idle_since + LOCK_POLL and (slow := self._slowest()) is not None:
                    other = slow.split()
                    self._running.add(other)
                    return other
                self._changed.wait(LOCK_POLL)
            return None

    def add(self, file: FileTransfer, segments: Iterable[Segment]) -> None:
        """Offer segments of an open file."""
        with self._changed:
            self._segments.setdefault(file, deque()).extend(segments)
            self._changed.notify_all()

    def add_small(self, files: Iterable[SmallFile]) -> None:
        """Offer the small files that are not there yet; the others are finished."""
        with self._changed:
            for file in files:
                if file.is_finished:
                    self._unfinished -= 1
                else:
                    self._small.append(file)
                    self._small_in_work += 1
            self._changed.notify_all()

    def end_segment(self, segment: Segment) -> None:
        """A segment is fetched or given up."""
        with self._changed:
            self._running.discard(segment)

    def postpone(self, file: Unopened) -> None:
        """Look at a file again later: another program is fetching it."""
        with self._changed:
            self._forget(file)
            self._elsewhere.append((time.monotonic() + LOCK_POLL, file))

    def repeat(self, file: FileTransfer | SmallFile) -> None:
        """Fetch a file once more from its start."""
        with self._changed:
            if isinstance(file, SmallFile):
                self._small.append(file)
            else:
                self._forget(file)
                self._unopened.append(file)
            self._changed.notify()

    def replace_small(self, file: FileTransfer) -> None:
        """Fetch this in the place of a small file that was handed out."""
        with self._changed:
            self._small_in_work -= 1
            self._unopened.append(file)
            self._changed.notify()

    def settle(self, file: Unopened | SmallFile) -> None:
        """A file is in its place, or cannot be fetched."""
        with self._changed:
            match file:
                case SmallFile():
                    self._small_in_work -= 1
                    self._unfinished -= 1
                case SmallFiles():
                    self._unfinished -= len(file.files)
                case FileTransfer() if file in self._in_work:
                    self._forget(file)
                    self._unfinished -= 1
                case _:
                    pass
            if not self._unfinished:
                self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _forget(self, file: Unopened) -> None:
        if isinstance(file, FileTransfer):
            self._in_work.discard(file)
            self._segments.pop(file, None)

    def _next(self, last: FileTransfer | None) -> Work | None:
        if self._small:
            return self._small.popleft()
        if last is not None and (segment := self._segment_of(last)):
            return segment
        if self._unopened:
            return self._opening(self._unopened.popleft())
        fullest = max(self._segments, key=lambda file: len(self._segments[file]), default=None)
        if fullest is not None and (segment := self._segment_of(fullest)):
            return segment
        if self._elsewhere and self._elsewhere[0][0] <= time.monotonic():
            return self._opening(self._elsewhere.popleft()[1])
        return None

    def _opening(self, file: Unopened) -> Unopened:
        if isinstance(file, FileTransfer):
            self._in_work.add(file)
        return file

    def _segment_of(self, file: FileTransfer) -> Segment | None:
        waiting = self._segments.get(file)
        while waiting:
            segment = waiting.popleft()
            if not segment.is_superseded:
                self._running.add(segment)
                return segment
        return None

    def _slowest(self) -> Segment | None:
        """The running segment with most left, of those that would take long."""
        now = time.monotonic()
        slow = [segment for segment in self._running if segment.is_worth_sharing(now, WORTH_SHARING)]
        return max(slow, key=lambda segment: segment.end - segment.position, default=None)
