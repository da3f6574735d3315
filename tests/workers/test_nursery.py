"""Workers that are copies: as good as those started anew, sooner there, and safe from what happens to their nursery."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import WorkerDiedError
from rmm_widgets.loading.loaders.onnxruntime import LOADER
from rmm_widgets.workers.api import Worker
from rmm_widgets.workers.nursery import Nurseries, NurseryLostError, Order
from rmm_widgets.workers.process import start_process_worker

from .conftest import Runtime, spec_for
from .placements import LIGHT
from .test_conformance import until
from .test_process import alive

pytestmark = pytest.mark.skipif("sys.platform != 'linux'")


@pytest.fixture
def make_nurseries(runtime: Runtime) -> Iterator[Callable[..., Nurseries]]:
    made: list[Nurseries] = []

    def make(**more: float) -> Nurseries:
        made.append(Nurseries(**more))
        return made[-1]

    yield make
    for nurseries in made:
        nurseries.close()


@pytest.fixture
def own(make_nurseries: Callable[..., Nurseries]) -> Nurseries:
    """Nurseries of this test's own."""
    return make_nurseries()


async def begin(nurseries: Nurseries, log: Path | None = None, *, modules: tuple[str, ...] = LIGHT) -> Worker:
    worker = await start_process_worker(spec_for({}, log, preload=modules), nurseries=nurseries)
    await worker.load(60)
    return worker


async def stop(*workers: Worker) -> None:
    await asyncio.gather(*(worker.stop() for worker in workers))


async def is_copy(worker: Worker) -> bool:
    """Whether a worker came from a nursery: its modules were imported already."""
    return "colorsys" in (await worker.call("facts", (), {}))["modules"]


async def test_copies_are_children_of_the_kernel_with_sessions_and_folders_of_their_own(own: Nurseries) -> None:
    workers = await asyncio.gather(*(begin(own) for _ in range(4)))
    facts = [await worker.call("facts", (), {}) for worker in workers]
    assert len(own.pids()) == 1
    for worker, fact in zip(workers, facts, strict=True):
        assert psutil.Process(worker.pid).ppid() == os.getpid()
        assert fact["session"] == fact["pid"] == worker.pid
        assert "rmm_widgets.workers" in psutil.Process(worker.pid).cmdline()
        assert "colorsys" in fact["modules"]
        assert worker.memory_bytes() > 1 << 20
    assert len({fact["temporary"] for fact in facts}) == 4
    await stop(*workers)
    assert len(own.pids()) == 1


async def test_copies_have_random_numbers_of_their_own(own: Nurseries) -> None:
    workers = [await begin(own, modules=("numpy", "random")) for _ in range(3)]
    numbers = [await worker.call("random_numbers", (), {}) for worker in workers]
    for which in range(3):
        assert len({number[which] for number in numbers}) == 3
    await stop(*workers)


async def test_L5_a_nursery_that_is_killed_harms_no_worker(own: Nurseries, log: Path) -> None:
    first = await begin(own)
    (old,) = own.pids()
    os.kill(old, signal.SIGKILL)
    await until(lambda: not alive(old))
    assert await first.call("echo", (1,), {}) == 1
    second = await begin(own)
    (new,) = own.pids()
    assert new != old
    assert await is_copy(second)
    for worker in (first, second):
        task = asyncio.create_task(worker.call("do", ("sleep",), {}))
        await until(lambda worker=worker: worker._work_since)
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError) as caught:
            await task
        assert caught.value.signal == signal.SIGKILL


async def test_L5_a_nursery_that_is_killed_again_and_again(own: Nurseries) -> None:
    """Whatever a nursery was doing when it was killed, each start gives a worker, and nothing is left."""
    stopping = threading.Event()

    def kill() -> None:
        while not stopping.wait(0.05):
            for pid in own.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        workers = await asyncio.gather(*(start_anyhow(own) for _ in range(6)))
    finally:
        stopping.set()
        killer.join()
    assert all([await worker.call("echo", (1,), {}) == 1 for worker in workers])
    await stop(*workers)


async def start_anyhow(nurseries: Nurseries) -> Worker:
    worker = await start_process_worker(spec_for({}, preload=LIGHT), nurseries=nurseries)
    await worker.load(60)
    return worker


