"""The engine: applies requests and reports to the pure core and carries out what it asks for.

Everything here runs on the runtime's thread. It owns the entries, the open jobs, the event numbers and
the picture that everybody else reads. The work itself is done by `transfers` and `residents`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import DownloadCancelledError, LoadCancelledError, ModelNotRegisteredError, RMMError
from ..lifecycle.effects import (
    Announce,
    AwaitRestart,
    Effect,
    Finish,
    Removed,
    StartDiscard,
    StartLoad,
    StartTransfer,
    StartUnload,
    StopLoad,
    StopTransfer,
)
from ..lifecycle.machine import Lifecycle
from ..lifecycle.states import Failure, FailurePhase, ModelState, Stage
from ..types import ModelEvent, ModelEventType, ModelHealth, freeze
from ..workers.nursery import Nurseries
from .bus import Bus, Listener
from .disk import Disk
from .entry import Entry, ModelDescription, Picture
from .gate import Gate
from .housekeeping import Housekeeping
from .integrity import Integrity
from .job import Job, JobKind
from .layered import LayeredMap
from .logs import WorkerLogs
from .loop import RuntimeLoop
from .memory import Memory
from .residents import Residents
from .revisions import Revisions
from .settings import Settings
from .threads import run_in_thread
from .transfers import Transfers

__all__ = ["Engine"]

_log = logging.getLogger("rmm_widgets")


class Engine:
    """State and work of one manager; see the module's docstring."""

    def __init__(self, loop: RuntimeLoop, machine: Lifecycle, settings: Settings, data_dir: Path) -> None:
        self.loop = loop
        self.machine = machine
        self.settings = settings
        self.data_dir = data_dir
        self.bus = Bus(loop.asyncio)
        self.entries: dict[str, Entry] = {}
        self.jobs: dict[int, Job[Any]] = {}
        self.transfers = Transfers(self)
        self.nurseries = Nurseries()
        self.residents = Residents(self)
        self.memory = Memory(self)
        self.disk = Disk(self)
        self.integrity = Integrity(self)
        self.housekeeping = Housekeeping(self)
        self.revisions = Revisions(self)
        self.gate = Gate(self)
        self.logs = WorkerLogs(data_dir / "logs")
        self.on_event: Callable[[ModelEvent], None] = lambda _event: None
        """Set by the registrar: keeps the history."""
        self.on_removed: Callable[[str, int], None] = lambda _model_id, _ticket: None
        """Set by the registrar: forgets the model, then ends the job."""
        self.on_commit: Callable[[Entry], None] = lambda _entry: None
        """Set by the registrar: remembers which commit a model's files are of."""
        self.on_measured: Callable[[Entry], None] = lambda _entry: None
        """Set by the registrar: remembers what a load took."""
        self.owner: Callable[[], Any] = lambda: None
        """Set by the manager: gives it, for views of its jobs."""
        self.bytes_downloaded = 0
        self.closing = False
        """Set at the manager's end: what is cancelled now, nobody asked to be."""
        self._seq = 0
        self._dirty: dict[str, None] = {}
        """In the order in which they were touched: new models are shown in the order in which they came."""
        self._settling = False
        self._ends: list[Callable[[], None]] = []
        self._subscribers: list[Callable[[], None]] = []
        self.picture = Picture(
            revision=0,
            changed_at=datetime.now(UTC),
            models=LayeredMap(),
            active_downloads=0,
            queued_downloads=0,
            download_queue=(),
            active_loads=0,
            queued_loads=0,
            failed_downloads=0,
            bytes_downloaded=0,
        )

    # Reading

    def entry(self, model_id: str) -> Entry:
        """The entry of a registered model.

        Raises:
            ModelNotRegisteredError: There is none.
        """
        try:
            return self.entries[model_id]
        except (KeyError, TypeError):
            raise self.unknown(model_id) from None

    def state(self, model_id: str) -> ModelState:
        """The lifecycle state of a registered model."""
        return self.machine.models[model_id]

    def unknown(self, model_id: object) -> ModelNotRegisteredError:
        """The error for an id that nobody registered, with the nearest known ones as its hint."""
        import difflib

        near = difflib.get_close_matches(str(model_id), self.picture.models, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Register it first: manager.register_model(...)."
        return ModelNotRegisteredError(f"Model {model_id} is not registered", model_id=str(model_id), hint=hint)

    # Jobs

    def job(self, ticket: int, kind: JobKind, model_id: str, cancel: Callable[[], bool]) -> Job[Any]:
        """The job of a ticket; made on first use, so that whoever joins gets the same one."""
        found = self.jobs.get(ticket)
        if found is None:
            found = self.jobs[ticket] = self.new_job(kind, model_id, cancel)
        return found

    def background(
        self, kind: JobKind, model_id: str | None, work: Callable[[Job[Any]], Coroutine[Any, Any, Any]]
    ) -> Job[Any]:
        """A job that is one coroutine, outside the lifecycle; cancelling it cancels the coroutine."""

        def cancel() -> bool:
            return task.cancel()

        job = self.new_job(kind, model_id, cancel)
        task = self.loop.spawn(self._in_background(job, work), name=f"{kind} {model_id or ''}")
        return job

    async def _in_background(self, job: Job[Any], work: Callable[[Job[Any]], Coroutine[Any, Any, Any]]) -> None:
        try:
            value = await work(job)
        except asyncio.CancelledError:
            self.fail_job(job, RMMError(f"The {job.kind} was cancelled", model_id=job.model_id), cancelled=True)
        except RMMError as error:
            error.model_id = error.model_id or job.model_id
            self.fail_job(job, error)
        except Exception as error:  # noqa: BLE001 - the job must end with it
            self.fail_job(job, _foreign("load", job.model_id or "", error))
        else:
            self.finish_job(job, value)

    def new_job(self, kind: JobKind, model_id: str | None, cancel: Callable[[], bool]) -> Job[Any]:
        """A job that somebody will `finish_job` or `fail_job`."""

        def cancel_from_anywhere() -> bool:
            return self.loop.call(cancel)

        job: Job[Any] = Job(
            kind,
            model_id,
            cancel=cancel_from_anywhere,
            progress=lambda: self._progress_of(job.model_id),
            run_callback=self._run_callback,
            forbidden_thread=lambda: self.loop.here,
            owner=self.owner,
        )
        return job

    def _progress_of(self, model_id: str | None) -> Any:
        description = self.picture.models.get(model_id) if model_id is not None else None
        return description.progress if description else None

    def _run_callback(self, work: Callable[[], object]) -> None:
        # A done-callback may block; the thread that ends the job is the runtime's own.
        if self.loop.here:
            listener = Listener(lambda call: call())
            listener.send(work, lambda: None)
            listener.close(drop=False)
        else:
            work()

    def finish_job(self, job: Job[Any], value: Any) -> None:
        """End a job once its events have been seen."""
        self.bus.after_delivery(lambda: job.finish(value))

    def fail_job(self, job: Job[Any], error: BaseException, *, cancelled: bool = False) -> None:
        """End a job with an error once its events have been seen."""
        self.bus.after_delivery(lambda: job.fail(error, cancelled=cancelled))

    async def delivered(self, work: Coroutine[Any, Any, Any], asked_by: Listener | None) -> Any:
        """Run a coroutine and return when its events have been seen."""
        value = await work
        seen = asyncio.Event()
        self.bus.after_delivery(seen.set, asked_by=asked_by)
        await seen.wait()
        return value

    # Events and the picture

    def publish(self, event: ModelEventType, model_id: str, **data: Any) -> None:
        """Number an event, keep it and tell the listeners, who find the new picture already."""
        if self._dirty:
            self._redraw()
        self._seq += 1
        record = ModelEvent(
            type=event, model_id=model_id, seq=self._seq, timestamp=datetime.now(UTC), data=freeze(data)
        )
        self.on_event(record)
        self.bus.publish(record)

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call `callback()` on every new picture, on this thread: it must return at once."""
        self._subscribers.append(callback)

    def unsubscribe(self, callback: Callable[[], None]) -> None:
        """Take a subscriber away; harmless where it is not one."""
        if callback in self._subscribers:
            self._subscribers.remove(callback)

    def touch(self, model_id: str) -> None:
        """What is shown of this model has changed; `settle` will show it."""
        self._dirty[model_id] = None

    def settle(self, *model_ids: str) -> None:
        """Carry out what the machine asks for, show the new picture, then end the jobs that are over."""
        self._dirty.update(dict.fromkeys(model_ids))
        if self._settling:
            return  # an effect led to another request: the loop below takes its effects too
        self._settling = True
        try:
            while effects := self.machine.take_effects():
                for effect in effects:
                    self.touch(effect.model_id)
                    self._carry_out(effect)
            for model_id in tuple(self._dirty):
                self._forget_health(model_id)
        finally:
            self._settling = False
        if self._dirty:
            self._redraw()
        ends, self._ends = self._ends, []
        for end in ends:
            end()

    def _forget_health(self, model_id: str) -> None:
        """What left its error without being loaded, as where its files went, is not unhealthy any more."""
        entry, state = self.entries.get(model_id), self.machine.models.get(model_id)
        if entry is not None and state is not None and not state.worker and state.stage is not Stage.ERROR:
            self.set_health(entry, ModelHealth.UNKNOWN, told="it is not in memory any more")

    def _redraw(self) -> None:
        machine, shown, failed = self.machine, self.picture.models, self.picture.failed_downloads
        news: dict[str, ModelDescription] = {}
        gone: set[str] = set()
        for model_id in self._dirty:
            entry, old = self.entries.get(model_id), shown.get(model_id)
            if entry is not None and model_id in machine.models:
                new = entry.describe(machine.models[model_id])
                if new == old:
                    continue  # whoever looks for what has changed goes by the objects
                news[model_id] = new
                failed += _download_failed(new)
            elif old is not None:
                gone.add(model_id)
            failed -= old is not None and _download_failed(old)
        self._dirty.clear()
        self.picture = Picture(
            revision=self.picture.revision + 1,
            changed_at=datetime.now(UTC),
            models=shown.changed(news, gone),
            active_downloads=machine.downloads.busy,
            queued_downloads=len(machine.downloads),
            download_queue=machine.downloads.waiting,
            active_loads=machine.loads.busy,
            queued_loads=len(machine.loads),
            failed_downloads=failed,
            bytes_downloaded=self.bytes_downloaded,
        )
        for callback in tuple(self._subscribers):
            try:
                callback()
            except Exception:  # noqa: BLE001 - a view must not harm the runtime
                _log.warning("a subscriber raised", exc_info=True)

    # Carrying out

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case StartTransfer(model_id, run):
                self.transfers.start(model_id, run)
            case StopTransfer(model_id, run):
                self.transfers.stop(model_id, run)
            case StartDiscard(model_id, run):
                self.transfers.discard(model_id, run)
            case StartLoad(model_id, generation):
                self.residents.start(model_id, generation)
            case StopLoad(model_id, generation):
                self.residents.stop(model_id, generation)
            case StartUnload(model_id, generation, force):
                self.residents.unload(model_id, generation, force=force)
            case AwaitRestart(model_id, generation, attempt):
                self.residents.restarting.wait(model_id, generation, attempt)
            case Finish():
                self._finish(effect)
            case Removed(model_id, ticket):
                self.on_removed(model_id, ticket)
            case Announce():
                self._announce(effect)

    def _finish(self, effect: Finish) -> None:
        job = self.jobs.pop(effect.ticket, None)
        if job is None:
            return  # the download of a load: nobody holds a job for it
        entry = self.entries[effect.model_id]
        if effect.outcome == "done":
            value = self.result(job.kind, entry)
            self._ends.append(lambda: self.finish_job(job, value))
        else:
            error, cancelled = self._outcome(job.kind, entry, effect)
            self._ends.append(lambda: self.fail_job(job, error, cancelled=cancelled))

    def _outcome(self, kind: JobKind, entry: Entry, effect: Finish) -> tuple[RMMError, bool]:
        if effect.outcome == "cancelled":
            state = self.machine.models.get(effect.model_id)  # it may have left by now
            discards = state is not None and bool(state.discard)
            return _cancelled(kind, effect.model_id, discards=discards), True
        return entry.error or RMMError(_reason(effect.failure), model_id=effect.model_id), False

    def result(self, kind: JobKind, entry: Entry) -> Any:
        """What a fulfilled job of this kind gives."""
        if kind == "download":
            return Path(entry.snapshot) if entry.snapshot else None
        if kind == "discard":
            return entry.freed_bytes
        return entry.instance if kind == "load" else None

    def _announce(self, effect: Announce) -> None:
        entry = self.entries[effect.model_id]
        data: dict[str, Any] = {"action": effect.action}
        if effect.failure is not None:
            data |= {"error": effect.failure.reason, "error_type": effect.failure.error, "hint": effect.failure.hint}
        elif effect.action == "download_cancelled":
            data |= {"error": "Download cancelled", "error_type": "DownloadCancelledError"}
            data |= {"closing": True} if self.closing else {}
        elif effect.action == "load_cancelled":
            data |= {"error": "Load cancelled", "error_type": "LoadCancelledError"}
        match effect.type:
            case ModelEventType.DOWNLOAD_COMPLETE:
                data |= {"bytes": entry.size_on_disk, "commit": entry.commit}
            case ModelEventType.DOWNLOAD_PROGRESS:
                state = self.machine.models.get(effect.model_id)  # it may have left by now
                data |= {"progress": state.percent if state else 0.0, **self._download_data(effect)}
            case ModelEventType.LOAD_START:
                data |= {"config": entry.config, **self.residents.restarting.numbers(entry)}
            case ModelEventType.LOAD_ERROR:
                data |= self.residents.restarting.numbers(entry)
            case ModelEventType.LOAD_COMPLETE:
                data |= {"device": entry.device, "placement": entry.placement, "memory_bytes": entry.memory_bytes}
                data |= {"loader": entry.worker.spec.loader if entry.worker else "", "seconds": entry.load_seconds}
            case _:
                pass
        data |= self.memory.announced(entry, effect)
        self.transfers.announced(entry, effect)
        self.publish(effect.type, effect.model_id, **data)
        self.residents.announced(entry, effect)

    def _download_data(self, effect: Announce) -> dict[str, Any]:
        match effect.action:
            case "download_moved":
                waiting = self.machine.downloads.waiting
                place = waiting.index(effect.model_id) + 1 if effect.model_id in waiting else 0
                return {"position": place}
            case "download_discarded":
                return {"freed_bytes": self.entries[effect.model_id].freed_bytes}
            case _:
                return {}

    def set_health(
        self, entry: Entry, health: ModelHealth, reason: str = "", *, told: str = "", **facts: float
    ) -> None:
        """Note a model's health and tell the listeners where it changed.

        Args:
            reason: Why it is not better, as it is shown while it lasts.
            told: Why it changed; the reason, where that says it.
            facts: Numbers of the probe that changed it.
        """
        old = entry.health
        if (old, entry.health_reason) == (health, reason):
            return
        entry.health, entry.health_reason = health, reason
        self.touch(entry.info.model_id)
        if old is not health:
            self.publish(
                ModelEventType.HEALTH_CHANGE,
                entry.info.model_id,
                action="health_changed",
                health=health.value,
                previous=old.value,
                reason=told or reason,
                **facts,
            )

    def fail(self, entry: Entry, phase: FailurePhase, error: BaseException) -> Failure:
        """Keep an error for the jobs that it ends and make its record for the machine."""
        own = error if isinstance(error, RMMError) else _foreign(phase, entry.info.model_id, error)
        if own.model_id is None:
            own.model_id = entry.info.model_id
        entry.error = own
        return Failure(phase=phase, reason=str(own), hint=own.hint, error=type(own).__name__)

    async def in_thread(self, work: Callable[[], Any], what: str) -> Any:
        """Blocking work of ours, off the loop."""
        return await run_in_thread(work, name=f"rmm-{what}")


def _download_failed(description: ModelDescription) -> bool:
    return description.stage is Stage.ERROR and description.progress is not None and bool(description.progress.error)


def _reason(failure: Failure | None) -> str:
    return failure.reason if failure else "it failed"


def _cancelled(kind: JobKind, model_id: str, *, discards: bool) -> RMMError:
    if kind == "load":
        return LoadCancelledError(f"The load of model {model_id} was cancelled", model_id=model_id)
    return DownloadCancelledError(
        f"The download of model {model_id} was cancelled",
        model_id=model_id,
        hint="What was fetched is removed; download it again to begin anew."
        if discards
        else "What was fetched is kept; download it again to go on.",
    )


def _foreign(phase: FailurePhase, model_id: str, error: BaseException) -> RMMError:
    """One of our errors for one that is not."""
    from ..errors import DownloadError, LoadError
    from ..workers.faults import describe_error

    record = describe_error(error, "load")
    kind = DownloadError if phase == "download" else LoadError
    text = record.message or record.type
    wrapped = kind(text, model_id=model_id, hint=f"It raised {record.type}; the cause stands above.")
    wrapped.__cause__ = error
    return wrapped
