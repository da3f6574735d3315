"""Custom models for the manager's tests: real ones, small, that do in each stage what they are told."""

from __future__ import annotations

import inspect
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from rmm_widgets.base_model import BaseModel
from rmm_widgets.types import ModelHealth, ModelInfo, ModelType

Stage = Callable[[], object]
"""What a stage does; where it returns an awaitable, that is awaited."""


PROCESSES = 3 if sys.platform == "linux" else 2
"""Of a manager that downloads and has loaded an ONNX model: fetcher, worker, and on Linux the worker's nursery."""


def info(model_id: str, **fields: Any) -> ModelInfo:
    return ModelInfo(model_id, ModelType.EMBEDDING_MODEL, fields.pop("repo_id", "custom/model"), **fields)


class Scripted(BaseModel):
    """Runs the given callables as its stages and counts how often each ran."""

    def __init__(self, model_id: str, *, on_disk: bool = True, **stages: Stage) -> None:
        super().__init__(model_id, ModelType.EMBEDDING_MODEL)
        self.on_disk = on_disk
        self.stages = stages
        self.ran: Counter[str] = Counter()

    async def download(self) -> None:
        await self._run("download")
        self.on_disk = True

    async def load(self, config: Mapping[str, Any] | None = None) -> None:
        await self._run("load")

    async def unload(self) -> None:
        await self._run("unload")

    async def health_check(self) -> ModelHealth:
        answer = await self._run("health_check")
        return answer if isinstance(answer, ModelHealth) else ModelHealth.HEALTHY

    async def is_available(self) -> bool:
        await self._run("is_available")
        return self.on_disk

    def __call__(self, value: object = None) -> object:
        self.ran["call"] += 1
        stage = self.stages.get("call")
        return stage() if stage else value

    async def _run(self, name: str) -> object:
        self.ran[name] += 1
        result = self.stages[name]() if name in self.stages else None
        return await result if inspect.isawaitable(result) else result


class Barrier:
    """Holds whoever runs into it, blocking its thread, until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.open.wait(60), "nobody opened the barrier"


def failing(error: BaseException) -> Stage:
    def stage() -> object:
        raise error

    return stage
