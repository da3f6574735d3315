"""One job: from a spec to a snapshot in the cache, with its own threads.

The thread that calls `run` only supervises: it reports, watches the time, and ends the job. Network
and disk are the business of the threads it starts, so that nothing can keep it from answering a cancel.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from ...errors import (
    DownloadCancelledError,
    DownloadError,
    DownloadStalledError,
    DownloadTimeoutError,
    HubUnavailableError,
    IntegrityError,
)
from ...types import DownloadPhase
from ..layout import CacheLayout
from ..plan import DownloadPlan, PlannedFile, plan_download
from ..spec import FetchProgress, FetchResult, FetchSpec
from .connection import Connections
from .control import JobControl, StoppedError
from .faults import disk_error, disk_full, host_of
from .file import FileTransfer
from .hub import HubClient
from .progress import ProgressMeter
from .schedule import Schedule
from .worker import Worker, persist

TICK = 0.12
"""Seconds between progress records: fewer than ten a second."""
UNWIND_TIME = 0.5
"""Seconds for threads to end by themselves; one that is left over can write nothing any more."""
SPARE = 1 << 20
"""Bytes that must stay free, for links and listings."""


class Transfer:
    """Runs one download.

    Args:
        report: Gets progress records, at most ten a second, from the thread that calls `run`.
    """

    def __init__(self, spec: FetchSpec, report: Callable[[FetchProgress], None]) -> None:
        self._spec = spec
        self._report = report
        self._layout = CacheLayout(spec.cache_dir, spec.repo_id)
        self._control = JobControl(spec.stall_timeout)
        self._meter = ProgressMeter()
        self._began = time.monotonic()
        self._is_cancelled = False
        self._connections: list[Connections] = []
        self._threads: list[threading.Thread] = []
        self._plan: DownloadPlan | None = None
        self._files: list[FileTransfer] = []
        self._schedule = Schedule(())
        self._last: FetchProgress | None = None
        self._last_at = 0.0

    def cancel(self) -> None:
        """End the job soon, from any thread; `run` then raises."""
        self._is_cancelled = True
        self._control.changed.set()

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
            for _ in range(min(self._spec.connections, 4 * len(self._files))):
                self._spawn(self._work)
            self._supervise(lambda: self._schedule.is_done)
            return self._conclude(plan)
        except OSError as error:
            raise self._disk_error(error) from error
        finally:
            self._release()

    # -- the threads --------------------------------------------------------------------------------

    def _spawn(self, work: Callable[[Connections], None]) -> None:
        """Start a thread with connections of its own."""
        connections = Connections(self._spec.endpoint, self._spec.token, self._spec.stall_timeout / 2)
        thread = threading.Thread(target=self._guarded, args=(work, connections), daemon=True)
        self._connections.append(connections)
        self._threads.append(thread)
        thread.start()

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
            raise HubUnavailableError(
                f"{host_of(spec.endpoint)} did not answer with the description of a repository.",
                hint="Check the endpoint, and that no login page of the network stands in between.",
            ) from None
        except ValueError as error:
            raise IntegrityError(
                f"{spec.repo_id} cannot be downloaded safely: {error}.",
                hint="Check the patterns, the repository and the endpoint.",
            ) from None

    def _work(self, connections: Connections) -> None:
        worker = Worker(
            self._control,
            self._schedule,
            HubClient(self._spec, connections),
            disk_error=self._disk_error,
            line_timeout=self._spec.stall_timeout / 2,
        )
        worker.run()

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
            self._control.changed.wait(TICK)
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
        self._files = [FileTransfer(self._layout, plan.commit, files) for files in by_digest.values()]
        self._meter.set_plan(plan.total_bytes, len(plan.files))
        self._check_space()
        self._layout.prepare(plan.commit, plan.tree)
        self._layout.remove_leftovers()
        self._schedule = Schedule(self._files)
        self._control.alive()

    def _check_space(self) -> None:
        need = sum(file.size - file.have for file in self._files)
        free = _free_space(self._layout.root)
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
        self._show("done")
        return FetchResult(
            snapshot=str(self._layout.snapshot(plan.commit)),
            commit=plan.commit,
            total_bytes=plan.total_bytes,
            files=tuple(file.path for file in plan.files),
            fetched_bytes=self._control.fetched_bytes,
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
        self._layout.close()

    def _show(self, phase: DownloadPhase | None = None) -> None:
        """Report, where something changed and it is time."""
        now = time.monotonic()
        if phase == "done":
            time.sleep(max(0.0, self._last_at + TICK - now))
        elif now < self._last_at + TICK:
            return
        self._meter.measure(now, self._control.fetched_bytes)
        downloaded = sum(file.have for file in self._files)
        record = self._meter.record(
            phase or self._phase(downloaded),
            downloaded_bytes=downloaded,
            files_done=sum(len(file.paths) for file in self._files if file.is_finished),
            current_file=None if phase else self._control.current_file,
        )
        if record != self._last:
            self._report(record)
            self._last, self._last_at = record, now

    def _phase(self, downloaded: int) -> DownloadPhase:
        if self._plan is None or not self._files:
            return "resolving"
        if self._schedule.only_waits:
            return "waiting_for_other"
        return "verifying" if downloaded == self._meter.total_bytes else "downloading"

    def _disk_error(self, error: OSError) -> DownloadError:
        need = sum(file.size - file.have for file in self._files)
        return disk_error(error, str(self._layout.cache_dir), need=need, free=_free_space(self._layout.root))


def _free_space(folder: Path) -> int:
    """Bytes free where the folder is or will be."""
    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError):  # not there yet, or a name that is too long
            return shutil.disk_usage(place).free
    return 0
