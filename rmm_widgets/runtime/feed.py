"""`EventFeed`: the events of a manager one after the other as they happen, and between them those of other kernels."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Self

from ..types import ModelEvent

__all__ = ["EventFeed"]

INTERVAL = 0.5
"""Seconds between two looks at what other kernels wrote."""


class EventFeed:
    """Iterate over it: it waits for the next event, and ends with its manager. Each event comes once.

    The events of one manager come in their order; those of other kernels up to a second later. `close()`, or the
    end of a `with` block, ends it. An interrupt ends the wait only.

    Args:
        of_others: Gives what other kernels wrote since its last call.
        is_over: Whether the manager is closed.
        on_close: Called once, at the end.
    """

    def __init__(
        self,
        model_id: str | None,
        *,
        of_others: Callable[[], Iterable[ModelEvent]],
        is_over: Callable[[], bool],
        on_close: Callable[[], object],
    ) -> None:
        self._model_id = model_id
        self._of_others = of_others
        self._is_over = is_over
        self._on_close = on_close
        self._first: deque[ModelEvent] = deque()
        self._seen: set[tuple[object, int]] = set()
        """The first ones, by time and number: those that happened while they were asked for are told twice."""
        self._news: queue.SimpleQueue[ModelEvent] = queue.SimpleQueue()
        self._looked = time.monotonic()
        self._closed = False

    def put(self, event: ModelEvent) -> None:
        """Add an event that happened; on any thread."""
        self._news.put(event)

    def begin_with(self, earlier: Iterable[ModelEvent]) -> None:
        """Let these come first; before the first is taken."""
        self._first.extend(earlier)
        self._seen.update((event.timestamp, event.seq) for event in self._first)

    def next(self, timeout: float = INTERVAL) -> ModelEvent | None:
        """The next event; None where none came for so many seconds."""
        if self._first:
            return self._first.popleft()
        ends = time.monotonic() + timeout
        while (left := ends - time.monotonic()) > 0:
            self._look()
            try:
                event = self._news.get(timeout=min(left, INTERVAL))
            except queue.Empty:
                continue
            if self._model_id in {None, event.model_id} and (event.timestamp, event.seq) not in self._seen:
                return event
        return None

    def _look(self) -> None:
        if time.monotonic() - self._looked >= INTERVAL and not self._is_over():
            for event in self._of_others():
                self._news.put(event)
            self._looked = time.monotonic()

    def __iter__(self) -> Iterator[ModelEvent]:
        return self

    def __next__(self) -> ModelEvent:
        while not self._closed:
            event = self.next()
            if event is not None:
                return event
            if self._is_over():
                self.close()
        raise StopIteration

    def close(self) -> None:
        """End it; whoever waits is told within half a second. Closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
