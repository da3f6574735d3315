"""Models to store."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime

from rmm_widgets.registry.records import StoredModel
from rmm_widgets.types import ModelEvent, ModelEventType, ModelInfo, ModelType, freeze


def model(number: int, *, description: str = "", config: dict[str, object] | None = None) -> StoredModel:
    return StoredModel(
        ModelInfo(
            f"model-{number}",
            list(ModelType)[number % 5],
            f"owner/repository-{number}",
            description=description or f"The model of number {number}",
            total_size_estimate=number * 1000,
            tags=("tag", str(number)),
            metadata={"licence": "mit", "nested": [number, {"deep": None}]},
        ),
        config=config or {"threads": number},
        commit=f"{number:040x}",
        registered_at=datetime(2026, 1, 1, tzinfo=UTC),
        updated_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    )


def event(seq: int, *, model_id: str = "model-1", text: str = "") -> ModelEvent:
    return ModelEvent(
        type=ModelEventType.CONFIG_UPDATE,
        model_id=model_id,
        seq=seq,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        data=freeze({"action": "registered", "text": text, "list": [1, {"two": 2.5}]}),
    )


def seeded() -> random.Random:
    """A generator whose seed is printed, and can be given as RMM_TEST_SEED."""
    seed = int(os.environ.get("RMM_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"RMM_TEST_SEED={seed}")
    return random.Random(seed)
