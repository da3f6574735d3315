"""What the threads of one job share: whether to go on, the first error, and the counts that are shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from ...errors import DiskFullError, DownloadError
from .progress import StallWatch

GRACE = 2.0
"""Seconds that other files get to finish after one has failed."""


class StoppedError(Exception):
    """The job is ending: unwind without a word."""


class JobControl:
    """Shared state of one job. Thread-safe."""

    def __init__(self, stall_timeout: float) -> None:
        self.stopping = threading.Event()
        self.changed = threading.Event()
        """Set when the supervisor should look again at once."""
        self.watch = StallWatch(stall_timeout, time.monotonic())
        self.current_file: str | None = None
        self._guard = threading.Lock()
        self._fetched = 0
        self._local_work = 0
        self._error: DownloadError | None = None
        self._grace_ends = 0.0

    @property
    def fetched_bytes(self) -> int:
        """Bytes of bodies that have come over the network."""
        return self._fetched

    @property
    def error(self) -> DownloadError | None:
        """The first error of any thread."""
        return self._error

    @property
    def is_failing(self) -> bool:
        """True once something has failed: wait for nothing any more."""
        return self._error is not None

    @property
    def is_over(self) -> bool:
        """True when the job has failed and the others have had their time."""
        return self._error is not None and time.monotonic() >= self._grace_ends

    @property
    def is_working_locally(self) -> bool:
        """True while a thread hashes or writes without the network."""
        return self._local_work > 0

    def check(self) -> None:
        """Raise StoppedError when the job is ending."""
        if self.stopping.is_set():
            raise StoppedError

    def stop(self) -> None:
        """End all threads as soon as they look."""
        self.stopping.set()
        self.changed.set()

    def fail(self, error: DownloadError) -> None:
        """Note why the job cannot succeed; the first error counts."""
        with self._guard:
            if self._error is None:
                self._error = error
                self._grace_ends = time.monotonic() + (0 if isinstance(error, DiskFullError) else GRACE)
        self.changed.set()

    def count_fetched(self, size: int) -> None:
        """Count bytes that came over the network."""
        with self._guard:
            self._fetched += size

    def pause(self, seconds: float) -> None:
        """Wait, unless the job ends or fails meanwhile.

        Raises:
            StoppedError: It does.
        """
        if self.is_failing or self.stopping.wait(seconds) or self.is_failing:
            raise StoppedError

    def alive(self, until: float = 0.0) -> None:
        """Tell the stall watch of a sign of life, good until a time of the monotonic clock."""
        with self._guard:
            self.watch.alive(max(until, time.monotonic()))

    @contextmanager
    def local_work(self) -> Generator[None]:
        """A block that hashes or writes; no bytes are expected from the network meanwhile."""
        with self._guard:
            self._local_work += 1
        try:
            yield
        finally:
            with self._guard:
                self._local_work -= 1
            self.alive()
