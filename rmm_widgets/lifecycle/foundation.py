"""What requests and reports share: the states, the queues, the open jobs, and the one way to move a model.

A move that is not in the table is an error of ours and raises `AssertionError`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..types import ModelEventType as Event
from .effects import Announce, Effect, Finish, Removed, StartDiscard, StartLoad, StartTransfer
from .queues import SlotQueue
from .states import LOADING, RESTARTING, TRANSFERRING, TRANSITIONS, Failure, ModelState, Stage

__all__ = ["Foundation"]

_replace = msgspec.structs.replace


class Foundation:
    """The states of all models and the moves between them.

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

    def _open_load(self, model_id: str, action: str = "load_started") -> int:
        self._announce(Event.LOAD_START, model_id, action)
        return self._ticket()

    def _end_download(self, model_id: str, stage: Stage) -> None:
        state = self.models[model_id]
        self._set(model_id, stage=stage, download=0, for_load_only=False, pausing=False)
        self._announce(Event.DOWNLOAD_ERROR, model_id, "download_cancelled")
        self._finish(model_id, state.download, "cancelled")
        self._cancel_waiting_load(model_id)

    def _start_discard(self, model_id: str, ticket: int) -> None:
        """Have what was fetched removed; holds no download slot."""
        run = self._number()
        self._set(model_id, stage=Stage.DISCARDING, run=run, discard=ticket, percent=0.0, failure=None)
        self._effects.append(StartDiscard(model_id, run))

    def _cancel_waiting_load(self, model_id: str) -> None:
        """End a load that has not started yet."""
        ticket = self.models[model_id].load
        if ticket:
            self._set(model_id, load=0)
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
        if new.restart and new.stage not in RESTARTING:
            new = _replace(new, restart=0)
        if new.stage is not old.stage:
            if new.stage not in TRANSITIONS[old.stage]:
                raise AssertionError(f"{model_id}: no transition from {old.stage} to {new.stage}")
            self.downloads.moved(model_id, queued=new.stage is Stage.QUEUED, running=new.stage in TRANSFERRING)
            self.loads.moved(model_id, queued=new.stage is Stage.WAITING, running=new.stage in LOADING)
        self.models[model_id] = new

    def _number(self) -> int:
        """A run or generation; never used twice, so that news of a removed model fit no later one of its id."""
        self._last_number += 1
        return self._last_number

    def _ticket(self) -> int:
        self._last_ticket += 1
        self.open_tickets.add(self._last_ticket)
        return self._last_ticket

    def _finish(
        self,
        model_id: str,
        ticket: int,
        outcome: Literal["done", "cancelled", "failed"],
        failure: Failure | None = None,
    ) -> None:
        if ticket:
            self.open_tickets.remove(ticket)
            self._effects.append(Finish(model_id, ticket, outcome, failure))

    def _announce(self, event: Event, model_id: str, action: str, failure: Failure | None = None) -> None:
        self._effects.append(Announce(event, model_id, action, failure))
