"""Models in processes of their own: one load whoever asks, deaths that harm nothing else, memory that comes back."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from rmm_widgets import demo
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import (
    LoadCancelledError,
    LoadError,
    LoadTimeoutError,
    ModelNotLoadedError,
    WorkerDiedError,
)
from rmm_widgets.lifecycle.invariants import violations
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelEvent, ModelHealth, ModelInstance, ModelStatus, ModelType

from ..downloads.fetching import wait_until
from .models import Scripted, info

DIGIT = demo.sample("digit-1.png")


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


def workers() -> list[psutil.Process]:
    """The worker processes of this process."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        try:
            if "rmm_widgets.workers" in child.cmdline():
                found.append(child)
        except psutil.Error:
            pass  # it has just ended
    return found


def the_worker() -> psutil.Process:
    """The only worker process, as soon as there is one."""
    wait_until(lambda: len(workers()) == 1)
    return workers()[0]


def works(instance: ModelInstance) -> bool:
    with Image.open(DIGIT) as picture:
        return instance(picture)[0]["label"] == "3"


def load_fifty_at_once(manager: ModelManager, rounds: int) -> None:
    """25 threads and 25 tasks of a loop ask at the same moment: one load, one instance for all."""
    model = Scripted("custom", load=lambda: time.sleep(0.002))
    manager.register_model(info("custom"), model=model)

    def from_thread() -> ModelInstance:
        start.wait()
        return manager.load_model("custom").result(30)

    async def from_loop() -> list[ModelInstance]:
        async def load() -> ModelInstance:
            return await manager.load_model("custom")

        start.wait()
        return await asyncio.gather(*(load() for _ in range(25)))

    with ThreadPoolExecutor(26) as pool:
        for number in range(rounds):
            start = threading.Barrier(26)
            waits = [pool.submit(from_thread) for _ in range(25)]
            loop = pool.submit(asyncio.run, from_loop())
            instances = [wait.result() for wait in waits] + loop.result()
            assert len(instances) == 50
            assert all(instance is instances[0] for instance in instances)
            assert model.ran["load"] == number + 1
            manager.unload_model("custom").result(30)


def test_L3_fifty_loads_at_once_are_one_load(manager: ModelManager) -> None:
    load_fifty_at_once(manager, 20)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_L3_fifty_loads_at_once_200_times(manager: ModelManager) -> None:
    load_fifty_at_once(manager, 200)


def test_L3_fifty_loads_at_once_start_one_process(manager: ModelManager, digits: str) -> None:
    before = time.time()
    with ThreadPoolExecutor(50) as pool:
        instances = list(pool.map(lambda _: manager.load_model(digits).result(60), range(50)))
    assert all(instance is instances[0] for instance in instances)
    assert works(instances[0])
    assert len(workers()) == 1
    starts = [event for event in manager.events(digits) if event.type == "load_start"]
    assert len(starts) == 1
    used = instances[0].last_used
    assert used is not None
    assert used.timestamp() >= before
    assert manager.load_model(digits).result(5) is instances[0]
    assert instances[0].last_used is not None
    assert instances[0].last_used > used


def test_L5_killed_while_idle(manager: ModelManager, digits: str) -> None:
    manager.register_model(info("other"), model=Scripted("other"))
    other = manager.load_model("other").result(30)
    instance = manager.load_model(digits).result(60)
    seen: list[tuple[float, ModelEvent]] = []
    manager.add_event_listener(lambda event: seen.append((time.monotonic(), event)))
    killed = time.monotonic()
    the_worker().kill()
    wait_until(lambda: manager.get_model_status(digits) is ModelStatus.ERROR)
    wait_until(lambda: len(seen) == 2)
    assert seen[0][0] - killed < 0.5 + 2, "half a second, and some for a busy machine"
    event = seen[0][1]
    assert (event.type, event.data["action"]) == ("load_error", "worker_died")
    assert "signal 9" in event.data["error"]
    assert manager.get_model_health(digits) is ModelHealth.UNHEALTHY
    with pytest.raises(ModelNotLoadedError):
        instance(None)
    assert other(7) == 7
    again = manager.load_model(digits).result(60)
    assert works(again)
    assert again.health is ModelHealth.HEALTHY


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda n: n.name)
def test_L5_killed_in_a_call(manager: ModelManager, digits: str, number: signal.Signals) -> None:
    instance = manager.load_model(digits).result(60)
    worker = the_worker()
    worker.suspend()
    with Image.open(DIGIT) as picture, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(instance, picture.copy()) for _ in range(3)]
        calls.append(pool.submit(asyncio.run, instance.acall("__call__", picture.copy())))
        time.sleep(0.1)  # lets the calls reach the worker, which does not answer
        assert not any(call.done() for call in calls)
        worker.send_signal(number)
        with contextlib.suppress(psutil.NoSuchProcess):  # SIGKILL reaches a stopped process at once
            worker.resume()
        errors = [call.exception(30) for call in calls]
    assert all(isinstance(error, WorkerDiedError) and error.signal == number for error in errors), errors
    assert number.name in str(errors[0]) or "segmentation" in str(errors[0])
    assert manager.get_model_status(digits) is ModelStatus.ERROR
    assert works(manager.load_model(digits).result(60))


