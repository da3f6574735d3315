"""The runtime's thread: one asyncio loop that owns all state. What runs on it is others' business."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..errors import ManagerClosedError

__all__ = ["RuntimeLoop"]

T = TypeVar("T")
_log = logging.getLogger("rmm_widgets")


class RuntimeLoop:
    """A daemon thread with an event loop, and ways into it from any other thread."""

    def __init__(self, name: str = "rmm-runtime") -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(_cancel_the_rest())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    @property
    def asyncio(self) -> asyncio.AbstractEventLoop:
        """The loop itself."""
        return self._loop

    @property
    def here(self) -> bool:
        """True when called on the runtime's own thread, where waiting would wait for itself."""
        return threading.current_thread() is self._thread

    @property
    def closed(self) -> bool:
        """True once `close` was called."""
        return self._closed

    def call(self, work: Callable[..., T], *args: Any) -> T:
        """Run a short function on the loop and wait for it."""
        if self.here:
            return work(*args)
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(work(*args))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                future.set_exception(error)

        self._enter(run)
        return future.result()

    def run(self, coroutine: Coroutine[Any, Any, T], *, cancel_on_interrupt: bool = True) -> T:
        """Run a coroutine on the loop and wait for it; an interrupt ends the wait and, if wanted, the coroutine."""
        if self.here:
            coroutine.close()
            raise RuntimeError("this would wait for the runtime on the runtime's own thread; await it instead")
        future = self.submit(coroutine)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            if self._closed:
                raise _closed_error() from None
            raise
        except KeyboardInterrupt:
            if cancel_on_interrupt:
                future.cancel()
            raise

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop, from any thread."""
        if self._closed:
            coroutine.close()
            raise _closed_error()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start a task from the loop's own thread; kept alive and logged if it fails."""
        task = self._loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def stop_task(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task from the loop's own thread, but not before its first step: its `try` must have begun."""
        self._loop.call_soon(task.cancel)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("internal error in %s", task.get_name(), exc_info=error)

    def _enter(self, work: Callable[[], None]) -> None:
        if self._closed:
            raise _closed_error()
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            raise _closed_error() from None

    async def cancel_all(self, timeout: float) -> None:
        """Cancel every task but the caller's and give them time to clean up."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)

    def close(self) -> None:
        """Stop the loop and its thread."""
        if self._closed:
            return
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        if not self.here:
            self._thread.join(5)


async def _cancel_the_rest() -> None:
    """Nobody may wait for ever for what a closed loop does not do any more."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1.0)


def _closed_error() -> ManagerClosedError:
    return ManagerClosedError("This manager is closed.", hint="Make a new one, or call rmm_widgets.get_manager().")
