"""What a model delivers while a call runs, on its way from the worker to whoever iterates over it.

The worker sends only so much ahead of the consumer, and the kernel takes no more: a slow consumer holds up the
model, and costs no memory. What a consumer looks like is `runtime.stream`'s business.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from .messages import CallbackCall

__all__ = ["AHEAD", "AHEAD_BYTES", "Flow", "Steps"]

AHEAD = 16
"""Steps that may be under way or waiting."""
AHEAD_BYTES = 32 << 20
"""Bytes of steps from which no further one is sent until some were taken."""


class Flow:
    """The worker's count of the steps that were sent and not taken yet. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._sizes: deque[list[int]] = deque()

    @property
    def full(self) -> bool:
        """Whether the next step has to wait."""
        return len(self._sizes) >= AHEAD or sum(size for (size,) in self._sizes) >= AHEAD_BYTES

    def sending(self) -> list[int]:
        """Count a step; its size is put into the list once it is known."""
        entry = [0]
        self._sizes.append(entry)
        return entry

    def taken(self, count: int) -> None:
        """The consumer took that many."""
        for _ in range(min(count, len(self._sizes))):
            self._sizes.popleft()


class Steps:
    """The kernel's queue of one call's steps; usable from any thread, by one consumer.

    Args:
        keyword: The method's argument that gets a function to call with each step; "" where the method is a
            generator instead, whose items are the steps.
    """

    def __init__(self, keyword: str) -> None:
        self.keyword = keyword
        self._lock = threading.Condition()
        self._items: deque[tuple[Any, int]] = deque()
        self._size = 0
        self._ended = False
        self._discarding = False
        self._tell_worker: Callable[[int], None] = lambda _count: None
        self._wake: Callable[[], None] | None = None

    # The worker's side

    def begin(self, tell_worker: Callable[[int], None]) -> None:
        """The call was sent; `tell_worker` is called with the number of steps that were taken."""
        self._tell_worker = tell_worker

    def put(self, call: CallbackCall, size: int) -> bool:
        """Take a step that came in a frame of `size` bytes; False where the worker had no right to send it."""
        given = [*call.args, *call.kwargs.values()]
        item = given[0] if len(given) == 1 else tuple(given)
        with self._lock:
            if len(self._items) >= AHEAD or self._size >= AHEAD_BYTES:
                return False
            if discarding := self._discarding:
                self._tell_worker(1)
            else:
                self._items.append((item, size))
                self._size += size
        if not discarding:
            self._changed()
        return True

    def end(self) -> None:
        """No step follows."""
        with self._lock:
            self._ended = True
        self._changed()

    def _changed(self) -> None:
        with self._lock:
            self._lock.notify_all()
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    # The consumer's side

    def poll(self, *, wait: bool = False, wake: Callable[[], None] | None = None) -> tuple[bool, Any]:
        """Whether there was a step, and the step.

        Args:
            wait: Block until there is one, or none will come.
            wake: Called once when asking again is worth it, where there was none yet; on any thread.
        """
        with self._lock:
            while wait and not self._items and not self._ended:
                self._lock.wait()
            if not self._items:
                self._wake = None if self._ended else wake
                return False, None
            item, size = self._items.popleft()
            self._size -= size
        self._tell_worker(1)
        return True, item

    def discard(self) -> None:
        """Drop what waits and what comes."""
        with self._lock:
            self._discarding = True
            count = len(self._items)
            self._items.clear()
            self._size = 0
        self._tell_worker(count)

    @property
    def ended(self) -> bool:
        """Whether all steps were taken, and none will come."""
        with self._lock:
            return self._ended and not self._items
