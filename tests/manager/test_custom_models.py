"""Custom models: what they do, however badly, stops neither the kernel nor the runtime nor other models."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from rmm_widgets.base_model import BaseModel
from rmm_widgets.errors import (
    CallError,
    DownloadError,
    DownloadTimeoutError,
    LoadCancelledError,
    LoadError,
    LoadTimeoutError,
    ModelNotAvailableError,
    RMMError,
)
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelHealth, ModelInfo, ModelStatus

from ..downloads.fetching import wait_until
from .models import Barrier, Scripted, failing, info

Add = Callable[..., Scripted]


@contextmanager
def heartbeat(manager: ModelManager, longest: float = math.inf) -> Generator[list[float]]:
    """Seconds between the rounds of the runtime's loop; fails if one of them is `longest`."""
    gaps: list[float] = []

    async def beat() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    beating = manager._loop.submit(beat())
    try:
        yield gaps
    finally:
        beating.cancel()
    assert max(gaps, default=0) < longest


def whole_life(manager: ModelManager, scripted: Add, model_id: str) -> None:
    """Another model is registered, downloaded, loaded, called, checked and unloaded."""
    scripted(model_id, on_disk=False)
    instance = manager.load_model(model_id).result(30)
    assert instance(3) == 3
    assert manager.check_health(model_id).result(30) is ModelHealth.HEALTHY
    manager.unload_model(model_id).result(30)
    assert manager.get_model_status(model_id) is ModelStatus.DOWNLOADED


@pytest.mark.parametrize("stage", ["is_available", "download", "load", "health_check", "call", "unload"])
def test_a_stage_that_blocks_stops_nobody_else(
    manager: ModelManager, scripted: Add, barrier: Barrier, stage: str
) -> None:
    model = scripted(on_disk=stage != "download", **({} if stage == "is_available" else {stage: barrier}))
    if stage == "is_available":
        model.stages[stage] = barrier
    with ThreadPoolExecutor(1) as pool:
        if stage == "unload":
            manager.load_model("custom").result(30)
            end = manager.unload_model("custom").result
        elif stage == "call":
            end = pool.submit(manager.load_model("custom").result(30)).result
        else:
            end = manager.load_model("custom").result
        try:
            assert barrier.reached.wait(30)
            with heartbeat(manager, longest=5.0):
                whole_life(manager, scripted, "other")
                manager.get_state()
        finally:
            barrier.open.set()
        end(30)


def test_L20_the_loop_is_not_blocked_by_code_that_blocks(manager: ModelManager, scripted: Add) -> None:
    """A busy machine may hold the loop up too; code that blocks it would do so every time, and for 1.5 s."""
    scripted(on_disk=False, **dict.fromkeys(("download", "load", "unload", "call"), lambda: time.sleep(1.5)))
    held_up: list[float] = []
    gc.freeze()  # collecting the garbage of a kernel holds it up, too, the longer the more other tests have left in it
    try:
        for _ in range(3):
            with heartbeat(manager) as gaps:
                manager.load_model("custom").result(30)()
                manager.unload_model("custom").result(30)
            held_up.append(max(gaps))
            if held_up[-1] < 0.75:
                return
    finally:
        gc.unfreeze()
    pytest.fail(f"the loop was held up for {min(held_up):.2f} s every time")


def test_blocking_unload_is_reported_while_it_lasts(manager: ModelManager, scripted: Add, barrier: Barrier) -> None:
    scripted(unload=barrier)
    manager.load_model("custom").result(30)
    job = manager.unload_model("custom")
    assert barrier.reached.wait(30)
    assert manager.describe("custom").stage.value == "unloading"
    assert not job.done()
    barrier.open.set()
    job.result(30)


def test_a_callable_makes_the_model_once(manager: ModelManager) -> None:
    made: list[ModelInfo] = []

    def make(given: ModelInfo) -> BaseModel:
        time.sleep(0.05)
        made.append(given)
        return Scripted(given.model_id)

    manager.register_model(info("custom"), model=make)
    with ThreadPoolExecutor(8) as pool:
        loads = list(pool.map(lambda _: manager.load_model("custom").result(30), range(8)))
    assert made == [info("custom")]
    assert all(load is loads[0] for load in loads)
    assert isinstance(loads[0].model, Scripted)


def test_a_callable_that_blocks_holds_up_no_registration(manager: ModelManager, barrier: Barrier) -> None:
    def make(given: ModelInfo) -> BaseModel:
        barrier()
        return Scripted(given.model_id)

    with heartbeat(manager, longest=2.0):
        began = time.monotonic()
        manager.register_model(info("custom"), model=make)
        manager.register_model(info("other"), model=Scripted("other"))
        assert time.monotonic() - began < 10
        assert manager.load_model("other").result(30).model_id == "other"
    barrier.open.set()
    wait_until(lambda: manager.is_model_available("custom"))


