"""In place of worker processes and model threads: a link whose other end loads, answers, hangs and dies by the seed.

The handle on it (`WorkerHandle`) is the real one.
"""

from __future__ import annotations

import signal
from collections import deque
from typing import Any, Literal

from rmm_widgets.errors import LoadError
from rmm_widgets.workers.api import Exit, WorkerSpec
from rmm_widgets.workers.handle import WorkerHandle
from rmm_widgets.workers.link import Inbox
from rmm_widgets.workers.messages import (
    Busy,
    CancelRequest,
    Done,
    ErrorRecord,
    Failed,
    LoadRequest,
    Phase,
    ProbeRequest,
    Reply,
    Request,
    UnloadRequest,
    WorkRequest,
)

from .loop import Line
from .world import World

__all__ = ["SimLink", "doubles_of_workers"]

KILLED = Exit(kind="signal", signal=signal.SIGKILL, reason="was killed by signal 9 (SIGKILL)")
PHASES: dict[str, Phase] = {"LoadRequest": "load", "ProbeRequest": "probe", "UnloadRequest": "unload"}


class SimLink:
    """The link, the worker at its other end, and what befalls it."""

    def __init__(self, world: World, spec: WorkerSpec, placement: Literal["process", "kernel"]) -> None:
        self.world = world
        self.spec = spec
        self.placement: Literal["process", "kernel"] = placement
        self.pid = 1000 + spec.generation if placement == "process" else None
        self.alive = True
        self.loaded = False
        self.told = False
        """The kernel's side has been told of the end."""
        self._inbox: Inbox
        self._there, self._back = Line(world.outside), Line(world.outside)
        self._waiting: deque[WorkRequest] = deque()
        self._running: WorkRequest | None = None
        self._cancelled = self._hangs = self._closing = False

    def start(self, inbox: Inbox) -> None:
        self._inbox = inbox

    # The link

    def send(self, request: Request) -> None:
        self._there.add(lambda: self._arrives(request))

    def close(self) -> None:
        self._there.add(self._asked_to_end)

    def kill(self, why: str) -> None:
        if self.placement == "process":
            self.die(Exit(kind="killed", signal=signal.SIGKILL, reason=f"was ended: {why}"))
            return
        self._there.add(self._asked_to_end)
        abandoned = Exit(kind="abandoned", reason=f"was given up: {why}")
        self.world.loop.call_later(0.5, lambda: self.die(abandoned))

    def memory_bytes(self) -> int:
        return 10_000_000 if self.alive and self.placement == "process" else 0

    def cpu_seconds(self) -> float | None:
        return 0.0 if self.placement == "process" else None

    # The worker

    def die(self, exit_: Exit = KILLED) -> None:
        if self.alive:
            self.alive = self.loaded = False

            def tell() -> None:
                self.told = True
                self._inbox.ended(exit_)

            self._back.add(tell)

    def wake(self) -> None:
        """What hung was only slow."""
        if self._hangs and self._running is not None:
            self._hangs = False
            self.world.outside.add(self._end_of(self._running))

    def _arrives(self, request: Request) -> None:
        if not self.alive or self._closing:
            return
        busy = self._running or self._waiting
        if isinstance(request, CancelRequest):
            self._cancel(request.target)
        elif isinstance(request, ProbeRequest) and busy:
            self._reply(Busy(id=request.id, generation=self.spec.generation, operation="call", seconds=1.0))
        else:
            self._waiting.append(request)
            self._begin()

    def _begin(self) -> None:
        if self._running is None and self._waiting:
            self._running, self._cancelled = self._waiting.popleft(), False
            self._hangs = self.world.fault()
            if not self._hangs:
                self.world.outside.add(self._end_of(self._running))

    def _end_of(self, request: WorkRequest) -> Any:
        def end() -> None:
            if not self.alive or self._running is not request:
                return
            if self.world.fault():
                self.die()
                return
            self._running = None
            self._reply(self._outcome(request))
            if self._closing:
                self.die(Exit(kind="stopped"))
            else:
                self._begin()

        return end

    def _outcome(self, request: WorkRequest) -> Reply:
        given_up = self._cancelled and self.world.chance(0.5)
        if given_up or self.world.fault():
            error = ErrorRecord(
                type="ValueError", message="a bad day", phase=PHASES.get(type(request).__name__, "call")
            )
            return Failed(id=request.id, generation=self.spec.generation, error=error)
        value: Any = None
        if isinstance(request, LoadRequest):
            self.loaded, value = True, {"device": "cpu", "detail": {}}
        elif isinstance(request, ProbeRequest):
            value = {"healthy": True, "degraded": False, "detail": ""}
        elif isinstance(request, UnloadRequest):
            self.loaded = False
        return Done(id=request.id, generation=self.spec.generation, value=value)

    def _cancel(self, target: int | None) -> None:
        running = self._running
        if running is not None and target in {None, running.id}:
            self._cancelled = True
            if self.world.chance(0.5):
                self.wake()
            return
        dropped = next((request for request in self._waiting if request.id == target), None)
        if dropped is not None:
            self._waiting.remove(dropped)
            error = ErrorRecord(type="CallCancelledError", message="cancelled before it began", phase="call")
            self._reply(Failed(id=dropped.id, generation=self.spec.generation, error=error))

    def _asked_to_end(self) -> None:
        self._closing = True
        self._waiting.clear()
        if self._running is None:
            self.die(Exit(kind="stopped"))
        else:
            self._cancel(None)

    def _reply(self, reply: Reply) -> None:
        self._back.add(lambda: self._inbox.deliver(reply))


def doubles_of_workers(world: World) -> dict[str, Any]:
    """What replaces the start of a worker, by the names that the runtime uses."""

    def begin(spec: WorkerSpec, placement: Literal["process", "kernel"]) -> tuple[SimLink, WorkerHandle]:
        link = SimLink(world, spec, placement)
        handle = WorkerHandle(spec, link)
        link.start(handle)
        world.links.append(link)
        return link, handle

    async def start_process_worker(spec: WorkerSpec, **_more: Any) -> WorkerHandle:
        await world.outside.moment()
        if world.fault():
            raise LoadError("no processes left", model_id=spec.model_id, hint="End some.")
        link, handle = begin(spec, "process")
        try:
            await world.outside.moment()
        except BaseException:
            link.kill("its start was cancelled")
            raise
        return handle

    async def start_thread_worker(spec: WorkerSpec, _servable: object, **_more: Any) -> WorkerHandle:
        return begin(spec, "kernel")[1]

    return {
        "workers.process.start_process_worker": start_process_worker,
        "workers.thread.start_thread_worker": start_thread_worker,
    }
