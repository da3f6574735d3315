"""A manager of its own for each test, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from rmm_widgets import ModelManager, RMMError
from rmm_widgets.demo.server import DemoHub

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def make_manager(tmp_path: Path, no_leaks: None) -> Iterator[Callable[..., ModelManager]]:
    """Makes managers that share one cache and one registry; all are closed at the end."""
    made: list[ModelManager] = []

    def make(**settings: Any) -> ModelManager:
        usual = {"endpoint": UNREACHABLE, "cache_dir": tmp_path / "cache", "data_dir": tmp_path / "data"}
        made.append(ModelManager(**{**usual, **settings}))
        return made[-1]

    yield make
    for manager in made:
        try:
            manager.close()
        except RMMError:
            pass  # a model that was made to fail its unload


@pytest.fixture
def manager(make_manager: Callable[..., ModelManager]) -> ModelManager:
    return make_manager()


@pytest.fixture
def hub_url(hub: DemoHub) -> Iterator[str]:
    yield hub.url
    # huggingface_hub keeps connections open for the whole process: nothing that a manager leaves behind.
    huggingface_hub.close_session()


@pytest.fixture
def hub_manager(make_manager: Callable[..., ModelManager], hub_url: str) -> ModelManager:
    """A manager in front of the demo hub."""
    return make_manager(endpoint=hub_url)
