"""Threads for blocking work, awaited from the runtime's loop.

Not the pools of `concurrent.futures`: they refuse work once the interpreter starts to exit, which is just when
a manager closes, and a shared pool would let one model's blocking code starve another's.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["CoroutineThread", "SerialThread", "run_in_thread", "run_uninterrupted"]

T = TypeVar("T")


def _deliver(future: asyncio.Future[T], value: T | None, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)  # type: ignore[arg-type]
    elif isinstance(error, StopIteration) or not isinstance(error, Exception):
        # These would tear down the loop that they are set on, or pass every `except Exception` of the waiters.
        future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
    else:
        future.set_exception(error)


def _run_for(loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], work: Callable[[], T]) -> None:
    value: T | None = None
    error: BaseException | None = None
    try:
        value = work()
    except BaseException as caught:  # noqa: BLE001 - it is handed to the waiter
        error = caught
    try:
        loop.call_soon_threadsafe(_deliver, future, value, error)
    except RuntimeError:
        pass  # the loop was closed: nobody waits any more


async def run_in_thread(work: Callable[[], T], *, name: str) -> T:
    """Run blocking work in a thread of its own. Cancelling the wait abandons the thread's result."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    threading.Thread(target=_run_for, args=(loop, future, work), name=name, daemon=True).start()
    return await future


def run_uninterrupted(work: Callable[[], T], *, name: str) -> T:
    """Run blocking work to its end whatever comes; a KeyboardInterrupt meanwhile is raised after it."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            future.set_exception(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    interrupt: KeyboardInterrupt | None = None
    while not future.done():
        try:
            concurrent.futures.wait([future])
        except KeyboardInterrupt as caught:
            interrupt = caught
    thread.join()
    if interrupt is not None:
        raise interrupt
    return future.result()


class SerialThread:
    """One thread that runs blocking work in the order in which it was asked for."""

    def __init__(self, name: str) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            work()

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run `work(*args)` after everything asked for before it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(lambda: _run_for(loop, future, lambda: work(*args)))
        return await asyncio.shield(future)

    def close(self, timeout: float = 5.0) -> None:
        """End the thread after what is queued; waits for it."""
        self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)


class CoroutineThread(Generic[T]):
    """A coroutine of a user's, run on an event loop and a thread of its own.

    It may block its thread without harm to anybody. `cancel` ends it at its next `await`.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]], *, name: str) -> None:
        self._waiter = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._waiter.create_future()
        self._future.add_done_callback(_mark_as_seen)  # nobody may be left to look at what it raised
        self._make = make
        self._own: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        _run_for(self._waiter, self._future, lambda: asyncio.run(self._main()))

    async def _main(self) -> T:
        self._own = asyncio.get_running_loop()
        self._task = asyncio.create_task(_as_coroutine(self._make))
        if self._cancelled:
            self._task.cancel()
        try:
            return await self._task
        except asyncio.CancelledError:
            # Raised as itself it would cancel the waiter, who may not have asked for that.
            raise RuntimeError("cancelled") from None

    def cancel(self) -> None:
        """Ask it to end; returns at once."""
        self._cancelled = True
        if self._own is not None and self._task is not None:
            try:
                self._own.call_soon_threadsafe(self._task.cancel)
            except RuntimeError:
                pass  # it has just ended

    async def result(self) -> T:
        """Wait for the end; cancelling the wait does not end the coroutine."""
        return await asyncio.shield(self._future)

    async def ended(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the end, whatever it is."""
        done, _ = await asyncio.wait([self._future], timeout=timeout)
        return bool(done)


def _mark_as_seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


async def _as_coroutine(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    # Making the coroutine may already raise or block: inside the thread's own task, not in the caller.
    return await make()
