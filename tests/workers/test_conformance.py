"""What every placement promises; only hard ends differ, and those tests say how."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from rmm_widgets import errors
from rmm_widgets.errors import (
    CallError,
    InvalidConfigError,
    LoadCancelledError,
    LoadError,
    LoadTimeoutError,
    ModelNotLoadedError,
    RMMError,
    WorkerDiedError,
)
from rmm_widgets.workers.api import Worker
from rmm_widgets.workers.faults import MAX_MESSAGE, MAX_TRACEBACK
from rmm_widgets.workers.messages import Done

from .conftest import Start
from .placements import Placement
from .shapes import SHAPES


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.005)


async def begun(marker: Path, what: str) -> None:
    await until(lambda: marker.exists() and marker.read_text() == what)


# Loading


async def test_load_reports_device_memory_and_detail(start: Start, placement: Placement) -> None:
    worker = await start({"detail": {"layers": 2}}, loaded=False, device="cuda:1")
    report = await worker.load(60)
    assert (report.device, report.detail) == ("cuda:1", {"layers": 2})
    assert (report.memory_bytes > 1 << 20) == (placement.own_process)
    assert worker.memory_bytes() > 0 if placement.own_process else worker.memory_bytes() == 0
    assert worker.placement == placement.word
    assert (worker.pid is not None) == (placement.own_process)
    assert worker.spec.device == "cuda:1"
    assert not worker.exited.done()


async def test_load_gets_the_configuration(start: Start) -> None:
    config = {"text": "é", "numbers": [1, 2.5, None, True], "nested": {"a": {"b": [1]}}}
    worker = await start(config)
    assert await worker.call("now_config", (), {}) == config


async def test_a_second_load_is_refused_and_changes_nothing(start: Start) -> None:
    worker = await start({"mark": 1})
    with pytest.raises(LoadError, match="already loaded"):
        await worker.load(60)
    assert await worker.call("now_config", (), {}) == {"mark": 1}


async def test_a_failed_load_can_be_tried_again_on_the_same_worker(start: Start) -> None:
    worker = await start({"load": "raise:plain"}, loaded=False)
    for _ in range(2):
        with pytest.raises(LoadError, match="ValueError: a plain one") as caught:
            await worker.load(60)
        assert any("_do_raise" in note for note in caught.value.__notes__)
    assert not worker.exited.done()


async def test_errors_of_ours_keep_their_class_and_hint(start: Start) -> None:
    worker = await start({"load": "raise:ours"}, loaded=False)
    with pytest.raises(errors.MissingDependencyError, match="needs numpy") as caught:
        await worker.load(60)
    assert caught.value.hint == "pip install numpy"
    assert caught.value.model_id == "gadget"


async def test_lack_of_memory_in_a_load_has_its_own_error(start: Start) -> None:
    worker = await start({"load": "raise:memory"}, loaded=False)
    with pytest.raises(errors.InsufficientMemoryError, match="9 TiB"):
        await worker.load(60)


async def test_L8_every_shape_of_exception_in_a_load_becomes_an_error_of_ours(start: Start) -> None:
    worker = await start({"load": "raise_next"}, loaded=False)
    for shape in SHAPES:
        with pytest.raises(RMMError) as caught:
            await worker.load(60)
        assert type(caught.value).__module__ == "rmm_widgets.errors", shape
        check_text(caught.value.message)
    with pytest.raises(LoadError, match="StopIteration: all shapes were raised"):
        await worker.load(60)


async def test_L8_every_shape_of_exception_in_a_call_becomes_a_call_error(start: Start) -> None:
    worker = await start()
    assert len(SHAPES) >= 30
    for shape in SHAPES:
        with pytest.raises(CallError) as caught:
            await worker.call("fail", (shape,), {})
        error = caught.value
        check_text(error.message)
        check_text(error.remote_traceback, MAX_TRACEBACK)
        assert error.remote_type
        assert error.remote_type in error.message
        assert "Traceback" in error.remote_traceback or shape.startswith("huge"), shape
        assert error.model_id == "gadget"
    assert await worker.call("echo", (1,), {}) == 1


def check_text(text: str, limit: int = MAX_MESSAGE + 300) -> None:
    assert len(text.encode()) <= limit
    assert not any(ord(c) < 32 and c not in "\n\t" for c in text)
    assert not any(127 <= ord(c) < 160 for c in text)


async def test_L8_hostile_text_arrives_as_text(start: Start) -> None:
    worker = await start()
    with pytest.raises(CallError) as caught:
        await worker.call("fail", ("html",), {})
    assert caught.value.message == "RuntimeError: <script>alert(1)</script>"
    with pytest.raises(CallError) as caught:
        await worker.call("fail", ("ansi",), {})
    assert caught.value.message == "RuntimeError: red link  bell \nend"


async def test_a_remote_traceback_shows_the_model_and_not_the_worker(start: Start) -> None:
    worker = await start()
    with pytest.raises(CallError) as caught:
        await worker.call("fail", ("chain",), {})
    text = caught.value.remote_traceback
    assert "servables.py" in text
    assert "rmm_widgets/workers/core.py" not in text
    assert text.endswith("ValueError: outer\nCaused by KeyError: 'inner'")
    assert caught.value.remote_type == "ValueError"


async def test_L7_a_load_over_its_time_that_gives_up_when_asked(start: Start) -> None:
    worker = await start({"load": "wait:1000"}, loaded=False)
    began = time.monotonic()
    with pytest.raises(LoadTimeoutError, match=r"longer than 0\.5 s") as caught:
        await worker.load(0.5)
    assert time.monotonic() - began < 3.5
    assert caught.value.hint
    assert worker.exited.done()


async def test_L7_a_load_over_its_time_that_does_not_give_up(
    start: Start, placement: Placement, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    worker = await start({"load": f"ignore:{release}"}, loaded=False)
    began = time.monotonic()
    with pytest.raises(LoadTimeoutError):
        await worker.load(0.3)
    assert time.monotonic() - began < 0.3 + 3.5
    assert worker.exited.result().kind == placement.hard_end
    release.touch()
    with pytest.raises(WorkerDiedError):
        await worker.call("echo", (1,), {})


async def test_a_cancelled_load_takes_the_worker_with_it(start: Start, placement: Placement, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"load": "wait:1000", "marker": str(marker)}, loaded=False)
    pid = worker.pid
    task = asyncio.create_task(worker.load(None))
    await begun(marker, "load")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert worker.exited.done()
    assert worker.exited.result().kind in ({"killed"} if placement.own_process else {"stopped", "abandoned"})
    assert "its load was cancelled" in worker.exited.result().reason
    assert pid is None or not psutil.pid_exists(pid)


async def test_cancel_asks_a_load_to_give_up(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"load": "wait:1000", "marker": str(marker)}, loaded=False)
    task = asyncio.create_task(worker.load(None))
    await begun(marker, "load")
    await worker.cancel()
    with pytest.raises(LoadCancelledError, match="gave up"):
        await task
    assert not worker.exited.done()


# Calls


async def test_the_main_function(start: Start) -> None:
    worker = await start()
    assert await worker.call("__call__", (1, "a"), {"k": 2.5}) == ["called", 1, "a", {"k": 2.5}]


async def test_private_and_unknown_methods_are_refused(start: Start) -> None:
    worker = await start()
    for method in ("_do", "__init__", "__class__", "nothing"):
        with pytest.raises(CallError, match=method) as caught:
            await worker.call(method, (), {})
        assert caught.value.remote_type == "AttributeError"


async def test_a_call_before_the_load_and_after_the_unload(start: Start) -> None:
    worker = await start(loaded=False)
    with pytest.raises(ModelNotLoadedError) as caught:
        await worker.call("echo", (1,), {})
    assert caught.value.hint
    await worker.load(60)
    assert await worker.call("echo", (1,), {}) == 1
    await worker.unload()
    with pytest.raises(ModelNotLoadedError):
        await worker.call("echo", (1,), {})
    with pytest.raises(ModelNotLoadedError):
        await worker.update_config({})


async def test_values_arrive_as_they_were_sent(start: Start) -> None:
    worker = await start()
    for value in (None, True, -1, 2**80, 1.5, "é\n\0", b"\0\xff" * 5000, [1, [2]], (1, (2, [3])), {"a": {"b": ()}}):
        back = await worker.call("echo", (value,), {})
        assert back == value
        assert type(back) is type(value)
    array = np.arange(600_000, dtype=np.float32).reshape(2, 3, -1)
    back = await worker.call("echo", ({"x": [array]},), {})
    np.testing.assert_array_equal(back["x"][0], array)
    back["x"][0][0] = 7  # the caller's own copy, or the caller's own object


async def test_calls_run_one_at_a_time_in_their_order(start: Start) -> None:
    worker = await start()
    logs = await asyncio.gather(*(worker.call("note", (n,), {}) for n in range(50)))
    assert logs == [list(range(n + 1)) for n in range(50)]


async def test_a_call_over_its_time_that_stops_when_asked(start: Start) -> None:
    worker = await start()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"'do' of 'gadget' took longer than 0\.2 s"):
        await worker.call("do", ("wait:1000",), {}, timeout=0.2)
    assert time.monotonic() - began < 2.2
    assert await worker.call("echo", (5,), {}) == 5


async def test_a_call_over_its_time_that_does_not_stop(start: Start, placement: Placement, tmp_path: Path) -> None:
    release = tmp_path / "release"
    worker = await start()
    waiting = asyncio.create_task(worker.call("do", (f"ignore:{release}",), {}, timeout=0.2))
    other = asyncio.create_task(worker.call("echo", (1,), {}))
    for task in (waiting, other):
        with pytest.raises(WorkerDiedError, match="did not stop when asked to") as caught:
            await task
        assert "0.2 s" in str(caught.value)
    assert worker.exited.result().kind == placement.hard_end
    release.touch()


async def test_a_waiting_call_over_its_time_disturbs_nobody(start: Start, tmp_path: Path) -> None:
    release, marker = tmp_path / "release", tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    running = asyncio.create_task(worker.call("do", (f"ignore:{release}",), {}))
    await begun(marker, "call")
    with pytest.raises(TimeoutError):
        await worker.call("note", (1,), {}, timeout=0.1)
    release.touch()
    await running
    assert await worker.call("note", (2,), {}) == [2]


async def test_a_cancelled_call_is_asked_to_stop_and_the_model_stays(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    task = asyncio.create_task(worker.call("do", ("wait:1000",), {}))
    await begun(marker, "call")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await worker.call("echo", (1,), {}, timeout=30) == 1


async def test_cancel_ends_what_runs_and_nothing_else(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    await worker.cancel()
    assert await worker.call("echo", (1,), {}) == 1
    running = asyncio.create_task(worker.call("do", ("wait:1000",), {}))
    await begun(marker, "call")
    behind = asyncio.create_task(worker.call("echo", (2,), {}))
    await worker.cancel()
    with pytest.raises(CallError, match="gave up"):
        await running
    assert await behind == 2


# Callbacks


async def test_callbacks_run_in_order_on_one_other_thread_before_the_result(start: Start) -> None:
    worker = await start()
    seen: list[tuple[int, int]] = []
    threads: set[threading.Thread] = set()

    def on_step(number: int, *, total: int) -> str:
        threads.add(threading.current_thread())
        seen.append((number, total))
        return "dropped"

    assert await worker.call("steps", (500,), {"on_step": on_step}) == 500
    assert seen == [(n, 500) for n in range(500)]
    assert len(threads) == 1
    assert threads.isdisjoint({threading.main_thread(), threading.current_thread()})


async def test_a_raising_callback_is_logged_once_and_harms_nothing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await start()
    seen: list[int] = []

    def on_step(number: int, total: int) -> None:
        seen.append(number)
        raise SystemExit("from a callback") if number % 2 else ValueError("from a callback")

    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        assert await worker.call("steps", (5,), {"on_step": on_step}) == 5
    assert seen == list(range(5))
    assert [record.getMessage() for record in caplog.records] == ["callback 'on_step' of a call of 'gadget' raised"]
    assert "from a callback" in caplog.text


async def test_a_slow_callback_does_not_hold_up_the_model(start: Start) -> None:
    worker = await start()
    free = threading.Event()
    task = asyncio.create_task(worker.call("steps", (2000,), {"on_step": lambda *_, **__: free.wait(60)}))
    assert await worker.call("echo", (1,), {}, timeout=30) == 1
    free.set()
    assert await task == 2000


async def test_a_callback_may_use_the_model(start: Start) -> None:
    worker = await start()
    loop = asyncio.get_running_loop()
    answers: list[Any] = []

    def on_step(number: int, total: int) -> None:
        answers.append(asyncio.run_coroutine_threadsafe(worker.call("echo", (number,), {}), loop).result(30))

    assert await worker.call("steps", (3,), {"on_step": on_step}) == 3
    assert answers == [0, 1, 2]


async def test_a_cancelled_call_ends_at_its_next_callback(start: Start) -> None:
    worker = await start()
    with pytest.raises(TimeoutError):
        await worker.call("steps_until_cancelled", (), {"on_step": lambda *_: None}, timeout=0.3)
    assert await worker.call("echo", (1,), {}) == 1


async def test_a_callback_kept_beyond_its_call_does_nothing(start: Start) -> None:
    worker = await start()
    seen: list[Any] = []
    await worker.call("keep", (), {"callback": seen.append})
    await worker.call("use_kept", (), {})
    assert seen == []


# Probes, configuration


async def test_probe_asks_the_model(start: Start, placement: Placement) -> None:
    worker = await start({"degraded": True})
    probe = await worker.probe(30)
    assert (probe.healthy, probe.degraded, probe.detail, probe.busy_for) == (True, True, "asked", 0.0)
    assert 0 < probe.latency < 30
    assert (probe.memory_bytes > 0) == (placement.own_process)


async def test_a_raising_probe_is_unhealthy_with_its_text(start: Start) -> None:
    worker = await start({"probe": "raise:plain"})
    probe = await worker.probe(30)
    assert (probe.healthy, probe.detail) == (False, "ValueError: a plain one")
    assert await worker.call("echo", (1,), {}) == 1


async def test_L13_a_probe_of_a_busy_model_is_answered_at_once(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    task = asyncio.create_task(worker.call("do", ("wait:1000",), {}))
    await begun(marker, "call")
    await asyncio.sleep(0.1)
    for _ in range(3):
        probe = await worker.probe(30)
        assert probe.healthy is None
        assert 0.05 < probe.busy_for < 60
        assert probe.latency < 5
        assert probe.detail == "busy with a call"
    await worker.cancel()
    with pytest.raises(CallError):
        await task
    assert (await worker.probe(30)).healthy is True


async def test_probe_while_loading(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"load": "wait:1000", "marker": str(marker)}, loaded=False)
    task = asyncio.create_task(worker.load(None))
    await begun(marker, "load")
    probe = await worker.probe(30)
    assert (probe.healthy, probe.detail) == (None, "busy with a load")
    await worker.cancel()
    with pytest.raises(LoadCancelledError):
        await task


async def test_a_probe_that_hangs_is_unhealthy_and_so_are_those_after_it(start: Start, tmp_path: Path) -> None:
    release = tmp_path / "release"
    worker = await start({"probe": f"ignore:{release}"})
    probes = await asyncio.gather(*(worker.probe(0.3) for _ in range(50)))
    assert [probe.healthy for probe in probes] == [False] * 50, "a step of the processor's clock is no work"
    assert "no answer" in probes[0].detail
    assert "has not answered a probe for" in probes[2].detail
    release.touch()
    await until_healthy(worker)


async def until_healthy(worker: Worker) -> None:
    deadline = time.monotonic() + 30
    while not (await worker.probe(10)).healthy:
        assert time.monotonic() < deadline


async def test_configuration_reaches_the_loaded_model(start: Start) -> None:
    worker = await start({"a": 1})
    await worker.update_config({"a": 2, "b": [3]})
    assert await worker.call("now_config", (), {}) == {"a": 2, "b": [3]}


async def test_a_refused_configuration_changes_nothing(start: Start) -> None:
    worker = await start({"a": 1})
    with pytest.raises(InvalidConfigError, match="not allowed") as caught:
        await worker.update_config({"wrong": True})
    assert caught.value.hint == "Leave it out."
    assert await worker.call("now_config", (), {}) == {"a": 1}


# Ends


async def test_stop_is_clean_and_may_be_repeated(start: Start) -> None:
    worker = await start()
    first, second = await asyncio.gather(worker.stop(), worker.stop())
    third = await worker.stop(grace=0.0, unload=False)
    assert first == second == third == worker.exited.result()
    assert (first.kind, first.error, first.signal) == ("stopped", "", None)
    assert worker.memory_bytes() == 0


async def test_nothing_can_be_asked_after_the_end(start: Start) -> None:
    worker = await start()
    await worker.stop()
    for operation in (
        worker.load(1),
        worker.call("echo", (1,), {}),
        worker.probe(1),
        worker.update_config({}),
        worker.unload(),
    ):
        with pytest.raises(WorkerDiedError, match="was stopped") as caught:
            await operation
        assert caught.value.model_id == "gadget"
        assert caught.value.hint
    await worker.cancel()


async def test_a_worker_holds_one_model_in_its_life(start: Start) -> None:
    worker = await start()
    await worker.unload()
    await worker.unload()
    with pytest.raises(LoadError, match="has unloaded its model"):
        await worker.load(60)


async def test_L14_the_memory_of_a_model_comes_back(start: Start) -> None:
    """In the kernel too, as far as the C library gives it back."""
    process = psutil.Process()
    worker = await start()
    await worker.stop()
    before = process.memory_info().rss
    worker = await start({"megabytes": 200})
    held = process.memory_info().rss - before + worker.memory_bytes()
    assert held > 190 << 20
    await worker.stop()
    assert worker.memory_bytes() == 0
    assert process.memory_info().rss - before < 20 << 20


async def test_a_call_that_an_unload_overtakes(start: Start) -> None:
    worker = await start()
    unloading, calling = asyncio.create_task(worker.unload()), asyncio.create_task(worker.call("echo", (1,), {}))
    await unloading
    with pytest.raises(ModelNotLoadedError):
        await calling


async def test_whoever_cancels_exited_harms_only_himself(start: Start) -> None:
    worker = await start()
    worker.exited.cancel()
    assert (await worker.stop()).kind == "stopped"
    with pytest.raises(WorkerDiedError):
        await worker.call("echo", (1,), {})


async def test_stop_of_an_empty_worker(start: Start) -> None:
    worker = await start(loaded=False)
    assert (await worker.stop()).kind == "stopped"


async def test_stop_unloads_unless_told_not_to(start: Start, tmp_path: Path) -> None:
    for unload in (True, False):
        marker = tmp_path / f"marker-{unload}"
        worker = await start({"marker": str(marker)})
        assert (await worker.stop(unload=unload)).kind == "stopped"
        assert marker.read_text() == ("unload" if unload else "load")


async def test_stop_ends_what_runs_and_what_waits(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    running = asyncio.create_task(worker.call("do", ("wait:1000",), {}))
    await begun(marker, "call")
    waiting = [asyncio.create_task(worker.call("do", ("wait:1000",), {})) for _ in range(5)]
    await asyncio.sleep(0)
    began = time.monotonic()
    assert (await worker.stop(grace=20)).kind == "stopped"
    assert time.monotonic() - began < 15
    for task in (running, *waiting):
        with pytest.raises(RMMError):
            await task


async def test_stop_during_a_load(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"load": "wait:1000", "marker": str(marker)}, loaded=False)
    loading = asyncio.create_task(worker.load(None))
    await begun(marker, "load")
    assert (await worker.stop(grace=20)).kind == "stopped"
    with pytest.raises(LoadCancelledError):
        await loading


async def test_stop_of_what_will_not_stop(start: Start, placement: Placement, tmp_path: Path) -> None:
    release, marker = tmp_path / "release", tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    task = asyncio.create_task(worker.call("do", (f"ignore:{release}",), {}))
    await begun(marker, "call")
    began = time.monotonic()
    exit_ = await worker.stop(grace=0.5)
    assert time.monotonic() - began < 5
    assert exit_.kind == ("stopped" if placement.own_process else "abandoned")
    with pytest.raises(WorkerDiedError, match="was stopped" if placement.own_process else "cannot be ended"):
        await task
    release.touch()


async def test_a_failing_unload_keeps_the_model(start: Start) -> None:
    worker = await start({"unload": "raise:plain"})
    with pytest.raises(LoadError, match="ValueError: a plain one"):
        await worker.unload()
    assert await worker.call("echo", (1,), {}) == 1
    exit_ = await worker.stop()
    assert (exit_.kind, exit_.error) == ("stopped", "ValueError: a plain one")


async def test_a_late_answer_of_an_older_generation_is_dropped(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker: Any = await start({"marker": str(marker)})
    task = asyncio.create_task(worker.call("do", ("wait:1000",), {}))
    await begun(marker, "call")
    for request_id in range(10):
        worker.deliver(Done(id=request_id, generation=worker.spec.generation - 1, value="stale"))
        worker.deliver(Done(id=request_id + 1000, generation=worker.spec.generation, value="nobody asked"))
    assert (await worker.probe(30)).healthy is None
    assert not task.done()
    await worker.cancel()
    with pytest.raises(CallError):
        await task


async def test_L14_nothing_is_left_after_many_lives(start: Start) -> None:
    process = psutil.Process()
    others = set(threading.enumerate())
    before: tuple[int, int, int] | None = None

    def counted() -> tuple[int, int, int]:
        return process.num_fds(), process.num_threads(), len(process.children())

    for _ in range(20):
        worker = await start({"megabytes": 4})
        assert await worker.call("steps", (3,), {"on_step": lambda *_, **__: None}) == 3
        await worker.call("echo", (np.zeros(1 << 20, np.uint8),), {})
        await worker.stop()
        await until(lambda: not any(t.name.startswith("rmm-") for t in set(threading.enumerate()) - others))
        before = before or counted()
    # The system's own thread outlives Python's by a moment, so the first look may have found one too many.
    await until(lambda: all(now <= then for now, then in zip(counted(), before or (), strict=True)))


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_L14_memory_does_not_grow_over_many_lives(start: Start) -> None:
    process = psutil.Process()
    held: list[int] = []
    for _ in range(100):
        worker = await start({"megabytes": 20})
        await worker.call("echo", (np.zeros(4 << 20, np.uint8),), {})
        await worker.stop()
        held.append(process.memory_info().rss)
    assert held[-1] - held[20] < 80 << 20
