"""The state machine of all models together: requests and reports in, effects out.

Requests come from users (`download`, `cancel_load`, ...), reports from the shell that does the work
(`transfer_done`, `worker_died`, ...). Every method is defined in every stage. A report carries the
number of the transfer or worker that it speaks of; one of an older number changes nothing. What is to
be done collects in `effects`, which the shell takes with `take_effects()`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..types import ModelEventType as Event
from .effects import (
    Announce,
    Decision,
    Effect,
    Finish,
    Removed,
    StartLoad,
    StartTransfer,
    StartUnload,
    StopLoad,
    StopTransfer,
)
from .queues import SlotQueue
from .states import FETCHING, LOADING, TRANSFERRING, TRANSITIONS, Failure, ModelState, Stage

__all__ = ["Lifecycle"]

_replace = msgspec.structs.replace
_ACTIVE = FETCHING - {Stage.QUEUED}


class Lifecycle:
    """State of every model; see the module's docstring.

    Args:
        max_downloads: Transfers that may run at once.
        max_loads: Loads that may run at once.
        auto_download: A load of a model that is not on disk downloads it first.
        auto_load: A finished download is followed by a load.
    """

    def __init__(
        self, max_downloads: int = 3, max_loads: int = 2, *, auto_download: bool = True, auto_load: bool = False
    ) -> None:
        self.models: dict[str, ModelState] = {}
        self.downloads = SlotQueue(max_downloads)
        self.loads = SlotQueue(max_loads)
        self.auto_download = auto_download
        self.auto_load = auto_load
        self.open_tickets: set[int] = set()
        self._last_ticket = 0
        self._last_number = 0
        self._effects: list[Effect] = []

    def take_effects(self) -> list[Effect]:
        """What is to be done since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    # Requests

    def add(self, model_id: str, *, on_disk: bool) -> None:
        """A model enters the registry."""
        stage = Stage.DOWNLOADED if on_disk else Stage.REGISTERED
        self.models[model_id] = ModelState(stage=stage, on_disk=on_disk)

    def set_limits(self, *, downloads: int | None = None, loads: int | None = None) -> None:
        """Change how many may run at once; what runs already goes on."""
        if downloads is not None:
            self.downloads.limit = downloads
        if loads is not None:
            self.loads.limit = loads
        self._dispatch()

    def download(self, model_id: str) -> Decision:
        """Fetch the files, join the transfer that does, or resume the one that is paused."""
        state = self.models[model_id]
        if state.remove:
            return Decision(refused="removing")
        if state.on_disk:
            return Decision()
        ticket = self._want_files(model_id, for_load_only=False)
        self._dispatch()
        return Decision(ticket)

    def cancel_download(self, model_id: str) -> bool:
        """Give the download up; what was fetched stays. Also clears a download's error."""
        state = self.models[model_id]
        match state.stage:
            case Stage.QUEUED | Stage.PAUSED:
                self._end_download(model_id, Stage.REGISTERED)
            case Stage.RESOLVING | Stage.DOWNLOADING | Stage.VERIFYING:
                self._set(model_id, stage=Stage.CANCELLING, pausing=False)
                self._cancel_waiting_load(model_id)
                self._effects.append(StopTransfer(model_id, state.run))
            case Stage.CANCELLING if state.next_download or state.pausing:
                if state.next_download not in (0, state.download):
                    self._finish(model_id, state.next_download, "cancelled")
                    self._announce(Event.DOWNLOAD_ERROR, model_id, "download_cancelled")
                self._set(model_id, next_download=0, pausing=False)
                self._cancel_waiting_load(model_id)
            case Stage.ERROR if state.failure is not None and state.failure.phase == "download":
                self._set(model_id, stage=Stage.REGISTERED, failure=None)
            case _:
                return False
        self._dispatch()
        return True

    def pause_download(self, model_id: str) -> bool:
        """Stop fetching and keep the job open until `download` resumes it."""
        state = self.models[model_id]
        match state.stage:
            case Stage.QUEUED:
                self._set(model_id, stage=Stage.PAUSED)
                self._announce(Event.DOWNLOAD_PROGRESS, model_id, "download_paused")
            case Stage.RESOLVING | Stage.DOWNLOADING | Stage.VERIFYING:
                self._set(model_id, stage=Stage.CANCELLING, pausing=True)
                self._effects.append(StopTransfer(model_id, state.run))
            case Stage.CANCELLING if state.pausing and state.next_download:
                self._set(model_id, next_download=0)
            case _:
                return False
        self._dispatch()
        return True

    def load(self, model_id: str) -> Decision:
        """Bring the model into memory, downloading it first where that is allowed."""
        state = self.models[model_id]
        if state.remove:
            return Decision(refused="removing")
        match state.stage:
            case Stage.LOADED:
                return Decision()
            case Stage.ABORTING:
                ticket = state.next_load or self._open_load(model_id)
                self._set(model_id, next_load=ticket)
            case Stage.UNLOADING | Stage.WAITING | Stage.LOADING:
                ticket = state.load or self._open_load(model_id)
                self._set(model_id, load=ticket)
            case Stage.ERROR if state.worker:
                # An unload failed: only ending that worker makes room for a clean one.
                ticket = self._open_load(model_id)
                self._set(model_id, stage=Stage.UNLOADING, load=ticket, failure=None)
                self._effects.append(StartUnload(model_id, state.worker, force=True))
            case _ if state.on_disk:
                ticket = self._open_load(model_id)
                self._set(model_id, stage=Stage.WAITING, load=ticket, failure=None)
            case _:
                if not self.auto_download and state.stage not in FETCHING:
                    return Decision(refused="not_available")
                ticket = state.load or self._open_load(model_id)
                self._want_files(model_id, for_load_only=True)
                self._set(model_id, load=ticket)
        self._dispatch()
        return Decision(ticket)

    def cancel_load(self, model_id: str) -> bool:
        """Give the load up, and with it a download that was only made for it."""
        state = self.models[model_id]
        match state.stage:
            case Stage.WAITING:
                self._cancel_waiting_load(model_id)
                self._set(model_id, stage=Stage.DOWNLOADED)
            case Stage.LOADING:
                self._set(model_id, stage=Stage.ABORTING)
                self._effects.append(StopLoad(model_id, state.generation))
            case Stage.ABORTING if state.next_load:
                self._cancel_next_load(model_id)
            case Stage.ABORTING:
                return False
            case _ if state.load:
                self._cancel_waiting_load(model_id)
                if state.for_load_only:
                    self.cancel_download(model_id)
            case _:
                return False
        self._dispatch()
        return True

    def unload(self, model_id: str) -> Decision:
        """Give the memory back; ends a load that is under way. Clears the error of a load or crash."""
        state = self.models[model_id]
        ticket = 0
        match state.stage:
            case Stage.LOADED:
                ticket = self._ticket()
                self._set(model_id, stage=Stage.UNLOADING, unload=ticket)
                self._effects.append(StartUnload(model_id, state.worker))
            case Stage.UNLOADING:
                self._cancel_waiting_load(model_id)
                ticket = state.unload or self._ticket()
                self._set(model_id, unload=ticket)
            case Stage.LOADING:
                ticket = self._ticket()
                self._set(model_id, stage=Stage.ABORTING, unload=ticket)
                self._effects.append(StopLoad(model_id, state.generation))
            case Stage.ABORTING:
                self._cancel_next_load(model_id)
                ticket = state.unload or self._ticket()
                self._set(model_id, unload=ticket)
            case Stage.ERROR if state.worker:
                ticket = self._ticket()
                self._set(model_id, stage=Stage.UNLOADING, unload=ticket)
                self._effects.append(StartUnload(model_id, state.worker))
            case Stage.ERROR if state.failure is not None and state.failure.phase != "download":
                self._set(model_id, stage=Stage.DOWNLOADED if state.on_disk else Stage.REGISTERED, failure=None)
                self._announce(Event.UNLOAD, model_id, "error_cleared")
            case _:
                self.cancel_load(model_id)
        self._dispatch()
        return Decision(ticket)

    def remove(self, model_id: str) -> Decision:
        """Take the model out, after ending what runs for it."""
        state = self.models[model_id]
        if state.remove:
            return Decision(state.remove)
        ticket = self._ticket()
        self.cancel_download(model_id)
        match self.models[model_id].stage:
            case Stage.LOADED:
                self._set(model_id, stage=Stage.UNLOADING)
                self._effects.append(StartUnload(model_id, state.worker))
            case Stage.ERROR if state.worker:
                self._set(model_id, stage=Stage.UNLOADING)
                self._effects.append(StartUnload(model_id, state.worker, force=True))
            case Stage.LOADING:
                self._set(model_id, stage=Stage.ABORTING)
                self._effects.append(StopLoad(model_id, state.generation))
            case Stage.ABORTING:
                self._cancel_next_load(model_id)
            case _:
                self.cancel_load(model_id)
        self._set(model_id, remove=ticket)
        if self.models[model_id].stage in {Stage.REGISTERED, Stage.DOWNLOADED, Stage.ERROR}:
            self._leave(model_id)
        self._dispatch()
        return Decision(ticket)

    def set_on_disk(self, model_id: str, present: bool) -> None:
        """A look at the disk found the files, or found them gone. Heeded only where nothing runs."""
        state = self.models[model_id]
        match state.stage:
            case Stage.REGISTERED if present:
                self._set(model_id, stage=Stage.DOWNLOADED, on_disk=True, percent=100.0)
            case Stage.DOWNLOADED if not present:
                self._set(model_id, stage=Stage.REGISTERED, on_disk=False, percent=0.0)
            case Stage.ERROR if present and state.failure is not None and state.failure.phase == "download":
                self._set(model_id, stage=Stage.DOWNLOADED, on_disk=True, percent=100.0, failure=None)
            case Stage.ERROR if not state.worker:
                self._set(model_id, on_disk=present)
            case _:
                pass

    # Reports of transfers

    def transfer_phase(self, model_id: str, run: int, stage: Stage) -> None:
        """The transfer is now downloading or verifying."""
        state = self._of_run(model_id, run)
        if state and state.stage in _ACTIVE and state.stage != stage and stage in TRANSITIONS[state.stage]:
            self._set(model_id, stage=stage)

    def transfer_progress(self, model_id: str, run: int, percent: float) -> float:
        """The transfer got further; returns the percent to show, which never falls."""
        state = self._of_run(model_id, run)
        if state is None or state.stage not in TRANSFERRING:
            return self.models[model_id].percent if model_id in self.models else 0.0
        shown = max(state.percent, min(100.0, percent))
        self._set(model_id, percent=shown)
        return shown

    def transfer_done(self, model_id: str, run: int) -> None:
        """Every file is in place and verified."""
        state = self._of_run(model_id, run)
        if state is None or state.stage not in TRANSFERRING:
            return
        cancelled = state.stage is Stage.CANCELLING and not state.pausing and not state.next_download
        self._set(
            model_id,
            stage=Stage.DOWNLOADED,
            on_disk=True,
            percent=100.0,
            download=0,
            next_download=0,
            pausing=False,
            for_load_only=False,
        )
        self._finish(model_id, state.download, "cancelled" if cancelled else "done")
        if state.next_download != state.download:
            self._finish(model_id, state.next_download, "done")
        self._announce(Event.DOWNLOAD_COMPLETE, model_id, "download_completed")
        if state.remove:
            self._leave(model_id)
        elif state.load or (self.auto_load and not cancelled):
            ticket = state.load or self._open_load(model_id)
            self._set(model_id, stage=Stage.WAITING, load=ticket)
        self._dispatch()

    def transfer_failed(self, model_id: str, run: int, failure: Failure) -> None:
        """The transfer gave up."""
        state = self._of_run(model_id, run)
        if state is None or state.stage not in TRANSFERRING:
            return None
        if state.stage is Stage.CANCELLING:
            return self.transfer_stopped(model_id, run)
        self._set(model_id, stage=Stage.ERROR, failure=failure, download=0, load=0, for_load_only=False)
        self._announce(Event.DOWNLOAD_ERROR, model_id, "download_failed", failure)
        self._finish(model_id, state.download, "failed", failure)
        if state.load:
            self._announce(Event.LOAD_ERROR, model_id, "load_failed", failure)
            self._finish(model_id, state.load, "failed", failure)
        return self._dispatch()

    def transfer_stopped(self, model_id: str, run: int) -> None:
        """The transfer stopped as told."""
        state = self._of_run(model_id, run)
        if state is None or state.stage is not Stage.CANCELLING:
            return
        if state.next_download and state.next_download == state.download:
            self._set(model_id, stage=Stage.QUEUED, next_download=0, pausing=False)
        elif state.pausing and not state.remove:
            self._set(model_id, stage=Stage.PAUSED, pausing=False)
            self._announce(Event.DOWNLOAD_PROGRESS, model_id, "download_paused")
        elif state.next_download:
            self._finish(model_id, state.download, "cancelled")
            self._announce(Event.DOWNLOAD_ERROR, model_id, "download_cancelled")
            self._set(model_id, stage=Stage.QUEUED, download=state.next_download, next_download=0, percent=0.0)
            self._announce(Event.DOWNLOAD_START, model_id, "download_started")
        else:
            self._end_download(model_id, Stage.REGISTERED)
            if state.remove:
                self._leave(model_id)
        self._dispatch()

    # Reports of workers

    def load_done(self, model_id: str, generation: int) -> None:
        """The worker has the model. While aborting this is too late: the worker is being ended."""
        state = self._of_worker(model_id, generation)
        if state is None or state.stage is not Stage.LOADING:
            return
        self._set(model_id, stage=Stage.LOADED, load=0)
        self._announce(Event.LOAD_COMPLETE, model_id, "load_completed")
        self._finish(model_id, state.load, "done")
        self._dispatch()

    def load_failed(self, model_id: str, generation: int, failure: Failure) -> None:
        """The load failed and its worker is gone."""
        state = self._of_worker(model_id, generation)
        if state is None:
            return
        if state.stage is Stage.ABORTING:
            self.load_stopped(model_id, generation)
        elif state.stage is Stage.LOADING:
            self._set(model_id, stage=Stage.ERROR, failure=failure, load=0, worker=0)
            self._announce(Event.LOAD_ERROR, model_id, "load_failed", failure)
            self._finish(model_id, state.load, "failed", failure)
            self._dispatch()

    def load_stopped(self, model_id: str, generation: int) -> None:
        """The loading worker is gone as told."""
        state = self._of_worker(model_id, generation)
        if state is None or state.stage is not Stage.ABORTING:
            return
        self._set(model_id, worker=0, load=0, unload=0, next_load=0, stage=Stage.DOWNLOADED)
        self._announce(Event.LOAD_ERROR, model_id, "load_cancelled")
        self._finish(model_id, state.load, "cancelled")
        self._finish(model_id, state.unload, "done")
        if state.remove:
            self._leave(model_id)
        elif state.next_load:
            self._set(model_id, stage=Stage.WAITING, load=state.next_load)
        self._dispatch()

    def worker_died(self, model_id: str, generation: int, failure: Failure) -> None:
        """The worker ended without being told to."""
        state = self._of_worker(model_id, generation)
        if state is None:
            return
        match state.stage:
            case Stage.LOADING | Stage.ABORTING:
                self.load_failed(model_id, generation, failure)
            case Stage.UNLOADING:
                self.unload_done(model_id, generation)
            case Stage.LOADED:
                self._set(model_id, stage=Stage.ERROR, failure=failure, worker=0)
                self._announce(Event.LOAD_ERROR, model_id, "worker_died", failure)
            case _:
                self._set(model_id, worker=0)

    def unload_done(self, model_id: str, generation: int) -> None:
        """The worker is gone and its memory is back."""
        state = self._of_worker(model_id, generation)
        if state is None or state.stage is not Stage.UNLOADING:
            return
        self._set(model_id, stage=Stage.DOWNLOADED, worker=0, unload=0, failure=None)
        self._announce(Event.UNLOAD, model_id, "unloaded")
        self._finish(model_id, state.unload, "done")
        if state.remove:
            self._leave(model_id)
        elif state.load:
            self._set(model_id, stage=Stage.WAITING)
        self._dispatch()

    def unload_failed(self, model_id: str, generation: int, failure: Failure) -> None:
        """Unloading raised; the worker still has the model."""
        state = self._of_worker(model_id, generation)
        if state is None or state.stage is not Stage.UNLOADING:
            return
        self._set(model_id, stage=Stage.ERROR, failure=failure, unload=0, load=0, remove=0)
        self._announce(Event.LOAD_ERROR, model_id, "unload_failed", failure)
        self._finish(model_id, state.unload, "failed", failure)
        if state.load:
            self._announce(Event.LOAD_ERROR, model_id, "load_failed", failure)
            self._finish(model_id, state.load, "failed", failure)
        if state.remove:
            self._announce(Event.LOAD_ERROR, model_id, "delete_failed", failure)
            self._finish(model_id, state.remove, "failed", failure)

    # Inside

    def _want_files(self, model_id: str, *, for_load_only: bool) -> int:
        """Queue a transfer, join the running one or resume the paused one; returns its ticket."""
        state = self.models[model_id]
        alone = state.for_load_only and for_load_only
        match state.stage:
            case Stage.PAUSED:
                self._set(model_id, stage=Stage.QUEUED, for_load_only=alone)
                self._announce(Event.DOWNLOAD_PROGRESS, model_id, "download_resumed")
                return state.download
            case Stage.CANCELLING:
                following = state.next_download or (state.download if state.pausing else self._ticket())
                fresh = not state.next_download and not state.pausing
                self._set(model_id, next_download=following, for_load_only=for_load_only if fresh else alone)
                return following
            case stage if stage in FETCHING:
                self._set(model_id, for_load_only=alone)
                return state.download
            case _:
                ticket = self._ticket()
                self._announce(Event.DOWNLOAD_START, model_id, "download_started")
                self._set(
                    model_id,
                    stage=Stage.QUEUED,
                    failure=None,
                    download=ticket,
                    percent=0.0,
                    for_load_only=for_load_only,
                )
                return ticket

    def _open_load(self, model_id: str) -> int:
        self._announce(Event.LOAD_START, model_id, "load_started")
        return self._ticket()

    def _end_download(self, model_id: str, stage: Stage) -> None:
        state = self.models[model_id]
        self._set(model_id, stage=stage, download=0, for_load_only=False, pausing=False)
        self._announce(Event.DOWNLOAD_ERROR, model_id, "download_cancelled")
        self._finish(model_id, state.download, "cancelled")
        self._cancel_waiting_load(model_id)

    def _cancel_waiting_load(self, model_id: str) -> None:
        """End a load that has not started yet."""
        ticket = self.models[model_id].load
        if ticket:
            self._set(model_id, load=0)
            self._announce(Event.LOAD_ERROR, model_id, "load_cancelled")
            self._finish(model_id, ticket, "cancelled")

    def _cancel_next_load(self, model_id: str) -> None:
        ticket = self.models[model_id].next_load
        if ticket:
            self._set(model_id, next_load=0)
            self._announce(Event.LOAD_ERROR, model_id, "load_cancelled")
            self._finish(model_id, ticket, "cancelled")

    def _leave(self, model_id: str) -> None:
        state = self.models.pop(model_id)
        self.open_tickets.discard(state.remove)
        self._effects.append(Removed(model_id, state.remove))

    def _dispatch(self) -> None:
        while (model_id := self.downloads.next()) is not None:
            run = self._number()
            self._set(model_id, stage=Stage.RESOLVING, run=run)
            self._effects.append(StartTransfer(model_id, run))
        while (model_id := self.loads.next()) is not None:
            generation = self._number()
            self._set(model_id, stage=Stage.LOADING, generation=generation, worker=generation)
            self._effects.append(StartLoad(model_id, generation))

    def _set(self, model_id: str, **changes: Any) -> None:
        old = self.models[model_id]
        new = _replace(old, **changes)
        if new.stage is not old.stage:
            if new.stage not in TRANSITIONS[old.stage]:
                raise AssertionError(f"{model_id}: no transition from {old.stage} to {new.stage}")
            self.downloads.moved(model_id, queued=new.stage is Stage.QUEUED, running=new.stage in TRANSFERRING)
            self.loads.moved(model_id, queued=new.stage is Stage.WAITING, running=new.stage in LOADING)
        self.models[model_id] = new

    def _of_run(self, model_id: str, run: int) -> ModelState | None:
        state = self.models.get(model_id)
        return state if state is not None and state.run == run else None

    def _of_worker(self, model_id: str, generation: int) -> ModelState | None:
        state = self.models.get(model_id)
        return state if state is not None and state.worker == generation and generation else None

    def _number(self) -> int:
        """A run or generation; never used twice, so that news of a removed model fit no later one of its id."""
        self._last_number += 1
        return self._last_number

    def _ticket(self) -> int:
        self._last_ticket += 1
        self.open_tickets.add(self._last_ticket)
        return self._last_ticket

    def _finish(self, model_id: str, ticket: int, outcome: Any, failure: Failure | None = None) -> None:
        if ticket:
            self.open_tickets.remove(ticket)
            self._effects.append(Finish(model_id, ticket, outcome, failure))

    def _announce(self, event: Event, model_id: str, action: str, failure: Failure | None = None) -> None:
        self._effects.append(Announce(event, model_id, action, failure))
