"""Tests of workers are coroutines that run on an event loop in a background thread, as in the manager."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.workers.api import Worker, WorkerSpec
from rmm_widgets.workers.process import start_process_worker
from rmm_widgets.workers.thread import start_thread_worker

from .servables import make

LIMIT = 100.0

Start = Callable[..., Awaitable[Worker]]


class Runtime:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="test-runtime")
        self.thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(LIMIT)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    runtime: Runtime = pyfuncitem.funcargs["runtime"]
    runtime.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def runtime(no_leaks: None) -> Iterator[Runtime]:
    runtime = Runtime()
    yield runtime
    runtime.close()


@pytest.fixture(params=["process", "kernel"])
def placement(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def spec_for(config: dict[str, Any], log: Path | None = None, **more: Any) -> WorkerSpec:
    order: dict[str, Any] = {
        "model_id": "gadget",
        "model_type": "embedding_model",
        "generation": 3,
        "path": "/nowhere",
        "loader": "python:tests.workers.servables:make",
        "log_path": str(log) if log else None,
    }
    return WorkerSpec(config=config, **{**order, **more})


@pytest.fixture
def start(runtime: Runtime, placement: str, log: Path) -> Iterator[Start]:
    """Starts workers of the placement under test; `loaded=False` leaves them empty. They are ended afterwards."""
    workers: list[Worker] = []

    async def start(config: dict[str, Any] | None = None, *, loaded: bool = True, **more: Any) -> Worker:
        spec = spec_for(config or {}, log, **more)
        worker = await (start_process_worker(spec) if placement == "process" else start_thread_worker(spec, make()))
        workers.append(worker)
        if loaded:
            await worker.load(60)
        return worker

    async def end() -> None:
        await asyncio.gather(*(worker.stop(grace=0.5, unload=False) for worker in workers))

    yield start
    runtime.run(end())
