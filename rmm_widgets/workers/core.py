"""The worker core: one model, one work lane, one control lane. Has no I/O of its own.

Whoever places it feeds `submit` (the control lane, which never waits for work), runs `run` on the thread
that is to be the work lane, and takes the replies from `emit`.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

from ..errors import LoadCancelledError, LoadError, ModelNotLoadedError
from ..loading.servable import MAIN_METHOD, Closable, Exposing, Servable
from .faults import CallCancelledError, describe_error
from .messages import (
    Busy,
    CallbackCall,
    CallRequest,
    CancelRequest,
    ConfigRequest,
    Done,
    Failed,
    LoadRequest,
    Phase,
    ProbeRequest,
    Reply,
    Request,
    TakenRequest,
    UnloadRequest,
    WorkRequest,
)
from .steps import Flow

__all__ = ["WorkerCore"]


PROBE_PATIENCE = 0.1
"""Seconds that a probe may wait for the one before it; a longer one hangs, and the next is told so at once."""

TURN_POLL = 0.05
"""Seconds between two looks whether a load that waits for its turn was cancelled."""

_log = logging.getLogger("rmm_widgets")


class WorkerCore:
    """Runs the requests for one model in their order.

    Args:
        open_servable: Makes the object that loads; runs on the work lane, as part of the first load.
        emit: Takes every reply and gives its size in bytes, 0 where it has none; called from both lanes. May raise
            for a `CallbackCall` only.
        generation: Goes into every reply.
        turn: Held while the model is opened and loaded, where other loads must not run beside it.
    """

    def __init__(
        self,
        open_servable: Callable[[], Servable],
        emit: Callable[[Reply], int],
        *,
        generation: int,
        turn: threading.Lock | None = None,
    ) -> None:
        self._turn = turn
        self._open: Callable[[], Servable] | None = open_servable
        self._emit = emit
        self._generation = generation
        self._servable: Servable | None = None
        self._loaded = False
        self._changed = threading.Condition()
        self._waiting: deque[WorkRequest] = deque()
        self._running: _Operation | None = None
        self._closed = False

    @property
    def model(self) -> Any:
        """The loaded object itself, None where there is none or it is not handed out."""
        return self._servable.model if self._loaded and isinstance(self._servable, Exposing) else None

    # The control lane

    def submit(self, request: Request) -> None:
        """Take a request; returns at once. A probe of a busy core is answered here."""
        match request:
            case CancelRequest():
                self._cancel(request.target)
            case TakenRequest():
                self._taken(request)
            case ProbeRequest():
                self._submit_probe(request)
            case _:
                self._enqueue(request)

    def close(self) -> None:
        """Ask what runs to stop, forget what waits, and let `run` return."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            if self._running:
                self._running.cancelled = True
            self._changed.notify_all()

    def _enqueue(self, request: WorkRequest) -> None:
        with self._changed:
            if not self._closed:
                self._waiting.append(request)
                self._changed.notify_all()

    def _submit_probe(self, request: ProbeRequest) -> None:
        with self._changed:
            running = self._running
            if self._answers_soon(running):
                self._enqueue(request)
                return
        operation, seconds = (running.phase, running.seconds()) if running else ("call", 0.0)
        self._emit(Busy(id=request.id, generation=self._generation, operation=operation, seconds=seconds))

    def _answers_soon(self, running: _Operation | None) -> bool:
        """True while nothing but probes stands before a new one, and none of them hangs."""
        if any(not isinstance(request, ProbeRequest) for request in self._waiting):
            return False
        return running is None or (running.phase == "probe" and running.seconds() < PROBE_PATIENCE)

    def _cancel(self, target: int | None) -> None:
        with self._changed:
            running = self._running
            if running and target in {None, running.id}:
                running.cancelled = True
                self._changed.notify_all()
                return
            dropped = next((request for request in self._waiting if request.id == target), None)
            if dropped is None:
                return
            self._waiting.remove(dropped)
        self._emit(self._failed(dropped, CallCancelledError("cancelled before it began")))

    def _taken(self, request: TakenRequest) -> None:
        with self._changed:
            if self._running and self._running.id == request.target:
                self._running.flow.taken(request.count)
                self._changed.notify_all()

    # The work lane

    def run(self) -> None:
        """Work until `close`."""
        while self._step():
            pass
        if isinstance(self._servable, Closable):
            try:
                self._servable.close()
            except Exception:  # noqa: BLE001 - the worker's end must be reported whatever a servable does
                _log.warning("closing %r failed", self._servable, exc_info=True)
        self._servable = self._open = None

    def _step(self) -> bool:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            request = self._waiting.popleft()
            self._running = _Operation(request.id, _phase(request))
        reply = self._answer(request)
        del request  # its arguments may be in memory that the kernel waits for
        with self._changed:
            self._running = None
        self._emit(reply)
        return True

    def _answer(self, request: WorkRequest) -> Reply:
        try:
            value = self._perform(request)
        except BaseException as error:  # noqa: BLE001 - whatever a model raises is an answer, SystemExit included
            return self._failed(request, error)
        return Done(id=request.id, generation=self._generation, value=value)

    def _failed(self, request: WorkRequest, error: BaseException) -> Failed:
        record = describe_error(error, _phase(request))
        return Failed(id=request.id, generation=self._generation, error=record)

    def _perform(self, request: WorkRequest) -> Any:
        match request:
            case LoadRequest():
                return self._load(request)
            case CallRequest():
                return self._call(request)
            case ProbeRequest():
                answer = self._model().probe()
                return {
                    "healthy": bool(answer.healthy),
                    "degraded": bool(answer.degraded),
                    "detail": str(answer.detail),
                }
            case ConfigRequest():
                return self._model().update_config(dict(request.config))
            case UnloadRequest():
                return self._unload()

    def _load(self, request: LoadRequest) -> Any:
        if self._loaded:
            raise LoadError("the model is already loaded here")
        with self._in_turn():
            if self._servable is None:
                if self._open is None:
                    raise LoadError("this worker has unloaded its model", hint="Start a new worker.")
                self._servable = self._open()
            loaded = self._servable.load(dict(request.config), request.device, self._cancelled)
        self._loaded = True
        return {"device": loaded.device, "detail": loaded.detail}

    @contextlib.contextmanager
    def _in_turn(self) -> Generator[None, None, None]:
        """Wait until no other load runs that this one would disturb; given up when the load is cancelled."""
        if self._turn is None:
            yield
            return
        while not self._turn.acquire(timeout=TURN_POLL):
            if self._cancelled():
                raise LoadCancelledError("The load was given up while it waited for another one in this process")
        try:
            yield
        finally:
            self._turn.release()

    def _call(self, request: CallRequest) -> Any:
        model = self._model()
        if request.method != MAIN_METHOD and request.method.startswith("_"):
            raise AttributeError(f"{request.method!r} is not a public method")
        callbacks: dict[str, Callable[..., None]] = {
            name: functools.partial(self._call_back, request.id, name) for name in request.callbacks
        }
        if request.steps:
            callbacks[request.steps] = functools.partial(self._step_out, request.id, request.steps)
        result = model.call(request.method, tuple(request.args), {**request.kwargs, **callbacks})
        if request.steps is not None and isinstance(result, Iterator):
            return self._steps_of(result, request)  # pyright: ignore[reportUnknownArgumentType]
        return result

    def _steps_of(self, items: Iterator[Any], request: CallRequest) -> Any:
        """Give an iterator's items one by one; what a generator returns at its end."""
        try:
            while True:
                self._step_out(request.id, request.steps or "", next(items))
        except StopIteration as end:
            return end.value
        finally:
            if isinstance(items, Generator):
                items.close()  # its `finally` blocks run now, not with some later collection

    def _unload(self) -> None:
        if self._servable is not None:
            self._servable.unload()
        self._servable = self._open = None
        self._loaded = False

    def _model(self) -> Servable:
        if self._servable is None or not self._loaded:
            raise ModelNotLoadedError("no model is loaded in this worker")
        return self._servable

    def _cancelled(self) -> bool:
        """Whether what runs now was cancelled. A model may keep this function and ask it in its calls too."""
        running = self._running
        return running is not None and running.cancelled

    def _step_out(self, request_id: int, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Pass on a step as soon as the consumer is near enough; dropped once its request is over."""
        running = self._running
        if running is None or running.id != request_id:
            return
        step = CallbackCall(id=request_id, generation=self._generation, name=name, args=list(args), kwargs=kwargs)
        with running.turn:  # one after the other: what a step counts is known when it was sent
            with self._changed:
                while running.flow.full and not running.cancelled:
                    self._changed.wait()
                if running.cancelled:
                    raise CallCancelledError("the call was cancelled")
                size = running.flow.sending()
            size[0] = self._emit(step)

    def _call_back(self, request_id: int, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Pass on a callback's call, from whatever thread of the model; dropped once its request is over."""
        running = self._running
        if running is None or running.id != request_id:
            return
        if running.cancelled:
            raise CallCancelledError("the call was cancelled")
        reply = CallbackCall(id=request_id, generation=self._generation, name=name, args=list(args), kwargs=kwargs)
        self._emit(reply)


class _Operation:
    def __init__(self, request_id: int, phase: Phase) -> None:
        self.id = request_id
        self.phase: Phase = phase
        self.cancelled = False
        self.flow = Flow()
        self.turn = threading.Lock()
        self._started = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._started


def _phase(request: WorkRequest) -> Phase:
    match request:
        case LoadRequest():
            return "load"
        case CallRequest():
            return "call"
        case ProbeRequest():
            return "probe"
        case ConfigRequest():
            return "config"
        case UnloadRequest():
            return "unload"
