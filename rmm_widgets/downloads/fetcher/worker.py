"""One thread of a job: takes work, fetches, tries again, verifies, publishes.

What to do next comes from `schedule`, what an answer means from `hub`, how to try again is `persistence`'s matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from mmap import mmap
from typing import TypeVar

from ...errors import DownloadError, IntegrityError
from ..digest import new_hash
from .connection import Answer
from .control import JobControl, StoppedError
from .fallback.decision import PlainHttpRefused, RefusalCount
from .fallback.delivery import HubDelivery, NotInXet
from .faults import RangeRefused, Retry
from .file import FileTransfer, Segment
from .hub import HubClient
from .partial import PartialClosedError
from .persistence import persist
from .progress import StallWatch
from .schedule import Schedule, Work
from .small import LARGEST, SmallFile, SmallFiles

BUFFER = LARGEST
"""Bytes per thread between network and disk: a small file is held whole, and a kill costs no more of a large one."""
MAX_REJECTIONS = 2
T = TypeVar("T")


class Worker:
    """Fetches segments and finishes files until there is nothing left to do.

    Args:
        delivery: For files that plain HTTP does not serve.
        is_wanted: Asked before each piece of work; False ends the worker.
        slow_down: Called where the server asks for less, with the seconds it asks to wait.
        leave_to_hub: Called with a small file that plain HTTP does not serve.
        disk_error: Makes the job's error of a failed write.
        line_timeout: Seconds after which a connection that gives next to nothing is replaced.
    """

    def __init__(
        self,
        control: JobControl,
        schedule: Schedule,
        hub: HubClient,
        delivery: HubDelivery,
        *,
        is_wanted: Callable[[], bool],
        slow_down: Callable[[float], None],
        leave_to_hub: Callable[[SmallFile], None],
        disk_error: Callable[[OSError], DownloadError],
        line_timeout: float,
    ) -> None:
        self._control = control
        self._schedule = schedule
        self._hub = hub
        self._delivery = delivery
        self._is_wanted = is_wanted
        self._slow_down = slow_down
        self._leave_to_hub = leave_to_hub
        self._disk_error = disk_error
        self._line_timeout = line_timeout
        # Pages of the system that cost nothing until they are used: most files are far smaller.
        self._memory = mmap(-1, BUFFER)
        self._buffer = memoryview(self._memory)

    def run(self) -> None:
        """Work until there is no more, or the job is over. Failures are noted in the control."""
        last: FileTransfer | None = None
        while not self._control.is_over and self._is_wanted() and (work := self._schedule.take(last)) is not None:
            file = work.file if isinstance(work, Segment) else work
            last = file if isinstance(file, FileTransfer) else None
            try:
                self._do(work)
            except (StoppedError, PartialClosedError):
                continue  # where the job is ending, the schedule has nothing more
            except OSError as error:
                self._control.fail(self._disk_error(error))
                self._schedule.settle(file)
            except DownloadError as error:
                self._control.fail(error)
                self._schedule.settle(file)

    def _do(self, work: Work) -> None:
        match work:
            case Segment():
                try:
                    self._fetch(work)
                finally:
                    self._schedule.end_segment(work)
            case SmallFile():
                self._fetch_whole(work)
            case SmallFiles():
                self._open_small(work)
            case FileTransfer():
                self._open(work)

    # -- small files --------------------------------------------------------------------------------

    def _open_small(self, small: SmallFiles) -> None:
        with self._control.local_work():
            self._control.check()
            if small.open():
                self._schedule.add_small(small.files)
            else:
                self._schedule.postpone(small)

    def _fetch_whole(self, file: SmallFile) -> None:
        self._control.current_file = file.path
        file.connections = 1
        try:
            content = self._read_whole(file)
        except PlainHttpRefused:
            self._leave_to_hub(file)
            return
        finally:
            file.connections = 0
        computed = new_hash(file.digest, file.size)
        computed.update(content)
        if computed.hexdigest() == file.digest:
            file.store(content)
            self._schedule.settle(file)
            return
        file.reject(content)
        self._repeat_or_refuse(file)

    def _read_whole(self, file: SmallFile) -> memoryview:
        """Fetch a small file into this thread's own buffer; an attempt goes on where the last one broke off."""
        came = 0

        def attempt() -> None:
            nonlocal came
            came = 0 if file.one_stream else came
            if came == file.size:
                return
            line = StallWatch(self._line_timeout, time.monotonic())
            with self._hub.open_range(file, came, file.size) as answer:
                began_at = came
                while came < file.size:
                    came += self._read(answer, self._buffer[came : file.size])
                    self._check_line(line, came - began_at, file.path)

        refusals = RefusalCount(file, lambda: came)
        try:
            self._persist(file.path, lambda: refusals.watch(attempt), lambda: came)
        except RangeRefused:
            came, file.one_stream = 0, True
            self._persist(file.path, lambda: refusals.watch(attempt))
        return self._buffer[: file.size]

    # -- large files --------------------------------------------------------------------------------

    def _open(self, file: FileTransfer) -> None:
        is_left_to_hub = False
        with self._control.local_work():
            self._control.check()
            if not file.open():
                self._schedule.postpone(file)
            elif file.is_present:
                file.show()
                self._schedule.settle(file)
            elif file.is_complete:
                self._verify(file)
            elif file.through_hub:
                is_left_to_hub = True
            else:
                self._schedule.add(file, file.remaining())
        if is_left_to_hub:  # not as local work: the network is watched
            self._deliver(file)

    def _fetch(self, segment: Segment) -> None:
        file = segment.file
        self._control.current_file = file.path
        refusals = RefusalCount(file, lambda: segment.position)
        try:
            self._persist(file.path, lambda: refusals.watch(lambda: self._stream(segment)), lambda: segment.position)
        except PlainHttpRefused:
            if file.leave_to_hub():
                self._deliver(file)
            return
        except RangeRefused:
            self._schedule.add(file, file.fall_back())
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
        """One attempt at the rest of a segment, whose end may come nearer meanwhile."""
        if segment.is_superseded or segment.position >= segment.end:
            return
        with segment.file.connected(), self._hub.open_range(segment.file, segment.position, segment.end) as answer:
            skip = segment.position if segment.file.one_stream else 0
            now = time.monotonic()
            segment.begin(now)
            line = StallWatch(self._line_timeout, now)
            while segment.position < segment.end and not segment.is_superseded:
                wanted = min(BUFFER, skip + segment.end - segment.position)
                count = self._read(answer, self._buffer[:wanted])
                skipped = min(skip, count)
                skip -= skipped
                segment.file.write(segment.position, self._buffer[skipped:count])
                segment.advance(time.monotonic(), count, count - skipped)
                self._check_line(line, segment.came, segment.file.path)

    def _deliver(self, file: FileTransfer) -> None:
        """Fetch a file through huggingface_hub, or find that only plain HTTP is left."""
        self._control.current_file = file.path
        try:
            is_right = self._delivery.deliver(file)
        except NotInXet:
            self._schedule.add(file, file.return_to_plain())
            return
        if is_right:
            self._schedule.settle(file)
        else:
            self._reject(file)

    def _verify(self, file: FileTransfer) -> None:
        partial, hasher = file.opened_parts()
        partial.begin_sync()
        is_right = hasher.matches(self._control.stopping.is_set)
        self._control.check()
        if is_right:
            file.publish()
            self._schedule.settle(file)
        else:
            self._reject(file)

    def _reject(self, file: FileTransfer) -> None:
        file.reject()
        self._repeat_or_refuse(file)

    # -- both ---------------------------------------------------------------------------------------

    def _read(self, answer: Answer, buffer: memoryview) -> int:
        self._control.check()
        if self._control.is_over:
            raise StoppedError
        count = answer.read_into(buffer)
        if not count:
            raise Retry("the answer ended early")
        self._control.count_fetched(count)
        return count

    def _check_line(self, line: StallWatch, came: int, path: str) -> None:
        if line.is_stalled(time.monotonic(), came):
            raise Retry(f"{path} comes too slowly", kind="stalled")

    def _persist(self, what: str, attempt: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
        return persist(self._control, what, attempt, progress, slow_down=self._slow_down)

    def _repeat_or_refuse(self, file: FileTransfer | SmallFile) -> None:
        if file.rejections >= MAX_REJECTIONS:
            raise IntegrityError(
                f"{file.path}: the bytes differ from what the Hub published, twice in a row.",
                hint="The Hub, a mirror or a proxy serves damaged files: try later or another endpoint.",
            )
        self._schedule.repeat(file)
