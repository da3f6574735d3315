"""An event loop without clock, threads and sockets: what happens next is drawn from a seed.

Ready callbacks run in the order in which they were scheduled, as asyncio promises; what comes from outside (an
answer of a process, the end of a thread's work, a request of another thread) happens at any moment between two of
them. So every schedule that is tried is one that a real loop could meet. Time stands still until it is moved on to the
next timer, which may also happen while something outside is merely slow.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

__all__ = ["Line", "Outside", "SimLoop"]


class SimLoop(asyncio.BaseEventLoop):
    """Runs one callback at a time, when told."""

    def __init__(self) -> None:
        self.stepping = False
        self._now = 0.0
        super().__init__()
        self.broken: list[str] = []
        self.set_exception_handler(lambda _loop, context: self.broken.append(str(context)))

    def time(self) -> float:
        return self._now

    def is_running(self) -> bool:
        return self.stepping

    def _write_to_self(self) -> None:
        pass  # nobody sleeps

    @property
    def ready(self) -> bool:
        """Whether a callback is due."""
        return bool(self._ready)  # type: ignore[attr-defined]

    @property
    def next_timer(self) -> float | None:
        """When the next timer is due, None where there is none."""
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        return scheduled[0]._when if scheduled else None

    @contextmanager
    def entered(self) -> Generator[None]:
        """Inside, this is the running loop."""
        if self.stepping:
            yield
            return
        self.stepping = True
        events._set_running_loop(self)
        try:
            yield
        finally:
            events._set_running_loop(None)
            self.stepping = False

    def step(self) -> None:
        """Run the callback that has waited longest."""
        handle = self._ready.popleft()  # type: ignore[attr-defined]
        if not handle._cancelled:
            with self.entered():
                handle._run()

    def move_on(self) -> None:
        """Let time pass until the next timer; those that are due then become ready."""
        when = self.next_timer
        assert when is not None, "there is no timer"
        self._now = max(self._now, when)
        while (due := self.next_timer) is not None and due <= self._now:
            handle = heapq.heappop(self._scheduled)  # type: ignore[attr-defined]
            handle._scheduled = False
            self._ready.append(handle)  # type: ignore[attr-defined]


class Outside:
    """What will happen outside of the loop; which of it comes next, the seed decides."""

    def __init__(self, loop: SimLoop, numbers: random.Random) -> None:
        self.loop = loop
        self.numbers = numbers
        self._pending: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, happening: Callable[[], None]) -> None:
        """This will happen, at some moment."""
        self._pending.append(happening)

    def happen(self) -> None:
        """Let one of them happen."""
        place = self.numbers.randrange(len(self._pending))
        self._pending[place], self._pending[-1] = self._pending[-1], self._pending[place]
        self._pending.pop()()

    async def moment(self) -> None:
        """Wait for something outside that takes its time."""
        future: asyncio.Future[None] = self.loop.create_future()

        def come() -> None:
            if not future.done():
                future.set_result(None)

        self.add(lambda: self.loop.call_soon_threadsafe(come))
        await future


class Line:
    """Happenings that keep their order among themselves, as those of one thread or one socket do."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, happening: Callable[[], None]) -> None:
        self._waiting.append(happening)
        self._outside.add(lambda: self._waiting.popleft()())
