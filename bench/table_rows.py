"""The models of the table measurement: registered in a folder, or as the data frame that the peers show."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from rmm_widgets import ModelInfo, ModelManager, ModelType

if TYPE_CHECKING:
    import pandas as pd

ROWS = 10_000
NOWHERE = "http://127.0.0.1:9"
"""An endpoint that is never asked."""

_WORDS = ("small", "fast", "quantised", "multilingual", "distilled", "old", "popular", "experimental")


def infos() -> list[ModelInfo]:
    """The models, the same ones each time; their ids are digits, so that a typed digit leaves some of them."""
    chance = random.Random(5)
    numbers = chance.sample(range(10_000_000, 100_000_000), ROWS)
    types = list(ModelType)
    return [
        ModelInfo(
            str(number),
            types[number % len(types)],
            f"bench/model-{number}",
            description=" ".join(chance.sample(_WORDS, 3)),
            total_size_estimate=chance.randrange(1_000_000, 10_000_000_000),
        )
        for number in numbers
    ]


def first_id() -> str:
    """The id of the first row."""
    return infos()[0].model_id


def manager(folder: Path) -> ModelManager:
    """The manager on a folder, with the models that were registered there."""
    return ModelManager(endpoint=NOWHERE, cache_dir=folder / "hub", data_dir=folder / "data")


def frame() -> pd.DataFrame:
    """The same rows with eight columns."""
    import pandas as pd

    return pd.DataFrame(
        {
            "id": each.model_id,
            "repository": each.repo_id,
            "type": each.model_type.value,
            "description": each.description,
            "size": each.total_size_estimate,
            "status": "not downloaded",
            "health": "unknown",
            "actions": "download",
        }
        for each in infos()
    )
