"""Health probes of loaded models: when to ask, one at a time per model, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ..errors import RMMError
from ..health import HealthTracker, Observation, Outcome
from ..lifecycle.states import Stage
from ..types import ModelHealth
from ..workers.api import Probe, Worker
from .entry import Entry

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Probing"]

TIMEOUT = 5.0
"""Seconds that a model has to answer a probe."""


class Probing:
    """The health of the loaded models of one engine; on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def watch(self) -> None:
        """Probe every loaded model at the interval of the settings, until cancelled."""
        while True:
            await asyncio.sleep(self._engine.settings.health_interval)
            for entry in list(self._engine.entries.values()):
                if self._is_loaded(entry) and not entry.probing:
                    self._engine.loop.spawn(self.probe(entry), name=f"probe {entry.info.model_id}")

    async def first(self, entry: Entry, worker: Worker) -> None:
        """Probe a model that has just been loaded, before anybody is told that it is."""
        entry.tracker = HealthTracker()
        await self._ask(entry, worker)

    def loaded(self, entry: Entry) -> None:
        """The load was announced: show what its first probe found."""
        self._show(entry)

    async def probe(self, entry: Entry) -> ModelHealth:
        """Probe a model now, after a probe that is under way; UNKNOWN where it is not loaded."""
        worker = entry.worker
        if not self._is_loaded(entry) or worker is None:
            return ModelHealth.UNKNOWN
        await self._ask(entry, worker)
        if entry.worker is worker and self._is_loaded(entry):
            entry.memory_bytes = worker.memory_bytes()
            self._show(entry)
            self._engine.settle(entry.info.model_id)
        return entry.health

    def _is_loaded(self, entry: Entry) -> bool:
        state = self._engine.machine.models.get(entry.info.model_id)
        return state is not None and state.stage is Stage.LOADED

    async def _ask(self, entry: Entry, worker: Worker) -> None:
        entry.probing = True
        try:
            probe = await worker.probe(TIMEOUT)
            seen = _observation(probe)
        except TimeoutError:
            seen = Observation(at=time.monotonic(), outcome=Outcome.MISSED)
        except RMMError as error:
            seen = Observation(at=time.monotonic(), outcome=Outcome.FAILED, detail=str(error))
        finally:
            entry.probing = False
        entry.tracker = (entry.tracker or HealthTracker()).observe(seen)

    def _show(self, entry: Entry) -> None:
        if entry.tracker is not None:
            self._engine.set_health(entry, entry.tracker.health, entry.tracker.reason)


def _observation(probe: Probe) -> Observation:
    now = time.monotonic()
    if probe.healthy is None:
        return Observation(at=now, outcome=Outcome.BUSY, detail=probe.detail)
    if not probe.healthy and (probe.latency >= TIMEOUT or probe.busy_for):
        return Observation(at=now, outcome=Outcome.MISSED, detail=probe.detail)
    if not probe.healthy:
        return Observation(at=now, outcome=Outcome.FAILED, latency=probe.latency, detail=probe.detail)
    outcome = Outcome.DEGRADED if probe.degraded else Outcome.OK
    return Observation(at=now, outcome=outcome, latency=probe.latency, detail=probe.detail)
