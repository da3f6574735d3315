"""Jobs: awaited from any loop, waited for from any thread, cancelled, interrupted."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from rmm_widgets.errors import DownloadCancelledError, LoadCancelledError, LoadError
from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime.job import Job
from rmm_widgets.types import ModelInstance, ModelStatus

from ..downloads.fetching import wait_until
from .models import Barrier, Scripted, failing

Add = Callable[..., Scripted]


def test_result_from_many_threads_and_loops_is_the_same(manager: ModelManager, scripted: Add, barrier: Barrier) -> None:
    scripted(load=barrier)
    job = manager.load_model("custom")

    async def awaited() -> ModelInstance:
        return await job

    with ThreadPoolExecutor(20) as pool:
        waits = [pool.submit(job.result, 30) for _ in range(10)]
        waits += [pool.submit(asyncio.run, awaited()) for _ in range(10)]
        barrier.reached.wait(30)
        assert not job.done()
        barrier.open.set()
        results = [wait.result() for wait in waits]
    assert all(result is manager.get_model_instance("custom") for result in results)
    assert job.done()
    assert not job.cancelled()
    assert job.exception() is None


def test_one_loop_awaits_a_job_many_times_and_again_when_it_is_done(manager: ModelManager, scripted: Add) -> None:
    scripted()

    async def main() -> None:
        job = manager.load_model("custom")
        first = await asyncio.gather(*(_as_task(job) for _ in range(5)))
        assert await job is first[0]
        assert len(set(map(id, first))) == 1

    asyncio.run(main())


async def _as_task(job: Job[ModelInstance]) -> ModelInstance:
    return await job


def test_timeout_ends_the_wait_and_not_the_work(manager: ModelManager, scripted: Add, barrier: Barrier) -> None:
    scripted(load=barrier)
    job = manager.load_model("custom")
    with pytest.raises(TimeoutError, match="goes on"):
        job.result(0.05)

    async def impatient() -> None:
        async with asyncio.timeout(0.05):
            await job

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    assert not job.done()
    barrier.open.set()
    assert job.result(30).status is ModelStatus.LOADED


def test_a_cancelled_task_does_not_cancel_the_work(manager: ModelManager, scripted: Add, barrier: Barrier) -> None:
    scripted(load=barrier)
    job = manager.load_model("custom")

    async def main() -> None:
        waiting = asyncio.create_task(_as_task(job))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    barrier.open.set()
    assert job.result(30).model_id == "custom"


def test_a_loop_that_is_closed_before_the_end_harms_nobody(
    manager: ModelManager, scripted: Add, barrier: Barrier
) -> None:
    scripted(load=barrier)
    job = manager.load_model("custom")
    loop = asyncio.new_event_loop()
    task = loop.create_task(_as_task(job))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    barrier.open.set()
    assert job.result(30).model_id == "custom"


@pytest.mark.parametrize("blocking", [True, False])
def test_cancel_of_a_load(manager: ModelManager, scripted: Add, barrier: Barrier, blocking: bool) -> None:
    async def hang() -> None:
        barrier.reached.set()
        await asyncio.Event().wait()

    scripted(load=barrier if blocking else hang)
    job = manager.load_model("custom")
    assert barrier.reached.wait(30)
    began = time.monotonic()
    assert job.cancel()
    with pytest.raises(LoadCancelledError):
        job.result(30)
    assert time.monotonic() - began < 2
    assert job.done()
    assert job.cancelled()
    assert isinstance(job.exception(), LoadCancelledError)
    assert not job.cancel(), "there is nothing left to cancel"
    assert manager.get_model_status("custom") is ModelStatus.DOWNLOADED


def test_cancel_of_a_joined_job_is_for_all_who_joined(manager: ModelManager, scripted: Add, barrier: Barrier) -> None:
    scripted(on_disk=False, download=barrier)
    first, second = manager.download_model("custom"), manager.download_model("custom")
    assert first is second
    assert second.cancel()
    with pytest.raises(DownloadCancelledError) as caught:
        first.result(30)
    assert caught.value.model_id == "custom"
    assert caught.value.hint


def test_cancels_from_many_threads_end_every_load(manager: ModelManager, scripted: Add) -> None:
    scripted(load=lambda: time.sleep(0.002))
    stop = threading.Event()

    def cancel() -> None:
        while not stop.is_set():
            manager.cancel_load("custom")

    cancelled = 0
    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(cancel) for _ in range(3)]
        try:
            for _ in range(100):
                error = manager.load_model("custom").exception(30)
                assert error is None or isinstance(error, LoadCancelledError)
                cancelled += error is not None
                manager.unload_model("custom").result(30)
        finally:
            stop.set()
        for wait in waits:
            wait.result()
    assert cancelled > 0


def test_errors_are_raised_by_every_kind_of_wait(manager: ModelManager, scripted: Add) -> None:
    scripted(load=failing(ValueError("no weights")))
    job = manager.load_model("custom")
    with pytest.raises(LoadError, match="no weights"):
        job.result(30)
    with pytest.raises(LoadError, match="no weights"):
        asyncio.run(_as_task(job))
    error = job.exception()
    assert isinstance(error, LoadError)
    assert error.model_id == "custom"
    assert not job.cancelled()
    assert "failed" in repr(job)


def test_done_callbacks_that_block_or_raise_hold_up_nobody(
    manager: ModelManager, scripted: Add, barrier: Barrier, caplog: pytest.LogCaptureFixture
) -> None:
    scripted()
    blocked, finished = Barrier(), threading.Event()
    scripted("other", load=barrier)
    job = manager.load_model("other")
    called: list[tuple[Job[ModelInstance], threading.Thread]] = []
    try:
        with caplog.at_level(logging.CRITICAL):
            job.add_done_callback(lambda _: blocked())
            job.add_done_callback(failing(RuntimeError("a callback")))
            job.add_done_callback(lambda ended: called.append((ended, threading.current_thread())))
            job.add_done_callback(lambda _: finished.set())
            barrier.open.set()
            assert job.result(30)
            assert blocked.reached.wait(30)
            assert finished.wait(30)
        assert manager.load_model("custom").result(30).model_id == "custom"
        assert called[0][0] is job
        assert called[0][1] is not threading.main_thread()
    finally:
        blocked.open.set()


def test_a_done_callback_may_call_the_manager(manager: ModelManager, scripted: Add) -> None:
    scripted()
    unloaded: list[Job[None]] = []
    manager.load_model("custom").add_done_callback(lambda _: unloaded.append(manager.unload_model("custom")))
    wait_until(lambda: bool(unloaded) and unloaded[0].done())
    assert unloaded[0].exception() is None
    assert manager.get_model_status("custom") is ModelStatus.DOWNLOADED


def test_a_callback_added_after_the_end_is_called(manager: ModelManager, scripted: Add) -> None:
    scripted()
    job = manager.load_model("custom")
    job.result(30)
    seen: list[Job[ModelInstance]] = []
    job.add_done_callback(seen.append)
    wait_until(lambda: seen == [job])


def test_waiting_on_the_runtimes_own_thread_is_refused(manager: ModelManager, scripted: Add, barrier: Barrier) -> None:
    scripted(load=barrier)
    job = manager.load_model("custom")
    errors: list[BaseException] = []

    def on_change() -> None:
        for wait in (job.result, manager.close):
            try:
                wait()
            except RuntimeError as error:
                errors.append(error)

    unsubscribe = manager.subscribe(on_change)
    manager.pin("custom")
    wait_until(lambda: len(errors) >= 2)
    unsubscribe()
    assert not manager.closed
    barrier.open.set()
    job.result(30)
