"""L9, L5 and L6 with real processes: a crash, what is told of it, and the reload that follows where it is wanted."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image
from traitlets import TraitError

from rmm_widgets import demo
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InvalidConfigError, ModelNotLoadedError, WorkerDiedError
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelEvent, ModelHealth, ModelInstance, ModelStatus

from ..downloads.fetching import wait_until

DIGIT = demo.sample("digit-1.png")
WAITS = [0.05, 0.1, 0.15]


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


@pytest.fixture
def manager(make_manager: Callable[..., ModelManager]) -> ModelManager:
    return make_manager(restart_waits=WAITS)


def works(instance: ModelInstance) -> bool:
    with Image.open(DIGIT) as picture:
        return instance(picture)[0]["label"] == "3"


def worker_of(manager: ModelManager, model_id: str) -> psutil.Process:
    """The process of a loaded model, once it is loaded."""
    wait_until(lambda: manager.get_model_status(model_id) is ModelStatus.LOADED)
    found = [child for child in psutil.Process().children() if "rmm_widgets.workers" in child.cmdline()]
    assert len(found) == 1
    return found[0]


def actions(manager: ModelManager, model_id: str) -> list[str]:
    return [event.data["action"] for event in manager.events(model_id) if event.type.startswith(("load", "unload"))]


def last(manager: ModelManager, model_id: str, action: str) -> ModelEvent:
    return [event for event in manager.events(model_id) if event.data.get("action") == action][-1]


def crash(manager: ModelManager, model_id: str) -> None:
    """Kill the worker and wait until that is known."""
    count = actions(manager, model_id).count("worker_died")
    worker_of(manager, model_id).kill()
    wait_until(lambda: actions(manager, model_id).count("worker_died") > count)


def test_L9_three_reloads_after_crashes_then_a_crash_loop(manager: ModelManager, digits: str) -> None:
    instance = manager.load_model(digits, {"top_k": 3}, restart="on-crash", device="cpu").result(60)
    for attempt in (1, 2, 3):
        crash(manager, digits)
        died = last(manager, digits, "worker_died").data
        assert (died["attempt"], died["attempts"], died["restart_in"]) == (attempt, 3, WAITS[attempt - 1])
        assert "signal 9" in died["error"]
        worker_of(manager, digits)
        assert last(manager, digits, "restart_started").data["attempt"] == attempt
        assert works(instance), "the handle from before the crash goes on"
        assert manager.get_model_instance(digits) is instance
        assert (instance.health, instance.config["top_k"], instance.device) == (ModelHealth.HEALTHY, 3, "cpu")
    crash(manager, digits)
    wait_until(lambda: "crash_loop" in actions(manager, digits))
    description = manager.describe(digits)
    assert description.status is ModelStatus.ERROR
    assert "crash loop" in description.error
    assert "signal 9" in description.error
    assert instance.error == description.error
    assert manager.get_model_health(digits) is ModelHealth.UNHEALTHY
    cycle = ["worker_died", "restart_started", "load_completed"]
    assert actions(manager, digits) == ["load_started", "load_completed", *cycle * 3, "worker_died", "crash_loop"]
    with pytest.raises(ModelNotLoadedError):
        works(instance)
    again = manager.load_model(digits, restart="on-crash").result(60)
    assert works(again)
    crash(manager, digits)
    assert last(manager, digits, "worker_died").data["attempt"] == 1, "a user's load begins the count anew"
    manager.unload_model(digits).result(30)


def test_L9_nothing_is_loaded_again_unless_somebody_wants_it(manager: ModelManager, digits: str) -> None:
    manager.load_model(digits).result(60)
    crash(manager, digits)
    description = manager.describe(digits)
    assert (description.status, description.hint) == (ModelStatus.ERROR, "Load it again.")
    assert "attempt" not in last(manager, digits, "worker_died").data
    manager.restart = "on-crash"
    assert works(manager.load_model(digits).result(60))
    crash(manager, digits)
    worker_of(manager, digits)
    assert manager.load_model(digits, restart="never").result(60)
    manager.unload_model(digits).result(30)
    manager.load_model(digits, restart="never").result(60)
    crash(manager, digits)
    assert "attempt" not in last(manager, digits, "worker_died").data


def test_L9_unload_and_cancel_call_the_reload_off(make_manager: Callable[..., ModelManager], digits: str) -> None:
    manager = make_manager(restart="on-crash", restart_waits=[1000.0])
    for call_off, action in ((manager.cancel_load, "restart_cancelled"), (manager.unload_model, "error_cleared")):
        instance = manager.load_model(digits).result(60)
        crash(manager, digits)
        assert "attempt 1" in manager.describe(digits).hint
        with pytest.raises(ModelNotLoadedError) as refused:
            works(instance)
        assert "being loaded again" in refused.value.hint
        assert call_off(digits)
        assert actions(manager, digits)[-1] == action
        assert "attempt" not in manager.describe(digits).hint
    instance = manager.load_model(digits).result(60)
    crash(manager, digits)
    assert works(manager.load_model(digits).result(60)), "a user's load does not wait"
    crash(manager, digits)
    # Closing does not wait for the reload either: `make_manager` does that, and `no_leaks` watches it.


def test_L9_what_was_configured_last_is_kept(manager: ModelManager, digits: str) -> None:
    instance = manager.load_model(digits, {"top_k": 3}, restart="on-crash").result(60)
    manager.update_model_config(digits, {"top_k": 2})
    crash(manager, digits)
    worker_of(manager, digits)
    assert instance.config["top_k"] == 2
    with Image.open(DIGIT) as picture:
        assert len(instance(picture)) == 2


def test_L9_settings_of_a_load_outlast_a_change_that_the_model_refused(manager: ModelManager, digits: str) -> None:
    instance = manager.load_model(digits, {"top_k": 3}, restart="on-crash").result(60)
    with pytest.raises(InvalidConfigError, match="onnxruntime cannot"):
        manager.update_model_config(digits, {"top_k": 2, "dtype": "bfloat16"})
    crash(manager, digits)
    worker_of(manager, digits)
    assert dict(instance.config) == {"top_k": 3}


def test_L9_a_worker_that_we_ended_stays_ended(manager: ModelManager, digits: str) -> None:
    instance = manager.load_model(digits, restart="on-crash").result(60)
    worker = worker_of(manager, digits)
    worker.suspend()
    with Image.open(DIGIT) as picture, pytest.raises(WorkerDiedError):
        instance.call("__call__", picture, timeout=0.1)
    wait_until(lambda: manager.get_model_status(digits) is ModelStatus.ERROR)
    assert "attempt" not in last(manager, digits, "worker_died").data
    assert "longer than 0.1 s" in manager.describe(digits).error


def test_L9_calls_that_run_end_with_the_crash(manager: ModelManager, digits: str) -> None:
    instance = manager.load_model(digits, restart="on-crash").result(60)
    worker = worker_of(manager, digits)
    worker.suspend()
    with Image.open(DIGIT) as picture, ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(instance, picture.copy()) for _ in range(3)]
        worker.send_signal(signal.SIGKILL)
        errors = [call.exception(30) for call in calls]
    assert all(isinstance(error, WorkerDiedError | ModelNotLoadedError) for error in errors), errors
    worker_of(manager, digits)
    assert works(instance)


@pytest.mark.parametrize("bad", ["always", "", "NEVER", True, 3])
def test_a_restart_that_there_is_not_is_refused(manager: ModelManager, digits: str, bad: object) -> None:
    with pytest.raises(InvalidConfigError):
        manager.load_model(digits, restart=bad)  # type: ignore[arg-type]
    with pytest.raises(TraitError, match="restart"):
        manager.restart = bad  # type: ignore[assignment]
    assert manager.restart == "never"
    assert actions(manager, digits) == []


@pytest.mark.parametrize("bad", [[], [0.0], [1.0, -1.0], [float("nan")], [float("inf")], 1.0, ["1"]])
def test_waits_that_are_none_are_refused(manager: ModelManager, bad: object) -> None:
    with pytest.raises(TraitError, match="restart_waits"):
        manager.restart_waits = bad  # type: ignore[assignment]
    assert manager.restart_waits == WAITS