@pytest.mark.parametrize("made", [None, "a model", 7])
def test_a_callable_that_makes_no_model_is_an_error_of_the_load(manager: ModelManager, made: Any) -> None:
    manager.register_model(info("custom"), model=lambda _: made)
    with pytest.raises(RMMError) as caught:
        manager.load_model("custom").result(30)
    assert caught.value.model_id == "custom"
    assert manager.get_model_status("custom") is ModelStatus.ERROR


def test_a_callable_that_hangs_is_ended_by_the_load_timeout(
    make_manager: Callable[..., ModelManager], barrier: Barrier
) -> None:
    manager = make_manager(load_timeout=0.3)
    manager.register_model(info("custom"), model=Scripted("custom"))

    def make(given: ModelInfo) -> BaseModel:
        barrier()
        return Scripted(given.model_id)

    manager.register_model(info("custom"), model=make)
    with pytest.raises(LoadTimeoutError):
        manager.load_model("custom").result(30)


def test_slow_is_available_is_heeded_when_it_answers(manager: ModelManager, barrier: Barrier) -> None:
    began = time.monotonic()
    manager.register_model(info("custom"), model=Scripted("custom", is_available=barrier))
    assert time.monotonic() - began < 10
    assert not manager.is_model_available("custom")
    barrier.open.set()
    wait_until(lambda: manager.is_model_available("custom"))
    assert manager.get_model_status("custom") is ModelStatus.DOWNLOADED