def test_L5_killed_at_random_moments_of_a_load(manager: ModelManager, digits: str, numbers: random.Random) -> None:
    outcomes: set[str] = set()
    for _ in range(8):
        job = manager.load_model(digits)
        worker = the_worker()
        time.sleep(numbers.random() * 0.4)
        worker.kill()
        error = job.exception(30)
        assert error is None or isinstance(error, WorkerDiedError)
        outcomes.add(type(error).__name__)
        wait_until(lambda: manager.get_model_status(digits) is ModelStatus.ERROR)
        assert workers() == []
    assert works(manager.load_model(digits).result(60)), outcomes


class Life:
    """A model's life over and over in a thread of its own, while somebody kills its workers."""

    def __init__(self, manager: ModelManager, model_id: str) -> None:
        self.manager = manager
        self.model_id = model_id
        self.over = threading.Event()
        self.unexpected: list[BaseException] = []
        self.lives = 0

    def live(self) -> None:
        while not self.over.is_set():
            self.lives += 1
            try:
                instance = self.manager.load_model(self.model_id).result(60)
                for _ in range(3):
                    works(instance)
                self.manager.check_health(self.model_id).result(60)
                self.manager.unload_model(self.model_id).result(60)
            except (WorkerDiedError, ModelNotLoadedError):
                pass
            except BaseException as error:
                self.unexpected.append(error)
                return


def kill_at_random(manager: ModelManager, model_id: str, numbers: random.Random, kills: int) -> None:
    """Every wait ends, with a death or well; whatever comes next works; nothing is left."""
    life = Life(manager, model_id)
    thread = threading.Thread(target=life.live)
    thread.start()
    done = 0
    while done < kills and thread.is_alive():
        time.sleep(numbers.random() * 0.4)
        for worker in workers():
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
                done += 1
    life.over.set()
    thread.join(90)
    assert not thread.is_alive(), "a wait never ended"
    assert life.unexpected == []
    assert works(manager.load_model(model_id).result(60))
    manager.unload_model(model_id).result(30)
    assert workers() == []
    assert manager._call(lambda: violations(manager._engine.machine)) == []


@pytest.mark.slow
def test_L5_random_kills(manager: ModelManager, digits: str, numbers: random.Random) -> None:
    kill_at_random(manager, digits, numbers, 40)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_L5_many_random_kills(manager: ModelManager, digits: str, numbers: random.Random) -> None:
    kill_at_random(manager, digits, numbers, 200)


def test_L5_killed_while_it_is_unloaded(manager: ModelManager, digits: str, numbers: random.Random) -> None:
    for _ in range(3):
        manager.load_model(digits).result(60)
        worker = the_worker()
        job = manager.unload_model(digits)
        time.sleep(numbers.random() * 0.02)
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
        assert job.exception(30) is None, "it is gone, which is what was asked for"
        assert manager.get_model_status(digits) is ModelStatus.DOWNLOADED


def test_L7_a_load_that_hangs_is_killed_in_time(make_manager: Callable[..., ModelManager], digits: str) -> None:
    limit = 4.0  # a busy machine may need some of it until there is a worker to suspend
    manager = make_manager(load_timeout=limit)
    began = time.monotonic()
    job = manager.load_model(digits)
    worker = the_worker()
    worker.suspend()
    with pytest.raises(LoadTimeoutError):
        job.result(30)
    assert time.monotonic() - began < limit + 3 + 2, "the limit, two seconds of grace, and some for a busy machine"
    assert not worker.is_running()
    assert manager.get_model_status(digits) is ModelStatus.ERROR
    assert manager.get_model_health(digits) is ModelHealth.UNHEALTHY
    manager.load_timeout = 60.0
    assert works(manager.load_model(digits).result(60))


def test_cancel_and_unload_end_a_load_at_random_moments(
    manager: ModelManager, digits: str, numbers: random.Random
) -> None:
    for number in range(8):
        job = manager.load_model(digits)
        time.sleep(numbers.random() * 0.4)
        began = time.monotonic()
        if number % 2 or not manager.cancel_load(digits):
            manager.unload_model(digits).result(30)
        error = job.exception(30)
        assert time.monotonic() - began < 1 + 2
        assert error is None or isinstance(error, LoadCancelledError)
        wait_until(lambda: manager.get_model_status(digits) is ModelStatus.DOWNLOADED)
    wait_until(lambda: workers() == [])


