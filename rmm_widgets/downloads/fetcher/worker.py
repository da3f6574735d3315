"""One thread of a job: takes work, fetches, tries again, verifies, publishes.

What to do next comes from `schedule`, what an answer means from `hub`, how long to wait from `retry`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from ...errors import DownloadError, IntegrityError
from .connection import Answer
from .control import JobControl, StoppedError
from .faults import ExpiredAddress, RangeRefused, Retry, gave_up
from .file import FileTransfer, Segment
from .hub import HubClient
from .partial import PartialClosedError
from .progress import StallWatch
from .retry import RetryPolicy
from .schedule import Schedule

BUFFER = 128 << 10
"""Bytes per thread between network and disk."""
MAX_REJECTIONS = 2
POLICY = RetryPolicy()
_chance = random.Random()  # noqa: S311 (spreads retries; nothing secret)
T = TypeVar("T")


def persist(control: JobControl, what: str, attempt: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
    """Repeat an attempt until it succeeds; attempts that bring `progress` do not count as failures.

    Raises:
        DownloadError: It cannot succeed, or the attempts are used up.
        StoppedError: The job ended.
    """
    failures = 0
    while True:
        before = progress()
        try:
            return attempt()
        except Retry as fault:
            control.check()
            came_further = progress() > before
            failures = 0 if came_further else failures + 1
            wait = POLICY.wait(failures, asked=fault.wait, chance=_chance.random())
            if wait is None:
                raise gave_up(fault, what, failures) from None
            if isinstance(fault, ExpiredAddress) and failures == 1:
                wait = 0.0
            if not came_further and fault.kind != "stalled":
                control.alive(time.monotonic() + wait)
            control.pause(wait)


class Worker:
    """Fetches segments and finishes files until there is nothing left to do.

    Args:
        disk_error: Makes the job's error of a failed write.
        line_timeout: Seconds after which a connection that gives next to nothing is replaced.
    """

    def __init__(
        self,
        control: JobControl,
        schedule: Schedule,
        hub: HubClient,
        *,
        disk_error: Callable[[OSError], DownloadError],
        line_timeout: float,
    ) -> None:
        self._control = control
        self._schedule = schedule
        self._hub = hub
        self._disk_error = disk_error
        self._line_timeout = line_timeout
        self._buffer = memoryview(bytearray(BUFFER))

    def run(self) -> None:
        """Work until there is no more, or the job is over. Failures are noted in the control."""
        while not self._control.is_over and (work := self._schedule.take()) is not None:
            file = work if isinstance(work, FileTransfer) else work.file
            try:
                if isinstance(work, FileTransfer):
                    self._open(work)
                else:
                    self._fetch(work)
            except (StoppedError, PartialClosedError):
                continue  # where the job is ending, the schedule has nothing more
            except OSError as error:
                self._control.fail(self._disk_error(error))
                self._schedule.abandon(file)
            except DownloadError as error:
                self._control.fail(error)
                self._schedule.abandon(file)

    def _open(self, file: FileTransfer) -> None:
        with self._control.local_work():
            self._control.check()
            if not file.open():
                self._schedule.postpone(file)
            elif file.is_present:
                file.show()
                self._schedule.finish(file)
            elif file.is_complete:
                self._verify(file)
            else:
                self._schedule.add(file.remaining())

    def _fetch(self, segment: Segment) -> None:
        file = segment.file
        self._control.current_file = file.path
        try:
            persist(self._control, file.path, lambda: self._stream(segment), lambda: segment.position)
        except RangeRefused:
            self._schedule.add(file.fall_back())
            return
        if segment.is_superseded:
            return
        if file.is_complete and file.claim():
            with self._control.local_work():
                self._verify(file)
        elif not file.is_complete:
            partial, hasher = file.opened_parts()
            hasher.follow(partial.prefix, self._control.stopping.is_set)

    def _stream(self, segment: Segment) -> None:
        """One attempt at the rest of a segment."""
        if segment.is_superseded or segment.position == segment.end:
            return
        with segment.file.connected(), self._hub.open_range(segment.file, segment.position, segment.end) as answer:
            skip = segment.position if segment.file.one_stream else 0
            left = skip + segment.end - segment.position
            line = StallWatch(self._line_timeout, time.monotonic())
            came = 0
            while left and not segment.is_superseded:
                count = self._read(answer, left)
                came, left = came + count, left - count
                skipped = min(skip, count)
                skip -= skipped
                segment.file.write(segment.position, self._buffer[skipped:count])
                segment.position += count - skipped
                if line.is_stalled(time.monotonic(), came):
                    raise Retry(f"{segment.file.path} comes too slowly", kind="stalled")

    def _read(self, answer: Answer, limit: int) -> int:
        self._control.check()
        if self._control.is_over:
            raise StoppedError
        count = answer.read_into(self._buffer[: min(len(self._buffer), limit)])
        if not count:
            raise Retry("the answer ended early")
        self._control.count_fetched(count)
        return count

    def _verify(self, file: FileTransfer) -> None:
        _, hasher = file.opened_parts()
        is_right = hasher.matches(self._control.stopping.is_set)
        self._control.check()
        if is_right:
            file.publish()
            self._schedule.finish(file)
            return
        file.reject()
        if file.rejections >= MAX_REJECTIONS:
            raise IntegrityError(
                f"{file.path}: the bytes differ from what the Hub published, twice in a row.",
                hint="The Hub, a mirror or a proxy serves damaged files: try later or another endpoint.",
            )
        self._schedule.repeat(file)
