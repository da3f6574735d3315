"""Events: numbered without gaps, in order for every listener, whatever the other listeners do."""

from __future__ import annotations

import asyncio
import logging
import random
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelEvent, ModelEventType, ModelHealth, ModelStatus

from ..downloads.fetching import wait_until
from .models import Barrier, Scripted, failing, info

Add = Callable[..., Scripted]


def numbers_of(events: list[ModelEvent]) -> list[int]:
    return [event.seq for event in events]


def configure(manager: ModelManager, times: int) -> list[float]:
    """Change a model's configuration so often; the seconds each change took."""
    seconds: list[float] = []
    for _ in range(times):
        began = time.monotonic()
        manager.update_model_config("custom", {"value": time.monotonic_ns()})
        seconds.append(time.monotonic() - began)
    return seconds


def test_L19_numbers_have_no_gaps_whoever_asks(manager: ModelManager, scripted: Add, numbers: random.Random) -> None:
    seen: list[ModelEvent] = []
    manager.add_event_listener(seen.append)
    names = [f"custom-{n}" for n in range(6)]
    for name in names:
        scripted(name, on_disk=False)

    def work(seed: int) -> None:
        own = random.Random(seed)
        for _ in range(15):
            name = own.choice(names)
            jobs = [manager.load_model(name), manager.download_model(name), manager.unload_model(name)]
            manager.update_model_config(name, {"value": own.random()})
            own.choice(jobs).cancel()
            for job in jobs:
                job.exception(30)

    with ThreadPoolExecutor(6) as pool:
        for wait in [pool.submit(work, numbers.randrange(2**32)) for _ in range(6)]:
            wait.result()
    history = manager.events(limit=10**6)
    assert numbers_of(history) == list(range(1, len(history) + 1))
    wait_until(lambda: len(seen) == len(history))
    assert seen == history
    assert all(one.timestamp <= other.timestamp for one, other in pairwise(history))


def test_L19_whoever_comes_late_finds_the_rest_in_the_history(
    manager: ModelManager, scripted: Add, numbers: random.Random
) -> None:
    """Listen first, then read the history: together they are every event, none of them missing or torn apart."""
    scripted()
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            configure(manager, 5)
            manager.load_model("custom").result(30)
            manager.unload_model("custom").result(30)

    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(work) for _ in range(2)]
        for _ in range(20):
            time.sleep(numbers.random() * 0.02)
            seen: list[ModelEvent] = []
            remove = manager.add_event_listener(seen.append)
            snapshot, known = manager.get_state(), numbers_of(manager.events(limit=10**6))
            wait_until(lambda seen=seen, known=known: bool(seen) and seen[-1].seq > known[-1])
            remove()
            assert known == list(range(1, len(known) + 1))
            later = numbers_of(list(seen))
            assert later[0] <= known[-1] + 1, "between the history and the first event seen nothing is missing"
            assert later == list(range(later[0], later[0] + len(later)))
            assert "custom" in snapshot.models
        over.set()
        for each in workers:
            each.result(60)


def test_L18_raising_blocking_and_leaving_listeners_harm_nobody(
    manager: ModelManager, scripted: Add, caplog: pytest.LogCaptureFixture
) -> None:
    scripted()
    caplog.set_level(logging.CRITICAL, "rmm_widgets")
    before, after, blocked, left = [], [], [], []
    barrier = Barrier()

    def blocking(event: ModelEvent) -> None:
        barrier()
        blocked.append(event)

    def leaving(event: ModelEvent) -> None:
        left.append(event)
        manager.remove_event_listener(leaving)

    try:
        for listener in (before.append, failing(RuntimeError("a listener")), blocking, leaving, after.append):
            manager.add_event_listener(listener)  # type: ignore[arg-type]
        seconds = configure(manager, 40)
        history = manager.events(limit=1000)
        wait_until(lambda: len(before) == len(after) == 40)
        assert before == after == history[-40:]
        assert left == before[:1]
        assert blocked == []
        assert statistics.median(seconds) < 0.1
        assert max(seconds) < 5, "the listener blocks for a minute; the manager may wait a tenth of a second for it"
    finally:
        barrier.open.set()
    wait_until(lambda: len(blocked) == 40)
    assert blocked == before


def test_L18_random_listeners_all_get_everything_in_order(
    manager: ModelManager, scripted: Add, numbers: random.Random, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "rmm_widgets")
    scripted()

    def make(seed: int) -> tuple[list[ModelEvent], Callable[[ModelEvent], None]]:
        own, seen = random.Random(seed), list[ModelEvent]()

        def listener(event: ModelEvent) -> None:
            seen.append(event)
            if own.random() < 0.2:
                time.sleep(own.random() * 0.01)
            if own.random() < 0.2:
                raise ValueError(event.seq)

        return seen, listener

    listeners = [make(numbers.randrange(2**32)) for _ in range(8)]
    joined: list[int] = []
    for seen, listener in listeners:
        manager.add_event_listener(listener)
        joined.append(len(manager.events(limit=1000)))
        configure(manager, numbers.randrange(6))
        del seen
    manager.load_model("custom").result(30)
    history = manager.events(limit=1000)
    for (seen, _), start in zip(listeners, joined, strict=True):
        wait_until(lambda seen=seen, start=start: len(seen) == len(history) - start)
        assert seen == history[start:]


