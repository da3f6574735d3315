"""`Job`: a long operation that was started and can be awaited, waited for, watched and cancelled."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Generator
from typing import Any, ClassVar, Generic, Literal, TypeVar

from ..types import ModelDownloadProgress

__all__ = ["Job", "JobKind"]

T = TypeVar("T")
JobKind = Literal[
    "download",
    "load",
    "unload",
    "register",
    "inspect",
    "search",
    "health",
    "verify",
    "repair",
    "delete",
    "discard",
    "prune",
    "usage",
    "check",
    "list",
    "files",
    "safety",
    "cached",
    "adopt",
    "sync",
]


def _run_here(work: Callable[[], object]) -> None:
    work()


class Job(Generic[T]):
    """An operation under way; every long operation of the manager returns one at once.

    `await job` in a cell or coroutine, or `job.result()` in any thread, gives its result or raises its
    error. Leaving a wait, by an interrupt, a timeout or a cancelled task, never ends the work: that is
    what `job.cancel()` is for.
    """

    show: ClassVar[Callable[[Job[Any]], dict[str, Any] | None] | None] = None
    """How a notebook displays a job; set where there is a notebook face."""

    def __init__(
        self,
        kind: JobKind,
        model_id: str | None,
        *,
        cancel: Callable[[], bool],
        progress: Callable[[], ModelDownloadProgress | None] = lambda: None,
        run_callback: Callable[[Callable[[], object]], None] = _run_here,
        forbidden_thread: Callable[[], bool] = lambda: False,
        owner: Callable[[], Any] = lambda: None,
    ) -> None:
        self._kind: JobKind = kind
        self._model_id = model_id
        self._cancel = cancel
        self._progress = progress
        self._run_callback = run_callback
        self._forbidden_thread = forbidden_thread
        self._owner = owner
        self._future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._was_cancelled = False
        self._lock = threading.Lock()

    @property
    def kind(self) -> JobKind:
        """What it does: "download", "load", ..."""
        return self._kind

    @property
    def model_id(self) -> str | None:
        """The model it works for, None where it is none or not known yet."""
        return self._model_id

    @property
    def progress(self) -> ModelDownloadProgress | None:
        """How far the download of its model is, None where there is none."""
        return self._progress()

    @property
    def owner(self) -> Any:
        """The manager that started it; None once that is gone."""
        return self._owner()

    def done(self) -> bool:
        """True once it has ended, in whichever way."""
        return self._future.done()

    def cancelled(self) -> bool:
        """True once it has ended because it was cancelled."""
        return self.done() and self._was_cancelled

    def cancel(self) -> bool:
        """Ask for the work to be ended. False when it has ended already or cannot be cancelled.

        The job ends a moment later, with the error that fits (for example `DownloadCancelledError`).
        """
        return False if self.done() else self._cancel()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the end and return the result.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Raises:
            TimeoutError: The time is up; the work goes on.
            RMMError: What the work ended with.
            KeyboardInterrupt: The wait was interrupted; the work goes on.
        """
        if not self.done() and self._forbidden_thread():
            raise RuntimeError("a job cannot be waited for on the runtime's own thread; await it instead")
        try:
            return self._future.result(timeout)
        except KeyboardInterrupt:
            if self.done():
                raise
            raise KeyboardInterrupt(
                f"The wait ended, the work goes on: {self!r}. To end it: {self._how_to_cancel()}"
            ) from None
        except TimeoutError:
            if self.done():
                raise
            raise TimeoutError(f"{self!r} has not ended after {timeout} s; it goes on") from None

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end and return the error, None where it went well."""
        return self._future.exception(timeout)

    def add_done_callback(self, callback: Callable[[Job[T]], object]) -> None:
        """Call `callback(job)` when it has ended, or at once if it has; in a thread of its own."""
        self._future.add_done_callback(lambda _future: self._run_callback(lambda: callback(self)))

    def __await__(self) -> Generator[Any, None, T]:
        return self._wait().__await__()

    async def _wait(self) -> T:
        # Not asyncio.wrap_future: cancelling the waiting task must not cancel the work.
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def wake(_future: object) -> None:
            try:
                loop.call_soon_threadsafe(ended.set)
            except RuntimeError:
                pass  # the waiter's loop is closed

        self._future.add_done_callback(wake)
        await ended.wait()
        return self._future.result()

    def _how_to_cancel(self) -> str:
        verb = {"download": "cancel", "load": "unload"}.get(self._kind)
        return f"job.cancel() or %rmm {verb} {self._model_id}" if verb and self._model_id else "job.cancel()"

    # For the runtime

    def finish(self, value: T) -> None:
        """End with a result; a second end is ignored."""
        with self._lock:
            if not self._future.done():
                self._future.set_result(value)

    def fail(self, error: BaseException, *, cancelled: bool = False) -> None:
        """End with an error; a second end is ignored."""
        with self._lock:
            if not self._future.done():
                self._was_cancelled = cancelled
                self._future.set_exception(error)

    def name_model(self, model_id: str) -> None:
        """The model became known while the job ran."""
        self._model_id = model_id

    def __repr__(self) -> str:
        if not self.done():
            state = "running"
        elif self._was_cancelled:
            state = "cancelled"
        else:
            state = "failed" if self._future.exception() else "done"
        return f"<Job {self._kind} {self._model_id or ''} {state}>".replace("  ", " ")

    def _repr_mimebundle_(self, **_kwargs: object) -> dict[str, Any]:
        bundle = Job.show(self) if Job.show is not None else None
        return bundle or {"text/plain": repr(self)}
