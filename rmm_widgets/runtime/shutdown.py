"""The end of a manager: what runs is cancelled, what is loaded is unloaded, and what fails is collected."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ..errors import ManagerClosedError, RMMError
from ..lifecycle.states import RESTING, Stage

if TYPE_CHECKING:
    from .engine import Engine
    from .registrar import Registrar

__all__ = ["shut_down"]

PATIENCE = 10.0
"""Seconds that models get to end by themselves before their workers are killed."""


async def shut_down(engine: Engine, registrar: Registrar) -> list[RMMError]:
    """End all work of an engine; returns what could not be unloaded properly."""
    machine = engine.machine
    engine.closing = True
    for model_id in list(machine.models):
        machine.cancel_load(model_id)
        machine.cancel_download(model_id)
        if machine.models[model_id].worker:
            machine.unload(model_id)
    engine.settle()
    await _at_rest(engine)
    failures = [
        entry.error
        for model_id, entry in engine.entries.items()
        if machine.models[model_id].worker and entry.error is not None
    ]
    await asyncio.gather(*(engine.residents.kill(entry) for entry in engine.entries.values()), return_exceptions=True)
    await engine.in_thread(engine.nurseries.close, "nurseries")
    await engine.transfers.close()
    await engine.loop.cancel_all(timeout=2.0)
    for job in list(engine.jobs.values()):
        job.fail(ManagerClosedError("The manager was closed.", model_id=job.model_id), cancelled=True)
    engine.bus.flush()
    await registrar.close()
    return failures


async def _at_rest(engine: Engine) -> None:
    deadline = time.monotonic() + PATIENCE
    moved = asyncio.Event()
    engine.subscribe(moved.set)
    try:
        while not all(s.stage in RESTING - {Stage.LOADED} for s in engine.machine.models.values()):
            moved.clear()
            try:
                await asyncio.wait_for(moved.wait(), deadline - time.monotonic())
            except TimeoutError:
                return
    finally:
        engine.unsubscribe(moved.set)
