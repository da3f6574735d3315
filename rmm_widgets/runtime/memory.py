"""Models in memory that nobody uses: who is in use, who is idle for how long, and unloading those for long enough.

Who must go for another model is `admission`'s business.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..lifecycle.states import Stage
from ..memory_records import HolderState
from ..types import ModelEventType
from .admission import Admission
from .entry import Entry
from .holders import Witness

if TYPE_CHECKING:
    from ..lifecycle.effects import Announce
    from ..workers.api import Worker
    from .engine import Engine

__all__ = ["Memory"]

_log = logging.getLogger("rmm_widgets")


class Memory:
    """Use and idleness of the models of one engine; everything on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._changed = asyncio.Event()
        self.admission = Admission(engine, self)

    # Use

    def hold(self, entry: Entry) -> None:
        """A `use` block begins: the model is not evicted until `release`."""
        entry.residency.blocks += 1

    def release(self, entry: Entry) -> None:
        """A `use` block ended."""
        entry.residency.blocks -= 1
        state = self._engine.machine.models.get(entry.info.model_id)
        if state is not None and state.stage is Stage.LOADED:
            self.used(entry, by_call=True)

    @contextmanager
    def calling(self, entry: Entry) -> Generator[None]:
        """A call is made, from here to its last result: the model is not evicted meanwhile."""
        entry.residency.calls += 1
        self.used(entry, by_call=True)
        try:
            yield
        finally:
            entry.residency.calls -= 1
            self.used(entry, by_call=True)

    def used(self, entry: Entry, *, by_call: bool = False) -> None:
        """Somebody used a loaded model, or was given it and is about to."""
        now = time.monotonic()
        entry.last_used = datetime.now(UTC)
        entry.residency.idle_since = now
        entry.residency.unused_until = 0.0 if by_call else now + self._engine.settings.first_use

    def loaded(self, entry: Entry) -> None:
        """A load ended well."""
        residency = entry.residency
        servable = residency.servable() if residency.servable is not None else None
        residency.witness = Witness(getattr(servable, "model", None)) if servable is not None else None
        self.used(entry)
        self._changed.set()

    def keep(self, entry: Entry, seconds: float | None) -> None:
        """Give a model its own time that it may be idle; None: the setting's."""
        entry.residency.keep_alive = seconds
        self._changed.set()

    def state_of(self, entry: Entry) -> HolderState:
        """Whether the memory of a model with a worker can be had, and if not, why."""
        residency = entry.residency
        stage = self._engine.state(entry.info.model_id).stage
        if stage in {Stage.UNLOADING, Stage.ABORTING}:
            return "unloading"
        if residency.in_use:
            return "in_use"
        if entry.pinned:
            return "pinned"
        if stage is Stage.LOADING:
            return "loading"
        if stage is not Stage.LOADED:
            return "stuck"
        return "first_use" if residency.unused_until > time.monotonic() else "idle"

    # Leaving

    async def watch(self) -> None:
        """Unload what has been idle for longer than it may, until cancelled."""
        while True:
            self._changed.clear()
            left = [(entry, self._time_left(entry)) for entry in self._engine.entries.values()]
            for entry, seconds in left:
                if seconds <= 0:
                    idle = time.monotonic() - entry.residency.idle_since
                    self.unload(entry, action="idle", idle_seconds=round(idle, 1))
            wait = min((seconds for _, seconds in left if seconds > 0), default=math.inf)
            try:
                async with asyncio.timeout(None if math.isinf(wait) else wait):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def look_again(self) -> None:
        """Something that decides how long models stay has changed."""
        self._changed.set()

    def _time_left(self, entry: Entry) -> float:
        """Seconds until a model must go where nobody uses it meanwhile; infinite where it may stay."""
        given = entry.residency.keep_alive
        seconds = self._engine.settings.keep_alive if given is None else given
        state = self._engine.machine.models.get(entry.info.model_id)
        if seconds is None or entry.pinned or state is None or state.stage is not Stage.LOADED:
            return math.inf
        if entry.residency.in_use:
            return seconds
        return entry.residency.idle_since + seconds - time.monotonic()

    def unload(self, entry: Entry, **why: Any) -> None:
        """Begin to unload a loaded model that nobody asked to unload; `why` goes into the event."""
        model_id = entry.info.model_id
        state = self._engine.machine.models.get(model_id)
        if state is None or state.stage is not Stage.LOADED:
            return
        entry.residency.leaving = why
        self._engine.machine.unload(model_id)
        self._engine.settle(model_id)

    async def leaving(self, entry: Entry, worker: Worker) -> None:
        """A model is about to leave memory."""
        await self.admission.leaving(entry, worker)

    async def left(self, entry: Entry) -> None:
        """A model left memory; where that was the kernel's, see whether its object is really gone."""
        residency, witness = entry.residency, entry.residency.witness
        if witness is None:
            return
        residency.held_by = await self._engine.in_thread(witness.holders, "holders")
        if residency.held_by:
            _log.warning(
                "model %s was unloaded, but its memory stays used: it is still held by %s",
                entry.info.model_id,
                ", ".join(residency.held_by),
            )

    # What listeners are told

    def announced(self, entry: Entry, effect: Announce) -> Mapping[str, Any]:
        """What an event about this model says of memory."""
        residency = entry.residency
        match effect.type, effect.action:
            case ModelEventType.LOAD_COMPLETE, _:
                told: dict[str, Any] = {"estimated_bytes": residency.estimated}
                if residency.warning:
                    told["warning"] = residency.warning
                return told
            case ModelEventType.UNLOAD, "unloaded":
                held_by = {"held_by": list(residency.held_by)} if residency.held_by else {}
                return {**(residency.leaving or {}), **held_by}
            case ModelEventType.LOAD_ERROR, "unload_failed":
                residency.leaving = None
            case _:
                pass
        return {}
