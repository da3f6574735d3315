"""The kernel's handle on a worker, the same for every placement: requests, deadlines, and the end.

Owns who waits for what and what happens when time is up. How messages travel and how a worker is ended is
the link's business (`link`).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import msgspec

from ..errors import InvalidConfigError, LoadError, LoadTimeoutError, ModelNotLoadedError, WorkerDiedError
from ..loading.servable import Loaded, ProbeAnswer
from .api import Exit, LoadReport, Probe, WorkerSpec
from .callbacks import CallbackRunner
from .faults import MAX_MESSAGE, MAX_NAME, call_error, clean_text, load_error
from .link import Link, Unsent
from .messages import (
    Busy,
    CallbackCall,
    CallRequest,
    CancelRequest,
    ConfigRequest,
    Done,
    Failed,
    LoadRequest,
    ProbeRequest,
    Reply,
    TakenRequest,
    UnloadRequest,
    WorkRequest,
)
from .steps import Steps

__all__ = ["GRACE", "WorkerHandle"]

GRACE = 2.0
"""Seconds between asking work to stop and ending its worker."""
_CALLBACK_GRACE = 5.0
_EXIT_GRACE = 0.5
_CPU_SHARE = 0.1
"""Share of a core from which a worker counts as computing; waiting for the interpreter's lock takes a little, too."""
_CPU_WINDOW = 0.25
"""Seconds over which that is judged at least: systems count processor time in steps of some 10 ms."""


Outcome = Reply | Unsent | Exit


class _Signs(NamedTuple):
    """What tells a worker that works from one that hangs: a moment, and the processor time that it had used."""

    at: float
    cpu: float | None


