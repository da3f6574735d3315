"""How late a timer comes that is due every millisecond in an event loop: what a kernel feels of work beside it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

SETTLING = 0.5
"""Seconds before the measurement, in which the loop comes to rest."""


@contextlib.asynccontextmanager
async def ticking() -> AsyncGenerator[None]:
    """Measure during a block, then print the median, the 99th percentile and the longest, in seconds."""
    late: list[float] = []
    timer = asyncio.create_task(_tick(late))
    await asyncio.sleep(SETTLING)
    late.clear()
    yield
    timer.cancel()
    late.sort()
    print(late[len(late) // 2], late[int(len(late) * 0.99)], late[-1])


async def _tick(late: list[float]) -> None:
    due = time.perf_counter() + 0.001
    while True:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        late.append(now - due)
        due = now + 0.001
