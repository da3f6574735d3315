"""In place of threads: the same work, done at a moment that the seed chooses, by nobody else at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from rmm_widgets.errors import ManagerClosedError
from rmm_widgets.runtime.bus import Listener
from rmm_widgets.runtime.loop import RuntimeLoop
from rmm_widgets.runtime.threads import _mark_as_seen, _run_for

from .loop import Line
from .world import World

__all__ = ["doubles_of_threads"]

T = TypeVar("T")


class _Tasks(dict[Any, None]):
    """A set that keeps its order, so that a seed means the same in every process."""

    def add(self, task: Any) -> None:
        self[task] = None

    def discard(self, task: Any) -> None:
        self.pop(task, None)


def doubles_of_threads(world: World) -> dict[str, Any]:
    """What replaces the runtime's threads, by the names that the runtime uses."""
    loop, outside = world.loop, world.outside

    class Runtime(RuntimeLoop):
        """The runtime's loop; whoever is not inside it is another thread."""

        def __init__(self, name: str = "") -> None:
            del name
            self._loop = loop
            self._tasks = _Tasks()  # type: ignore[assignment]
            self._closed = False

        @property
        def here(self) -> bool:
            return loop.stepping

        def call(self, work: Callable[..., T], *args: Any) -> T:
            if self._closed:
                raise ManagerClosedError("closed")
            with loop.entered():
                return work(*args)

        def run(self, coroutine: Coroutine[Any, Any, T], *, cancel_on_interrupt: bool = True) -> T:
            del cancel_on_interrupt
            future = self.submit(coroutine)
            world.run_until(future.done)
            return future.result()

        def _ended(self, task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                loop.broken.append(f"internal error in {task.get_name()}: {error!r}")
                world.trouble = error

        def close(self) -> None:
            self._closed = True
            for task in asyncio.all_tasks(loop):
                task.cancel()
            world.run_until(lambda: not asyncio.all_tasks(loop))

    async def run_in_thread(work: Callable[[], T], *, name: str) -> T:
        del name
        future: asyncio.Future[T] = loop.create_future()

        def perform() -> None:
            try:
                value, error = work(), None
            except BaseException as caught:
                value, error = None, caught

            def again() -> Any:
                if error is not None:
                    raise error
                return value

            outside.add(lambda: _run_for(loop, future, again))

        outside.add(perform)
        return await future

    class SerialThread:
        def __init__(self, name: str) -> None:
            self._line = Line(outside)

        async def run(self, work: Callable[..., T], *args: Any) -> T:
            future: asyncio.Future[T] = loop.create_future()
            self._line.add(lambda: _run_for(loop, future, lambda: work(*args)))
            return await asyncio.shield(future)

        def close(self, timeout: float = 5.0) -> None:
            pass

    class CoroutineThread:
        """A user's coroutine: its blocking parts take no time, its awaits as long as the seed wants."""

        def __init__(self, make: Callable[[], Coroutine[Any, Any, Any]], *, name: str) -> None:
            self._future: asyncio.Future[Any] = loop.create_future()
            self._future.add_done_callback(_mark_as_seen)
            self._make = make
            self._task: asyncio.Task[Any] | None = None
            self._cancelled = False
            outside.add(lambda: loop.call_soon_threadsafe(self._start))

        def _start(self) -> None:
            self._task = loop.create_task(self._main())
            if self._cancelled:
                self._task.cancel()

        async def _main(self) -> None:
            try:
                value, error = await self._make(), None
            except asyncio.CancelledError:
                value, error = None, RuntimeError("cancelled")
            except Exception as caught:
                value, error = None, caught
            if self._future.done():
                return
            if error is None:
                self._future.set_result(value)
            else:
                self._future.set_exception(error)

        def cancel(self) -> None:
            self._cancelled = True
            outside.add(lambda: loop.call_soon_threadsafe(lambda: self._task and self._task.cancel()))

        async def result(self) -> Any:
            return await asyncio.shield(self._future)

        async def ended(self, timeout: float) -> bool:
            done, _ = await asyncio.wait([self._future], timeout=timeout)
            return bool(done)

    class SimListener(Listener):
        def send(self, item: Any, on_seen: Callable[[], None]) -> None:
            self._on_seen = on_seen
            if self._closed:
                return
            self.sent += 1
            self._queue.put(item)
            outside.add(self._take_one)

        def _take_one(self) -> None:
            item = self._queue.get_nowait()
            if not self._closed:
                self._handle(item)
            self.seen += 1
            if self.seen == self.sent:
                self.late = False
            self._on_seen()

        def _handle(self, item: Any) -> None:
            self.handler(item)  # a handler of ours that raises is a failure

    return {
        "manager_lifetime.RuntimeLoop": Runtime,
        "manager_lifetime.run_uninterrupted": lambda work, *, name: work(),
        "runtime.engine.run_in_thread": run_in_thread,
        "runtime.engine.Listener": SimListener,
        "runtime.bus.Listener": SimListener,
        "runtime.keeping.SerialThread": SerialThread,
        "runtime.transfers.CoroutineThread": CoroutineThread,
        "runtime.disk.CoroutineThread": CoroutineThread,
    }
