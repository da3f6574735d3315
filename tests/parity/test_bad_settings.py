"""Settings out of their range or of the wrong type: a clear error, and the setting keeps its value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import traitlets

from rmm_widgets import ModelManager, RMMError

from .custom import info, picture

BAD_SETTINGS: list[tuple[str, Any]] = [
    *(
        (name, bad)
        for name in ("max_concurrent_downloads", "max_concurrent_loads")
        for bad in (0, -1, "2", 2.5, None, True)
    ),
    *(
        (name, bad)
        for name in ("download_timeout", "load_timeout", "stall_timeout", "health_interval", "cleanup_interval")
        for bad in (0, -1, "5")
    ),
    *(("memory_budget", bad) for bad in (0, -1, 1.5, True, "", "much", "8 GBB", ("8GB",))),
    *(("keep_alive", bad) for bad in (0, -1, "5", True, float("nan"))),
    *((name, None) for name in ("stall_timeout", "health_interval", "cleanup_interval")),
    *((name, "yes") for name in ("enable_auto_download", "enable_auto_load")),
    *(("isolation", bad) for bad in ("", "nowhere", None, 5)),
    *(("endpoint", bad) for bad in ("", "huggingface.co", "file:///etc", 5)),
    *((name, bad) for name in ("cache_dir", "data_dir", "token") for bad in ("", 5, ("a",))),
]


@pytest.mark.parametrize(("name", "bad"), BAD_SETTINGS)
def test_a_setting_that_is_out_of_range(manager: ModelManager, name: str, bad: Any) -> None:
    before = picture(manager)
    value = getattr(manager, name)
    with pytest.raises(traitlets.TraitError, match=name) as refused:
        setattr(manager, name, bad)
    if isinstance(refused.value, RMMError):
        assert refused.value.hint
    assert getattr(manager, name) == value
    assert picture(manager) == before
    with pytest.raises(traitlets.TraitError, match=name):
        ModelManager(**{name: bad})


def test_a_secret_in_the_wrong_wrapping_is_not_shown(manager: ModelManager) -> None:
    with pytest.raises(traitlets.TraitError) as refused:
        manager.token = ["hf_canary"]
    assert "hf_canary" not in str(refused.value)
    assert "hf_canary" not in repr(refused.value)


def test_positional_arguments_and_unknown_keywords() -> None:
    wrong: Any = ModelManager
    with pytest.raises(TypeError):
        wrong(3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        wrong(nonsense=1)


def test_a_data_folder_that_is_a_file_leaves_a_manager_without_a_disk(
    tmp_path: Path, no_leaks: None, caplog: pytest.LogCaptureFixture
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("in the way")
    with ModelManager(data_dir=taken, cache_dir=tmp_path / "cache") as manager:
        manager.register_model(info())
        assert list(manager.get_all_models()) == ["m"]
    assert "in memory only" in caplog.text
    assert taken.read_text() == "in the way"
