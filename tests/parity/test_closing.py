"""Closing a manager: everything ends, failures are collected, and it stays closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from rmm_widgets import (
    DownloadCancelledError,
    LoadCancelledError,
    ManagerClosedError,
    ModelManager,
    ModelNotLoadedError,
    ModelStatus,
    RMMError,
)

from .custom import TIMEOUT, Gate, Recorder, add, info

Make = Callable[..., ModelManager]


def test_kept_closing_unloads_everything(manager: ModelManager) -> None:
    models = [add(manager, name, on_disk=True) for name in ("a", "b")]
    instances = [manager.load_model(model.model_id).result(TIMEOUT) for model in models]
    manager.close()
    assert all(model.steps[-1] == "unload" and not model.is_initialized for model in models)
    for instance in instances:
        with pytest.raises((ManagerClosedError, ModelNotLoadedError)):
            instance(1)


def test_changed_closing_tells_of_every_unload(manager: ModelManager) -> None:
    recorder = Recorder()
    for name in ("a", "b"):
        add(manager, name, on_disk=True)
        manager.load_model(name).result(TIMEOUT)
    manager.add_event_listener(recorder)
    manager.close()
    unloaded = {event.model_id for event in recorder.events if event.type == "unload"}
    assert unloaded == {"a", "b"}


def test_changed_closing_goes_on_past_failures_and_reports_them_together(manager: ModelManager) -> None:
    models = {name: add(manager, name, on_disk=True) for name in ("a", "b", "c")}
    for name in ("a", "c"):
        models[name].fails["unload"] = RuntimeError(f"{name} holds on")
    for name in models:
        manager.load_model(name).result(TIMEOUT)
    with pytest.raises(RMMError) as raised:
        manager.close()
    text = "\n".join([str(raised.value), *raised.value.__notes__])
    assert "a holds on" in text
    assert "c holds on" in text
    assert "b" not in str(raised.value).partition(":")[2]
    assert models["b"].steps[-1] == "unload"
    assert not models["b"].is_initialized
    assert manager.closed


def test_changed_closing_cancels_what_runs_and_what_waits(manager: ModelManager) -> None:
    manager.max_concurrent_downloads = manager.max_concurrent_loads = 1
    gates = [add(manager, name).gates.setdefault("download", Gate()) for name in ("d1", "d2")]
    gates += [add(manager, name, on_disk=True).gates.setdefault("load", Gate()) for name in ("l1", "l2")]
    downloads = [manager.download_model(name) for name in ("d1", "d2")]
    loads = [manager.load_model(name) for name in ("l1", "l2")]
    gates[0].wait_until_reached()
    gates[2].wait_until_reached()
    manager.close()
    assert [type(job.exception(TIMEOUT)) for job in downloads] == [DownloadCancelledError] * 2
    assert [type(job.exception(TIMEOUT)) for job in loads] == [LoadCancelledError] * 2
    assert not gates[1].reached
    assert not gates[3].reached


def test_changed_a_closed_manager_stays_closed(manager: ModelManager) -> None:
    manager.close()
    manager.close()
    assert manager.closed
    with pytest.raises(ManagerClosedError) as raised:
        manager.register_model(info())
    assert raised.value.hint


def test_changed_a_failed_load_does_not_survive_closing(make_manager: Make) -> None:
    first = make_manager()
    add(first, on_disk=True).fails["load"] = RuntimeError("no such weights")
    assert first.load_model("m").exception(TIMEOUT) is not None
    first.close()
    second = make_manager()
    add(second, on_disk=True)
    assert second.get_model_status("m") is ModelStatus.DOWNLOADED
    assert second.get_all_instances() == {}


def test_kept_the_registry_can_be_used_again_after_closing(make_manager: Make) -> None:
    first = make_manager()
    add(first, on_disk=True)
    first.load_model("m").result(TIMEOUT)
    first.close()
    second = make_manager()
    model = add(second, on_disk=True)
    second.load_model("m").result(TIMEOUT)
    assert model.is_initialized


def test_a_manager_is_a_context_manager(make_manager: Make) -> None:
    with make_manager() as manager:
        manager.register_model(info())
    assert manager.closed

    async def live() -> ModelManager:
        async with make_manager() as other:
            assert "m" in other.get_all_models()
        return other

    assert asyncio.run(live()).closed
