"""What the shell reports: how transfers and workers went on. A report of an older number changes nothing."""

from __future__ import annotations

from ..types import ModelEventType as Event
from .effects import AwaitRestart
from .foundation import Foundation
from .states import FETCHING, TRANSFERRING, TRANSITIONS, Failure, ModelState, Stage

__all__ = ["Reports"]

_ACTIVE = FETCHING - {Stage.QUEUED}


class Reports(Foundation):
    """The reports that a `Lifecycle` takes."""

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
            discard=0,
            pausing=False,
            for_load_only=False,
        )
        self._finish(model_id, state.download, "cancelled" if cancelled else "done")
        if state.next_download != state.download:
            self._finish(model_id, state.next_download, "done")
        self._finish(model_id, state.discard, "done")  # too late: nothing of it is unfinished any more
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
        if state.discard:
            self._finish(model_id, state.download, "cancelled")
            self._announce(Event.DOWNLOAD_ERROR, model_id, "download_cancelled")
            self._set(model_id, download=0)
            self._start_discard(model_id, state.discard)
        elif state.next_download and state.next_download == state.download:
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

    def discarded(self, model_id: str, run: int, *, freed: int = 0, failure: Failure | None = None) -> None:
        """What was fetched is gone: so many bytes. Or it is not, because of `failure`."""
        state = self._of_run(model_id, run)
        if state is None or state.stage is not Stage.DISCARDING:
            return
        following = state.next_download
        stage = Stage.QUEUED if following else Stage.REGISTERED
        alone = state.for_load_only and bool(following)
        self._set(model_id, stage=stage, discard=0, download=following, next_download=0, for_load_only=alone)
        if failure is not None:
            self._announce(Event.DOWNLOAD_ERROR, model_id, "discard_failed", failure)
        elif freed:
            self._announce(Event.DOWNLOAD_PROGRESS, model_id, "download_discarded")
        self._finish(model_id, state.discard, "failed" if failure else "done", failure)
        if following:
            self._announce(Event.DOWNLOAD_START, model_id, "download_started")
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

    def load_failed(self, model_id: str, generation: int, failure: Failure, *, restart: int = 0) -> None:
        """The load failed and its worker is gone; `restart` as in `worker_died`."""
        state = self._of_worker(model_id, generation)
        if state is None:
            return
        if state.stage is Stage.ABORTING:
            self.load_stopped(model_id, generation)
        elif state.stage is Stage.LOADING:
            self._set(model_id, stage=Stage.ERROR, failure=failure, load=0, worker=0, restart=restart)
            self._announce(Event.LOAD_ERROR, model_id, "load_failed", failure)
            self._finish(model_id, state.load, "failed", failure)
            self._await_restart(model_id)
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

    def worker_died(self, model_id: str, generation: int, failure: Failure, *, restart: int = 0) -> None:
        """The worker ended without being told to.

        Args:
            restart: Attempt of the reload that follows, 0 where none does.
        """
        state = self._of_worker(model_id, generation)
        if state is None:
            return
        match state.stage:
            case Stage.LOADING | Stage.ABORTING:
                self.load_failed(model_id, generation, failure, restart=restart)
            case Stage.UNLOADING:
                self.unload_done(model_id, generation)
            case Stage.LOADED:
                self._set(model_id, stage=Stage.ERROR, failure=failure, worker=0, restart=restart)
                self._announce(Event.LOAD_ERROR, model_id, "worker_died", failure)
                self._await_restart(model_id)
            case _:
                self._set(model_id, worker=0)

    def restart_due(self, model_id: str, generation: int) -> int:
        """The wait for a reload is over: its job, 0 where it was called off meanwhile."""
        state = self.models.get(model_id)
        if state is None or state.stage is not Stage.ERROR or state.generation != generation or not state.restart:
            return 0
        if not state.on_disk:
            self._set(model_id, restart=0)
            self._announce(Event.LOAD_ERROR, model_id, "restart_cancelled")
            return 0
        ticket = self._open_load(model_id, "restart_started")
        self._set(model_id, stage=Stage.WAITING, load=ticket, failure=None)
        self._dispatch()
        return ticket

    def crash_loop(self, model_id: str, generation: int, failure: Failure) -> None:
        """It crashed once more than it may: no reload follows, until a user asks for one."""
        state = self.models.get(model_id)
        if state is not None and state.stage is Stage.ERROR and state.generation == generation and not state.worker:
            self._set(model_id, failure=failure, restart=0)
            self._announce(Event.LOAD_ERROR, model_id, "crash_loop", failure)

    def _await_restart(self, model_id: str) -> None:
        state = self.models[model_id]
        if state.restart:
            self._effects.append(AwaitRestart(model_id, state.generation, state.restart))

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

    def _of_run(self, model_id: str, run: int) -> ModelState | None:
        state = self.models.get(model_id)
        return state if state is not None and state.run == run else None

    def _of_worker(self, model_id: str, generation: int) -> ModelState | None:
        state = self.models.get(model_id)
        return state if state is not None and state.worker == generation and generation else None
