"""The demo models, loaded."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.loading.detect import detect
from rmm_widgets.loading.loaders import get_loader, open_servable
from rmm_widgets.loading.servable import Servable

Loader = Callable[..., Servable]


def never() -> bool:
    return False


@pytest.fixture
def load() -> Iterator[Loader]:
    """Loads a demo model by name, or any folder with a type."""
    loaded: list[Servable] = []

    def loader(source: str | Path, model_type: str | None = None, **config: Any) -> Servable:
        folder = MODELS_DIR / source if isinstance(source, str) else source
        found = detect(folder)
        kind = model_type or str(found.model_type)
        servable = open_servable(found.loader, model_id="m", model_type=kind, path=str(folder))
        servable.load(config, None, never)
        loaded.append(servable)
        return servable

    yield loader
    for servable in loaded:
        servable.unload()


@pytest.fixture(scope="module")
def torch_libraries() -> Iterator[None]:
    """The libraries on torch, imported and left out of garbage collections, of which every unload makes one."""
    for module in {*get_loader("transformers").preload, *get_loader("sentence-transformers").preload}:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
