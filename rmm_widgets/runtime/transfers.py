"""Running transfers: a Hub repository through the fetch process, a custom model through its own `download`.

Starts and stops what the engine says, turns what comes back into reports to the machine, and feeds the
progress callbacks. When a transfer may run is the machine's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import DownloadTimeoutError, HubUnavailableError, RevisionNotFoundError
from ..file_records import FileProgress
from ..lifecycle.effects import Announce
from ..lifecycle.states import Stage
from ..types import ModelDownloadProgress, ModelEventType, ModelInfo, ModelStatus
from .bus import Listener
from .entry import Entry
from .threads import CoroutineThread

if TYPE_CHECKING:
    from ..downloads.client import FetchClient
    from ..downloads.spec import FetchProgress
    from .engine import Engine

__all__ = ["ProgressCallback", "Transfers"]

ProgressCallback = Callable[[ModelDownloadProgress], object]

MIN_INTERVAL = 0.115
"""Seconds between two progress reports of one download: nine a second, and room for the last one."""

LONGEST_ETA = 30 * 86_400.0
"""Seconds; a longer time left is a guess that helps nobody."""

CUSTOM_GRACE = 0.5
"""Seconds that a custom model's `download` gets to end after a cancel, before its thread is abandoned."""

TURN_POLL = 0.05
"""Seconds between two looks whether a download that was given up has ended."""

_STAGES = {
    "downloading": Stage.DOWNLOADING,
    "waiting_for_other": Stage.DOWNLOADING,
    "verifying": Stage.VERIFYING,
    "finishing": Stage.VERIFYING,
}


