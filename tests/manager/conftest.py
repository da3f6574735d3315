"""Real managers, of which nothing may be left behind."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelInfo, ModelType

from .models import Barrier, Scripted, Stage, info

DIGITS = ModelInfo("digits", ModelType.CLASSIFICATION_MODEL, "rmm-demo/vit-digits")


@pytest.fixture
def endpoint() -> str:
    """Where nobody listens; modules that need a hub override it."""
    return "http://127.0.0.1:9"


@pytest.fixture
def make_manager(no_leaks: None, endpoint: str, tmp_path: Path) -> Iterator[Callable[..., ModelManager]]:
    """Makes managers that share one cache and one registry; all are closed at the end."""
    made: list[ModelManager] = []

    def make(**settings: Any) -> ModelManager:
        given = {"endpoint": endpoint, "cache_dir": tmp_path / "cache", "data_dir": tmp_path / "data", "token": False}
        made.append(ModelManager(**(given | settings)))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def manager(make_manager: Callable[..., ModelManager]) -> ModelManager:
    return make_manager()


@pytest.fixture
def barrier(make_manager: object) -> Iterator[Barrier]:
    """A barrier that is opened at the latest before the managers are closed."""
    barrier = Barrier()
    yield barrier
    barrier.open.set()


@pytest.fixture
def scripted(manager: ModelManager) -> Callable[..., Scripted]:
    """Registers a custom model that does in its stages what it is told."""

    def add(model_id: str = "custom", *, on_disk: bool = True, **stages: Stage) -> Scripted:
        model = Scripted(model_id, on_disk=on_disk, **stages)
        manager.register_model(info(model_id), model=model)
        return model

    return add


@pytest.fixture
def digits(manager: ModelManager) -> str:
    """A demo model on disk; it takes part of a second to load into a process of its own."""
    manager.register_model(DIGITS)
    manager.download_model(DIGITS.model_id).result(30)
    return DIGITS.model_id


@pytest.fixture
def numbers() -> random.Random:
    """Random numbers whose seed is shown when a test fails; RMM_TEST_SEED repeats them."""
    seed = int(os.environ.get("RMM_TEST_SEED", random.randrange(2**32)))
    sys.stdout.write(f"RMM_TEST_SEED={seed}\n")
    return random.Random(seed)