STAGES = ["is_available", "download", "load", "health_check"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_raises_is_an_error_that_a_later_load_clears(
    manager: ModelManager, scripted: Add, stage: str
) -> None:
    model = scripted(on_disk=stage != "download")
    model.stages[stage] = failing(ValueError("it cannot be"))
    with pytest.raises(RMMError, match="it cannot be") as caught:
        manager.load_model("custom").result(30)
    assert isinstance(caught.value, DownloadError if stage == "download" else LoadError)
    assert caught.value.model_id == "custom"
    assert caught.value.hint
    assert manager.get_model_status("custom") is ModelStatus.ERROR
    if stage != "download":
        assert manager.get_model_health("custom") is ModelHealth.UNHEALTHY
    del model.stages[stage]
    instance = manager.load_model("custom").result(30)
    assert instance.health is ModelHealth.HEALTHY
    assert instance.error is None


def test_failing_unload_keeps_the_model_as_error(manager: ModelManager, scripted: Add) -> None:
    model = scripted(unload=failing(ValueError("held by somebody")))
    manager.load_model("custom").result(30)
    with pytest.raises(LoadError, match="held by somebody"):
        manager.unload_model("custom").result(30)
    assert manager.get_model_status("custom") is ModelStatus.ERROR
    assert manager.events(limit=2)[0].data["action"] == "unload_failed"
    del model.stages["unload"]
    manager.unload_model("custom").result(30)
    assert manager.get_model_status("custom") is ModelStatus.DOWNLOADED


class Strange(BaseException):
    def __reduce__(self) -> Any:
        raise TypeError("not to be sent anywhere")


@pytest.mark.parametrize(
    "error",
    [
        Strange("strange"),
        SystemExit(3),
        KeyboardInterrupt(),
        StopIteration("odd"),
        asyncio.CancelledError(),
        TimeoutError("the network"),
        MemoryError(),
        ValueError("x" * 10_000_000),
        ValueError("\x1b[31mred\x1b[0m <script>alert(1)</script>\x00"),
        RMMError("one of ours"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("stage", ["load", "download", "call"])
def test_L8_whatever_is_raised_becomes_an_error_of_ours(
    manager: ModelManager, scripted: Add, stage: str, error: BaseException
) -> None:
    model = scripted(on_disk=stage != "download", **{stage: failing(error)})
    if stage == "call":
        with pytest.raises(CallError) as caught:
            manager.load_model("custom").result(30)()
    else:
        with pytest.raises(RMMError) as caught:
            manager.load_model("custom").result(30)
    assert len(str(caught.value)) <= 9000
    assert caught.value.model_id == "custom"
    whole_life(manager, scripted, "other")
    model.stages.clear()
    assert manager.load_model("custom").result(30)(5) == 5


def test_a_download_that_times_out_by_itself_says_what_it_said(manager: ModelManager, scripted: Add) -> None:
    scripted(on_disk=False, download=failing(TimeoutError("the server does not answer")))
    with pytest.raises(DownloadError, match="the server does not answer") as caught:
        manager.download_model("custom").result(30)
    assert not isinstance(caught.value, DownloadTimeoutError)


def test_download_timeout_ends_a_custom_download(make_manager: Callable[..., ModelManager], barrier: Barrier) -> None:
    manager = make_manager(download_timeout=0.2)
    manager.register_model(info("custom"), model=Scripted("custom", on_disk=False, download=barrier))
    with pytest.raises(DownloadTimeoutError):
        manager.download_model("custom").result(30)
    assert manager.get_model_status("custom") is ModelStatus.ERROR


def test_a_cancelled_coroutine_ends_and_a_blocking_one_is_undone(
    manager: ModelManager, scripted: Add, barrier: Barrier
) -> None:
    began, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    scripted("waits", load=wait)
    job = manager.load_model("waits")
    assert began.wait(30)
    job.cancel()
    assert isinstance(job.exception(30), LoadCancelledError)
    assert ended.wait(30)

    blocks = scripted("blocks", load=barrier)
    job = manager.load_model("blocks")
    assert barrier.reached.wait(30)
    job.cancel()
    assert isinstance(job.exception(30), LoadCancelledError)
    assert manager.get_model_status("blocks") is ModelStatus.DOWNLOADED
    again = manager.load_model("blocks")
    barrier.open.set()
    assert again.result(30)(4) == 4
    assert (blocks.ran["load"], blocks.ran["unload"]) == (2, 1), "the load that was given up let its memory go"
    assert blocks.is_initialized


def test_hanging_load_is_ended_by_its_timeout(make_manager: Callable[..., ModelManager], barrier: Barrier) -> None:
    manager = make_manager(load_timeout=0.3)
    model = Scripted("custom", load=barrier)
    manager.register_model(info("custom"), model=model)
    began = time.monotonic()
    with pytest.raises(LoadTimeoutError):
        manager.load_model("custom").result(30)
    assert time.monotonic() - began < 0.3 + 3 + 2
    barrier.open.set()
    del model.stages["load"]
    manager.load_timeout = 60.0
    assert manager.load_model("custom").result(30)(1) == 1


def test_cancelled_blocking_download_gives_its_slot_back(
    manager: ModelManager, scripted: Add, barrier: Barrier
) -> None:
    manager.max_concurrent_downloads = 1
    model = scripted(on_disk=False, download=barrier)
    job = manager.download_model("custom")
    assert barrier.reached.wait(30)
    began = time.monotonic()
    job.cancel()
    job.exception(30)
    assert time.monotonic() - began < 2
    whole_life(manager, scripted, "other")
    again = manager.download_model("custom")
    assert model.ran["download"] == 1, "the one that was given up still runs; the next one waits for it"
    barrier.open.set()
    again.result(30)
    assert manager.is_model_available("custom")


def test_progress_reports_that_make_no_sense_harm_nobody(
    manager: ModelManager, scripted: Add, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[float] = []

    def download() -> None:
        for done, total in [(5, 10), (3, 10), (20, 10), (-1, 10), (10, 0), (0, -5), (10, 10)]:
            model.report_progress(done, total)
            time.sleep(0.12)

    model = scripted(on_disk=False, download=download)
    manager.download_model("custom", lambda p: seen.append(p.progress)).result(30)
    wait_until(lambda: seen[-1:] == [100.0])
    assert seen == sorted(seen)
    assert seen[0] == 50.0
    assert not caplog.records
    bad = scripted("bad", on_disk=False, download=lambda: bad.report_progress("half", None))  # type: ignore[arg-type]
    with pytest.raises(DownloadError, match="half"):
        manager.download_model("bad").result(30)


def test_a_download_that_does_not_deliver_is_refused(manager: ModelManager) -> None:
    class Empty(Scripted):
        async def download(self) -> None:
            self.ran["download"] += 1

    manager.register_model(info("custom"), model=Empty("custom", on_disk=False))
    with pytest.raises(ModelNotAvailableError):
        manager.load_model("custom").result(30)
    assert not manager.is_model_loaded("custom")


def test_a_wrong_health_is_an_error(manager: ModelManager, scripted: Add) -> None:
    model = scripted()

    async def nonsense() -> str:
        return "fine, thanks"

    model.health_check = nonsense  # type: ignore[method-assign, assignment]
    with pytest.raises(LoadError, match="fine, thanks"):
        manager.load_model("custom").result(30)


def test_a_custom_model_of_an_earlier_session_says_so(make_manager: Callable[..., ModelManager]) -> None:
    with make_manager() as first:
        first.register_model(info("custom"), model=Scripted("custom"))
    second = make_manager()
    with pytest.raises(ModelNotAvailableError) as caught:
        second.load_model("custom").result(30)
    assert "earlier session" in str(caught.value)
    assert "Run the cell" in caught.value.hint
    second.register_model(info("custom"), model=Scripted("custom"))
    assert second.load_model("custom").result(30)(2) == 2
