"""`BaseModel` by itself: its initial values, its order, its failures; no manager anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from rmm_widgets import BaseModel, ModelCapabilities, ModelHealth, ModelNotAvailableError, ModelStatus, ModelType

from .custom import Scripted


class Ordered(Scripted):
    """Also writes down when it is asked whether it is available."""

    async def is_available(self) -> bool:
        self.steps.append("is_available")
        return self.on_disk


def test_kept_initial_values() -> None:
    model = Scripted(config={"a": 1})
    assert (model.model_id, model.model_type) == ("m", ModelType.EMBEDDING_MODEL)
    assert (model.status, model.health) == (ModelStatus.NOT_DOWNLOADED, ModelHealth.UNKNOWN)
    assert (model.loaded_at, model.last_used, model.error) == (None, None, None)
    assert (model.config, model.metadata, model.is_initialized) == ({"a": 1}, {}, False)


def test_kept_the_five_methods_are_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        BaseModel("m", "embedding_model")  # pyright: ignore[reportAbstractUsage]
    assert BaseModel.__abstractmethods__ == {"download", "load", "unload", "health_check", "is_available"}


def test_kept_order_available_load_health() -> None:
    model = Ordered(on_disk=True)
    asyncio.run(model.initialize())
    assert model.steps == ["is_available", "load", "health_check"]
    assert (model.status, model.health) == (ModelStatus.LOADED, ModelHealth.HEALTHY)
    assert model.is_initialized
    assert model.loaded_at is not None


def test_kept_initializing_twice_loads_once() -> None:
    model = Ordered(on_disk=True)

    async def twice() -> None:
        await model.initialize()
        await model.initialize()

    asyncio.run(twice())
    assert model.steps == ["is_available", "load", "health_check"]


def test_kept_load_gets_the_configuration() -> None:
    model = Scripted(on_disk=True, config={"a": {"b": 1}})
    asyncio.run(model.initialize())
    assert model.loaded_with == [{"a": {"b": 1}}]


def test_kept_not_available() -> None:
    model = Ordered()
    with pytest.raises(ModelNotAvailableError, match=r"(?m)^Model m is not available$"):
        asyncio.run(model.initialize())
    assert model.steps == ["is_available"]
    assert (model.status, model.error) == (ModelStatus.ERROR, "Model m is not available")


@pytest.mark.parametrize("step", ["load", "health_check"])
def test_kept_a_failed_initialize_raises_the_original_error_and_can_be_tried_again(step: str) -> None:
    model = Scripted(on_disk=True)
    failure = model.fails[step] = RuntimeError("not today")
    with pytest.raises(RuntimeError) as raised:
        asyncio.run(model.initialize())
    assert raised.value is failure
    assert (model.status, model.health, model.error) == (ModelStatus.ERROR, ModelHealth.UNHEALTHY, "not today")
    assert not model.is_initialized
    model.fails.clear()
    asyncio.run(model.initialize())
    assert (model.status, model.health, model.error) == (ModelStatus.LOADED, ModelHealth.HEALTHY, None)


def test_changed_a_throwing_check_does_not_leave_it_half_initialized() -> None:
    model = Scripted(on_disk=True)
    model.fails["health_check"] = RuntimeError("out of sorts")
    with pytest.raises(RuntimeError, match="out of sorts"):
        asyncio.run(model.initialize())
    assert model.steps == ["load", "health_check", "unload"]
    assert not model.is_initialized


def test_kept_destroy_reads_downloaded_and_is_not_initialized() -> None:
    model = Scripted(on_disk=True)

    async def live() -> None:
        await model.initialize()
        await model.destroy()

    asyncio.run(live())
    assert model.steps[-1] == "unload"
    assert (model.status, model.loaded_at, model.is_initialized) == (ModelStatus.DOWNLOADED, None, False)


def test_changed_destroy_clears_the_health() -> None:
    model = Scripted(on_disk=True)

    async def live() -> None:
        await model.initialize()
        await model.destroy()

    asyncio.run(live())
    assert model.health is ModelHealth.UNKNOWN


def test_kept_destroy_before_initialize_does_nothing() -> None:
    model = Scripted()
    asyncio.run(model.destroy())
    assert model.steps == []
    assert model.status is ModelStatus.NOT_DOWNLOADED


def test_kept_a_failed_destroy_stays_initialized_with_the_error() -> None:
    model = Scripted(on_disk=True)
    failure = model.fails["unload"] = RuntimeError("it holds on")
    asyncio.run(model.initialize())
    with pytest.raises(RuntimeError) as raised:
        asyncio.run(model.destroy())
    assert raised.value is failure
    assert (model.status, model.error, model.is_initialized) == (ModelStatus.ERROR, "it holds on", True)
    model.fails.clear()
    asyncio.run(model.destroy())
    assert (model.status, model.error, model.is_initialized) == (ModelStatus.DOWNLOADED, None, False)


def test_kept_a_check_is_stored_and_a_throwing_one_is_unhealthy() -> None:
    model = Scripted(on_disk=True)
    asyncio.run(model.initialize())
    model.answers = [ModelHealth.DEGRADED]
    assert asyncio.run(model.check_health()) is model.health is ModelHealth.DEGRADED
    model.fails["health_check"] = RuntimeError("out of sorts")
    assert asyncio.run(model.check_health()) is model.health is ModelHealth.UNHEALTHY
    assert model.error == "out of sorts"
    model.fails.clear()
    model.answers = [ModelHealth.HEALTHY]
    assert asyncio.run(model.check_health()) is ModelHealth.HEALTHY
    assert model.error is None


def test_kept_a_configuration_is_merged_one_level_deep() -> None:
    model = Scripted(config={"a": 1, "nested": {"x": 1, "y": 2}})
    model.update_config({"b": 2, "nested": {"x": 9}})
    assert model.config == {"a": 1, "b": 2, "nested": {"x": 9}}


def test_changed_no_configuration_is_shared() -> None:
    given: dict[str, Any] = {"nested": {"x": 1}}
    model = Scripted(config=given)
    given["nested"]["x"] = 2
    model.config["nested"]["x"] = 3
    update: dict[str, Any] = {"other": {"y": 1}}
    model.update_config(update)
    update["other"]["y"] = 2
    assert model.config == {"nested": {"x": 1}, "other": {"y": 1}}


def test_kept_metadata_is_a_copy() -> None:
    model = Scripted()
    model.set_metadata("origin", {"by": "me"})
    model.metadata["origin"]["by"] = "you"
    assert model.metadata == {"origin": {"by": "me"}}


def test_kept_mark_used_moves_last_used() -> None:
    model = Scripted()
    model.mark_used()
    first = model.last_used
    assert first is not None
    model.mark_used()
    assert model.last_used is not None
    assert model.last_used >= first


def test_kept_capabilities_are_all_false_and_any_configuration_is_valid() -> None:
    model = Scripted()
    assert model.get_capabilities() == ModelCapabilities()
    assert not any(getattr(ModelCapabilities(), name) for name in ModelCapabilities.__struct_fields__)
    assert model.validate_config({"anything": 1}) is True


def test_kept_get_instance_shows_the_model_without_a_manager() -> None:
    model = Scripted(on_disk=True, config={"a": 1})
    asyncio.run(model.initialize())
    instance = model.get_instance()
    assert (instance.model_id, instance.model_type) == ("m", ModelType.EMBEDDING_MODEL)
    assert (instance.status, instance.health, instance.config) == (ModelStatus.LOADED, ModelHealth.HEALTHY, {"a": 1})
    assert instance(1) == 2
    with pytest.raises(TypeError):
        instance.config["a"] = 2  # pyright: ignore[reportIndexIssue]


def test_reporting_progress_without_a_download_does_nothing() -> None:
    assert Scripted().report_progress(1, 2, "a") is None


def test_a_wrong_type_is_refused() -> None:
    class Wrong(Scripted):
        def __init__(self) -> None:
            BaseModel.__init__(self, "m", "nonsense")

    with pytest.raises(ValueError, match="nonsense"):
        Wrong()


def test_a_check_must_answer_with_a_health() -> None:
    class Vague(Scripted):
        async def health_check(self) -> Any:
            return "fine, thanks"

    model = Vague(on_disk=True)
    with pytest.raises(ValueError, match="fine, thanks"):
        asyncio.run(model.initialize())
    assert not model.is_initialized


def test_load_may_take_any_mapping() -> None:
    class Minimal(Scripted):
        async def load(self, config: Mapping[str, Any] | None = None) -> None:
            assert config == {}

    asyncio.run(Minimal(on_disk=True).initialize())
