"""Enum values, defaults, settings and their units."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import traitlets
from traitlets.config import Config

from rmm_widgets import (
    DownloadTimeoutError,
    InvalidConfigError,
    ModelEventType,
    ModelHealth,
    ModelManager,
    ModelStatus,
    ModelType,
)

from .custom import TIMEOUT, Gate, add

Make = Callable[..., ModelManager]


@pytest.mark.parametrize(
    ("enum", "values"),
    [
        (
            ModelType,
            {
                "CAPTION_GENERATOR": "caption_generator",
                "DETECTION_MODEL": "detection_model",
                "EMBEDDING_MODEL": "embedding_model",
                "DIFFUSION_LM": "diffusion_lm",
                "CLASSIFICATION_MODEL": "classification_model",
            },
        ),
        (
            ModelStatus,
            {
                name.upper(): name
                for name in ("not_downloaded", "downloading", "downloaded", "loading", "loaded", "error")
            },
        ),
        (ModelHealth, {name.upper(): name for name in ("healthy", "degraded", "unhealthy", "unknown")}),
    ],
)
def test_kept_enum_values(enum: type[ModelType], values: dict[str, str]) -> None:
    assert {member.name: member.value for member in enum} == values
    assert all(enum[name] == value for name, value in values.items()), "a member equals its string"


def test_kept_event_types() -> None:
    kept = {
        "download_start",
        "download_progress",
        "download_complete",
        "download_error",
        "load_start",
        "load_complete",
        "load_error",
        "unload",
        "health_change",
        "config_update",
    }
    assert kept <= {member.value for member in ModelEventType}


def test_kept_defaults_three_downloads_two_loads(manager: ModelManager) -> None:
    assert manager.max_concurrent_downloads == 3
    assert manager.max_concurrent_loads == 2


def test_changed_defaults_are_seconds(make_manager: Make) -> None:
    manager = make_manager(endpoint=None, cache_dir=None)
    defaults = {
        "download_timeout": None,
        "load_timeout": 120.0,
        "stall_timeout": 60.0,
        "enable_auto_download": True,
        "enable_auto_load": False,
        "isolation": "process",
        "cache_dir": None,
        "endpoint": None,
        "token": None,
        "memory_budget": None,
        "keep_alive": None,
        "health_interval": 10.0,
        "cleanup_interval": 300.0,
    }
    assert {name: getattr(manager, name) for name in defaults} == defaults


def test_changed_a_timeout_is_in_seconds_and_enforced(manager: ModelManager) -> None:
    manager.download_timeout = 0.05
    add(manager).gates["download"] = Gate()
    with pytest.raises(DownloadTimeoutError, match=r"0\.05 s"):
        manager.download_model("m").result(TIMEOUT)


@pytest.mark.parametrize("name", ["max_concurrent_downloads", "max_concurrent_loads"])
@pytest.mark.parametrize("value", [0, -1])
def test_changed_zero_and_negative_limits_are_refused(manager: ModelManager, name: str, value: int) -> None:
    before = getattr(manager, name)
    with pytest.raises(InvalidConfigError, match=name) as refused:
        setattr(manager, name, value)
    assert refused.value.hint
    assert getattr(manager, name) == before
    with pytest.raises(InvalidConfigError, match=name):
        ModelManager(**{name: value})


@pytest.mark.parametrize(
    "name", ["download_timeout", "load_timeout", "stall_timeout", "health_interval", "cleanup_interval"]
)
@pytest.mark.parametrize("value", [0, -2.5, float("nan")])
def test_changed_zero_and_negative_times_are_refused(manager: ModelManager, name: str, value: float) -> None:
    before = getattr(manager, name)
    with pytest.raises(InvalidConfigError, match=name):
        setattr(manager, name, value)
    assert getattr(manager, name) == before


def test_changed_a_wrong_type_is_refused_not_made_the_default() -> None:
    for settings in ({"max_concurrent_loads": None}, {"max_concurrent_loads": "2"}, {"max_concurrent_downloads": 2.5}):
        with pytest.raises(traitlets.TraitError):
            ModelManager(**settings)


def test_changed_an_unknown_setting_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(TypeError, match=r"did you mean 'max_concurrent_loads'\?"):
        ModelManager(max_concurent_loads=2)


def test_settings_come_from_configuration_files_too(make_manager: Make) -> None:
    manager = make_manager(config=Config({"ModelManager": {"max_concurrent_loads": 5}}))
    assert manager.max_concurrent_loads == 5
    assert {"max_concurrent_downloads", "load_timeout", "isolation"} <= set(manager.trait_names(config=True))


def test_limits_may_be_changed_while_it_runs(manager: ModelManager) -> None:
    manager.max_concurrent_downloads = 1
    models = [add(manager, name) for name in ("a", "b")]
    gates = [model.gates.setdefault("download", Gate()) for model in models]
    jobs = [manager.download_model(model.model_id) for model in models]
    gates[0].wait_until_reached()
    assert not gates[1].reached
    manager.max_concurrent_downloads = 2
    gates[1].wait_until_reached()
    for gate in gates:
        gate.open()
    for job in jobs:
        job.result(TIMEOUT)
