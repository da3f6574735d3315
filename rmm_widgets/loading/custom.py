"""A user's `BaseModel` as something that a worker can drive.

Its coroutines run on an event loop of their own, on the worker's thread, so that code in them may block
and what they make in `load` may be awaited in later calls.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..base_model import BaseModel
from ..errors import LoadCancelledError
from ..types import ModelHealth
from .servable import MAIN_METHOD, Loaded, ProbeAnswer

__all__ = ["CustomServable"]

T = TypeVar("T")
POLL = 0.05
"""Seconds between two looks whether what runs was cancelled."""


class CustomServable:
    """Drives one `BaseModel`; implements the `Servable` protocol.

    Args:
        turn: Held while the model loads. Whoever runs another method of it holds it too, for a method that was
            given up may still be at work.
    """

    def __init__(self, model: BaseModel, turn: threading.Lock) -> None:
        self.model = model
        self._lock = turn
        self._runner: asyncio.Runner | None = None
        self._cancelled: Callable[[], bool] = lambda: False

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._cancellable(coroutine))

    async def _cancellable(self, coroutine: Coroutine[Any, Any, T]) -> T:
        watch = asyncio.create_task(self._cancel_in_time(asyncio.current_task()))
        try:
            return await coroutine
        finally:
            watch.cancel()

    async def _cancel_in_time(self, task: asyncio.Task[Any] | None) -> None:
        while not self._cancelled():  # noqa: ASYNC110 - asked across threads
            await asyncio.sleep(POLL)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """The worker ends, perhaps without an unload: give the event loop back, on the thread it ran on."""
        self._close_runner()

    def _close_runner(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def load(self, config: dict[str, Any], device: str | None, cancelled: Callable[[], bool]) -> Loaded:
        """Initialize the model: is_available, load, health_check.

        Cancelled, it ends at its next `await`; blocking code that ends later is undone then.
        """
        self._cancelled = cancelled
        with self._turn():
            if config:
                self.model.update_config(config)
            try:
                self._run(self.model.initialize())
                if cancelled():
                    self._cancelled = lambda: False
                    self._run(self.model.destroy())
                    raise _given_up(self.model)
            except BaseException:
                self._close_runner()
                raise
        return Loaded(device=device or "cpu")

    @contextmanager
    def _turn(self) -> Generator[None, None, None]:
        """Wait for a download or load that was given up and is still at work."""
        while not self._lock.acquire(timeout=POLL):
            if self._cancelled():
                raise _given_up(self.model)
        try:
            yield
        finally:
            self._lock.release()

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


def _given_up(model: BaseModel) -> LoadCancelledError:
    return LoadCancelledError(f"The load of model {model.model_id} was given up", model_id=model.model_id)
