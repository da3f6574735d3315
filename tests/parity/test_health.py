"""Health: what a check answers, what it does where it raises, and who is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rmm_widgets import LoadError, ModelHealth, ModelManager, ModelNotRegisteredError, ModelStatus

from .custom import TIMEOUT, Recorder, add, last, story

HEALTHY, DEGRADED, UNHEALTHY = ModelHealth.HEALTHY, ModelHealth.DEGRADED, ModelHealth.UNHEALTHY


def test_kept_what_a_check_answers_is_stored(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    model.answers = [DEGRADED]
    assert manager.check_health("m").result(TIMEOUT) is DEGRADED
    assert manager.get_model_health("m") is DEGRADED
    assert instance.health is DEGRADED
    assert instance.status is ModelStatus.LOADED


def test_kept_a_throwing_check_is_unhealthy_with_its_text_not_an_exception(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    model.fails["health_check"] = RuntimeError("out of sorts")
    assert manager.check_health("m").result(TIMEOUT) is UNHEALTHY
    assert manager.get_model_health("m") is UNHEALTHY
    assert instance.error is not None
    assert "out of sorts" in instance.error
    assert "out of sorts" in last(manager, "health_change")["reason"]
    assert instance.status is ModelStatus.LOADED
    assert instance(1) == 2, "it can still be called"


def test_changed_a_later_healthy_check_clears_the_text(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    model.fails["health_check"] = RuntimeError("out of sorts")
    manager.check_health("m").result(TIMEOUT)
    model.fails.clear()
    assert manager.check_health("m").result(TIMEOUT) is HEALTHY
    assert instance.error is None
    assert manager.describe("m").health_reason == ""
    assert model.error is None


def test_changed_the_models_own_health_keeps_in_step(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    for answer in (DEGRADED, UNHEALTHY, HEALTHY):
        model.answers = [answer]
        manager.check_health("m").result(TIMEOUT)
        assert model.health is instance.health is answer
    manager.unload_model("m").result(TIMEOUT)
    assert model.health is manager.get_model_health("m") is ModelHealth.UNKNOWN


def test_changed_health_change_is_emitted_when_the_value_changes_and_only_then(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    manager.load_model("m").result(TIMEOUT)
    model.answers = [DEGRADED]
    for _ in range(3):
        manager.check_health("m").result(TIMEOUT)
    changes = [event.data for event in manager.events(limit=1000) if event.type == "health_change"]
    assert [(data["previous"], data["health"]) for data in changes] == [("unknown", "healthy"), ("healthy", "degraded")]


def test_kept_an_unhealthy_answer_at_load_is_loaded_and_unhealthy(manager: ModelManager) -> None:
    add(manager, on_disk=True).answers = [UNHEALTHY]
    instance = manager.load_model("m").result(TIMEOUT)
    assert (instance.status, instance.health) == (ModelStatus.LOADED, UNHEALTHY)


def test_kept_a_check_that_throws_at_load_fails_the_load(manager: ModelManager) -> None:
    add(manager, on_disk=True).fails["health_check"] = RuntimeError("out of sorts")
    with pytest.raises(LoadError, match="out of sorts"):
        manager.load_model("m").result(TIMEOUT)
    assert manager.get_model_status("m") is ModelStatus.ERROR
    assert ("load_error", "load_failed") in story(manager)


def test_changed_a_check_that_throws_at_load_does_not_leak_the_model(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    model.fails["health_check"] = RuntimeError("out of sorts")
    assert manager.load_model("m").exception(TIMEOUT) is not None
    assert model.steps == ["load", "health_check", "unload"]
    assert not model.is_initialized
    model.fails.clear()
    assert manager.load_model("m").result(TIMEOUT).health is HEALTHY


def test_kept_a_model_that_is_not_loaded_has_unknown_health(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    assert manager.get_model_health("m") is ModelHealth.UNKNOWN
    assert manager.check_health("m").result(TIMEOUT) is ModelHealth.UNKNOWN
    assert model.steps == []


def test_changed_an_unknown_id_raises_where_it_is_asked_to_be_checked(manager: ModelManager) -> None:
    assert manager.get_model_health("x") is ModelHealth.UNKNOWN
    with pytest.raises(ModelNotRegisteredError, match=r"(?m)^Model x is not registered$"):
        manager.check_health("x")


def test_kept_all_loaded_models_can_be_checked(manager: ModelManager) -> None:
    for name in ("a", "b", "c"):
        add(manager, name, on_disk=True)
    for name in ("a", "b"):
        manager.load_model(name).result(TIMEOUT)
    assert manager.check_all_health().result(TIMEOUT) == {"a": HEALTHY, "b": HEALTHY}


def test_changed_a_loaded_model_is_checked_at_an_interval(make_manager: Callable[..., ModelManager]) -> None:
    manager = make_manager(health_interval=0.02)
    model = add(manager, on_disk=True)
    recorder = Recorder()
    manager.load_model("m").result(TIMEOUT)
    manager.add_event_listener(recorder)
    model.answers = [DEGRADED]
    recorder.wait_for(lambda events: any(event.data.get("health") == "degraded" for event in events))
    assert manager.get_model_health("m") is DEGRADED


def test_kept_a_real_model_is_healthy_once_it_is_loaded(hub_manager: ModelManager) -> None:
    hub_manager.register_from_hub("rmm-demo/vit-digits").result(TIMEOUT)
    assert hub_manager.load_model("vit-digits").result(60).health is HEALTHY
    assert hub_manager.check_health("vit-digits").result(TIMEOUT) is HEALTHY
