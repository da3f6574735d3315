"""What listeners are told, in which order, and what they cannot harm."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime

import pytest

from rmm_widgets import DownloadError, LoadError, ModelEvent, ModelManager, ModelNotRegisteredError

from .custom import TIMEOUT, Gate, Recorder, add, info, last, story

HAPPY = [
    ("config_update", "registered"),
    ("download_start", "download_started"),
    ("download_complete", "download_completed"),
    ("load_start", "load_started"),
    ("load_complete", "load_completed"),
    ("health_change", "health_changed"),
    ("unload", "unloaded"),
    ("health_change", "health_changed"),
]


def live_through(manager: ModelManager) -> None:
    add(manager)
    manager.download_model("m").result(TIMEOUT)
    manager.load_model("m").result(TIMEOUT)
    manager.unload_model("m").result(TIMEOUT)


def last_number(manager: ModelManager) -> int:
    return manager.events(limit=1)[-1].seq


def test_kept_order_of_the_happy_sequence_and_its_actions(manager: ModelManager) -> None:
    live_through(manager)
    assert story(manager) == HAPPY
    kinds = [event.type.value for event in manager.events(limit=1000)]
    begin, end = kinds.index("download_start"), kinds.index("download_complete")
    progress = [place for place, kind in enumerate(kinds) if kind == "download_progress"]
    assert progress, "a download reports progress"
    assert begin < min(progress)
    assert max(progress) < end


def test_kept_a_failed_download_tells_start_then_error_and_raises_it(manager: ModelManager) -> None:
    add(manager).fails["download"] = RuntimeError("no such bytes")
    with pytest.raises(DownloadError, match="no such bytes") as raised:
        manager.download_model("m").result(TIMEOUT)
    assert story(manager, "m")[1:] == [("download_start", "download_started"), ("download_error", "download_failed")]
    assert last(manager, "download_error")["error"] == str(raised.value)


def test_kept_a_failed_load_tells_start_then_error_and_raises_it(manager: ModelManager) -> None:
    add(manager, on_disk=True).fails["load"] = RuntimeError("no such weights")
    with pytest.raises(LoadError, match="no such weights") as raised:
        manager.load_model("m").result(TIMEOUT)
    assert story(manager, "m")[1:3] == [("load_start", "load_started"), ("load_error", "load_failed")]
    assert last(manager, "load_error")["error"] == str(raised.value)


def test_changed_an_unknown_id_raises_and_tells_nobody(manager: ModelManager) -> None:
    for ask in (manager.download_model, manager.load_model, manager.unload_model, manager.delete_model):
        with pytest.raises(ModelNotRegisteredError, match="Model x is not registered"):
            ask("x")
    assert story(manager) == []


def test_kept_the_same_listener_added_twice_counts_once(manager: ModelManager) -> None:
    recorder = Recorder()
    manager.add_event_listener(recorder)
    manager.add_event_listener(recorder)
    manager.register_model(info())
    manager.register_model(info("other"))
    recorder.wait_for_number(2)
    assert [event.seq for event in recorder.events] == [1, 2]


def test_kept_a_removed_listener_is_not_called_and_removing_an_unknown_one_is_fine(manager: ModelManager) -> None:
    gone, stays = Recorder(), Recorder()
    manager.add_event_listener(gone)
    manager.add_event_listener(stays)
    assert manager.remove_event_listener(gone) is True
    assert manager.remove_event_listener(gone) is False
    manager.register_model(info())
    stays.wait_for_number(1)
    assert gone.events == []


def test_changed_adding_a_listener_gives_what_removes_it(manager: ModelManager) -> None:
    gone, stays = Recorder(), Recorder()
    remove = manager.add_event_listener(gone)
    manager.add_event_listener(stays)
    remove()
    remove()
    manager.register_model(info())
    stays.wait_for_number(1)
    assert gone.events == []


def test_kept_a_throwing_listener_disturbs_neither_the_work_nor_the_others(
    manager: ModelManager, caplog: pytest.LogCaptureFixture
) -> None:
    def throw(event: ModelEvent) -> None:
        raise RuntimeError("a bad listener")

    recorder = Recorder()
    manager.add_event_listener(throw)
    manager.add_event_listener(recorder)
    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        live_through(manager)
        recorder.wait_for_number(last_number(manager))
    assert [event.seq for event in recorder.events] == list(range(1, len(recorder.events) + 1))
    assert "a bad listener" in caplog.text


def test_changed_what_an_async_listener_raises_is_caught(
    manager: ModelManager, caplog: pytest.LogCaptureFixture
) -> None:
    async def throw(event: ModelEvent) -> None:
        raise RuntimeError("a bad coroutine")

    recorder = Recorder()
    manager.add_event_listener(throw)
    manager.add_event_listener(recorder)
    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        live_through(manager)
        recorder.wait_for_number(last_number(manager))
        manager.close()
    assert "a bad coroutine" in caplog.text


def test_changed_a_listener_that_blocks_holds_nobody_up(manager: ModelManager) -> None:
    release, entered = threading.Event(), threading.Event()

    def block(event: ModelEvent) -> None:
        entered.set()
        release.wait(TIMEOUT)

    recorder = Recorder()
    manager.add_event_listener(block)
    manager.add_event_listener(recorder)
    try:
        live_through(manager)
        assert entered.wait(TIMEOUT)
        recorder.wait_for_number(last_number(manager))
    finally:
        release.set()


def test_a_listener_finds_the_state_that_its_event_tells_of(manager: ModelManager) -> None:
    seen: dict[str, str] = {}
    recorder = Recorder()

    def read(event: ModelEvent) -> None:
        if event.data.get("action") in {"registered", "load_completed", "unloaded"}:
            known = event.model_id in manager.get_all_models()
            seen[event.data["action"]] = f"{known} {manager.get_model_status(event.model_id).value}"

    model = add(manager, on_disk=True)
    manager.unregister_model("m")
    manager.add_event_listener(read)
    manager.add_event_listener(recorder)
    manager.register_model(info(), model=model)
    recorder.wait_for(lambda events: any(e.data["action"] == "registered" for e in events))
    manager.load_model("m").result(TIMEOUT)
    recorder.wait_for(lambda events: any(e.data["action"] == "load_completed" for e in events))
    manager.unload_model("m").result(TIMEOUT)
    manager.close()
    assert seen == {"registered": "True downloaded", "load_completed": "True loaded", "unloaded": "True downloaded"}


def test_changed_health_change_is_emitted_with_both_values(manager: ModelManager) -> None:
    live_through(manager)
    changes = [event.data for event in manager.events(limit=1000) if event.type == "health_change"]
    assert [(data["previous"], data["health"]) for data in changes] == [
        ("unknown", "healthy"),
        ("healthy", "unknown"),
    ]


def test_changed_an_operation_that_changes_nothing_emits_nothing(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    manager.load_model("m").result(TIMEOUT)
    manager.update_model_config("m", {"a": 1})
    manager.pin("m")
    before = story(manager)
    manager.register_model(info())
    manager.register_model(info(), model=model)
    manager.download_model("m").result(TIMEOUT)
    manager.load_model("m").result(TIMEOUT)
    manager.update_model_config("m", {"a": 1})
    manager.update_model_config("m", {})
    manager.pin("m")
    assert manager.cancel_download("m") is False
    assert manager.pause_download("m") is False
    assert manager.cancel_load("m") is False
    assert manager.check_health("m").result(TIMEOUT) == "healthy"
    assert manager.import_models([info()]) == []
    assert story(manager) == before
    manager.unload_model("m").result(TIMEOUT)
    before = story(manager)
    manager.unload_model("m").result(TIMEOUT)
    assert story(manager) == before


def test_kept_register_and_delete_emit_config_update(manager: ModelManager) -> None:
    add(manager, description="what it is")
    registered = last(manager, "config_update")
    assert registered["action"] == "registered"
    assert registered["model_info"]["description"] == "what it is"
    manager.delete_model("m").result(TIMEOUT)
    assert story(manager) == [("config_update", "registered"), ("config_update", "deleted")]


def test_kept_a_configuration_change_emits_config_update_with_the_configuration(manager: ModelManager) -> None:
    add(manager)
    manager.update_model_config("m", {"threshold": 0.5})
    assert last(manager, "config_update") == {"action": "config_updated", "config": {"threshold": 0.5}}


def test_kept_unload_failure_is_a_load_error(manager: ModelManager) -> None:
    add(manager, on_disk=True).fails["unload"] = RuntimeError("it holds on")
    manager.load_model("m").result(TIMEOUT)
    with pytest.raises(LoadError, match="it holds on"):
        manager.unload_model("m").result(TIMEOUT)
    assert ("load_error", "unload_failed") in story(manager)
    assert "it holds on" in last(manager, "load_error")["error"]


def test_kept_delete_failure_tells_unload_failed_then_delete_failed(manager: ModelManager) -> None:
    add(manager, on_disk=True).fails["unload"] = RuntimeError("it holds on")
    manager.load_model("m").result(TIMEOUT)
    with pytest.raises(LoadError, match="it holds on"):
        manager.delete_model("m").result(TIMEOUT)
    errors = [action for kind, action in story(manager) if kind == "load_error"]
    assert errors == ["unload_failed", "delete_failed"]
    assert "m" in manager.get_all_models()


def test_numbers_have_no_gaps_and_times_are_aware_utc(manager: ModelManager) -> None:
    began = datetime.now(UTC)
    live_through(manager)
    events = manager.events(limit=1000)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(event.timestamp.tzinfo is UTC for event in events)
    times = [event.timestamp for event in events]
    assert times == sorted(times)
    assert times[0] >= began


def test_an_events_data_is_plain_and_cannot_be_changed(manager: ModelManager) -> None:
    live_through(manager)
    for event in manager.events(limit=1000):
        assert isinstance(event.data, dict)
        json.dumps(event.data)
        with pytest.raises(TypeError):
            event.data["action"] = "forged"  # pyright: ignore[reportIndexIssue]
        with pytest.raises(AttributeError):
            event.seq = 0  # pyright: ignore[reportAttributeAccessIssue]


def test_a_jobs_end_comes_after_its_events(manager: ModelManager) -> None:
    recorder = Recorder()
    manager.add_event_listener(recorder)
    model = add(manager, on_disk=True)
    model.gates["load"] = gate = Gate()
    job = manager.load_model("m")
    gate.wait_until_reached()
    assert not job.done()
    assert story(manager)[-1] == ("load_start", "load_started")
    gate.open()
    job.result(TIMEOUT)
    assert ("load_complete", "load_completed") in story(manager)
