"""Random operations from several threads on one manager: the invariants hold and every job ends."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.errors import (
    LoadError,
    ModelAlreadyRegisteredError,
    ModelNotLoadedError,
    ModelNotRegisteredError,
    RMMError,
)
from rmm_widgets.lifecycle.invariants import violations
from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime.job import Job
from rmm_widgets.types import ModelEvent, ModelStatus

from ..downloads.fetching import wait_until
from .models import Scripted, info

NAMES = [f"custom-{n}" for n in range(5)]


class Moody(Scripted):
    """Takes its time and sometimes fails, in every stage."""

    def __init__(self, model_id: str, seed: int) -> None:
        super().__init__(model_id, on_disk=False)
        self.numbers = random.Random(seed)
        for stage in ("download", "load", "unload", "health_check"):
            self.stages[stage] = self.act

    def act(self) -> None:
        time.sleep(self.numbers.random() ** 3 * 0.02)
        if self.numbers.random() < 0.05:
            raise OSError("a bad day")
        self.report_progress(1, 1)


def random_request(manager: ModelManager, numbers: random.Random) -> Job[Any] | None:
    name = numbers.choice(NAMES)
    requests: list[Callable[[], object]] = [
        lambda: manager.download_model(name),
        lambda: manager.load_model(name),
        lambda: manager.load_model(name),
        lambda: manager.unload_model(name),
        lambda: manager.cancel_download(name),
        lambda: manager.cancel_load(name),
        lambda: manager.pause_download(name),
        lambda: manager.resume_download(name),
        lambda: manager.check_health(name),
        lambda: manager.update_model_config(name, {"value": numbers.randrange(5)}),
        lambda: manager.register_model(info(name), model=Moody(name, numbers.randrange(2**32))),
        lambda: setattr(manager, "max_concurrent_loads", numbers.randrange(1, 4)),
        lambda: setattr(manager, "max_concurrent_downloads", numbers.randrange(1, 4)),
    ]
    if numbers.random() < 0.03:
        requests = [lambda: manager.delete_model(name)]
    answer = numbers.choice(requests)()
    return answer if isinstance(answer, Job) else None


def walk(manager: ModelManager, seed: int, end: float, jobs: list[Job[Any]]) -> int:
    numbers = random.Random(seed)
    done = 0
    while time.monotonic() < end:
        try:
            job = random_request(manager, numbers)
        except ModelNotRegisteredError:
            continue  # it was just deleted
        except ModelAlreadyRegisteredError:
            continue  # it is being deleted
        except (LoadError, ModelNotLoadedError):
            continue  # a configuration reached a model whose worker has just gone
        finally:
            done += 1
        if job is not None:
            jobs.append(job)
            if numbers.random() < 0.1:
                job.cancel()
    return done


def check_for(manager: ModelManager, seconds: float, seed: int) -> None:
    for name in NAMES:
        manager.register_model(info(name), model=Moody(name, seed))
    seen: list[ModelEvent] = []
    manager.add_event_listener(seen.append)
    broken: list[str] = []

    def check() -> None:
        # Between two requests, when the effects of the last one are carried out.
        if not manager._engine._settling:
            broken.extend(violations(manager._engine.machine))

    unsubscribe = manager.subscribe(check)
    jobs: list[Job[Any]] = []
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(4) as pool:
        walks = [pool.submit(walk, manager, seed + n, end, jobs) for n in range(4)]
        requests = sum(each.result() for each in walks)
    for name in NAMES:
        if manager.get_model_info(name) is not None:
            manager.cancel_download(name)
    for job in jobs:
        job.exception(60)
    unsubscribe()
    assert broken == []
    assert manager._call(lambda: violations(manager._engine.machine)) == []
    assert manager._engine.jobs == {}
    assert requests > 50
    history = [event.seq for event in manager.events(limit=10**6)]
    assert history[-1] - history[0] == len(history) - 1
    wait_until(lambda: bool(seen) and seen[-1].seq == history[-1])
    assert [event.seq for event in seen] == list(range(seen[0].seq, history[-1] + 1))
    at_rest = {ModelStatus.NOT_DOWNLOADED, ModelStatus.DOWNLOADED, ModelStatus.LOADED, ModelStatus.ERROR}
    wait_until(lambda: {manager.get_model_status(name) for name in NAMES} <= at_rest)


def test_L2_random_schedule(manager: ModelManager, numbers: random.Random, caplog: pytest.LogCaptureFixture) -> None:
    check_for(manager, 3.0, numbers.randrange(2**32))
    assert not [record for record in caplog.records if "internal error" in record.message]


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_L2_random_schedules_for_long(
    make_manager: Callable[..., ModelManager], numbers: random.Random, tmp_path: Path
) -> None:
    for round_ in range(30):
        with make_manager(data_dir=tmp_path / str(round_)) as manager:
            check_for(manager, 10.0, numbers.randrange(2**32))


def test_close_in_the_middle_ends_every_job_and_every_caller(
    make_manager: Callable[..., ModelManager], numbers: random.Random
) -> None:
    for _ in range(3):
        manager = make_manager()
        for name in NAMES:
            manager.register_model(info(name), model=Moody(name, 1))
        jobs: list[Job[Any]] = []
        failures: list[BaseException] = []

        def hammer(seed: int, manager: ModelManager = manager, jobs: list[Job[Any]] = jobs) -> None:
            try:
                walk(manager, seed, time.monotonic() + 60, jobs)
            except BaseException as error:
                failures.append(error)  # noqa: B023 - read in the same round

        threads = [threading.Thread(target=hammer, args=(numbers.randrange(2**32),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(numbers.random() * 0.5)
        with contextlib.suppress(RMMError):  # an unload may have a bad day
            manager.close()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert all("closed" in str(failure) for failure in failures), failures
        assert [job for job in jobs if not job.done()] == []
