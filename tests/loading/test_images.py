"""The steps of preprocessor_config.json, against what transformers' processors do with the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from rmm_widgets.loading.loaders.images import ImageRecipe, image_recipe, pixels

LANDSCAPE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (30, 60, 3), np.uint8))


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"size": {"height": 12, "width": 16}}, (3, 12, 16)),
        ({"size": 20}, (3, 20, 20)),
        ({"size": [8, 9]}, (3, 8, 9)),
        ({"size": {"shortest_edge": 15}}, (3, 15, 30)),
        ({"size": {"shortest_edge": 15, "longest_edge": 20}}, (3, 10, 20)),
        ({"size": 15, "max_size": 24}, (3, 12, 24)),
        ({"size": 15, "do_center_crop": True, "crop_size": 10}, (3, 10, 10)),
        ({"size": {"shortest_edge": 15}, "do_center_crop": True, "crop_size": {"height": 9, "width": 11}}, (3, 9, 11)),
        ({"size": {"shortest_edge": 14}, "crop_pct": 0.875}, (3, 14, 14)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 1.0}, (3, 384, 384)),
        ({"size": 20, "do_resize": False}, (3, 30, 60)),
        ({"do_center_crop": True, "crop_size": 40}, (3, 40, 40)),
        ({}, (3, 30, 60)),
    ],
    ids=str,
)
def test_sizes(config: dict[str, Any], shape: tuple[int, ...]) -> None:
    values = pixels(LANDSCAPE, image_recipe(config))
    assert values.shape == shape
    assert values.dtype == np.float32


def test_portraits_keep_their_proportions_too() -> None:
    portrait = LANDSCAPE.transpose(Image.Transpose.ROTATE_90)
    assert pixels(portrait, image_recipe({"size": {"shortest_edge": 15, "longest_edge": 20}})).shape == (3, 20, 10)


def test_values_are_rescaled_and_normalized() -> None:
    mean, std = (0.5, 0.25, 0.0), (0.5, 0.25, 1.0)
    got = pixels(LANDSCAPE, image_recipe({"image_mean": mean, "image_std": std}))
    want = (np.asarray(LANDSCAPE) / 255 - mean) / std
    assert np.allclose(got, want.transpose(2, 0, 1), atol=1e-6)
    raw = pixels(LANDSCAPE, image_recipe({"do_rescale": False, "do_normalize": False, "image_mean": mean}))
    assert np.array_equal(raw, np.asarray(LANDSCAPE, np.float32).transpose(2, 0, 1))


def test_the_model_decides_where_the_repository_is_silent() -> None:
    assert pixels(LANDSCAPE, image_recipe({}, model_size=(7, 9))).shape == (3, 7, 9)
    grey = pixels(LANDSCAPE, image_recipe({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, channels=1))
    assert grey.shape == (1, 30, 60)
    assert -1 <= grey.min() < grey.max() <= 1


def test_a_crop_takes_the_middle_and_adds_black() -> None:
    numbers = np.arange(36, dtype=np.uint8).reshape(6, 6)
    recipe = ImageRecipe(crop=(2, 2), scale=None)
    assert pixels(Image.fromarray(numbers), recipe)[0].tolist() == [[14, 15], [20, 21]]
    padded = pixels(Image.fromarray(numbers), ImageRecipe(crop=(8, 8), scale=None))[0]
    assert padded[0].tolist() == [0] * 8
    assert padded[1, 1:7].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_of_picture_becomes_colour(mode: str) -> None:
    assert pixels(Image.new(mode, (4, 5)), ImageRecipe()).shape == (3, 5, 4)
