"""Tests of workers are coroutines that run on an event loop in a background thread, as in the manager."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.workers.api import Worker, WorkerSpec
from rmm_widgets.workers.environment import worker_environment
from rmm_widgets.workers.nursery import Nurseries, Order

from .placements import LIGHT, PLACEMENTS, Placement

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


@pytest.fixture(scope="session")
def nurseries() -> Iterator[Nurseries]:
    """Shared by all tests that do not harm them."""
    nurseries = Nurseries()
    yield nurseries
    nurseries.close()


@pytest.fixture
def runtime(request: pytest.FixtureRequest, nurseries: Nurseries) -> Iterator[Runtime]:
    """The loop that the test runs on; nothing may be left when it ends, but for a nursery that others use, too."""
    warm(nurseries)
    request.getfixturevalue("no_leaks")
    runtime = Runtime()
    yield runtime
    runtime.close()


def warm(nurseries: Nurseries) -> None:
    """Begin the shared nursery, which is then no leak of the test that would otherwise be its first user."""
    if nurseries.pids():
        return
    left, right = socket.socketpair()
    with left, Path(os.devnull).open("wb") as log:
        with right:
            environment = worker_environment(os.environ, tempfile.gettempdir())
            order = Order(
                modules=LIGHT,
                environment=environment,
                temporary=tempfile.gettempdir(),
                connection=right.fileno(),
                log=log.fileno(),
            )
            forked = nurseries.fork(order)
        left.close()
        if forked:
            forked.wait()


@pytest.fixture(params=PLACEMENTS)
def placement(request: pytest.FixtureRequest) -> Placement:
    return PLACEMENTS[request.param]


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
def start(runtime: Runtime, placement: Placement, nurseries: Nurseries, log: Path) -> Iterator[Start]:
    """Starts workers of the placement under test; `loaded=False` leaves them empty. They are ended afterwards."""
    workers: list[Worker] = []

    async def start(config: dict[str, Any] | None = None, *, loaded: bool = True, **more: Any) -> Worker:
        spec = spec_for(config or {}, log, **more)
        worker = await placement.start(spec, nurseries)
        workers.append(worker)
        if loaded:
            await worker.load(60)
        return worker

    async def end() -> None:
        await asyncio.gather(*(worker.stop(grace=0.5, unload=False) for worker in workers))

    yield start
    runtime.run(end())
