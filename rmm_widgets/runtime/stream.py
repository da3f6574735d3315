"""A call whose steps can be iterated over, in a `for` and in an `async for`; what users get from `instance.stream`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Coroutine
from typing import Any, Self

from ..errors import CallError, ManagerClosedError, RMMError
from ..workers.steps import Steps
from .loop import RuntimeLoop

__all__ = ["CallStream"]


class CallStream:
    """The steps of one call, and then its result.

    The call begins at once, and its model waits where it is far ahead of whoever iterates. Leaving early ends the
    call: `close()`, the end of a `with` block, an interrupt, or letting go of the stream.

    Args:
        loop: The runtime.
        steps: Where the steps arrive.
        call: The call itself, to be run on the runtime's loop.
        model_id: For messages.
    """

    def __init__(self, loop: RuntimeLoop, steps: Steps, call: Coroutine[Any, Any, Any], model_id: str) -> None:
        self._loop = loop
        self._steps = steps
        self._model_id = model_id
        self._future: concurrent.futures.Future[Any] = loop.submit(call)
        self._future.add_done_callback(lambda _future: steps.end())
        self._closed = False

    # Steps

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        """The next step; blocks. Raises what the call raised once its steps are over."""
        self._forbid_waiting_here()
        try:
            found, step = self._steps.poll(wait=True)
        except BaseException:  # an interrupt
            self.close()
            raise
        if found:
            return step
        self._raise_failure()
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The next step, without blocking the event loop; a cancelled wait ends the call."""
        loop = asyncio.get_running_loop()
        while True:
            changed = asyncio.Event()

            def wake(changed: asyncio.Event = changed) -> None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(changed.set)

            found, step = self._steps.poll(wake=wake)
            if found:
                return step
            if self._steps.ended:
                self._raise_failure()
                raise StopAsyncIteration
            try:
                await changed.wait()
            except asyncio.CancelledError:
                self.close()
                raise

    def _raise_failure(self) -> None:
        if not self._closed:
            self._outcome(None)

    def _outcome(self, timeout: float | None) -> Any:
        try:
            return self._future.result(timeout)
        except concurrent.futures.CancelledError:
            raise self._ended_early() from None

    def _ended_early(self) -> RMMError:
        if not self._closed:
            return ManagerClosedError("The manager was closed.", model_id=self._model_id)
        return CallError(
            f"The call of {self._model_id!r} was ended, because its stream was closed.",
            model_id=self._model_id,
            hint="Take its steps to the end, or ask for the result while it runs.",
        )

    # The result

    def result(self, timeout: float | None = None) -> Any:
        """What the call returned. Where it still runs, steps that were not taken yet are dropped.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Raises:
            TimeoutError: The time is up; the call goes on.
            CallError: The model raised, or the stream was closed.
        """
        self._forbid_waiting_here()
        self._run_on()
        try:
            return self._outcome(timeout)
        except KeyboardInterrupt:
            self.close()
            raise

    async def aresult(self) -> Any:
        """Like `result`, without blocking the event loop; a cancelled wait ends the call."""
        self._run_on()
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def wake(_future: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(ended.set)

        self._future.add_done_callback(wake)
        try:
            await ended.wait()
        except asyncio.CancelledError:
            self.close()
            raise
        return self._outcome(None)

    def _run_on(self) -> None:
        """Let the model go on without a consumer."""
        if not self._future.done():
            self._steps.discard()

    def done(self) -> bool:
        """Whether the call has ended, in whichever way; steps may still be waiting."""
        return self._future.done()

    # The end

    def close(self) -> None:
        """End the call where it still runs; iterating ends. May be called any number of times, from any thread."""
        self._closed = True
        self._future.cancel()
        self._steps.discard()
        self._steps.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_future"):
            self._future.cancel()

    def _forbid_waiting_here(self) -> None:
        if self._loop.here and not self._future.done():
            raise RuntimeError("this would wait for the runtime on the runtime's own thread; use `async for` instead")
