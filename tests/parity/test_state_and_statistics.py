"""State and statistics: their names, their values along a model's way, and that nobody can change them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from rmm_widgets import ModelHealth, ModelManager, ModelStatus, Statistics

from .custom import TIMEOUT, Gate, add, info

Make = Callable[..., ModelManager]


def test_kept_status_and_health_along_the_way(manager: ModelManager) -> None:
    model = add(manager)
    gates = [model.gates.setdefault(step, Gate()) for step in ("download", "load")]

    def now() -> tuple[str, str]:
        return manager.get_model_status("m").value, manager.get_model_health("m").value

    seen = [now()]
    download = manager.download_model("m")
    gates[0].wait_until_reached()
    seen.append(now())
    gates[0].open()
    download.result(TIMEOUT)
    seen.append(now())
    load = manager.load_model("m")
    gates[1].wait_until_reached()
    seen.append(now())
    gates[1].open()
    load.result(TIMEOUT)
    seen.append(now())
    manager.unload_model("m").result(TIMEOUT)
    seen.append(now())
    assert seen == [
        ("not_downloaded", "unknown"),
        ("downloading", "unknown"),
        ("downloaded", "unknown"),
        ("loading", "unknown"),
        ("loaded", "healthy"),
        ("downloaded", "unknown"),
    ]


def test_kept_statistics_along_the_way(manager: ModelManager) -> None:
    model = add(manager)
    gates = [model.gates.setdefault(step, Gate()) for step in ("download", "load")]
    assert manager.get_statistics() == Statistics(total_models=1)
    download = manager.download_model("m")
    gates[0].wait_until_reached()
    assert manager.get_statistics() == Statistics(total_models=1, active_downloads=1)
    gates[0].open()
    download.result(TIMEOUT)
    assert manager.get_statistics() == Statistics(total_models=1, downloaded_models=1)
    load = manager.load_model("m")
    gates[1].wait_until_reached()
    assert manager.get_statistics() == Statistics(total_models=1, downloaded_models=1, active_loads=1)
    gates[1].open()
    load.result(TIMEOUT)
    assert manager.get_statistics() == Statistics(total_models=1, downloaded_models=1, loaded_models=1)
    manager.delete_model("m").result(TIMEOUT)
    assert manager.get_statistics() == Statistics()


def test_kept_failed_downloads_are_counted(manager: ModelManager) -> None:
    add(manager).fails["download"] = RuntimeError("no")
    assert manager.download_model("m").exception(TIMEOUT) is not None
    assert manager.get_statistics() == Statistics(total_models=1, failed_downloads=1)


def test_kept_downloaded_bytes_are_counted(hub_manager: ModelManager) -> None:
    record = hub_manager.register_from_hub("rmm-demo/vit-digits").result(TIMEOUT)
    hub_manager.download_model("vit-digits").result(TIMEOUT)
    hub_manager.download_model("vit-digits").result(TIMEOUT)
    assert hub_manager.get_statistics().total_bytes_downloaded == record.total_size_estimate


def test_kept_state_along_the_way(manager: ModelManager) -> None:
    model = add(manager)
    gates = [model.gates.setdefault(step, Gate()) for step in ("download", "load")]
    state = manager.get_state()
    assert (state.models, state.instances, state.download_progress) == ({"m": info()}, {}, {})
    assert (state.is_downloading, state.is_loading) == (False, False)
    download = manager.download_model("m")
    gates[0].wait_until_reached()
    state = manager.get_state()
    assert (state.is_downloading, state.is_loading, list(state.download_progress)) == (True, False, ["m"])
    gates[0].open()
    download.result(TIMEOUT)
    load = manager.load_model("m")
    gates[1].wait_until_reached()
    state = manager.get_state()
    assert (state.is_downloading, state.is_loading) == (False, True)
    assert state.instances["m"].status is ModelStatus.LOADING, "what is loading is among the instances"
    gates[1].open()
    instance = load.result(TIMEOUT)
    state = manager.get_state()
    assert (state.is_downloading, state.is_loading) == (False, False)
    assert state.instances == manager.get_all_instances() == {"m": instance}
    assert state.download_progress == manager.get_all_download_progress()


def test_changed_last_update_is_the_time_of_the_last_change(manager: ModelManager) -> None:
    manager.register_model(info())
    changed = datetime.now(UTC)
    first, second = manager.get_state(), manager.get_state()
    assert first.last_update == second.last_update <= changed
    assert first.revision == second.revision
    manager.register_model(info("other"))
    third = manager.get_state()
    assert third.last_update > first.last_update
    assert third.revision > first.revision


def test_kept_an_instance_shows_what_is_loaded(manager: ModelManager) -> None:
    add(manager, on_disk=True, metadata={"by": "me"})
    began = datetime.now(UTC)
    instance = manager.load_model("m", {"a": 1}).result(TIMEOUT)
    assert instance is manager.get_model_instance("m")
    assert (instance.model_id, instance.model_type.value) == ("m", "embedding_model")
    assert (instance.status, instance.health, instance.error) == (ModelStatus.LOADED, ModelHealth.HEALTHY, None)
    assert (instance.config, instance.metadata) == ({"a": 1}, {"by": "me"})
    assert instance.loaded_at is not None
    assert instance.last_used is not None
    assert began <= instance.loaded_at <= datetime.now(UTC)
    assert (instance.placement, instance.device) == ("kernel", "cpu")


def test_changed_loaded_at_is_unknown_until_it_is_loaded(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    gate = model.gates["load"] = Gate()
    job = manager.load_model("m")
    gate.wait_until_reached()
    loading = manager.get_model_instance("m")
    assert loading is not None
    assert loading.loaded_at is None
    gate.open()
    assert job.result(TIMEOUT) is loading
    assert loading.loaded_at is not None


def test_kept_unknown_ids_read_as_nothing(manager: ModelManager) -> None:
    assert manager.get_model_status("x") is ModelStatus.NOT_DOWNLOADED
    assert manager.get_model_health("x") is ModelHealth.UNKNOWN
    assert (manager.get_model_info("x"), manager.get_model_instance("x")) == (None, None)
    assert manager.get_download_progress("x") is None
    assert (manager.is_model_available("x"), manager.is_model_loaded("x")) == (False, False)


def test_changed_nothing_handed_out_is_shared_mutable_state(manager: ModelManager) -> None:
    add(manager, on_disk=True, tags=["a"], metadata={"nested": {"x": [1]}})
    config: dict[str, Any] = {"nested": {"x": 1}}
    instance = manager.load_model("m", config).result(TIMEOUT)
    later: dict[str, Any] = {"later": {"y": 1}}
    manager.update_model_config("m", later)
    manager.download_model("m").result(TIMEOUT)

    config["nested"]["x"] = 2
    later["later"]["y"] = 2
    manager.get_all_models().clear()
    manager.get_all_instances().clear()
    manager.get_all_download_progress().clear()
    state = manager.get_state()
    state.models.clear()
    state.instances.clear()
    manager.events(limit=10).clear()
    manager.export_models().clear()
    manager.find_models().clear()
    for mapping in (instance.config, instance.metadata, instance.config["nested"], manager.describe("m").config):
        with pytest.raises(TypeError):
            mapping["x"] = "forged"  # pyright: ignore[reportIndexIssue]
    with pytest.raises(AttributeError):
        instance.status = ModelStatus.ERROR  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError):
        manager.get_statistics().total_models = 0  # pyright: ignore[reportAttributeAccessIssue]

    assert list(manager.get_all_models()) == list(manager.get_all_instances()) == ["m"]
    assert instance.config == {"nested": {"x": 1}, "later": {"y": 1}}
    assert len(manager.events(limit=10)) > 0


def test_changed_a_queued_load_does_not_see_later_changes_of_its_configuration(manager: ModelManager) -> None:
    manager.max_concurrent_loads = 1
    first = add(manager, "first", on_disk=True)
    gate = first.gates["load"] = Gate()
    second = add(manager, "second", on_disk=True)
    config: dict[str, Any] = {"nested": {"x": 1}}
    jobs = [manager.load_model("first"), manager.load_model("second", config)]
    gate.wait_until_reached()
    config["nested"]["x"] = 2
    gate.open()
    for job in jobs:
        job.result(TIMEOUT)
    assert second.loaded_with == [{"nested": {"x": 1}}]


def test_changed_a_models_progress_does_not_survive_in_what_was_read(manager: ModelManager) -> None:
    add(manager)
    manager.download_model("m").result(TIMEOUT)
    progress = manager.get_download_progress("m")
    assert progress is not None
    with pytest.raises(AttributeError):
        progress.progress = 5.0  # pyright: ignore[reportAttributeAccessIssue]
