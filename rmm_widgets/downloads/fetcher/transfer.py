"""One job: from a spec to a snapshot in the cache, with its own threads.

The thread that calls `run` only supervises: it reports, watches the time, and ends the job. Network
and disk are the business of the threads it starts, so that nothing can keep it from answering a cancel.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial

import msgspec

from ...errors import (
    DownloadCancelledError,
    DownloadError,
    DownloadStalledError,
    DownloadTimeoutError,
    IntegrityError,
)
from ...file_records import FileProgress
from ...types import DownloadPhase
from ..digest import SHA256_LENGTH
from ..layout import CacheLayout
from ..plan import DownloadPlan, PlannedFile, plan_download
from ..spec import MAX_FILES, FetchProgress, FetchResult, FetchSpec
from .connection import Connections
from .control import JobControl, StoppedError
from .crew import Crew
from .fallback.delivery import HubDelivery
from .faults import disk_error, disk_full, host_of, no_hub
from .file import FileTransfer
from .hub import HubClient
from .limits import Limits
from .persistence import persist
from .progress import ProgressMeter
from .schedule import Schedule
from .small import LARGEST, SmallFile, SmallFiles
from .worker import Worker

TICK = 0.12
"""Seconds between progress records: fewer than ten a second, with room for the last one."""
UNWIND_TIME = 0.5
"""Seconds for threads to end by themselves; one that is left over can write nothing any more."""
SPARE = 1 << 20
"""Bytes that must stay free, for links and listings."""


class Transfer:
    """Runs one download.

    Args:
        report: Gets progress records, at most ten a second, from the thread that calls `run`.
        limits: What it shares with the other jobs of the process.
    """

    def __init__(self, spec: FetchSpec, report: Callable[[FetchProgress], None], limits: Limits | None = None) -> None:
        self._spec = spec
        self._report = report
        self._limits = limits or Limits()
        self._layout = CacheLayout(spec.cache_dir, spec.repo_id)
        self._control = JobControl(spec.stall_timeout)
        self._meter = ProgressMeter()
        self._began = time.monotonic()
        self._is_cancelled = False
        self._connections: list[Connections] = []
        self._threads: list[threading.Thread] = []
        self._plan: DownloadPlan | None = None
        self._files: list[FileTransfer] = []
        self._small: SmallFiles | None = None
        self._contents: list[FileTransfer | SmallFile] = []
        self._schedule = Schedule(())
        self._crew = Crew(self._began, 1)
        self._workers: dict[int, threading.Thread] = {}
        self._last: FetchProgress | None = None
        self._last_at = 0.0

    def cancel(self) -> None:
        """End the job soon, from any thread; `run` then raises."""
        self._is_cancelled = True
        self._control.changed.set()

    def files(self) -> list[FileProgress]:
        """How far each file is, from any thread; the first MAX_FILES in the order of the repository's names."""
        found = [
            FileProgress(
                path=path, size=file.size, downloaded_bytes=file.have, state=file.state, connections=file.connections
            )
            for file in list(self._contents)
            for path in file.paths
        ]
        return sorted(found, key=lambda each: each.path)[:MAX_FILES]

    def run(self) -> FetchResult:
        """Download, and return when nothing more is written.

        Raises:
            DownloadError: The model was not delivered; what has arrived is kept.
        """
        try:
            self._spawn(self._resolve)
            self._supervise(lambda: self._plan is not None)
            plan = self._plan
            assert plan is not None  # noqa: S101
            self._prepare(plan)
            self._supervise(lambda: self._schedule.is_done)
            return self._conclude(plan)
        except OSError as error:
            raise self._disk_error(error) from error
        finally:
            self._release()

    # -- the threads --------------------------------------------------------------------------------

    def _spawn(self, work: Callable[[Connections], None]) -> threading.Thread:
        """Start a thread with connections of its own."""
        connections = Connections(self._spec.endpoint, self._spec.token, self._spec.stall_timeout / 2)
        thread = threading.Thread(target=self._guarded, args=(work, connections), daemon=True)
        self._connections.append(connections)
        self._threads.append(thread)
        thread.start()
        return thread

    def _guarded(self, work: Callable[[Connections], None], connections: Connections) -> None:
        """Run a thread's work; whatever goes wrong becomes the job's error."""
        try:
            work(connections)
        except StoppedError:
            pass
        except DownloadError as error:
            self._control.fail(error)
        except Exception as error:  # noqa: BLE001
            traceback.print_exc(file=sys.stderr)
            self._control.fail(
                DownloadError(
                    f"The fetch process failed unexpectedly: {type(error).__name__}.",
                    hint="Please report this with the fetch process's log.",
                )
            )
        finally:
            connections.close()
            self._control.changed.set()

    def _resolve(self, connections: Connections) -> None:
        spec = self._spec
        hub = HubClient(spec, connections)
        document = persist(self._control, spec.repo_id, hub.describe_repository)
        plan = self._planned(document)
        if plan.gated:
            persist(self._control, spec.repo_id, hub.check_gate)
        self._plan = plan

    def _planned(self, document: bytes) -> DownloadPlan:
        spec = self._spec
        try:
            return plan_download(
                document,
                repo_id=spec.repo_id,
                revision=spec.revision or "main",
                allow_patterns=spec.allow_patterns,
                ignore_patterns=spec.ignore_patterns,
            )
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise no_hub(host_of(spec.endpoint), "the description of a repository") from None
        except ValueError as error:
            raise IntegrityError(
                f"{spec.repo_id} cannot be downloaded safely: {error}.",
                hint="Check the patterns, the repository and the endpoint.",
            ) from None

    def _staff(self) -> None:
        """See to it that as many threads are at work as bring something."""
        has_work = self._schedule.has_work
        now = time.monotonic()
        self._crew.measure(now, self._control.fetched_bytes, time.process_time(), has_work=has_work)
        for number in range(self._crew.size if has_work else 0):
            worker = self._workers.get(number)
            if worker is None or not worker.is_alive():
                if not self._limits.claim_connection(is_first=number == 0):
                    return
                self._workers[number] = self._spawn(partial(self._work, number))

    def _work(self, number: int, connections: Connections) -> None:
        try:
            Worker(
                self._control,
                self._schedule,
                HubClient(self._spec, connections),
                HubDelivery(self._spec, self._control),
                is_wanted=lambda: number < self._crew.size,
                slow_down=lambda seconds: self._crew.slow_down(time.monotonic(), seconds),
                leave_to_hub=self._leave_to_hub,
                disk_error=self._disk_error,
                line_timeout=self._spec.stall_timeout / 2,
            ).run()
        finally:
            self._limits.return_connection()

    def _leave_to_hub(self, small: SmallFile) -> None:
        """A small file that plain HTTP does not serve goes the way of the large ones."""
        file = FileTransfer(self._layout, small.commit, small.planned, through_hub=True)
        self._files.append(file)
        self._contents[self._contents.index(small)] = file
        self._schedule.replace_small(file)

    # -- the supervisor -----------------------------------------------------------------------------

    def _supervise(self, is_done: Callable[[], bool]) -> None:
        """Report and watch until the threads have done their part.

        Raises:
            DownloadError: They failed, or the job must end.
        """
        while True:
            self._show()
            if self._is_cancelled:
                raise DownloadCancelledError("The download was cancelled.", hint="Download again to go on with it.")
            self._check_error()
            if is_done() and not self._control.is_failing:
                return
            self._check_time()
            self._staff()
            self._control.changed.wait(TICK / 2)
            self._control.changed.clear()

    def _check_error(self) -> None:
        error = self._control.error
        if error is not None and (self._control.is_over or not any(thread.is_alive() for thread in self._threads)):
            raise error

    def _check_time(self) -> None:
        now, spec, control = time.monotonic(), self._spec, self._control
        if spec.deadline is not None and now - self._began > spec.deadline:
            raise DownloadTimeoutError(
                f"{spec.repo_id} was not downloaded within {spec.deadline:g} s.",
                hint="Download again, it resumes; or raise download_timeout.",
            )
        if control.is_working_locally or self._schedule.only_waits:
            control.alive()
        elif control.watch.is_stalled(now, control.fetched_bytes):
            raise DownloadStalledError(
                f"Next to no bytes came from {host_of(spec.endpoint)} for {spec.stall_timeout:g} s.",
                hint="Check the network, then download again; it resumes.",
            )

    def _prepare(self, plan: DownloadPlan) -> None:
        by_digest: dict[str, list[PlannedFile]] = {}
        for file in plan.files:
            by_digest.setdefault(file.digest, []).append(file)
        small = [files for files in by_digest.values() if self._is_small(files[0])]
        large = [files for files in by_digest.values() if not self._is_small(files[0])]
        self._small = SmallFiles(self._layout, plan.commit, small)
        self._files = [
            FileTransfer(self._layout, plan.commit, files, through_hub=self._is_too_large(files[0])) for files in large
        ]
        self._contents = [*self._files, *self._small.files]
        self._meter.set_plan(plan.total_bytes, len(plan.files))
        self._check_space()
        self._layout.prepare(plan.commit, plan.tree)
        self._layout.write_begun(plan.revision, plan.commit)
        self._layout.remove_leftovers()
        self._schedule = Schedule(self._files, self._small)
        pieces = sum(file.pieces for file in self._contents)
        self._crew = Crew(time.monotonic(), most=max(1, min(self._spec.connections, pieces)))
        self._control.alive()

    def _is_small(self, file: PlannedFile) -> bool:
        return file.size <= LARGEST and not self._is_too_large(file)

    def _is_too_large(self, file: PlannedFile) -> bool:
        """True for a file that the Hub does not serve by plain HTTP; those in LFS can be had by Xet."""
        return file.size > self._spec.plain_http_limit and len(file.digest) == SHA256_LENGTH

    def _need(self) -> int:
        """Bytes that the disk must still take."""
        return sum(file.room_needed for file in self._contents)

    def _check_space(self) -> None:
        free = self._limits.plan_space(self, self._layout.root, self._need)
        need = self._need()
        if need and need + SPARE > free:
            raise disk_full(str(self._layout.cache_dir), need=need, free=free)

    def _conclude(self, plan: DownloadPlan) -> FetchResult:
        self._show("finishing")
        lost = [file.path for file in plan.files if not self._layout.has_file(plan.commit, file.path, file.size)]
        if lost:
            raise DownloadError(
                f"{lost[0]} was removed from the cache while {self._spec.repo_id} was downloaded.",
                hint="Download again.",
            )
        self._layout.write_ref(plan.revision, plan.commit)
        self._layout.remove_begun(plan.revision)
        self._show("done")
        return FetchResult(
            snapshot=str(self._layout.snapshot(plan.commit)),
            commit=plan.commit,
            total_bytes=plan.total_bytes,
            files=tuple(file.path for file in plan.files),
            fetched_bytes=self._control.fetched_bytes,
            verified=tuple(file.verified for file in self._contents if file.verified is not None),
        )

    def _release(self) -> None:
        """Make sure that nothing is written any more, and give back locks and connections."""
        self._control.stop()
        self._schedule.stop()
        for connections in self._connections:
            connections.abort()
        until = time.monotonic() + UNWIND_TIME
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for file in self._files:
            file.close()
        if self._small is not None:
            self._small.close()
        self._limits.forget_space(self)
        self._layout.close()

    def _show(self, phase: DownloadPhase | None = None) -> None:
        """Report, where something changed and it is time."""
        now = time.monotonic()
        if phase != "done" and now < self._last_at + TICK:
            return
        self._meter.measure(now, self._control.fetched_bytes)
        downloaded = sum(file.shown_bytes for file in self._contents)
        record = self._meter.record(
            phase or self._phase(downloaded),
            downloaded_bytes=downloaded,
            files_done=sum(len(file.paths) for file in self._contents if file.is_finished),
            current_file=None if phase else self._control.current_file,
            note="" if phase else next((file.note for file in self._files if file.note), ""),
        )
        if record != self._last:
            self._report(record)
            self._last, self._last_at = record, now

    def _phase(self, downloaded: int) -> DownloadPhase:
        if self._plan is None or not self._contents:
            return "resolving"
        if self._schedule.only_waits:
            return "waiting_for_other"
        return "verifying" if downloaded == self._meter.total_bytes else "downloading"

    def _disk_error(self, error: OSError) -> DownloadError:
        free = self._limits.plan_space(self, self._layout.root, self._need)
        return disk_error(error, str(self._layout.cache_dir), need=self._need(), free=free)
