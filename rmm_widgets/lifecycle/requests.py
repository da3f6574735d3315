"""What users ask for: one method per request, defined in every stage."""

from __future__ import annotations

from ..types import ModelEventType as Event
from .effects import Decision, StartUnload, StopLoad, StopTransfer
from .foundation import Foundation
from .states import FETCHING, Failure, ModelState, Stage

__all__ = ["Requests"]


class Requests(Foundation):
    """The requests of a `Lifecycle`."""

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
            case Stage.CANCELLING | Stage.DISCARDING if state.next_download or state.pausing:
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

    def discard_download(self, model_id: str) -> Decision:
        """Give the download up, if there is one, and remove what was fetched for it."""
        state = self.models[model_id]
        if state.remove:
            return Decision(refused="removing")
        self.cancel_download(model_id)
        state = self.models[model_id]
        ticket = state.discard
        match state.stage:
            case Stage.CANCELLING:
                ticket = ticket or self._ticket()
                self._set(model_id, discard=ticket)
            case Stage.REGISTERED:
                ticket = self._ticket()
                self._start_discard(model_id, ticket)
            case _:
                pass  # it is under way, or there is nothing unfinished
        return Decision(ticket)

    def move_download(self, model_id: str, position: int) -> bool:
        """Put a waiting download at a position of the queue, 0 being the next; False where it does not wait."""
        if self.models[model_id].stage is not Stage.QUEUED:
            return False
        if self.downloads.move(model_id, position):
            self._announce(Event.DOWNLOAD_PROGRESS, model_id, "download_moved")
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
                self._set(model_id, stage=Stage.WAITING, load=ticket, failure=None, restart=0)
            case _:
                if not self.auto_download and state.stage not in FETCHING:
                    return Decision(refused="not_available")
                ticket = state.load or self._open_load(model_id)
                self._want_files(model_id, for_load_only=True)
                self._set(model_id, load=ticket)
        self._dispatch()
        return Decision(ticket)

    def cancel_load(self, model_id: str) -> bool:
        """Give the load up, and with it a download that was only made for it; calls off the reload after a crash."""
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
            case Stage.ERROR if state.restart:
                self._set(model_id, restart=0)
                self._announce(Event.LOAD_ERROR, model_id, "restart_cancelled")
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

    def files_damaged(self, model_id: str, failure: Failure) -> None:
        """Files on disk turned out wrong: the model no longer counts as downloaded. Heeded only where nothing runs."""
        state = self.models[model_id]
        if state.on_disk and (state.stage is Stage.DOWNLOADED or (state.stage is Stage.ERROR and not state.worker)):
            self._set(model_id, stage=Stage.ERROR, failure=failure, on_disk=False, percent=0.0, restart=0)
            self._announce(Event.DOWNLOAD_ERROR, model_id, "files_damaged", failure)

    def _want_files(self, model_id: str, *, for_load_only: bool) -> int:
        """Queue a transfer, join the running one or resume the paused one; returns its ticket."""
        state = self.models[model_id]
        alone = state.for_load_only and for_load_only
        match state.stage:
            case Stage.PAUSED:
                self._set(model_id, stage=Stage.QUEUED, for_load_only=alone)
                self._announce(Event.DOWNLOAD_PROGRESS, model_id, "download_resumed")
                return state.download
            case Stage.CANCELLING | Stage.DISCARDING:
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

    def _cancel_next_load(self, model_id: str) -> None:
        ticket = self.models[model_id].next_load
        if ticket:
            self._set(model_id, next_load=0)
            self._announce(Event.LOAD_ERROR, model_id, "load_cancelled")
            self._finish(model_id, ticket, "cancelled")
