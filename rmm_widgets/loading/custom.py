"""A user's `BaseModel` as something that a worker can drive.

Its coroutines run on an event loop of their own, on the worker's thread, so that code in them may block
and what they make in `load` may be awaited in later calls.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..base_model import BaseModel
from ..types import ModelHealth
from .servable import MAIN_METHOD, Loaded, ProbeAnswer

__all__ = ["CustomServable"]

T = TypeVar("T")


class CustomServable:
    """Drives one `BaseModel`; implements the `Servable` protocol."""

    def __init__(self, model: BaseModel) -> None:
        self.model = model
        self._runner: asyncio.Runner | None = None

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(coroutine)

    def _close_runner(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def load(self, config: dict[str, Any], device: str | None, cancelled: Callable[[], bool]) -> Loaded:
        """Initialize the model: is_available, load, health_check."""
        del cancelled  # a custom model has no way to give up halfway
        if config:
            self.model.update_config(config)
        try:
            self._run(self.model.initialize())
        except BaseException:
            self._close_runner()
            raise
        return Loaded(device=device or "cpu")

    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a public method; a coroutine is run to its end."""
        if method.startswith("_") and method != MAIN_METHOD:
            raise AttributeError(f"{method!r} is not a public method")
        target = self.model if method == MAIN_METHOD else getattr(self.model, method)
        if not callable(target):
            name = type(self.model).__name__
            raise TypeError(f"{name} has no __call__" if method == MAIN_METHOD else f"{name}.{method} is not a method")
        result = target(*args, **kwargs)
        if inspect.iscoroutine(result):
            result = self._run(result)
        self.model.mark_used()
        return result

    def probe(self) -> ProbeAnswer:
        """Ask the model's own health check."""
        health = self._run(self.model.check_health())
        return ProbeAnswer(
            healthy=health is not ModelHealth.UNHEALTHY,
            degraded=health is ModelHealth.DEGRADED,
            detail=self.model.error
            or ("" if health is ModelHealth.HEALTHY else f"its health check says {health.value}"),
        )

    def update_config(self, config: dict[str, Any]) -> None:
        """Merge the configuration into the model's."""
        self.model.update_config(config)

    def unload(self) -> None:
        """Destroy the model; what its `unload` raises goes to the caller and it stays loaded."""
        self._run(self.model.destroy())
        self._close_runner()
