"""L10 and L12 with real processes, the crash that L6 names as users see it, and the probes that are kept."""

from __future__ import annotations

import itertools
import random
import signal
import threading
import time
from collections.abc import Callable

import msgspec
import psutil
import pytest
from PIL import Image

from rmm_widgets import demo
from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import DownloadError, InvalidConfigError, ModelAlreadyRegisteredError
from rmm_widgets.health import Outcome
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelEvent, ModelHealth, ModelInstance, ModelStatus

from ..downloads.fetching import wait_until
from .conftest import DIGITS
from .models import Scripted

DIGIT = demo.sample("digit-1.png")
UNHEALTHY = ModelHealth.UNHEALTHY


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


def works(instance: ModelInstance) -> bool:
    with Image.open(DIGIT) as picture:
        return instance(picture)[0]["label"] == "3"


def the_worker() -> psutil.Process:
    (found,) = [child for child in psutil.Process().children() if "rmm_widgets.workers" in child.cmdline()]
    return found


def shown(manager: ModelManager, line: str) -> str:
    return execute_line(Context(manager=manager, table=TABLE), line).text


# Frozen


def freeze_and_unload(manager: ModelManager, digits: str, rounds: int) -> None:
    interval = manager.health_interval
    for _ in range(rounds):
        seen: list[tuple[float, ModelEvent]] = []
        instance = manager.load_model(digits).result(60)
        assert instance.health is ModelHealth.HEALTHY
        remove = manager.add_event_listener(lambda event, seen=seen: seen.append((time.monotonic(), event)))
        worker = the_worker()
        worker.suspend()
        frozen = time.monotonic()
        wait_until(lambda: manager.get_model_health(digits) is UNHEALTHY)
        wait_until(lambda seen=seen: any(event.data.get("health") == "unhealthy" for _, event in seen))
        at, event = next(each for each in seen if each[1].data.get("health") == "unhealthy")
        assert at - frozen < 3 * interval + 2 + 2, "three intervals, two seconds, and some for a busy machine"
        assert event.data["reason"] == "no answer to the last 3 probes"
        assert event.data["misses"] == 3
        assert event.data["latency"] > 0
        assert instance.status is ModelStatus.LOADED
        assert instance.error == "no answer to the last 3 probes"
        assert [probe.outcome for probe in manager.get_probe_history(digits)][-3:] == [Outcome.MISSED] * 3
        remove()
        began = time.monotonic()
        manager.unload_model(digits).result(30)
        assert time.monotonic() - began < 5 + 2, "five seconds, and some for a busy machine"
        assert not worker.is_running()


def test_L12_a_frozen_worker_is_unhealthy_soon_and_can_be_unloaded(
    make_manager: Callable[..., ModelManager], digits: str
) -> None:
    freeze_and_unload(make_manager(health_interval=0.6), digits, rounds=2)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_L12_ten_frozen_workers(make_manager: Callable[..., ModelManager], digits: str) -> None:
    freeze_and_unload(make_manager(health_interval=10.0), digits, rounds=10)


# The last probes


def test_the_last_sixty_probes_are_kept_and_shown(
    manager: ModelManager, scripted: Callable[..., Scripted], digits: str
) -> None:
    answers = [ModelHealth.HEALTHY] * 41 + [ModelHealth.DEGRADED] * 40 + [UNHEALTHY]
    scripted(health_check=lambda: answers.pop(0) if len(answers) > 1 else answers[0])
    assert manager.get_probe_history("custom") == ()
    manager.load_model("custom").result(30)
    for _ in range(80):
        manager.check_health("custom").result(30)
    probes = manager.get_probe_history("custom")
    assert len(probes) == 60
    assert [probe.health for probe in probes[-2:]] == [ModelHealth.DEGRADED, UNHEALTHY]
    assert all(before.timestamp <= after.timestamp for before, after in itertools.pairwise(probes))
    assert manager.describe("custom").probes == probes
    with pytest.raises(AttributeError):
        probes[0].latency = 0.0  # type: ignore[misc]
    text = shown(manager, "health custom")
    assert text.startswith("custom: unhealthy")
    assert "60 probes" in text
    assert text.splitlines()[1].endswith("!!"), "the last one, and the one that this asked for"
    assert "!" in shown(manager, "health")
    html = execute_line(Context(manager=manager, table=TABLE), "health custom").html
    assert html.count("<rect") == 60
    manager.unload_model("custom").result(30)
    manager.load_model("custom").result(30)
    assert len(manager.get_probe_history("custom")) == 1, "a new load begins anew"


def test_L11_checks_asked_for_at_once_are_made_one_at_a_time(
    manager: ModelManager, scripted: Callable[..., Scripted]
) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def check() -> ModelHealth:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1
        return ModelHealth.HEALTHY

    manager.health_interval = 0.01
    model = scripted(health_check=check)
    manager.load_model("custom").result(30)
    for job in [manager.check_health("custom") for _ in range(50)]:
        assert job.result(30) is ModelHealth.HEALTHY
    assert most == 1
    assert model.ran["health_check"] > 50


