"""L11 to L13 with real processes: probes one at a time, and a busy worker told from a frozen one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.errors import WorkerDiedError
from rmm_widgets.health import HealthTracker, Outcome
from rmm_widgets.runtime.probing import observation
from rmm_widgets.types import ModelHealth
from rmm_widgets.workers.api import Worker
from rmm_widgets.workers.process import start_process_worker

from .conftest import Runtime, spec_for
from .test_conformance import begun

INTERVAL = 0.5


@contextlib.asynccontextmanager
async def worker_with(config: dict[str, Any]) -> AsyncGenerator[Worker]:
    worker = await start_process_worker(spec_for(config))
    try:
        await worker.load(60)
        yield worker
    finally:
        await worker.stop(grace=0.2, unload=False)


async def watched(worker: Worker, seconds: float) -> tuple[list[Outcome], list[ModelHealth]]:
    """What regular probes find for so long, and what is made of it; the model was well before."""
    tracker = HealthTracker(health=ModelHealth.HEALTHY, plain=ModelHealth.HEALTHY)
    outcomes: list[Outcome] = []
    judged: list[ModelHealth] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or len(outcomes) < 4:
        began = time.monotonic()
        seen = observation(await worker.probe(INTERVAL))
        tracker = tracker.observe(seen)
        outcomes.append(seen.outcome)
        judged.append(tracker.health)
        await asyncio.sleep(max(0.0, began + INTERVAL - time.monotonic()))
    return outcomes, judged


async def test_L11_never_are_two_probes_of_a_worker_under_way(runtime: Runtime) -> None:
    async with worker_with({}) as worker:
        assert worker.pid
        os.kill(worker.pid, signal.SIGSTOP)
        began = time.monotonic()
        probes = await asyncio.gather(*(worker.probe(0.3) for _ in range(4)))
        assert time.monotonic() - began >= 4 * 0.29, "one after the other"
        assert [observation(probe).outcome for probe in probes] == [Outcome.MISSED] * 4


async def test_L12_a_frozen_worker_becomes_unhealthy_at_the_third_miss(runtime: Runtime) -> None:
    async with worker_with({}) as worker:
        assert worker.pid
        os.kill(worker.pid, signal.SIGSTOP)
        outcomes, judged = await watched(worker, 0)
        assert outcomes == [Outcome.MISSED] * 4
        assert judged == [*[ModelHealth.HEALTHY] * 2, *[ModelHealth.UNHEALTHY] * 2]


async def hold_the_lock(marker: Path, seconds: float) -> None:
    async with worker_with({"marker": str(marker)}) as worker:
        call = asyncio.create_task(worker.call("do", ("hold_computing",), {}))
        await begun(marker, "call")
        outcomes, judged = await watched(worker, seconds)
        assert set(outcomes) == {Outcome.BUSY}
        assert set(judged) == {ModelHealth.HEALTHY}
        assert not worker.exited.done()
        assert not call.done()
        await worker.stop(grace=0.2)
        with pytest.raises(WorkerDiedError):
            await call


async def test_L13_a_call_that_holds_the_lock_and_computes_is_busy(runtime: Runtime, tmp_path: Path) -> None:
    await hold_the_lock(tmp_path / "marker", 3)


@pytest.mark.soak
async def test_L13_a_call_that_holds_the_lock_for_a_minute(runtime: Runtime, tmp_path: Path) -> None:
    await hold_the_lock(tmp_path / "marker", 60)


async def test_L13_a_probe_that_computes_for_long_is_busy_too(runtime: Runtime) -> None:
    async with worker_with({"probe": "compute:3.5"}) as worker:
        outcomes, judged = await watched(worker, 0)
        assert outcomes[0] is Outcome.BUSY
        assert set(outcomes) <= {Outcome.BUSY, Outcome.OK}
        assert set(judged) == {ModelHealth.HEALTHY}


async def test_a_probe_that_sleeps_for_long_is_not(runtime: Runtime) -> None:
    async with worker_with({"probe": "sleep"}) as worker:
        outcomes, judged = await watched(worker, 0)
        assert outcomes == [Outcome.MISSED] * 4
        assert judged[-1] is ModelHealth.UNHEALTHY