def test_a_workers_log_is_gone_after_an_unload_and_kept_after_a_crash(
    manager: ModelManager, digits: str, tmp_path: Path
) -> None:
    def logs() -> list[Path]:
        return list((tmp_path / "data" / "logs").iterdir())

    manager.load_model(digits).result(60)
    assert len(logs()) == 1
    manager.unload_model(digits).result(30)
    assert logs() == []
    manager.load_model(digits).result(60)
    the_worker().kill()
    wait_until(lambda: manager.get_model_status(digits) is ModelStatus.ERROR)
    assert len(logs()) == 1


def test_a_model_loads_where_no_log_can_be_written(manager: ModelManager, digits: str, tmp_path: Path) -> None:
    (tmp_path / "data" / "logs").write_text("in the way")
    assert works(manager.load_model(digits).result(60))


def load_and_unload(manager: ModelManager, digits: str, cycles: int) -> None:
    """Over and over; the first cycles, which may fill pools and caches, do not count."""
    kernel = psutil.Process()

    def cycle() -> None:
        instance = manager.load_model(digits).result(60)
        worker = the_worker()
        assert works(instance)
        assert instance.memory_bytes > 10_000_000
        assert manager.get_statistics().total_memory_usage > 10_000_000
        manager.unload_model(digits).result(30)
        assert not worker.is_running(), "the job ends when the process is gone"
        assert instance.memory_bytes == manager.get_statistics().total_memory_usage == 0
        with pytest.raises(ModelNotLoadedError):
            works(instance)

    def resources() -> tuple[int, int, int]:
        return kernel.num_fds(), threading.active_count(), len(kernel.children())

    for _ in range(5):
        cycle()
    gc.collect()
    before = resources()
    resident: list[int] = []
    for _ in range(cycles):
        cycle()
        gc.collect()
        resident.append(kernel.memory_info().rss)
    slope = statistics.linear_regression(range(len(resident)), resident).slope
    assert slope < 1 << 20, f"the kernel grows by {slope:.0f} bytes a cycle"
    wait_until(lambda: all(now <= then for now, then in zip(resources(), before, strict=True)))


@pytest.mark.slow
def test_L14_unloading_gives_everything_back(manager: ModelManager, digits: str) -> None:
    load_and_unload(manager, digits, 20)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_L14_a_hundred_unloads_give_everything_back(manager: ModelManager, digits: str) -> None:
    load_and_unload(manager, digits, 100)


def test_loads_wait_in_order_for_their_turn(make_manager: Callable[..., ModelManager]) -> None:
    manager = make_manager(max_concurrent_loads=2)
    running: list[str] = []
    order: list[str] = []
    most = 0
    lock, go = threading.Lock(), threading.Event()

    def load(name: str) -> None:
        nonlocal most
        with lock:
            order.append(name)
            running.append(name)
            most = max(most, len(running))
        go.wait(30)
        with lock:
            running.remove(name)

    names = [f"custom-{n}" for n in range(6)]
    for name in names:
        manager.register_model(info(name), model=Scripted(name, load=lambda name=name: load(name)))
    jobs = [manager.load_model(name) for name in names]
    wait_until(lambda: len(running) == 2)
    statistics = manager.get_statistics()
    assert (statistics.active_loads, statistics.queued_loads) == (2, 4)
    manager.max_concurrent_loads = 3
    wait_until(lambda: len(running) == 3)
    manager.max_concurrent_loads = 1
    go.set()
    for job in jobs:
        job.result(30)
    assert most == 3
    assert set(order[:2]) == set(names[:2])
    assert order[3:] == names[3:]


def test_S21_a_worker_knows_no_secrets_and_has_limits(
    make_manager: Callable[..., ModelManager], digits: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    monkeypatch.setenv("MY_API_KEY", "hf_canary")
    manager = make_manager()
    manager.load_model(digits).result(60)
    worker = the_worker()
    environment = worker.environ()
    assert "hf_canary" not in str(environment)
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    (temporary,) = tmp_path.glob("rmm-worker-*")
    assert temporary.stat().st_mode & 0o777 == 0o700
    proc = Path("/proc") / str(worker.pid)
    assert "Umask:\t0077" in (proc / "status").read_text()
    core = next(line for line in (proc / "limits").read_text().splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    manager.unload_model(digits).result(30)
    wait_until(lambda: not temporary.exists())


def test_a_model_of_the_wrong_type_is_refused_and_harms_nothing(manager: ModelManager, digits: str) -> None:
    wrong = info("wrong", repo_id="rmm-demo/vit-digits")
    assert wrong.model_type is ModelType.EMBEDDING_MODEL
    manager.register_model(wrong)
    with pytest.raises(LoadError) as caught:
        manager.load_model("wrong").result(60)
    assert caught.value.model_id == "wrong"
    assert works(manager.load_model(digits).result(60))
