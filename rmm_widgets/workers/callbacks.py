"""Callables that a user passed to a call: they stay in the kernel and run there, on one thread per call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from .messages import CallbackCall

__all__ = ["CallbackRunner"]

_log = logging.getLogger(__name__)

_BUDGET = 64 << 20
_COST = 1 << 10
"""What a waiting call counts beside its bytes."""


class CallbackRunner:
    """Runs the model's calls of one request's callbacks in their order.

    What a callback returns is dropped. Its first exception is logged, and later calls go on. Calls that
    come faster than the callbacks can take them are dropped beyond about 64 MiB of waiting ones, and the log
    says so; the model is never held up.
    """

    def __init__(self, callbacks: Mapping[str, Callable[..., object]], model_id: str) -> None:
        self._callbacks = dict(callbacks)
        self._model_id = model_id
        self._queue: queue.SimpleQueue[tuple[Callable[[], object], int] | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._closed = False
        self._reported: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"rmm-callbacks-{model_id}", daemon=True)
        self._thread.start()

    def put(self, call: CallbackCall, size: int) -> None:
        """Take a call that came in a frame of `size` bytes; from any thread, returns at once."""
        callback = self._callbacks.get(call.name)
        if callback is None:
            return
        cost = size + _COST
        with self._lock:
            if self._waiting + cost > _BUDGET:
                self._report("dropped", "too many calls of callback %r of %r were waiting; some were dropped", call)
                return
            self._waiting += cost
        self._queue.put((lambda: self._call(callback, call), cost))

    async def drained(self, timeout: float) -> None:
        """Wait, for at most `timeout` seconds, until the calls taken so far have run."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def settle() -> None:
            if not done.done():
                done.set_result(None)

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(settle)

        self._queue.put((tell, 0))
        await asyncio.wait({done}, timeout=timeout)

    def close(self) -> None:
        """Drop what waits and let the thread end after the call it is in."""
        self._closed = True
        self._queue.put(None)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, cost = item
            if not self._closed:
                work()
            with self._lock:
                self._waiting -= cost
            del work, item

    def _call(self, callback: Callable[..., object], call: CallbackCall) -> None:
        try:
            callback(*call.args, **call.kwargs)
        except BaseException:  # noqa: BLE001 - a user's callback may raise anything; it harms nobody
            self._report("raised", "callback %r of a call of %r raised", call, exc_info=True)

    def _report(self, once: str, message: str, call: CallbackCall, **more: Any) -> None:
        if once not in self._reported:
            self._reported.add(once)
            _log.warning(message, call.name, self._model_id, **more)
