"""Health probes of loaded models: when to ask, one at a time per model, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..errors import RMMError, WorkerDiedError
from ..health import HealthTracker, Observation, Outcome, ProbeRecord
from ..lifecycle.states import Stage
from ..types import ModelHealth
from ..workers.api import Probe, Worker
from .entry import Entry

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Probing", "observation", "probe_timeout"]

LONGEST = 2.0
SHORTEST = 0.5
"""Bounds of the seconds that a model has to answer a probe; between them it is the interval of the probes."""

FIRST = 30.0
"""Seconds for the first probe after a load, which warms the model up."""


def probe_timeout(interval: float) -> float:
    """Seconds that a model has to answer, so that three misses take no longer than three intervals and 2 s."""
    return min(LONGEST, max(SHORTEST, interval))


class Probing:
    """The health of the loaded models of one engine; on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def watch(self) -> None:
        """Probe every loaded model at the interval of the settings, until cancelled."""
        while True:
            await asyncio.sleep(self._engine.settings.health_interval)
            for entry in list(self._engine.entries.values()):
                if self._is_loaded(entry) and not entry.watched:
                    self._engine.loop.spawn(self._watch_one(entry), name=f"probe {entry.info.model_id}")

    async def _watch_one(self, entry: Entry) -> None:
        """Probe once; where that took an interval or longer, the next probe is due already."""
        entry.watched = True
        try:
            while self._is_loaded(entry):
                began = time.monotonic()
                await self.probe(entry)
                if time.monotonic() - began < self._engine.settings.health_interval:
                    return
        finally:
            entry.watched = False

    async def first(self, entry: Entry, worker: Worker, left: float | None) -> None:
        """Probe a model that has just been loaded, before anybody is told that it is.

        Args:
            left: Seconds of the load's time limit that are left, None where it has none.
        """
        entry.tracker = HealthTracker()
        entry.probes.clear()
        await self._ask(entry, worker, FIRST if left is None else min(FIRST, max(SHORTEST, left)))

    def loaded(self, entry: Entry) -> None:
        """The load was announced: show what its first probe found."""
        self._show(entry)

    async def probe(self, entry: Entry) -> ModelHealth:
        """Probe a model now, after a probe that is under way; UNKNOWN where it is not loaded."""
        worker = entry.worker
        if not self._is_loaded(entry) or worker is None:
            return ModelHealth.UNKNOWN
        await self._ask(entry, worker, probe_timeout(self._engine.settings.health_interval))
        if entry.worker is worker and self._is_loaded(entry):
            entry.memory_bytes = worker.memory_bytes()
            self._show(entry)
            self._engine.settle(entry.info.model_id)
        return entry.health

    def _is_loaded(self, entry: Entry) -> bool:
        state = self._engine.machine.models.get(entry.info.model_id)
        return state is not None and state.stage is Stage.LOADED

    async def _ask(self, entry: Entry, worker: Worker, timeout: float) -> None:
        try:
            # The worker asks one at a time: never are two probes of one model under way.
            seen = observation(await worker.probe(timeout))
        except WorkerDiedError as error:
            seen = Observation(at=time.monotonic(), outcome=Outcome.DEAD, detail=str(error))
        except RMMError as error:
            seen = Observation(at=time.monotonic(), outcome=Outcome.FAILED, detail=str(error))
        if entry.worker is worker:
            self._note(entry, seen)

    def _note(self, entry: Entry, seen: Observation) -> None:
        before = entry.tracker or HealthTracker()
        entry.tracker = before.observe(seen)
        entry.probes.append(
            ProbeRecord(
                timestamp=datetime.now(UTC),
                latency=seen.latency,
                outcome=seen.outcome,
                health=entry.tracker.health,
                detail=seen.detail,
            )
        )
        if entry.tracker.health is not before.health:
            entry.health_change = entry.tracker.reason_since(before, seen)

    def _show(self, entry: Entry) -> None:
        tracker = entry.tracker
        if tracker is not None:
            latency = entry.probes[-1].latency if entry.probes else 0.0
            self._engine.set_health(
                entry,
                tracker.health,
                tracker.reason,
                told=entry.health_change,
                latency=round(latency, 4),
                misses=tracker.misses,
            )


def observation(probe: Probe) -> Observation:
    """What the judgement of a model's health takes of a probe that has just ended."""
    if probe.healthy is None:
        outcome = Outcome.BUSY
    elif probe.healthy:
        outcome = Outcome.DEGRADED if probe.degraded else Outcome.OK
    else:
        outcome = Outcome.FAILED if probe.answered else Outcome.MISSED
    return Observation(at=time.monotonic(), outcome=outcome, latency=probe.latency, detail=probe.detail)