async def test_a_frozen_nursery_is_given_up(own: Nurseries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmm_widgets.workers.nursery._ANSWER", 0.3)
    first = await begin(own)
    (frozen,) = own.pids()
    os.kill(frozen, signal.SIGSTOP)
    second = await begin(own)
    assert not alive(frozen)
    await stop(first, second)


async def test_libraries_that_cannot_be_imported_are_left_to_the_worker(own: Nurseries) -> None:
    worker = await begin(own, modules=("tests.workers.nothing",))
    assert not await is_copy(worker)
    assert own.pids() == []
    await stop(worker)


async def test_libraries_that_begin_threads_are_not_copied(own: Nurseries) -> None:
    worker = await begin(own, modules=("colorsys", "tests.workers.threaded"))
    assert not await is_copy(worker)
    assert own.pids() == []
    await stop(worker)


async def test_without_libraries_there_is_no_nursery(own: Nurseries) -> None:
    worker = await begin(own, modules=())
    assert own.pids() == []
    await stop(worker)


async def test_a_changed_environment_needs_another_nursery(own: Nurseries, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await begin(own)
    (old,) = own.pids()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    second = await begin(own)
    assert (await second.call("facts", (), {}))["environment"]["OMP_NUM_THREADS"] == "7"
    await until(lambda: not alive(old))
    assert await first.call("echo", (1,), {}) == 1
    await stop(first, second)


async def test_an_idle_nursery_ends_and_one_with_workers_does_not(make_nurseries: Callable[..., Nurseries]) -> None:
    nurseries = make_nurseries(idle=0.2)
    first, second = await begin(nurseries), await begin(nurseries)
    (pid,) = nurseries.pids()
    await first.stop()
    await asyncio.sleep(0.5)
    assert nurseries.pids() == [pid]
    await second.stop()
    await until(lambda: not alive(pid))
    third = await begin(nurseries)
    assert await is_copy(third)
    await third.stop()


async def test_a_start_that_is_cancelled_during_the_imports_leaves_nothing(own: Nurseries) -> None:
    before = set(psutil.Process().children())
    task = asyncio.create_task(begin(own))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait({task})
    await until(lambda: {child.pid for child in set(psutil.Process().children()) - before} <= set(own.pids()))
    await asyncio.to_thread(own.close)
    assert set(psutil.Process().children()) <= before


async def test_a_manager_that_closes_does_not_wait_for_imports(own: Nurseries) -> None:
    task = asyncio.create_task(start_process_worker(spec_for({}, preload=("tests.workers.slow",)), nurseries=own))
    await until(own.pids)
    began = time.monotonic()
    task.cancel()
    await asyncio.to_thread(own.close)
    assert time.monotonic() - began < 4
    assert own.pids() == []


def test_a_closed_set_of_nurseries_makes_none(own: Nurseries) -> None:
    own.close()
    left, right = socket.socketpair()
    with left, right:
        order = Order(modules=LIGHT, environment={}, temporary="", connection=right.fileno(), log=right.fileno())
        assert own.fork(order) is None


async def test_a_lost_nursery_is_told_as_lost(own: Nurseries) -> None:
    """What was asked for may exist or not, so nobody may go on with the same socket."""
    await stop(await begin(own))
    (pid,) = own.pids()
    os.kill(pid, signal.SIGSTOP)
    left, right = socket.socketpair()
    with left, right:
        environment = own._living[LIGHT].environment
        order = Order(
            modules=LIGHT, environment=environment, temporary="", connection=right.fileno(), log=right.fileno()
        )
        asking = asyncio.create_task(asyncio.to_thread(own.fork, order))
        await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(NurseryLostError):
            await asking


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_second_model_with_the_same_libraries_is_there_sooner(
    own: Nurseries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With sentence-transformers, whose imports take seconds; and torch computes on all its threads in a copy."""
    if find_spec("sentence_transformers") is None:
        pytest.skip("needs sentence-transformers")
    took: list[float] = []
    workers: list[Worker] = []
    for _ in range(2):
        began = time.monotonic()
        spec = spec_for(
            {"folder": str(MODELS_DIR / "minilm-toy")},
            tmp_path / "log",
            loader="python:tests.workers.sentences:make",
            preload=("sentence_transformers", "transformers.models.bert.modeling_bert"),
        )
        worker = await start_process_worker(spec, nurseries=own)
        await worker.load(120)
        took.append(time.monotonic() - began)
        workers.append(worker)
    print(f"first {took[0]:.2f} s, second {took[1]:.2f} s")
    assert own.pids(), "the libraries could not be shared"
    assert took[1] < 0.25 * took[0]
    vectors = [await worker.call("__call__", (["a red fox", "the sea"],), {}) for worker in workers]
    assert vectors[0].shape[0] == 2
    assert (vectors[0] == vectors[1]).all()
    assert await workers[1].call("product", (300,), {}) is True
    await stop(*workers)


async def test_models_of_onnxruntime_are_copies_without_a_thread_of_its_telemetry(own: Nurseries) -> None:
    spec = spec_for(
        {},
        loader=LOADER.name,
        path=str(MODELS_DIR / "minilm-toy"),
        preload=LOADER.preload,
    )
    workers = [await start_process_worker(spec, nurseries=own) for _ in range(2)]
    for worker in workers:
        await worker.load(60)
        assert (await worker.call("__call__", ("words",), {})).shape[0] == 1
    assert len(own.pids()) == 1
    await stop(*workers)