class WorkerHandle:
    """A `Worker` on top of a link. Belongs to the event loop it was made on."""

    def __init__(self, spec: WorkerSpec, link: Link) -> None:
        self._spec = spec
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[Exit] = self._loop.create_future()
        self._exited: asyncio.Future[Exit] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[Outcome]] = {}
        self._callbacks: dict[int, CallbackRunner] = {}
        self._steps: dict[int, Steps] = {}
        self._work_since: dict[int, float] = {}
        self._last_id = 0
        self._loaded = False
        self._probing = asyncio.Lock()
        self._signs_before = self._signs_then = _Signs(self._loop.time(), None)
        """Of the last probe, and of the one before that; each at least `_CPU_WINDOW` after the other."""
        self._stopping: asyncio.Task[Exit] | None = None

    @property
    def spec(self) -> WorkerSpec:
        """What the worker was made for."""
        return self._spec

    @property
    def placement(self) -> str:
        """Where the worker runs."""
        return self._link.placement

    @property
    def pid(self) -> int | None:
        """The worker's process, None in the kernel."""
        return self._link.pid

    @property
    def model(self) -> Any:
        """The loaded object itself, or None."""
        return None if self._exit else self._link.model

    @property
    def exited(self) -> asyncio.Future[Exit]:
        """Done once the worker is gone."""
        return self._exited

    def memory_bytes(self) -> int:
        """See `Worker.memory_bytes`."""
        return 0 if self._exit else self._link.memory_bytes()

    # Operations

    async def load(self, timeout: float | None) -> LoadReport:
        """See `Worker.load`."""
        request = LoadRequest(id=self._next_id(), config=self._spec.config, device=self._spec.device)
        with self._asking(request) as answer:
            try:
                in_time = await _settled(answer, timeout)
                if not in_time:
                    self._link.send(CancelRequest(target=request.id))
                    await _settled(answer, GRACE)
            except asyncio.CancelledError:
                await self._kill("its load was cancelled")
                raise
        if not in_time:
            await self._kill("its load took too long")
            raise LoadTimeoutError(
                f"The load took longer than {timeout:g} s and was ended.",
                model_id=self._spec.model_id,
                hint="Raise load_timeout, or free memory and processor time.",
            )
        loaded = self._convert(self._value(answer.result()), Loaded)
        self._loaded = True
        return LoadReport(
            device=clean_text(loaded.device, MAX_NAME), memory_bytes=self.memory_bytes(), detail=loaded.detail
        )

    async def call(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout: float | None = None,
        steps: Steps | None = None,
    ) -> Any:
        """See `Worker.call`."""
        self._require_model()
        callbacks = {name: value for name, value in kwargs.items() if callable(value)}
        plain = {name: value for name, value in kwargs.items() if name not in callbacks}
        request = CallRequest(
            id=self._next_id(),
            method=method,
            args=list(args),
            kwargs=plain,
            callbacks=list(callbacks),
            steps=steps.keyword if steps else None,
        )
        with (
            self._stepping(request.id, steps),
            self._calling_back(request.id, callbacks) as runner,
            self._asking(request) as answer,
        ):
            try:
                in_time = await _settled(answer, timeout)
            except asyncio.CancelledError:
                self._link.send(CancelRequest(target=request.id))
                raise
            if not in_time:
                await self._overrun(request, answer, timeout)
            outcome = answer.result()
            if runner:
                await runner.drained(_CALLBACK_GRACE)
        if isinstance(outcome, Failed):
            raise call_error(outcome.error, self._spec.model_id)
        if isinstance(outcome, Unsent):
            raise outcome.error
        return self._value(outcome)

    async def probe(self, timeout: float) -> Probe:
        """See `Worker.probe`."""
        async with self._probing:
            request = ProbeRequest(id=self._next_id())
            began = self._note_signs()
            with self._asking(request) as answer:
                in_time = await _settled(answer, timeout)
            latency = self._loop.time() - began
            if not in_time:
                return self._unanswered(latency)
            return self._probe_report(answer.result(), latency)

    async def update_config(self, config: dict[str, Any]) -> None:
        """See `Worker.update_config`."""
        self._require_model()
        with self._asking(ConfigRequest(id=self._next_id(), config=config)) as answer:
            await _settled(answer, None)
        self._value(answer.result())

    async def cancel(self) -> None:
        """See `Worker.cancel`."""
        self._link.send(CancelRequest(target=None))

    async def unload(self, timeout: float | None = None) -> None:
        """See `Worker.unload`."""
        for request_id in self._steps:  # such a call may wait for ever, perhaps for whoever asks for the unload
            self._link.send(CancelRequest(target=request_id))
        with self._asking(UnloadRequest(id=self._next_id())) as answer:
            in_time = await _settled(answer, timeout)
        if not in_time:
            await self._kill("its unload took too long")
            raise LoadTimeoutError(
                f"The unload took longer than {timeout:g} s; the worker was ended.", model_id=self._spec.model_id
            )
        self._value(answer.result())
        self._loaded = False

    async def stop(self, grace: float = GRACE, *, unload: bool = True) -> Exit:
        """See `Worker.stop`."""
        if self._stopping is None:
            self._stopping = self._loop.create_task(self._stop(grace, unload=unload))
        return await asyncio.shield(self._stopping)

    # What the link reports

    def deliver(self, reply: Reply | Unsent, size: int = 0) -> None:
        """See `Inbox.deliver`."""
        if not isinstance(reply, CallbackCall):
            if reply.id in self._answers:  # else nobody waits for it any more, or ever did
                self._post(self._settle, reply)
        elif reply.generation == self._spec.generation:
            self._deliver_call(reply, size)

    def _deliver_call(self, call: CallbackCall, size: int) -> None:
        steps = self._steps.get(call.id)
        if steps is not None and call.name == steps.keyword:
            if not steps.put(call, size):
                self._post(self._link.kill, "it sent more steps than it was asked for")
        elif runner := self._callbacks.get(call.id):
            runner.put(call, size)

    def ended(self, exit_: Exit) -> None:
        """See `Inbox.ended`."""
        self._post(self._end, exit_)

    def _post(self, function: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, *args)

    def _settle(self, reply: Done | Failed | Busy | Unsent) -> None:
        if not isinstance(reply, Unsent) and reply.generation != self._spec.generation:
            return
        answer = self._answers.get(reply.id)
        if answer and not answer.done():
            answer.set_result(reply)

    def _end(self, exit_: Exit) -> None:
        if self._exit:
            return
        self._loaded = False
        self._gone.set_result(exit_)
        if not self._exited.done():  # whoever has it may have cancelled it
            self._exited.set_result(exit_)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(exit_)

    @property
    def _exit(self) -> Exit | None:
        return self._gone.result() if self._gone.done() else None

    # Requests and their answers

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    @contextlib.contextmanager
    def _asking(self, request: WorkRequest) -> Generator[asyncio.Future[Outcome], None, None]:
        if self._exit:
            raise self._died(self._exit)
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._answers[request.id] = answer
        if not isinstance(request, ProbeRequest):
            self._work_since[request.id] = self._loop.time()
        self._link.send(request)
        try:
            yield answer
        finally:
            del self._answers[request.id]
            self._work_since.pop(request.id, None)

    @contextlib.contextmanager
    def _stepping(self, request_id: int, steps: Steps | None) -> Generator[None, None, None]:
        if steps is None:
            yield
            return
        self._steps[request_id] = steps
        steps.begin(lambda count: self._link.send(TakenRequest(target=request_id, count=count)))
        try:
            yield
        finally:
            del self._steps[request_id]

    @contextlib.contextmanager
    def _calling_back(
        self, request_id: int, callbacks: dict[str, Callable[..., object]]
    ) -> Generator[CallbackRunner | None, None, None]:
        if not callbacks:
            yield None
            return
        runner = self._callbacks[request_id] = CallbackRunner(callbacks, self._spec.model_id)
        try:
            yield runner
        finally:
            del self._callbacks[request_id]
            runner.close()

    def _value(self, outcome: Outcome) -> Any:
        match outcome:
            case Done():
                return outcome.value
            case Failed():
                raise load_error(outcome.error, self._spec.model_id)
            case Unsent():
                raise InvalidConfigError(
                    str(outcome.error), model_id=self._spec.model_id, hint="Use plain data in the configuration."
                )
            case Exit():
                raise self._died(outcome)
            case _:
                raise LoadError("The worker gave an answer that does not fit.", model_id=self._spec.model_id)

    def _convert(self, value: Any, kind: type[Any]) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise LoadError(f"The loader's answer is malformed: {error}", model_id=self._spec.model_id) from None

    def _require_model(self) -> None:
        if self._exit:
            raise self._died(self._exit)
        if not self._loaded:
            raise ModelNotLoadedError(
                "No model is loaded in this worker.", model_id=self._spec.model_id, hint="Load the model first."
            )

    def _died(self, exit_: Exit) -> WorkerDiedError:
        subject = "process" if self._link.pid else "worker"
        error = WorkerDiedError(
            f"The {subject} of {self._spec.model_id!r} {exit_.reason}.",
            model_id=self._spec.model_id,
            hint="Load the model again to go on.",
            signal=exit_.signal,
            exitcode=exit_.exitcode,
        )
        if exit_.detail:
            error.add_note(f"Its last output:\n{exit_.detail}")
        return error

    # Probes

    def _signs(self) -> _Signs:
        return _Signs(self._loop.time(), self._link.cpu_seconds())

    def _note_signs(self) -> float:
        """Remember how much it had worked until this probe; returns the moment."""
        now = self._signs()
        if self._signs_before.cpu is None or now.at - self._signs_before.at >= _CPU_WINDOW:
            self._signs_then, self._signs_before = self._signs_before, now
        return now.at

    def _works_since(self, before: _Signs) -> bool:
        """Whether its processor time has moved; waiting for the interpreter's lock is no work."""
        now = self._signs()
        if before.cpu is None or now.cpu is None:
            return False
        return now.cpu - before.cpu >= _CPU_SHARE * (now.at - before.at)

    def _probe_report(self, outcome: Outcome, latency: float) -> Probe:
        memory = self.memory_bytes()
        match outcome:
            case Busy(operation="probe"):
                works = self._works_since(self._signs_then)
                detail = f"the model has not answered a probe for {outcome.seconds:.1f} s"
                return Probe(
                    healthy=None if works else False,
                    busy_for=outcome.seconds,
                    latency=latency,
                    memory_bytes=memory,
                    detail=f"busy computing; {detail}" if works else detail,
                    answered=False,
                )
            case Busy():
                return Probe(
                    healthy=None,
                    busy_for=outcome.seconds,
                    latency=latency,
                    memory_bytes=memory,
                    detail=f"busy with a {outcome.operation}",
                    answered=False,
                )
            case Failed():
                detail = str(call_error(outcome.error, self._spec.model_id))
                return Probe(healthy=False, latency=latency, memory_bytes=memory, detail=detail)
            case _:
                answer = self._convert(self._value(outcome), ProbeAnswer)
                return Probe(
                    healthy=answer.healthy,
                    degraded=answer.degraded,
                    latency=latency,
                    memory_bytes=memory,
                    detail=clean_text(answer.detail, MAX_MESSAGE),
                )

    def _unanswered(self, waited: float) -> Probe:
        """A worker that does not answer but uses its processor holds the interpreter's lock: busy, not sick."""
        works = self._works_since(self._signs_before)
        since = min(self._work_since.values(), default=math.inf)
        return Probe(
            healthy=None if works else False,
            busy_for=max(self._loop.time() - since, 0.0),
            latency=waited,
            memory_bytes=self.memory_bytes(),
            detail="busy computing" if works else f"no answer in {waited:.1f} s",
            answered=False,
        )

    # Ends

    async def _overrun(self, request: CallRequest, answer: asyncio.Future[Outcome], timeout: float | None) -> None:
        """A call is over its time: ask it to stop, and end the worker where it does not."""
        self._link.send(CancelRequest(target=request.id))
        if not await _settled(answer, GRACE):
            exit_ = await self._kill(
                f"{request.method!r} took longer than {timeout:g} s and did not stop when asked to"
            )
            raise self._died(exit_)
        if not isinstance(answer.result(), Exit):
            error = TimeoutError(f"{request.method!r} of {self._spec.model_id!r} took longer than {timeout:g} s.")
            error.add_note("Hint: The model is still loaded; give the call more time or less work.")
            raise error

    async def _kill(self, why: str) -> Exit:
        self._link.kill(why)
        return await asyncio.shield(self._gone)

    async def _stop(self, grace: float, *, unload: bool) -> Exit:
        deadline = self._loop.time() + grace
        error = await self._unload_within(grace) if unload and not self._exit else ""
        if not self._exit:
            self._link.close()
            await _settled(self._gone, max(deadline - self._loop.time(), _EXIT_GRACE))
        exit_ = self._exit or await self._kill("it did not stop when asked to")
        return msgspec.structs.replace(exit_, error=error)

    async def _unload_within(self, grace: float) -> str:
        """Cancel what runs and waits, and drop the model; what it raised, as text."""
        if not self._loaded and not self._work_since:
            return ""
        self._link.send(CancelRequest(target=None))
        for request_id in self._work_since:
            self._link.send(CancelRequest(target=request_id))
        with self._asking(UnloadRequest(id=self._next_id())) as answer:
            if not await _settled(answer, grace):
                return ""
        outcome = answer.result()
        return str(call_error(outcome.error, self._spec.model_id)) if isinstance(outcome, Failed) else ""


async def _settled(future: asyncio.Future[Any], timeout: float | None) -> bool:
    """Whether the future is done within that many seconds; cancelled itself, it cancels only a wait without end."""
    if timeout is None:
        await future  # a good deal cheaper than `asyncio.wait`
        return True
    done, _ = await asyncio.wait({future}, timeout=timeout)
    return bool(done)