def test_a_change_tells_why_also_for_the_better(manager: ModelManager, scripted: Callable[..., Scripted]) -> None:
    healthy = ModelHealth.HEALTHY
    answers = [healthy, healthy, ModelHealth.DEGRADED, healthy, UNHEALTHY, healthy]  # a load asks twice
    scripted(health_check=lambda: answers.pop(0))
    manager.load_model("custom").result(30)
    while answers:
        manager.check_health("custom").result(30)
    manager.unload_model("custom").result(30)
    changes = [event.data for event in manager.events("custom") if event.type == "health_change"]
    assert [change["health"] for change in changes] == [
        "healthy", "degraded", "healthy", "unhealthy", "degraded", "unknown",
    ]  # fmt: skip
    for change, words in zip(
        changes,
        ["its first answer", "degraded", "as it usually does", "unhealthy", "unstable", "not in memory"],
        strict=True,
    ):
        assert words in change["reason"]
    assert manager.describe("custom").health_reason == ""


# Crashes, as users see them


def test_L6_a_crash_is_named_wherever_users_look(manager: ModelManager, digits: str) -> None:
    for number, words in (
        (signal.SIGKILL, "was killed by signal 9 (SIGKILL)"),
        (signal.SIGSEGV, "segmentation fault"),
        (signal.SIGABRT, "aborted itself (signal 6, SIGABRT)"),
    ):
        instance = manager.load_model(digits).result(60)
        the_worker().send_signal(number)
        wait_until(lambda: manager.get_model_status(digits) is ModelStatus.ERROR)
        assert instance.error is not None
        assert words in instance.error
        for line in (f"status {digits}", f"why {digits}", f"info {digits}"):
            assert words in " ".join(shown(manager, line).split())
        story = manager.explain(digits)
        assert story.splitlines()[-1] == "What to do: Load it again. `%rmm help WorkerDiedError` tells more."
        assert story.splitlines()[-2].startswith("Now: Error: ")
    assert story.count("It crashed") == 3


def test_why_tells_the_story_of_earlier_kernels_too(make_manager: Callable[..., ModelManager], digits: str) -> None:
    first = make_manager()
    first.load_model(digits).result(60)
    first.close()
    later = make_manager()
    story = later.get_story(digits)
    assert [line.text.split()[0] for line in story.lines] == [
        "Registered:",
        "Downloaded",
        "Another",
        "Loaded",
        "Unloaded.",
    ]
    assert (story.now, story.left_out) == ("It is on disk and not in memory.", 0)
    assert story.advice == f"%rmm load {digits} brings it into memory."
    assert str(story) == later.explain(digits)
    assert len(later.get_story(digits, limit=2).lines) == 2
    assert "onnxruntime" in shown(later, f"why {digits}")
    later.delete_model(digits).result(30)
    assert "It is not registered." in shown(later, f"why {digits}")
    for bad in (0, -1, True, 1.5, "5", None):
        with pytest.raises(ValueError, match="limit"):
            later.explain(digits, limit=bad)  # type: ignore[arg-type]


# Serving on


def test_L10_what_fails_around_a_loaded_model_leaves_it_serving(
    manager: ModelManager, digits: str, numbers: random.Random
) -> None:
    instance = manager.load_model(digits, {"top_k": 3}).result(60)
    worker = the_worker()
    other = msgspec.structs.replace(DIGITS, repo_id="rmm-demo/other")
    trials: list[tuple[Callable[[], object], type[Exception] | None]] = [
        (lambda: manager.update_model(digits).result(30), DownloadError),
        (lambda: manager.load_model(digits, {"nonsense": 1}).result(30), InvalidConfigError),
        (lambda: manager.load_model(digits, {"top_k": "many"}).result(30), InvalidConfigError),
        (lambda: manager.load_model(digits, isolation="nowhere").result(30), InvalidConfigError),  # type: ignore[arg-type]
        (lambda: manager.load_model(digits, device="").result(30), InvalidConfigError),
        (lambda: manager.load_model(digits, {"top_k": 1}, device="cuda:7", isolation="kernel").result(30), None),
        (lambda: manager.update_model_config(digits, {"top_k": -1}), InvalidConfigError),
        (lambda: manager.update_model_config(digits, {"top_q": 1}), InvalidConfigError),
        (lambda: manager.register_model(other), ModelAlreadyRegisteredError),
        (lambda: manager.register_model(other, replace=True), ModelAlreadyRegisteredError),
        (lambda: manager.unregister_model(digits), ModelAlreadyRegisteredError),
        (lambda: manager.download_model(digits).result(30), None),
    ]
    for _ in range(50):
        trial, error = numbers.choice(trials)
        if error is None:
            trial()
        else:
            with pytest.raises(error):
                trial()
        assert manager.get_model_instance(digits) is instance
        assert (instance.status, instance.health, instance.error) == (ModelStatus.LOADED, ModelHealth.HEALTHY, None)
        assert instance.config["top_k"] == 3
        assert works(instance)
    assert the_worker().pid == worker.pid
    started = [event.data["action"] for event in manager.events(digits) if event.type.startswith("load")]
    assert started == ["load_started", "load_completed"]
