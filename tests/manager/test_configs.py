"""Settings on their way to a model: refused before anything starts, or in force from the next call on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from PIL import Image

import rmm_widgets
from rmm_widgets import demo
from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InvalidConfigError, LoadError, WorkerDiedError
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelInstance, ModelStatus

from ..downloads.fetching import wait_until
from .models import Barrier, Scripted, info
from .test_residents import workers


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


@pytest.fixture
def context(manager: ModelManager) -> Context:
    return Context(manager=manager, table=TABLE, namespace={})


@pytest.mark.parametrize(
    ("settings", "key", "near"),
    [
        ({"top_q": 2}, "top_q", "top_k"),
        ({"treshold": 0.5}, "treshold", "threshold"),
        ({"top_k": 2, "forcecpu": True}, "forcecpu", "force_cpu"),
        ({"top_k": 0}, "top_k", ""),
        ({"dtype": "half"}, "dtype", "float16"),
        ({"confidence": 0.5}, "confidence", ""),
    ],
    ids=str,
)
def test_wrong_settings_are_refused_before_any_worker_starts(
    manager: ModelManager, context: Context, digits: str, settings: dict[str, Any], key: str, near: str
) -> None:
    before = manager.events(digits)
    words = " ".join(f"{name}={value}" for name, value in settings.items())
    for ask in (
        lambda: manager.load_model(digits, settings),
        lambda: manager.update_model_config(digits, settings),
        lambda: execute_line(context, f"load {digits} {words}"),
        lambda: execute_line(context, f"config {digits} {words}"),
    ):
        with pytest.raises(InvalidConfigError, match=f"{key}.*{near}") as caught:
            ask()
        assert caught.value.model_id == digits
        assert caught.value.hint
    assert (workers(), manager.events(digits), dict(manager.describe(digits).config)) == ([], before, {})
    assert manager.get_model_status(digits) is ModelStatus.DOWNLOADED


def test_a_loaded_model_keeps_its_settings_where_new_ones_are_refused(
    manager: ModelManager, context: Context, digits: str
) -> None:
    model = manager.load_model(digits, {"top_k": 2}).result(60)
    before = manager.events(digits)
    for settings in ({"top_q": 1}, {"top_k": 1, "dtype": "float16"}, {"top_k": 1, "file": "Q8_0"}):
        with pytest.raises(InvalidConfigError):
            manager.update_model_config(digits, settings)
    with pytest.raises(InvalidConfigError, match="onnxruntime cannot"):
        execute_line(context, f"config {digits} dtype=bfloat16")
    with Image.open(demo.sample("digit-1.png")) as picture:
        assert len(model(picture)) == 2
    assert (manager.events(digits), dict(model.config)) == (before, {"top_k": 2})


def test_settings_that_a_dying_model_did_not_take_are_not_shown(
    manager: ModelManager, digits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.load_model(digits).result(60)
    worker = manager._engine.entry(digits).worker
    assert worker is not None
    (process,), tell = workers(), worker.update_config

    async def tell_the_dying(settings: dict[str, Any]) -> None:
        process.kill()
        await tell(settings)

    monkeypatch.setattr(worker, "update_config", tell_the_dying)
    with pytest.raises(WorkerDiedError):
        manager.update_model_config(digits, {"top_k": 1})
    wait_until(lambda: manager.get_model_status(digits) is ModelStatus.ERROR)
    assert dict(manager.describe(digits).config) == {}


def test_what_one_change_takes_back_is_not_what_another_has_set(manager: ModelManager, barrier: Barrier) -> None:
    class Choosy(Scripted):
        def update_config(self, config: Mapping[str, Any]) -> None:
            if "bad" in config:
                barrier()
                raise ValueError("that is bad")
            super().update_config(config)

    manager.register_model(info("custom"), model=Choosy("custom"))
    model = manager.load_model("custom").result(30)
    refused, taken = (
        manager._loop.submit(manager._registrar.configure("custom", settings)) for settings in ({"bad": 1}, {"good": 2})
    )
    assert barrier.reached.wait(30)
    barrier.open.set()
    assert isinstance(refused.exception(30), LoadError)
    taken.result(30)
    assert dict(model.config) == {"good": 2}
    manager.unload_model("custom").result(30)
    assert dict(manager.describe("custom").config) == {"good": 2}


def test_what_the_loader_cannot_honour_fails_the_load_and_says_why(manager: ModelManager, digits: str) -> None:
    with pytest.raises(InvalidConfigError, match="dtype is 'float16'") as caught:
        manager.load_model(digits, {"dtype": "float16"}).result(60)
    assert caught.value.model_id == digits
    assert workers() == []
    assert manager.load_model(digits, {"dtype": "auto"}).result(60).status is ModelStatus.LOADED


def test_records_are_settings(manager: ModelManager, digits: str) -> None:
    model = manager.load_model(digits, rmm_widgets.ClassificationModelConfig(top_k=1)).result(60)
    with Image.open(demo.sample("digit-1.png")) as picture:
        assert len(model(picture)) == 1
        manager.update_model_config(digits, rmm_widgets.ClassificationModelConfig(top_k=2))
        assert len(model(picture)) == 2
    with pytest.raises(InvalidConfigError, match="confidence"):
        manager.update_model_config(digits, rmm_widgets.DetectionModelConfig())


def test_force_cpu_wins_over_the_device(manager: ModelManager, digits: str) -> None:
    assert manager.load_model(digits, {"force_cpu": True}, device="cuda").result(60).device == "cpu"


def image(name: str) -> Image.Image:
    with Image.open(demo.sample(name)) as picture:
        return picture.copy()


Check = Callable[[ModelInstance], object]


@pytest.mark.parametrize(
    ("model_id", "ask", "settings", "expected"),
    [
        ("vit-digits", lambda model: len(model(image("digit-1.png"))), {"top_k": 1}, 1),
        ("yolos-shapes", lambda model: model(image("detect-1.png")), {"confidence": 1.0}, []),
        ("blip-shapes", lambda model: model(image("caption-1.png")), {"threshold": 1.0}, []),
        ("minilm-toy", lambda model: model(["a cat sleeps"]).shape, {"dimension": 8}, (1, 8)),
        ("mdlm-stories", lambda m: m("", seed=5) == m("", seed=5, max_new_tokens=2), {"max_new_tokens": 2}, True),
    ],
)
def test_new_settings_reach_a_loaded_model_of_every_type(
    manager: ModelManager, model_id: str, ask: Check, settings: dict[str, Any], expected: object
) -> None:
    manager.register_from_hub(f"rmm-demo/{model_id}").result(30)
    manager.download_model(model_id).result(30)
    model = manager.load_model(model_id).result(60)
    (worker,) = workers()
    assert ask(model) != expected
    manager.update_model_config(model_id, settings)
    assert ask(model) == expected
    assert dict(model.config) == settings
    assert workers() == [worker], "without another load"