def test_a_listener_may_call_the_manager(manager: ModelManager, scripted: Add) -> None:
    scripted()
    statuses: list[ModelStatus] = []

    def follow(event: ModelEvent) -> None:
        if event.data.get("action") == "registered" and event.model_id == "custom-2":
            manager.register_model(info("custom-3"))
            manager.load_model("custom").result(30)
            statuses.append(manager.get_model_status("custom"))
            manager.unload_model("custom").result(30)

    manager.add_event_listener(follow)
    scripted("custom-2")
    wait_until(lambda: manager.get_model_status("custom") is ModelStatus.DOWNLOADED and bool(statuses))
    assert statuses == [ModelStatus.LOADED]
    assert manager.get_model_info("custom-3") is not None


def test_a_listener_may_close_the_manager(make_manager: Callable[..., ModelManager]) -> None:
    manager = make_manager()
    manager.add_event_listener(lambda _: manager.close())
    manager.register_model(info("custom"))
    wait_until(lambda: manager.closed)


def test_an_async_listener_is_awaited_in_order(manager: ModelManager, scripted: Add) -> None:
    seen: list[int] = []

    async def listener(event: ModelEvent) -> None:
        await asyncio.sleep(0.001)
        seen.append(event.seq)

    manager.add_event_listener(listener)
    scripted()
    configure(manager, 10)
    wait_until(lambda: len(seen) == 11)
    assert seen == sorted(seen)


def test_events_are_seen_before_the_result_is_there(manager: ModelManager, scripted: Add) -> None:
    scripted(on_disk=False)
    seen: list[ModelEvent] = []
    manager.add_event_listener(seen.append)
    manager.load_model("custom").result(30)
    # The wait for listeners ends after a tenth of a second, which a busy machine may exceed now and then.
    wait_until(lambda: seen[-1:] != [] and seen[-1].type is ModelEventType.HEALTH_CHANGE)
    kinds = [event.type for event in seen if event.type is not ModelEventType.DOWNLOAD_PROGRESS]
    assert kinds == [
        ModelEventType.LOAD_START,
        ModelEventType.DOWNLOAD_START,
        ModelEventType.DOWNLOAD_COMPLETE,
        ModelEventType.LOAD_COMPLETE,
        ModelEventType.HEALTH_CHANGE,
    ]
    late = 0
    for _ in range(20):
        manager.unload_model("custom").result(30)
        late += seen[-1].data.get("health") != ModelHealth.UNKNOWN
        manager.load_model("custom").result(30)
        late += seen[-1].data.get("health") != ModelHealth.HEALTHY
    assert late <= 4, "a listener that keeps up has seen a job's events when its result is there"


def test_the_same_listener_twice_counts_once_and_is_removed_at_once(manager: ModelManager, scripted: Add) -> None:
    scripted()
    seen: list[ModelEvent] = []
    remove = manager.add_event_listener(seen.append)
    assert manager.remove_event_listener(seen.append)
    assert not manager.remove_event_listener(seen.append)
    remove()
    configure(manager, 1)
    assert seen == []
    listener = seen.append
    manager.add_event_listener(listener)
    manager.add_event_listener(listener)
    configure(manager, 2)
    wait_until(lambda: len(seen) == 2)
    remove()
    configure(manager, 1)
    assert len(seen) == 2


def test_a_listener_must_be_callable(manager: ModelManager) -> None:
    with pytest.raises(TypeError, match="callable"):
        manager.add_event_listener("print")  # type: ignore[arg-type]


def test_a_blocking_progress_callback_holds_up_no_download(manager: ModelManager, scripted: Add) -> None:
    barrier = Barrier()
    model = Scripted("custom", on_disk=False, download=lambda: model.report_progress(10, 10))
    manager.register_model(info("custom"), model=model)
    try:
        manager.download_model("custom", progress_callback=lambda _: barrier()).result(30)
        assert barrier.reached.is_set()
    finally:
        barrier.open.set()


def test_every_caller_of_a_joined_download_gets_progress(
    manager: ModelManager, scripted: Add, barrier: Barrier
) -> None:
    model = Scripted("custom", on_disk=False, download=lambda: (barrier(), model.report_progress(10, 10)))
    manager.register_model(info("custom"), model=model)
    seen: list[list[float]] = [[], []]
    lock = threading.Lock()

    def note(which: int, percent: float) -> None:
        with lock:
            seen[which].append(percent)

    first = manager.download_model("custom", lambda p: note(0, p.progress))
    assert barrier.reached.wait(30)
    second = manager.download_model("custom", lambda p: note(1, p.progress))
    barrier.open.set()
    assert first is second
    second.result(30)
    wait_until(lambda: all(each[-1:] == [100.0] for each in seen))


def test_changes_of_nothing_emit_nothing(manager: ModelManager, scripted: Add) -> None:
    model = scripted()
    manager.update_model_config("custom", {"value": 1})
    before = manager.events(limit=1000)
    manager.register_model(info("custom"), model=model)
    manager.update_model_config("custom", {"value": 1})
    manager.pin("custom")
    manager.unpin("custom")
    manager.unload_model("custom").result(30)
    assert manager.cancel_load("custom") is False
    assert manager.cancel_download("custom") is False
    assert manager.events(limit=1000) == before
