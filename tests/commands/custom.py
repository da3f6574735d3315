"""A custom model for tests of the faces: small, real, and it stops where it is told to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from rmm_widgets.base_model import BaseModel
from rmm_widgets.types import ModelHealth, ModelInfo, ModelType


class Echo(BaseModel):
    """Returns what it is given. Downloads, loads and unloads when the gate is open."""

    def __init__(self, info: ModelInfo) -> None:
        super().__init__(info.model_id, info.model_type)
        self.gate = threading.Event()
        self.gate.set()
        self.fails_with = ""
        self.on_disk = False
        self.loads = 0

    async def download(self) -> None:
        self.report_progress(1, 10, "weights")
        await self._pass()
        self.report_progress(10, 10, "weights")
        self.on_disk = True

    async def load(self, config: Mapping[str, Any] | None = None) -> None:
        await self._pass()
        if self.fails_with:
            raise ValueError(self.fails_with)
        self.loads += 1

    async def unload(self) -> None:
        await self._pass()

    async def health_check(self) -> ModelHealth:
        return ModelHealth.HEALTHY

    async def is_available(self) -> bool:
        return self.on_disk

    def __call__(self, value: object) -> object:
        return value

    async def _pass(self) -> None:
        self.gate.wait(60)  # blocks on purpose: a custom model's methods may


class Slow(Echo):
    """An encoder that waits until it is let go."""

    def __init__(self, model_id: str, answer: object = None) -> None:
        super().__init__(ModelInfo(model_id, ModelType.EMBEDDING_MODEL, "custom/slow"))
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.answer = answer

    def __call__(self, _data: object = None, **_keys: object) -> Any:
        self.begun.set()
        assert self.go_on.wait(60)
        return self.answer


def info(model_id: str, **fields: Any) -> ModelInfo:
    """A ModelInfo of a custom model."""
    return ModelInfo(model_id, ModelType.CLASSIFICATION_MODEL, "custom/echo", **fields)
