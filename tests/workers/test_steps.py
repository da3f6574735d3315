"""Steps of a call: in order, none lost, none ahead of the consumer by more than agreed; on every placement."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import numpy as np
import psutil
import pytest

from rmm_widgets.errors import CallError, WorkerDiedError
from rmm_widgets.workers.api import Worker
from rmm_widgets.workers.steps import AHEAD, Steps

from .conftest import Start
from .placements import Placement
from .test_conformance import until

MIB = 1 << 20


async def take(steps: Steps, call: asyncio.Task[Any]) -> list[Any]:
    """All steps of a call, as a consumer on another thread takes them."""
    call.add_done_callback(lambda _: steps.end())
    taken: list[Any] = []

    def consume() -> None:
        while (found := steps.poll(wait=True))[0]:
            taken.append(found[1])

    await asyncio.to_thread(consume)
    return taken


def begin(worker: Worker, steps: Steps, method: str, *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(worker.call(method, args, kwargs, steps=steps))


async def test_every_step_arrives_in_order_before_the_result(start: Start) -> None:
    worker = await start()
    steps = Steps("on_step")
    call = begin(worker, steps, "steps", 300)
    assert await take(steps, call) == [(number, 300) for number in range(300)]
    assert call.result() == 300


async def test_a_step_of_one_value_is_that_value(start: Start) -> None:
    worker = await start()
    steps = Steps("on_token")
    call = begin(worker, steps, "texts", 3)
    assert await take(steps, call) == ["word0", "word1", "word2"]
    assert call.result() == "all"


async def test_the_items_of_a_generator_are_steps_and_what_it_returns_the_result(start: Start) -> None:
    worker = await start()
    steps = Steps("")
    call = begin(worker, steps, "generate", 100)
    assert await take(steps, call) == list(range(100))
    assert call.result() == "generated"


async def test_a_method_without_steps_just_returns(start: Start) -> None:
    worker = await start()
    steps = Steps("")
    call = begin(worker, steps, "echo", [1, 2])
    assert await take(steps, call) == []
    assert call.result() == [1, 2]


async def test_steps_before_a_failure_arrive(start: Start) -> None:
    worker = await start()
    steps = Steps("on_token")
    call = begin(worker, steps, "texts", 10, fail_at=4)
    assert await take(steps, call) == [f"word{number}" for number in range(4)]
    with pytest.raises(CallError, match="no more words"):
        await call


async def test_the_model_waits_for_a_slow_consumer(start: Start) -> None:
    worker = await start()
    steps = Steps("on_token")
    call = begin(worker, steps, "texts", 1000)
    await until(lambda: len(steps._items) == AHEAD)
    await asyncio.sleep(0.2)
    assert len(steps._items) == AHEAD
    probe = await worker.probe(30)
    assert (probe.healthy, probe.detail) == (None, "busy with a call")
    assert await take(steps, call) == [f"word{number}" for number in range(1000)]


async def test_large_steps_are_bounded_by_their_bytes(start: Start, placement: Placement) -> None:
    worker = await start()
    await worker.call("pictures", (1, 8), {"on_step": lambda _: None})
    steps = Steps("on_step")
    before = psutil.Process().memory_info().rss
    call = begin(worker, steps, "pictures", 12, 8)
    most = 4 if placement.own_process else 12  # 32 MiB; in the kernel nothing is copied, so nothing is counted
    await until(lambda: len(steps._items) == most)
    await asyncio.sleep(0.2)
    assert len(steps._items) == most
    assert psutil.Process().memory_info().rss - before < 200 * MIB
    pictures = await take(steps, call)
    assert [int(picture[0]) for picture in pictures] == list(range(12))
    assert all(picture.shape == (8 * MIB,) and (picture == picture[0]).all() for picture in pictures)


async def test_a_cancelled_call_lets_the_model_go_that_waits_for_its_consumer(start: Start) -> None:
    worker = await start()
    steps = Steps("on_token")
    call = begin(worker, steps, "texts", 1000)
    await until(lambda: len(steps._items) == AHEAD)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    noted = await worker.call("noted", (), {}, timeout=30)
    assert len(noted) <= AHEAD + 1


async def test_a_cancelled_generator_is_closed(start: Start) -> None:
    worker = await start()
    steps = Steps("")
    call = begin(worker, steps, "generate", 1000)
    await until(lambda: len(steps._items) == AHEAD)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await worker.call("noted", (), {}, timeout=30))[-1] == "closed"


async def test_a_consumer_that_does_not_care_any_more_holds_up_nobody(start: Start) -> None:
    worker = await start()
    steps = Steps("on_token")
    call = begin(worker, steps, "texts", 1000)
    await until(lambda: len(steps._items) == AHEAD)
    steps.discard()
    assert await call == "all"


async def test_an_unload_does_not_wait_for_a_consumer(start: Start) -> None:
    worker = await start()
    steps = Steps("on_token")
    call = begin(worker, steps, "texts", 1000)
    await until(lambda: len(steps._items) == AHEAD)
    await worker.unload(30)
    with pytest.raises(CallError, match="cancelled"):
        await call


async def test_a_call_over_its_time_while_its_consumer_sleeps(start: Start) -> None:
    worker = await start()
    steps = Steps("on_token")
    with pytest.raises(TimeoutError):
        await worker.call("texts", (1000,), {}, 0.3, steps)
    assert await worker.call("echo", (1,), {}) == 1


async def test_steps_and_a_callback_of_the_user_side_by_side(start: Start) -> None:
    worker = await start()
    seen: list[Any] = []
    steps = Steps("")
    call = asyncio.create_task(
        worker.call("steps", (20,), {"on_step": lambda number, total: seen.append(number)}, steps=steps)
    )
    assert await take(steps, call) == []
    assert seen == list(range(20))


async def test_L5_a_death_ends_the_steps(start: Start, placement: Placement) -> None:
    if not placement.own_process:
        pytest.skip("a thread cannot be killed")
    worker = await start()
    steps = Steps("on_token")
    call = begin(worker, steps, "texts", 1000)
    await until(lambda: len(steps._items) == AHEAD)
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    assert len(await take(steps, call)) == AHEAD
    with pytest.raises(WorkerDiedError, match="signal 9"):
        await call


async def test_S19_a_worker_that_sends_more_steps_than_it_may_is_ended(start: Start, placement: Placement) -> None:
    if not placement.own_process:
        pytest.skip("a thread of this process is no stranger")
    worker = await start()
    steps = Steps("on_step")
    call = begin(worker, steps, "spam_steps", 10_000)
    with pytest.raises(WorkerDiedError, match="more steps than it was asked for"):
        await call
    assert len(steps._items) <= AHEAD


async def test_calls_from_many_threads_get_their_own_answers(start: Start) -> None:
    worker = await start()
    loop = asyncio.get_running_loop()
    answers: dict[int, list[Any]] = {}

    def caller(number: int) -> None:
        mine: list[Any] = []
        for turn in range(25):
            value = [number, turn, np.full(300 + number, turn)] if turn % 5 == 0 else [number, turn]
            got = asyncio.run_coroutine_threadsafe(worker.call("echo", (value,), {}), loop).result(60)
            mine.append(got[:2])
        answers[number] = mine

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert answers == {number: [[number, turn] for turn in range(25)] for number in range(8)}
