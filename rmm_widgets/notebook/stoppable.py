"""Work of a view that waits for a model, and that the view may end early."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["Stoppable", "StoppedEarlyError"]

T = TypeVar("T")


class StoppedEarlyError(Exception):
    """Somebody called `stop`."""


class Stoppable:
    """Runs one coroutine at a time to its end, unless another thread stops it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name = ""
        self._cancel: Callable[[], object] | None = None

    def run(self, name: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run it on a loop of this thread.

        Args:
            name: What `stop` knows it by.

        Raises:
            StoppedEarlyError: It was stopped.
        """

        async def cancellable() -> T:
            loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work())
            with self._lock:
                self._name, self._cancel = name, lambda: loop.call_soon_threadsafe(task.cancel)
            try:
                return await task
            finally:
                with self._lock:
                    self._cancel = None

        try:
            return asyncio.run(cancellable())
        except asyncio.CancelledError:
            raise StoppedEarlyError from None

    def stop(self, name: str | None = None) -> bool:
        """End what runs under this name, or whatever runs; False where nothing does."""
        with self._lock:
            if self._cancel is None or name not in (None, self._name):
                return False
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._cancel()
            return True
