"""Loading and unloading: one load per id, failures, cancelling, timeouts, configuration."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest

from rmm_widgets import (
    BaseModel,
    LoadCancelledError,
    LoadError,
    LoadTimeoutError,
    ModelHealth,
    ModelManager,
    ModelNotAvailableError,
    ModelNotLoadedError,
    ModelNotRegisteredError,
    ModelStatus,
)

from .custom import TIMEOUT, Gate, Scripted, add, info, last, story

Make = Callable[..., ModelManager]


def held(manager: ModelManager, model_id: str = "m") -> tuple[Scripted, Gate]:
    """A model on disk whose load waits at a gate."""
    model = add(manager, model_id, on_disk=True)
    gate = model.gates["load"] = Gate()
    return model, gate


def broken(manager: ModelManager, model_id: str = "m", text: str = "no such weights") -> Scripted:
    """A model that has just failed to load."""
    model = add(manager, model_id, on_disk=True)
    model.fails["load"] = RuntimeError(text)
    with pytest.raises(LoadError, match=text):
        manager.load_model(model_id).result(TIMEOUT)
    return model


def test_kept_an_unknown_id_is_not_registered(manager: ModelManager) -> None:
    with pytest.raises(ModelNotRegisteredError, match=r"(?m)^Model x is not registered$"):
        manager.load_model("x")
    assert manager.get_model_status("x") is ModelStatus.NOT_DOWNLOADED
    assert manager.get_model_instance("x") is None


def test_changed_a_users_own_model_is_what_is_loaded(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    assert instance.model is model
    assert instance(41) == 42
    assert instance.placement == "kernel"


def test_changed_a_users_own_model_may_come_from_a_callable(manager: ModelManager) -> None:
    made: list[BaseModel] = []

    def make(wanted: object) -> BaseModel:
        assert wanted == info("m", description="made to order")
        made.append(Scripted("m", on_disk=True))
        return made[-1]

    manager.register_model(info("m", description="made to order"), model=make)
    instance = manager.load_model("m").result(TIMEOUT)
    manager.unload_model("m").result(TIMEOUT)
    manager.load_model("m").result(TIMEOUT)
    assert len(made) == 1
    assert instance.model is made[0]


def test_kept_loading_a_loaded_model_gives_the_same_instance_and_moves_last_used(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    first = manager.load_model("m", {"a": 1}).result(TIMEOUT)
    loaded_at, last_used = first.loaded_at, first.last_used
    assert loaded_at is not None
    assert last_used is not None
    second = manager.load_model("m", {"a": 2}).result(TIMEOUT)
    assert second is first
    assert second.loaded_at == loaded_at
    assert second.last_used is not None
    assert second.last_used > last_used
    assert second.config == {"a": 1}, "a second configuration is ignored"
    assert model.steps.count("load") == 1


def test_kept_using_a_model_moves_last_used(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    before, of_its_own = instance.last_used, model.last_used
    assert before is not None
    assert of_its_own is not None
    instance(1)
    assert instance.last_used is not None
    assert instance.last_used > before
    assert model.last_used is not None
    assert model.last_used > of_its_own


def test_kept_a_failed_load_leaves_error_unhealthy_and_the_text(manager: ModelManager) -> None:
    broken(manager)
    assert manager.get_model_status("m") is ModelStatus.ERROR
    assert manager.get_model_health("m") is ModelHealth.UNHEALTHY
    instance = manager.get_model_instance("m")
    assert instance is not None
    assert (instance.status, instance.health) == (ModelStatus.ERROR, ModelHealth.UNHEALTHY)
    assert instance.error is not None
    assert "no such weights" in instance.error
    assert not manager.is_model_loaded("m")


def test_kept_a_later_load_succeeds_and_has_no_error(manager: ModelManager) -> None:
    model = broken(manager)
    model.fails.clear()
    instance = manager.load_model("m").result(TIMEOUT)
    assert (instance.status, instance.health, instance.error) == (ModelStatus.LOADED, ModelHealth.HEALTHY, None)
    assert manager.describe("m").error == ""
    assert model.error is None


def test_changed_the_error_of_a_failed_load_is_ours_with_a_hint(manager: ModelManager) -> None:
    add(manager, on_disk=True).fails["load"] = RuntimeError("no such weights")
    with pytest.raises(LoadError) as raised:
        manager.load_model("m").result(TIMEOUT)
    assert raised.value.model_id == "m"
    assert raised.value.hint


def test_changed_unloading_clears_a_failed_load(manager: ModelManager) -> None:
    broken(manager)
    manager.unload_model("m").result(TIMEOUT)
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADED
    assert manager.get_model_health("m") is ModelHealth.UNKNOWN
    assert manager.get_model_instance("m") is None
    assert manager.get_statistics().total_memory_usage == 0


def test_changed_deleting_clears_a_failed_load(manager: ModelManager) -> None:
    broken(manager)
    manager.delete_model("m").result(TIMEOUT)
    assert manager.get_all_instances() == {}
    assert manager.get_model_status("m") is ModelStatus.NOT_DOWNLOADED


def test_kept_a_model_that_is_not_available_says_so(manager: ModelManager) -> None:
    manager.enable_auto_download = False
    add(manager)
    with pytest.raises(ModelNotAvailableError, match=r"(?m)^Model m is not available$"):
        manager.load_model("m").result(TIMEOUT)
    assert story(manager) == [("config_update", "registered")]


def test_changed_a_model_whose_files_went_away_is_not_available(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    model.on_disk = False
    with pytest.raises(ModelNotAvailableError, match=r"(?m)^Model m is not available$"):
        manager.load_model("m").result(TIMEOUT)
    assert model.steps == [], "load is not even tried"


def test_changed_loading_downloads_first_where_that_is_allowed(manager: ModelManager) -> None:
    model = add(manager)
    instance = manager.load_model("m").result(TIMEOUT)
    assert instance.status is ModelStatus.LOADED
    assert manager.is_model_available("m")
    assert model.steps[:2] == ["download", "load"]


def test_a_finished_download_is_loaded_where_that_is_asked_for(manager: ModelManager) -> None:
    manager.enable_auto_load = True
    _, gate = held(manager)
    model = manager.get_model_instance("m")
    assert model is None, "what was on disk already is not loaded by itself"
    fresh = add(manager, "fresh")
    fresh.gates["load"] = loading = Gate()
    manager.download_model("fresh").result(TIMEOUT)
    loading.wait_until_reached()
    loading.open()
    manager.load_model("fresh").result(TIMEOUT)
    assert fresh.steps.count("load") == 1
    assert not gate.reached


def test_changed_over_the_limit_means_queued_in_order(manager: ModelManager) -> None:
    names = ["a", "b", "c", "d"]
    gates = [held(manager, name)[1] for name in names]
    jobs = [manager.load_model(name) for name in names]
    for gate in gates[:2]:
        gate.wait_until_reached()
    statistics = manager.get_statistics()
    assert (statistics.active_loads, statistics.queued_loads) == (2, 2)
    assert [manager.get_model_status(name) for name in names] == [ModelStatus.LOADING] * 4
    assert not gates[2].reached
    gates[0].open()
    gates[2].wait_until_reached()
    assert not gates[3].reached, "first come, first served"
    for gate in gates:
        gate.open()
    for job in jobs:
        job.result(TIMEOUT)
    assert manager.get_statistics().loaded_models == 4


def test_changed_one_load_per_id_however_many_ask(manager: ModelManager) -> None:
    manager.max_concurrent_loads = 1
    model, gate = held(manager)
    jobs = [manager.load_model("m") for _ in range(10)]
    gate.wait_until_reached()
    gate.open()
    instances = [job.result(TIMEOUT) for job in jobs]
    assert all(instance is instances[0] for instance in instances)
    assert model.steps.count("load") == 1
    assert story(manager).count(("load_start", "load_started")) == 1


def test_changed_unloading_during_a_load_cancels_it(manager: ModelManager) -> None:
    _, gate = held(manager)
    job = manager.load_model("m")
    gate.wait_until_reached()
    manager.unload_model("m").result(TIMEOUT)
    assert isinstance(job.exception(TIMEOUT), LoadCancelledError)
    assert job.cancelled()
    assert not manager.is_model_loaded("m")
    assert manager.get_all_instances() == {}
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADED
    assert last(manager, "load_error")["error"] == "Load cancelled"
    gate.open()
    assert manager.load_model("m").result(TIMEOUT).status is ModelStatus.LOADED


def test_changed_a_load_can_be_cancelled(manager: ModelManager) -> None:
    _, gate = held(manager)
    job = manager.load_model("m")
    gate.wait_until_reached()
    assert manager.cancel_load("m") is True
    assert isinstance(job.exception(TIMEOUT), LoadCancelledError)
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADED
    assert manager.get_model_health("m") is ModelHealth.UNKNOWN
    assert manager.cancel_load("m") is False


def test_changed_a_load_timeout_ends_the_work(manager: ModelManager) -> None:
    manager.load_timeout = 0.05
    _, gate = held(manager)
    with pytest.raises(LoadTimeoutError, match=r"0\.05 s"):
        manager.load_model("m").result(TIMEOUT)
    assert manager.get_model_status("m") is ModelStatus.ERROR
    assert manager.get_statistics().active_loads == 0
    gate.open()
    manager.load_timeout = 60.0
    assert manager.load_model("m").result(TIMEOUT).status is ModelStatus.LOADED


def test_kept_unloading_what_is_not_loaded_is_no_error(manager: ModelManager) -> None:
    add(manager)
    before = story(manager)
    assert manager.unload_model("m").result(TIMEOUT) is None
    assert story(manager) == before


def test_changed_unloading_an_unknown_id_raises(manager: ModelManager) -> None:
    with pytest.raises(ModelNotRegisteredError, match=r"(?m)^Model x is not registered$"):
        manager.unload_model("x")


def test_kept_unloading_calls_unload_and_reads_downloaded_again(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    instance = manager.load_model("m").result(TIMEOUT)
    manager.unload_model("m").result(TIMEOUT)
    assert model.steps[-1] == "unload"
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADED
    assert manager.get_model_health("m") is ModelHealth.UNKNOWN
    assert manager.get_model_instance("m") is None
    assert model.status is ModelStatus.DOWNLOADED
    with pytest.raises(ModelNotLoadedError, match="Model m is not loaded"):
        instance(1)


def test_kept_an_unload_failure_is_raised(manager: ModelManager) -> None:
    add(manager, on_disk=True).fails["unload"] = RuntimeError("it holds on")
    manager.load_model("m").result(TIMEOUT)
    with pytest.raises(LoadError, match="it holds on") as raised:
        manager.unload_model("m").result(TIMEOUT)
    assert raised.value.model_id == "m"


def test_changed_a_failed_unload_keeps_the_model_as_error_to_be_tried_again(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    model.fails["unload"] = RuntimeError("it holds on")
    manager.load_model("m").result(TIMEOUT)
    assert manager.unload_model("m").exception(TIMEOUT) is not None
    assert manager.get_model_status("m") is ModelStatus.ERROR
    assert manager.get_model_health("m") is ModelHealth.UNHEALTHY
    instance = manager.get_model_instance("m")
    assert instance is not None
    assert instance.error is not None
    assert "it holds on" in instance.error
    model.fails.clear()
    manager.unload_model("m").result(TIMEOUT)
    assert model.steps.count("unload") == 2
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADED
    assert manager.get_model_instance("m") is None


def test_changed_a_failed_unload_can_be_followed_by_a_load(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    model.fails["unload"] = RuntimeError("it holds on")
    manager.load_model("m").result(TIMEOUT)
    assert manager.unload_model("m").exception(TIMEOUT) is not None
    model.fails.clear()
    instance = manager.load_model("m").result(TIMEOUT)
    assert instance(1) == 2


def test_kept_a_configuration_is_merged_one_level_deep_and_reaches_the_loaded_model(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    instance = manager.load_model("m", {"a": 1, "nested": {"x": 1, "y": 2}}).result(TIMEOUT)
    manager.update_model_config("m", {"b": 2, "nested": {"x": 9}})
    merged = {"a": 1, "b": 2, "nested": {"x": 9}}
    assert instance.config == merged
    assert model.config == merged
    assert model.steps.count("load") == 1, "without a reload"


def test_changed_a_configuration_set_before_the_load_is_remembered(make_manager: Make) -> None:
    manager = make_manager()
    model = add(manager, on_disk=True)
    manager.update_model_config("m", {"a": 1})
    instance = manager.load_model("m", {"b": 2}).result(TIMEOUT)
    assert instance.config == model.loaded_with[-1] == {"a": 1, "b": 2}
    manager.close()
    again = make_manager()
    assert again.describe("m").config == {"a": 1}, "what was given with a load is for that load"


def test_a_custom_models_own_configuration_shows_in_its_instance(manager: ModelManager) -> None:
    model = Scripted("m", on_disk=True, config={"own": 1, "both": 1})
    manager.register_model(info(), model=model)
    instance = manager.load_model("m", {"both": 2}).result(TIMEOUT)
    assert instance.config == model.config == model.loaded_with[-1] == {"own": 1, "both": 2}


def test_a_custom_model_gets_dicts_and_lists_as_they_were_given(manager: ModelManager) -> None:
    model = add(manager, on_disk=True)
    given = {"labels": ["a", "b"], "nested": {"sizes": [1, [2]]}}
    manager.load_model("m", given).result(TIMEOUT)
    assert model.loaded_with[-1] == given
    model.loaded_with[-1]["nested"]["sizes"].append(3)
    manager.update_model_config("m", {"labels": ["c"]})
    assert model.config["labels"] == ["c"]
    assert model.config["nested"] == {"sizes": [1, [2]]}


def test_changed_a_configuration_that_the_model_refuses_changes_nothing(manager: ModelManager) -> None:
    class Picky(Scripted):
        def validate_config(self, config: object) -> bool:
            return config != {"size": -1}

    manager.register_model(info(), model=Picky(on_disk=True))
    instance = manager.load_model("m").result(TIMEOUT)
    before = story(manager)
    with pytest.raises(ValueError, match="refuses this configuration"):
        manager.update_model_config("m", {"size": -1})
    assert instance.config == {}
    assert story(manager) == before


def test_changed_memory_is_measured(hub_manager: ModelManager) -> None:
    hub_manager.register_from_hub("rmm-demo/vit-digits").result(TIMEOUT)
    children = {child.pid for child in psutil.Process().children()}
    instance = hub_manager.load_model("vit-digits").result(60)
    assert instance.placement == "process"
    workers = [child for child in psutil.Process().children() if child.pid not in children and _is_worker(child)]
    (share,) = [worker.memory_full_info().pss for worker in workers]
    assert instance.memory_bytes == pytest.approx(share, rel=0.25)
    assert hub_manager.get_statistics().total_memory_usage == pytest.approx(share, rel=0.25)
    hub_manager.unload_model("vit-digits").result(TIMEOUT)
    assert instance.memory_bytes == 0
    assert hub_manager.get_statistics().total_memory_usage == 0
    assert not any(worker.is_running() for worker in workers)


def _is_worker(child: psutil.Process) -> bool:
    return "rmm_widgets.workers" in child.cmdline()  # not what it is a copy of
