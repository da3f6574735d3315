"""Delivery of events and progress to listeners that nobody controls.

Each listener has a thread of its own: one that raises, blocks or unsubscribes while it is called harms
nobody, and each gets everything in order. `after_delivery` lets a job end only when its events have
been seen, without letting a slow listener hold it up for more than `PATIENCE` seconds.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["PATIENCE", "Bus", "Listener"]

PATIENCE = 0.1
"""Seconds for which a job's end waits for listeners to have seen its events."""

_log = logging.getLogger("rmm_widgets")


class Listener:
    """One handler with its queue and, from its first item on, its thread."""

    def __init__(self, handler: Callable[[Any], object]) -> None:
        self.handler = handler
        self.sent = 0
        self.seen = 0
        self.late = False
        """It once kept a job waiting; it is not waited for again until it has caught up."""
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._on_seen: Callable[[], None] = lambda: None
        self._closed = False
        self._ended = False

    @property
    def finished(self) -> bool:
        """True when it was closed and has seen what it had been sent."""
        return self._ended and self.seen == self.sent

    def send(self, item: Any, on_seen: Callable[[], None]) -> None:
        """Queue an item; `on_seen` is called on the listener's thread after each."""
        self._on_seen = on_seen
        if self._closed:
            return
        self.sent += 1
        self._queue.put(item)
        if self._thread is None:
            name = getattr(self.handler, "__name__", type(self.handler).__name__)
            self._thread = threading.Thread(target=self._run, name=f"rmm-listener-{name}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if not self._closed:
                self._handle(item)
            self.seen += 1
            if self.seen == self.sent:
                self.late = False
            self._on_seen()

    def _handle(self, item: Any) -> None:
        try:
            result = self.handler(item)
            if inspect.isawaitable(result):
                asyncio.run(_await(result))
        except BaseException:  # noqa: BLE001 - a handler must harm nobody
            _log.warning("a listener raised on %r", item, exc_info=True)

    def close(self, *, drop: bool = True) -> None:
        """No more items; with `drop`, forget also those that wait. Never waits for the handler."""
        if drop:
            self._closed = True
        self._ended = True
        self._queue.put(None)

    @property
    def is_current_thread(self) -> bool:
        """True inside the handler."""
        return threading.current_thread() is self._thread

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        if self._thread is not None and not self.is_current_thread:
            self._thread.join(timeout)


async def _await(awaitable: Any) -> None:
    await awaitable


class _Barrier:
    """Runs `done` once every listener has seen what it had been sent, or when time is up."""

    def __init__(self, waiting: dict[Listener, int], done: Callable[[], None]) -> None:
        self.waiting = waiting
        self.done = done

    def check(self) -> bool:
        return all(listener.seen >= seen for listener, seen in self.waiting.items())


class Bus:
    """Listeners of one manager. Its methods are called on the runtime's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._listeners: dict[Callable[[Any], object], Listener] = {}
        self._private: set[Listener] = set()
        self._barriers: list[_Barrier] = []

    def add(self, handler: Callable[[Any], object]) -> None:
        """Add a listener of events; the same one twice counts once."""
        if handler not in self._listeners:
            self._listeners[handler] = Listener(handler)

    def remove(self, handler: Callable[[Any], object]) -> bool:
        """Remove a listener; False when it was not there."""
        listener = self._listeners.pop(handler, None)
        if listener is not None:
            listener.close()
            self._check_barriers()
        return listener is not None

    def publish(self, event: Any) -> None:
        """Hand an event to every listener."""
        for listener in self._listeners.values():
            listener.send(event, self._seen)

    def private(self, handler: Callable[[Any], object]) -> Listener:
        """A listener of one job only, such as a progress callback; feed it with `send_to`."""
        listener = Listener(handler)
        self._private = {one for one in self._private if not one.finished} | {listener}
        return listener

    def send_to(self, listener: Listener, item: Any) -> None:
        """Hand an item to one listener."""
        listener.send(item, self._seen)

    def end(self, listener: Listener) -> None:
        """The job is over: the listener ends after what it was sent, and the job's end waits for that."""
        listener.close(drop=False)

    def after_delivery(self, done: Callable[[], None], *, asked_by: Listener | None = None) -> None:
        """Run `done` on the loop once the listeners have seen everything sent so far, at most PATIENCE later."""
        waiting = {
            listener: listener.sent
            for listener in (*self._listeners.values(), *self._private)
            if listener is not asked_by and not listener.late and listener.seen < listener.sent
        }
        if not waiting:
            done()
            return
        barrier = _Barrier(waiting, done)
        self._barriers.append(barrier)
        self._loop.call_later(PATIENCE, self._give_up, barrier)

    def current_listener(self) -> Listener | None:
        """The listener whose thread this is, when a handler calls the manager."""
        for listener in (*self._listeners.values(), *self._private):
            if listener.is_current_thread:
                return listener
        return None

    def _seen(self) -> None:
        # Called on listeners' threads after every item, so it costs the loop only where a job waits.
        if self._barriers:
            try:
                self._loop.call_soon_threadsafe(self._check_barriers)
            except RuntimeError:
                pass  # the loop is closed

    def _check_barriers(self) -> None:
        ready = [barrier for barrier in self._barriers if barrier.check()]
        self._barriers = [barrier for barrier in self._barriers if barrier not in ready]
        for barrier in ready:
            barrier.done()

    def _give_up(self, barrier: _Barrier) -> None:
        if barrier in self._barriers:
            for listener, seen in barrier.waiting.items():
                listener.late = listener.late or listener.seen < seen
            self._barriers.remove(barrier)
            barrier.done()

    def flush(self) -> None:
        """Wait for no listener any longer: run what waits for them now."""
        for barrier in list(self._barriers):
            self._give_up(barrier)

    def close(self, timeout: float = 1.0) -> None:
        """End all listeners after what they were sent; called off the loop, waits a little for them."""
        listeners = [*self._listeners.values(), *self._private]
        self._listeners.clear()
        self._private.clear()
        for listener in listeners:
            listener.close(drop=False)
        for listener in listeners:
            listener.join(timeout)