class Transfers:
    """The running transfers of one engine; everything on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._callbacks: dict[str, list[Listener]] = {}
        self._client: FetchClient | None = None

    # What the engine asks for

    def start(self, model_id: str, run: int) -> None:
        """Begin a transfer."""
        entry = self._engine.entry(model_id)
        before = entry.progress
        started = before.start_time if before and before.phase == "paused" else None
        self._show(entry, "resolving", start_time=started or datetime.now(UTC), error=None)
        work = self._custom(entry, run) if entry.custom else self._from_hub(entry, run)
        self._tasks[model_id] = self._engine.loop.spawn(self._run(entry, run, work), name=f"download {model_id}")

    def stop(self, model_id: str, run: int) -> None:
        """Stop a transfer; it reports when it has."""
        del run  # there is one transfer per model at a time
        task = self._tasks.get(model_id)
        if task is not None:
            self._engine.loop.stop_task(task)

    def discard(self, model_id: str, run: int) -> None:
        """Remove what was fetched of a model's unfinished download."""
        entry = self._engine.entry(model_id)
        self._engine.loop.spawn(self._discard(entry, run), name=f"discard {model_id}")

    async def files(self, entry: Entry) -> list[FileProgress]:
        """How far each file of a model is: from the fetch process where it runs, else from the disk."""
        running = await self._client.files(entry.info.model_id) if self._client is not None else None
        return running or await self._engine.disk.files(entry)

    def watch(self, model_id: str, callback: ProgressCallback) -> None:
        """Give `callback` every progress report until the download of this model ends."""
        self._callbacks.setdefault(model_id, []).append(self._engine.bus.private(callback))

    def announced(self, entry: Entry, effect: Announce) -> None:
        """Keep the shown progress in step with what is about to be announced."""
        match effect.type, effect.action:
            case ModelEventType.DOWNLOAD_START, _:
                entry.progress, entry.given_up = None, False
                self._show(entry, "queued")
            case ModelEventType.DOWNLOAD_COMPLETE, _:
                self._show_end(entry, ModelStatus.DOWNLOADED, None)
                self._engine.revisions.ended(entry, done=True)
            case ModelEventType.DOWNLOAD_ERROR, "download_cancelled":
                entry.given_up = True
                self._show_end(entry, ModelStatus.NOT_DOWNLOADED, "Download cancelled")
                self._engine.revisions.ended(entry, done=False)
            case ModelEventType.DOWNLOAD_ERROR, "discard_failed":
                pass
            case ModelEventType.DOWNLOAD_ERROR, _:
                self._show_end(entry, ModelStatus.ERROR, effect.failure.reason if effect.failure else "")
                self._engine.revisions.ended(entry, done=False)
            case ModelEventType.DOWNLOAD_PROGRESS, "download_paused":
                self._show(entry, "paused", status=ModelStatus.NOT_DOWNLOADED)
            case ModelEventType.DOWNLOAD_PROGRESS, "download_resumed":
                self._show(entry, "queued", status=ModelStatus.DOWNLOADING)
            case _:
                pass

    async def close(self) -> None:
        """End the fetch process."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    # The work

    async def _run(self, entry: Entry, run: int, work: Coroutine[Any, Any, None]) -> None:
        engine, machine, model_id = self._engine, self._engine.machine, entry.info.model_id
        ended: BaseException | None = None
        patterns = _patterns(entry)
        try:
            await work
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - whatever it is, the job must end with it
            ended = error
            # Told to stop once more, or only now: what is missing and what is kept is not worth a wait.
            if isinstance(error, HubUnavailableError):
                with contextlib.suppress(asyncio.CancelledError):
                    told = await engine.in_thread(lambda: engine.disk.missing_text(entry), "disk")
                    error.add_hint(told)
            with contextlib.suppress(asyncio.CancelledError):
                await engine.disk.look_for_unfinished(entry)
        self._tasks.pop(model_id, None)
        if ended is None:
            entry.unfinished = None
            machine.transfer_done(model_id, run)
        elif isinstance(ended, asyncio.CancelledError):
            machine.transfer_stopped(model_id, run)
        else:
            machine.transfer_failed(model_id, run, engine.fail(entry, "download", ended))
        engine.settle(model_id)
        if model_id in machine.models:
            engine.disk.show_unfinished(entry)
            engine.settle()
        if ended is None and _patterns(entry) != patterns:  # other files were asked for meanwhile
            engine.loop.spawn(engine.disk.look(entry), name=f"look at {model_id}")

    async def _discard(self, entry: Entry, run: int) -> None:
        from ..downloads.resumable import discard_unfinished

        engine, machine, info = self._engine, self._engine.machine, entry.info
        where = engine.disk.whereabouts(entry)
        keep = {commit for other in engine.entries.values() if other is not entry for commit in _commits(other, info)}
        failure, entry.freed_bytes = None, 0
        try:
            if not entry.custom:
                entry.freed_bytes = await engine.in_thread(lambda: discard_unfinished(*where, keep=keep), "discard")
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end with it
            failure = engine.fail(entry, "download", error)
        await engine.disk.look_for_unfinished(entry)
        if entry.unfinished is None:
            entry.progress = None
        machine.discarded(info.model_id, run, freed=entry.freed_bytes, failure=failure)
        engine.settle(info.model_id)
        if info.model_id in machine.models:
            engine.disk.show_unfinished(entry)
            engine.settle()

    async def _from_hub(self, entry: Entry, run: int) -> None:
        from ..downloads.client import FetchClient
        from ..downloads.precautions import before_asking
        from ..downloads.spec import FetchSpec

        engine, settings, info = self._engine, self._engine.settings, entry.info

        def login() -> str | None:
            token = settings.access_token()
            before_asking(settings.hub, has_token=token is not None, model_id=info.model_id)
            return token

        token = await engine.in_thread(login, "login")
        spec = FetchSpec(
            model_id=info.model_id,
            repo_id=info.repo_id,
            revision=engine.revisions.wanted(entry),
            endpoint=settings.hub,
            cache_dir=str(settings.cache),
            token=token,
            allow_patterns=info.allow_patterns,
            ignore_patterns=info.ignore_patterns,
            stall_timeout=settings.stall_timeout,
            deadline=settings.download_timeout,
        )
        if self._client is None:
            self._client = FetchClient()
        report = _Throttle(lambda progress: self._fetched(entry, run, progress))
        try:
            result = await self._client.fetch(spec, report)
        except RevisionNotFoundError as error:
            raise await engine.revisions.refused(entry, error) from None
        if (held := report.take()) is not None:
            self._fetched(entry, run, held, tell=False)  # the end is told at once
        engine.revisions.fetched(entry, result)
        engine.bytes_downloaded += result.fetched_bytes
        await engine.integrity.fetched(entry, result)

    async def _custom(self, entry: Entry, run: int) -> None:
        engine, info = self._engine, entry.info
        model = await engine.in_thread(entry.custom_model, "custom-model")
        report = _Throttle(lambda done: self._custom_reported(entry, run, *done))

        def from_its_thread(done: int, total: int, current_file: str | None) -> None:
            numbers = max(0, int(done)), max(0, int(total))  # nonsense is an error of the model's own
            engine.loop.asyncio.call_soon_threadsafe(report, (*numbers, current_file))

        async def download() -> None:
            while not entry.turn.acquire(blocking=False):  # noqa: ASYNC110 - a lock between threads
                await asyncio.sleep(TURN_POLL)
            try:
                if not await model.is_available():
                    await model.download()
            finally:
                entry.turn.release()

        model.reports_to(from_its_thread)
        thread = CoroutineThread(download, name=f"rmm-download-{info.model_id}")
        limit = asyncio.timeout(engine.settings.download_timeout)
        try:
            async with limit:
                await thread.result()
        except TimeoutError:
            if not limit.expired():
                raise  # the model's own, from its network perhaps
            raise DownloadTimeoutError(
                f"The download of {info.model_id} took longer than {engine.settings.download_timeout:g} s",
                model_id=info.model_id,
                hint="Raise manager.download_timeout, or download it again.",
            ) from None
        finally:
            model.reports_to(None)
            thread.cancel()
            await thread.ended(CUSTOM_GRACE)
        if (held := report.take()) is not None:
            self._custom_reported(entry, run, *held, tell=False)

    # Progress

    def _fetched(self, entry: Entry, run: int, progress: FetchProgress, *, tell: bool = True) -> None:
        total, done, files = progress.total_bytes, progress.downloaded_bytes, progress.files_total
        if (shown := entry.progress) is not None:
            # Until the plan is known, what was found on disk or estimated stands; and nothing falls.
            total, files = total or shown.total_bytes, files or shown.files_total
            done = max(done, min(shown.downloaded_bytes, total))
        self._moved(
            entry,
            run,
            progress.phase,
            100.0 * done / total if total else 0.0,
            downloaded_bytes=done,
            total_bytes=total,
            current_file=progress.current_file,
            files_done=progress.files_done,
            files_total=files,
            bytes_per_second=progress.bytes_per_second,
            estimated_time_remaining=_sensible(progress.eta),
            note=progress.note,
            tell=tell,
        )

    def _custom_reported(
        self, entry: Entry, run: int, done: int, total: int, current_file: str | None, *, tell: bool = True
    ) -> None:
        shown = entry.progress
        begun = shown.start_time if shown else None
        seconds = (datetime.now(UTC) - begun).total_seconds() if begun else 0.0
        rate = done / seconds if seconds > 0 else 0.0
        self._moved(
            entry,
            run,
            "downloading",
            100.0 * done / total if total else 0.0,
            downloaded_bytes=min(done, total) if total else done,
            total_bytes=total,
            current_file=current_file,
            bytes_per_second=rate,
            estimated_time_remaining=_sensible(max(0, total - done) / rate if rate and total else None),
            tell=tell,
        )

    def _moved(self, entry: Entry, run: int, phase: str, percent: float, *, tell: bool, **fields: Any) -> None:
        engine, model_id = self._engine, entry.info.model_id
        state = engine.machine.models.get(model_id)
        if state is None or state.run != run or state.stage is Stage.CANCELLING:
            return
        if phase in _STAGES:
            engine.machine.transfer_phase(model_id, run, _STAGES[phase])
        percent = engine.machine.transfer_progress(model_id, run, percent)
        self._show(entry, "finishing" if phase == "done" else phase, progress=percent, **fields)
        if tell:
            self._tell(entry)  # what is told is shown before, so that there may be nothing left to show
        engine.settle()

    def _show(self, entry: Entry, phase: str, **fields: Any) -> None:
        from msgspec.structs import replace

        model_id = entry.info.model_id
        base = entry.progress or _before_the_plan(entry)
        changes: dict[str, Any] = {"phase": phase, "status": ModelStatus.DOWNLOADING}
        if phase != "downloading":
            changes |= {"bytes_per_second": 0.0, "estimated_time_remaining": None}
        if phase in {"queued", "paused", "resolving"}:
            changes["note"] = ""
        entry.progress = replace(base, **{**changes, **fields})
        self._engine.touch(model_id)

    def _show_end(self, entry: Entry, status: ModelStatus, error: str | None) -> None:
        fields: dict[str, Any] = {
            "status": status,
            "error": error,
            "current_file": None,
            "bytes_per_second": 0.0,
            "estimated_time_remaining": None,
            "note": "",
        }
        shown = entry.progress
        if status is ModelStatus.DOWNLOADED:
            size = entry.size_on_disk or (shown.total_bytes if shown else 0)
            files = shown.files_total if shown else 0
            fields |= {
                "progress": 100.0,
                "downloaded_bytes": size,
                "total_bytes": size,
                "files_done": files,
                "estimated_time_remaining": 0.0,
            }
            phase = "done"
        else:
            phase = shown.phase if shown and entry.unfinished is None else "paused"
        self._show(entry, phase, **fields)
        self._tell(entry)
        for listener in self._callbacks.pop(entry.info.model_id, []):
            self._engine.bus.end(listener)

    def _tell(self, entry: Entry) -> None:
        shown = entry.progress
        if shown is None:
            return
        for listener in self._callbacks.get(entry.info.model_id, ()):
            self._engine.bus.send_to(listener, shown)
        if shown.error is None:
            self._engine.publish(
                ModelEventType.DOWNLOAD_PROGRESS,
                entry.info.model_id,
                progress=shown.progress,
                downloaded_bytes=shown.downloaded_bytes,
                total_bytes=shown.total_bytes,
                current_file=shown.current_file,
                bytes_per_second=shown.bytes_per_second,
                phase=shown.phase,
                status=shown.status.value,
            )


def _before_the_plan(entry: Entry) -> ModelDownloadProgress:
    """The first record of a download: what an earlier one left on disk, else what was estimated."""
    info, kept = entry.info, entry.unfinished
    if kept is None:
        return ModelDownloadProgress(
            model_id=info.model_id, total_bytes=info.total_size_estimate, files_total=info.file_count_estimate
        )
    return ModelDownloadProgress(
        model_id=info.model_id,
        progress=100.0 * kept.downloaded_bytes / kept.total_bytes,
        downloaded_bytes=kept.downloaded_bytes,
        total_bytes=kept.total_bytes,
        files_done=kept.files_done,
        files_total=kept.files_total,
    )


def _patterns(entry: Entry) -> tuple[object, object]:
    """Which files a model is to have."""
    return entry.info.allow_patterns, entry.info.ignore_patterns


def _commits(other: Entry, info: ModelInfo) -> list[str]:
    """The commits of another model of the same repository."""
    if other.custom or other.info.repo_id != info.repo_id:
        return []
    unfinished = other.unfinished.commit if other.unfinished else None
    return [commit for commit in (other.commit, unfinished) if commit is not None]


def _sensible(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) and 0 <= seconds <= LONGEST_ETA else None


class _Throttle:
    """Lets a report through every `MIN_INTERVAL` seconds and holds the latest of those between."""

    def __init__(self, report: Callable[[Any], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._last = -math.inf
        self._held: Any = None

    def __call__(self, progress: Any) -> None:
        """Report, or hold what would come too soon."""
        now = self._clock()
        if now - self._last >= MIN_INTERVAL:
            self._last, self._held = now, None
            self._report(progress)
        else:
            self._held = progress

    def take(self) -> Any:
        """What is held back, None where nothing is."""
        held, self._held = self._held, None
        return held
