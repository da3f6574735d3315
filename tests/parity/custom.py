"""A custom model whose every step is written down, can be made to fail and held at a gate; and a listener."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

from rmm_widgets import BaseModel, ModelEvent, ModelHealth, ModelInfo, ModelManager, ModelType

TIMEOUT = 30.0
"""Seconds that a test waits for anything at most; nothing here needs more than a fraction of one."""


class Gate:
    """Holds a step until it is opened; tells when somebody has come to it."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def wait_until_reached(self) -> None:
        assert self._reached.wait(TIMEOUT), "nobody came to the gate"

    @property
    def reached(self) -> bool:
        return self._reached.is_set()

    async def passed(self) -> None:
        self._reached.set()
        while not self._open.is_set():  # noqa: ASYNC110 - opened from another thread
            await asyncio.sleep(0.005)


class Scripted(BaseModel):
    """See the module's docstring.

    Attributes:
        steps: Names of the methods that were called, in order; `is_available` is left out unless asked for.
        fails: By method, what it raises.
        gates: By method, the gate it waits at.
        reports: What `download` reports.
        answers: What `health_check` returns, the last one for ever.
    """

    def __init__(self, model_id: str = "m", *, on_disk: bool = False, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(model_id, ModelType.EMBEDDING_MODEL, config)
        self.on_disk = on_disk
        self.steps: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.gates: dict[str, Gate] = {}
        self.reports: list[tuple[int, int, str | None]] = [(100, 300, "a"), (200, 300, "b"), (300, 300, "c")]
        self.answers = [ModelHealth.HEALTHY]
        self.loaded_with: list[dict[str, Any]] = []

    async def _step(self, name: str) -> None:
        self.steps.append(name)
        if name in self.gates:
            await self.gates[name].passed()
        if name in self.fails:
            raise self.fails[name]

    async def is_available(self) -> bool:
        return self.on_disk

    async def download(self) -> None:
        first, *others = self.reports
        self.report_progress(*first)
        await self._step("download")
        for report in others:
            self.report_progress(*report)
        self.on_disk = True

    async def load(self, config: Mapping[str, Any] | None = None) -> None:
        self.loaded_with.append(dict(config or {}))
        await self._step("load")

    async def unload(self) -> None:
        await self._step("unload")

    async def health_check(self) -> ModelHealth:
        await self._step("health_check")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def __call__(self, value: int) -> int:
        return value + 1


class Recorder:
    """A listener that can be waited for."""

    def __init__(self) -> None:
        self.events: list[ModelEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: ModelEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, seen: Callable[[list[ModelEvent]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: seen(self.events), TIMEOUT), self.events

    def wait_for_number(self, seq: int) -> None:
        self.wait_for(lambda events: bool(events) and events[-1].seq >= seq)


def info(model_id: str = "m", **fields: Any) -> ModelInfo:
    return ModelInfo(model_id, ModelType.EMBEDDING_MODEL, f"me/{model_id}", **fields)


def add(manager: ModelManager, model_id: str = "m", *, on_disk: bool = False, **fields: Any) -> Scripted:
    """Register a scripted model."""
    model = Scripted(model_id, on_disk=on_disk)
    manager.register_model(info(model_id, **fields), model=model)
    return model


def story(manager: ModelManager, model_id: str | None = None) -> list[tuple[str, str]]:
    """Type and action of every event so far, without the plain progress reports."""
    return [
        (event.type.value, event.data["action"])
        for event in manager.events(model_id, limit=10_000)
        if "action" in event.data
    ]


def last(manager: ModelManager, kind: str, model_id: str | None = None) -> Mapping[str, Any]:
    """The data of the last event of a type."""
    return [event.data for event in manager.events(model_id, limit=10_000) if event.type == kind][-1]


def picture(manager: ModelManager) -> tuple[object, ...]:
    """Everything that a refused request must leave as it is."""
    state = manager.get_state()
    return (
        state.revision,
        state.models,
        state.instances,
        state.download_progress,
        manager.describe_all(),
        manager.events(limit=10_000),
    )
