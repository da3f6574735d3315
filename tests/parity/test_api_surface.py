"""Bad input to every public method: a clear error, and nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rmm_widgets import (
    CallError,
    InvalidConfigError,
    InvalidModelInfoError,
    Job,
    LoadError,
    ManagerClosedError,
    ModelInfo,
    ModelManager,
    ModelNotRegisteredError,
    ModelStatus,
    ModelType,
    RMMError,
)

from .custom import TIMEOUT, Scripted, add, info, picture

Ask = Callable[[ModelManager], object]

BAD_IDS: list[Any] = [None, "", " ", "unknown", 5, -1, 2.5, b"custom", [], {}, ("custom",), object()]

NEEDS_A_MODEL = [
    "download_model",
    "cancel_download",
    "pause_download",
    "resume_download",
    "load_model",
    "cancel_load",
    "unload_model",
    "unregister_model",
    "delete_model",
    "check_health",
    "verify_model",
    "check_safety",
    "forbid_unsafe",
    "pin",
    "unpin",
    "describe",
    "get_probe_history",
    "get_story",
    "explain",
]

ANSWERS_NOTHING: dict[str, object] = {
    "get_download_progress": None,
    "get_model_info": None,
    "get_model_instance": None,
    "is_model_available": False,
    "is_model_loaded": False,
    "get_model_status": "not_downloaded",
    "get_model_health": "unknown",
}


@pytest.fixture
def populated(manager: ModelManager) -> ModelManager:
    """A custom model, loaded, and one of the Hub that is not on disk."""
    add(manager, "custom", on_disk=True)
    manager.register_model(info("hub"))
    manager.load_model("custom", {"a": 1}).result(TIMEOUT)
    return manager


def ended(answer: Any) -> Any:
    return answer.result(TIMEOUT) if isinstance(answer, Job) else answer  # pyright: ignore[reportUnknownVariableType]


def refuse(manager: ModelManager, ask: Ask, *kinds: type[Exception], match: str | None = None) -> None:
    """The request raises, at once or as a job, and changes nothing."""
    before = picture(manager)
    with pytest.raises(kinds, match=match) as refused:
        ended(ask(manager))
    assert str(refused.value)
    if isinstance(refused.value, RMMError):
        assert refused.value.hint, f"no hint: {refused.value!r}"
    assert picture(manager) == before


@pytest.mark.parametrize("name", NEEDS_A_MODEL)
def test_an_unknown_or_odd_id(populated: ModelManager, name: str) -> None:
    for bad in BAD_IDS:
        refuse(populated, lambda m, b=bad: getattr(m, name)(b), ModelNotRegisteredError, match="is not registered")


def test_an_unknown_or_odd_id_with_more_arguments(populated: ModelManager) -> None:
    asks: list[Callable[[ModelManager, Any], object]] = [
        lambda m, bad: m.update_model_config(bad, {}),
        lambda m, bad: m.load_model(bad, {"a": 1}),
        lambda m, bad: m.download_model(bad, print),
        lambda m, bad: m.delete_model(bad, remove_files=True),
        lambda m, bad: m.use(bad).__enter__(),
    ]
    for bad in BAD_IDS:
        for ask in asks:
            refuse(populated, lambda m, a=ask, b=bad: a(m, b), ModelNotRegisteredError, match="is not registered")


def test_an_unknown_id_in_async_with(populated: ModelManager) -> None:
    async def use() -> None:
        async with populated.use("unknown"):
            pass

    refuse(populated, lambda _: asyncio.run(use()), ModelNotRegisteredError)


@pytest.mark.parametrize(("name", "nothing"), ANSWERS_NOTHING.items())
def test_reading_an_unknown_id_answers_nothing(populated: ModelManager, name: str, nothing: object) -> None:
    before = picture(populated)
    for bad in BAD_IDS:
        assert getattr(populated, name)(bad) == nothing
    assert picture(populated) == before


def test_the_nearest_id_is_named(populated: ModelManager) -> None:
    with pytest.raises(ModelNotRegisteredError) as refused:
        populated.load_model("costum")
    assert "custom" in refused.value.hint


@pytest.mark.parametrize("bad", [None, "", "m", 5, {}, [], object()])
def test_registering_what_is_no_record(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.register_model(bad), InvalidModelInfoError, match="takes a ModelInfo")
    refuse(populated, lambda m: m.register_models([bad]), InvalidModelInfoError, match="takes a ModelInfo")
    refuse(populated, lambda m: m.import_models([bad]), InvalidModelInfoError, match="takes a ModelInfo")
    refuse(populated, lambda m: m.import_models([bad], overwrite=True), InvalidModelInfoError)


@pytest.mark.parametrize("bad", [None, 5, object()])
def test_registering_several_from_what_holds_none(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.register_models(bad), TypeError, match="not iterable")
    refuse(populated, lambda m: m.import_models(bad), TypeError, match="not iterable")


@pytest.mark.parametrize("bad", ["", "model", 5, {}, []])
def test_registering_a_model_that_is_none(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.register_model(info("new"), model=bad), InvalidModelInfoError, match="BaseModel")


def test_registering_a_callable_that_makes_no_model(manager: ModelManager) -> None:
    def make(_info: ModelInfo) -> Any:
        return "no model"

    manager.register_model(info(), model=make)
    for _ in range(2):
        with pytest.raises(InvalidModelInfoError, match="made a str, not a BaseModel"):
            manager.load_model("m").result(TIMEOUT)
    model = Scripted(on_disk=True)
    manager.register_model(info(), model=model)
    assert manager.load_model("m").result(TIMEOUT).model is model


BAD_REPOSITORIES: list[Any] = [None, "", " ", 5, {}, "a/b/c", "../up", "a b", "-a/b", "me/m.git", "x" * 97, "me/ö"]


@pytest.mark.parametrize("bad", BAD_REPOSITORIES)
def test_registering_from_an_odd_repository(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.register_from_hub(bad), InvalidModelInfoError)


@pytest.mark.parametrize(
    "arguments",
    [
        {"model_id": ""},
        {"model_id": 5},
        {"model_id": "x" * 201},
        {"model_id": "-rf"},
        {"model_id": "a\nb"},
        {"revision": ""},
        {"revision": 5},
        {"revision": "../x"},
        {"model_type": "nonsense"},
        {"model_type": 5},
    ],
)
def test_registering_from_the_hub_with_odd_arguments(populated: ModelManager, arguments: Mapping[str, Any]) -> None:
    refuse(populated, lambda m: m.register_from_hub("me/m", **arguments), InvalidModelInfoError)


@pytest.mark.parametrize("bad", [None, 5, [], b"x"])
def test_searching_for_what_is_no_text(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.search_hub(bad), InvalidConfigError, match="query must be text")
    refuse(populated, lambda m: m.find_models(bad), TypeError, match="must be text")


@pytest.mark.parametrize("bad", [0, -1, 101, 2.5, "5", None, True])
def test_searching_with_an_odd_limit(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.search_hub("x", limit=bad), InvalidConfigError, match="limit is")


@pytest.mark.parametrize("bad", ["nonsense", "", 5])
def test_searching_for_an_odd_type(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.search_hub("x", model_type=bad), InvalidModelInfoError)
    refuse(populated, lambda m: m.find_models(model_type=bad), InvalidModelInfoError)


@pytest.mark.parametrize("arguments", [{"tag": 5}, {"min_size": "1"}, {"max_size": []}])
def test_finding_with_odd_arguments(populated: ModelManager, arguments: Mapping[str, Any]) -> None:
    refuse(populated, lambda m: m.find_models(**arguments), TypeError)


@pytest.mark.parametrize("bad", [5, "print", [], {}])
def test_a_callback_that_cannot_be_called(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.download_model("hub", bad), TypeError, match="must be callable")
    refuse(populated, lambda m: m.download_model("hub", progress_callback=bad), TypeError, match="must be callable")
    refuse(populated, lambda m: m.add_event_listener(bad), TypeError, match="must be callable")
    refuse(populated, lambda m: m.subscribe(bad), TypeError, match="must be callable")


BAD_CONFIGS: list[Any] = [5, "", "a=1", [], [("a", 1)], {1: 2}, {None: 1}]


@pytest.mark.parametrize("bad", BAD_CONFIGS)
@pytest.mark.parametrize("model_id", ["custom", "hub"])
def test_a_configuration_that_is_none(populated: ModelManager, model_id: str, bad: Any) -> None:
    refuse(populated, lambda m: m.load_model(model_id, bad), InvalidConfigError)
    refuse(populated, lambda m: m.update_model_config(model_id, bad), InvalidConfigError)


def test_no_configuration_at_all(populated: ModelManager) -> None:
    nothing: Any = None
    refuse(populated, lambda m: m.update_model_config("custom", nothing), InvalidConfigError)


@pytest.mark.parametrize("bad", [{"nonsense": 1}, {"normalize": "yes"}, {"batch_size": 0}, {"batch_size": -5}])
def test_a_configuration_that_the_type_does_not_know(populated: ModelManager, bad: Mapping[str, Any]) -> None:
    refuse(populated, lambda m: m.load_model("hub", bad), InvalidConfigError)
    refuse(populated, lambda m: m.update_model_config("hub", bad), InvalidConfigError)


def test_a_configuration_that_cannot_be_kept(populated: ModelManager) -> None:
    refuse(populated, lambda m: m.update_model_config("custom", {"x": object()}), InvalidConfigError)
    instance = populated.get_model_instance("custom")
    assert instance is not None
    assert instance.config == {"a": 1}
    assert isinstance(instance.model, Scripted)
    assert instance.model.config == {"a": 1}


@pytest.mark.parametrize("bad", ["", "nowhere", 5, [], True])
def test_an_odd_isolation(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.load_model("hub", isolation=bad), InvalidConfigError, match="isolation is")


@pytest.mark.parametrize("bad", ["", 5, []])
def test_an_odd_device(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.load_model("hub", device=bad), InvalidConfigError, match="device is")


def test_a_custom_model_in_a_process_of_its_own(populated: ModelManager) -> None:
    populated.unload_model("custom").result(TIMEOUT)
    refuse(populated, lambda m: m.load_model("custom", isolation="process"), LoadError, match="custom model")


@pytest.mark.parametrize("bad", [-1, 2.5, "5", None, True])
def test_a_history_of_an_odd_length(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.events(limit=bad), ValueError, match="limit is")


def test_the_history_of_nothing(populated: ModelManager) -> None:
    assert populated.events(limit=0) == []
    assert populated.events("unknown") == []


@pytest.mark.parametrize("bad", [5, [], b"custom"])
def test_the_history_of_what_is_no_id(populated: ModelManager, bad: Any) -> None:
    refuse(populated, lambda m: m.events(bad), TypeError, match="must be text")


def test_removing_a_listener_that_is_none(populated: ModelManager) -> None:
    before = picture(populated)
    nothing: Any = None
    assert populated.remove_event_listener(nothing) is False
    assert populated.remove_event_listener(print) is False
    assert picture(populated) == before


def test_verifying_what_is_not_on_disk(populated: ModelManager) -> None:
    refuse(populated, lambda m: m.verify_model("hub"), RMMError, match="not on disk")


@pytest.mark.parametrize("bad", [5, None, b"__call__"])
def test_calling_a_method_whose_name_is_no_text(populated: ModelManager, bad: Any) -> None:
    instance = populated.get_model_instance("custom")
    assert instance is not None
    with pytest.raises(TypeError, match="a method's name is text"):
        instance.call(bad)
    with pytest.raises(TypeError, match="a method's name is text"):
        asyncio.run(instance.acall(bad))


@pytest.mark.parametrize("bad", ["", "nonsense", "_step", "__init__", "steps"])
def test_calling_a_method_that_is_none_or_private(populated: ModelManager, bad: str) -> None:
    instance = populated.get_model_instance("custom")
    assert instance is not None
    with pytest.raises(CallError) as refused:
        instance.call(bad)
    assert refused.value.model_id == "custom"
    assert refused.value.remote_type in {"AttributeError", "TypeError"}
    assert instance(1) == 2


@pytest.mark.parametrize("bad", [0, -1, float("nan"), "5"])
def test_calling_with_an_odd_timeout(populated: ModelManager, bad: Any) -> None:
    instance = populated.get_model_instance("custom")
    assert instance is not None
    with pytest.raises(ValueError, match="timeout is"):
        instance.call("__call__", 1, timeout=bad)
    assert instance.call("__call__", 1, timeout=TIMEOUT) == 2


def test_calling_with_wrong_arguments_is_the_models_error(populated: ModelManager) -> None:
    instance = populated.get_model_instance("custom")
    assert instance is not None
    with pytest.raises(CallError, match="TypeError") as refused:
        instance()
    assert "Traceback" in refused.value.remote_traceback


LATER: list[Ask] = [
    lambda m: m.connect("ray://somewhere"),
    lambda m: m.disconnect(),
    lambda m: m.load_model("hub", isolation="ray"),
    lambda m: setattr(m, "isolation", "ray"),
]


@pytest.mark.parametrize("ask", LATER)
def test_what_comes_in_a_later_version_says_so(populated: ModelManager, ask: Ask) -> None:
    refuse(populated, ask, NotImplementedError, match="later version")


CHANGES: list[Ask] = [
    lambda m: m.register_model(info("new")),
    lambda m: m.register_models([info("new")]),
    lambda m: m.import_models([info("new")]),
    lambda m: m.register_from_hub("me/new"),
    lambda m: m.search_hub("x"),
    lambda m: m.unregister_model("hub"),
    lambda m: m.delete_model("hub"),
    lambda m: m.download_model("hub"),
    lambda m: m.cancel_download("hub"),
    lambda m: m.pause_download("hub"),
    lambda m: m.resume_download("hub"),
    lambda m: m.load_model("custom"),
    lambda m: m.cancel_load("custom"),
    lambda m: m.unload_model("custom"),
    lambda m: m.use("custom").__enter__(),
    lambda m: m.update_model_config("custom", {}),
    lambda m: m.pin("custom"),
    lambda m: m.unpin("custom"),
    lambda m: m.check_health("custom"),
    lambda m: m.check_all_health(),
    lambda m: m.verify_model("hub"),
    lambda m: m.add_event_listener(print),
    lambda m: m.remove_event_listener(print),
    lambda m: m.subscribe(lambda: None),
    lambda m: m.events(),
]


def test_a_closed_manager_refuses_every_change_and_still_answers(populated: ModelManager) -> None:
    instance = populated.get_model_instance("custom")
    assert instance is not None
    populated.close()
    before = populated.get_state()
    for ask in CHANGES:
        with pytest.raises(ManagerClosedError) as refused:
            ask(populated)
        assert refused.value.hint
    for call in (lambda: instance(1), lambda: instance.call("__call__", 1), lambda: asyncio.run(instance.acall("x"))):
        with pytest.raises(RMMError):
            call()
    assert populated.get_state() == before
    assert set(populated.get_all_models()) == {"custom", "hub"}
    assert populated.get_all_instances() == {}
    assert populated.get_model_status("custom") is ModelStatus.DOWNLOADED
    assert populated.get_statistics().loaded_models == 0
    assert populated.get_model_info("hub") == info("hub")
    assert [found.model_id for found in populated.find_models(model_type=ModelType.EMBEDDING_MODEL)] == [
        "custom",
        "hub",
    ]
    assert populated.export_models() == list(populated.get_all_models().values())
    assert repr(populated) == "<ModelManager closed>"
