"""A worker in the kernel itself: the core's work lane is a thread.

Nothing is copied, so arguments and results may be of any type. A thread cannot be killed: where a hard end
is due, the worker is abandoned, and whatever it still does is dropped.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import threading
from typing import Any, Literal

from ..loading.servable import Servable
from .api import Exit, Worker, WorkerSpec
from .core import WorkerCore
from .handle import WorkerHandle
from .link import Inbox
from .messages import Reply, Request

__all__ = ["start_thread_worker"]

_ABANDON_AFTER = 0.5
_turn = threading.Lock()


async def start_thread_worker(spec: WorkerSpec, servable: Servable, *, alone: bool = False) -> Worker:
    """Start a worker that runs `servable` in a thread of this process; `spec.loader` is not used.

    Args:
        spec: What it is for.
        servable: The model, not loaded yet.
        alone: Load it only while no other load with `alone` runs in this process: libraries change global state
            while they load, such as the default type of numbers. One that was given up counts until it ends.
    """
    link = _ThreadLink()
    worker = WorkerHandle(spec, link)
    link.start(servable, worker, spec, _turn if alone else None)
    return worker


class _ThreadLink:
    placement: Literal["kernel"] = "kernel"
    pid: int | None = None

    def __init__(self) -> None:
        self._core: WorkerCore
        self._inbox: Inbox
        self._killed = ""
        self._lane_ended = False

    @property
    def model(self) -> Any:
        return self._core.model

    def start(self, servable: Servable, inbox: Inbox, spec: WorkerSpec, turn: threading.Lock | None) -> None:
        self._inbox = inbox
        self._core = WorkerCore(lambda: servable, self._emit, generation=spec.generation, turn=turn)
        threading.Thread(target=self._run, name=f"rmm-model-{spec.model_id}", daemon=True).start()

    def _emit(self, reply: Reply) -> int:
        self._inbox.deliver(reply)
        return 0

    def _run(self) -> None:
        self._core.run()
        self._lane_ended = True
        _return_memory()
        self._inbox.ended(Exit(kind="stopped", reason=f"was ended: {self._killed}" if self._killed else "was stopped"))

    def send(self, request: Request) -> None:
        self._core.submit(request)

    def close(self) -> None:
        self._core.close()

    def kill(self, why: str) -> None:
        self._killed = why
        self._core.close()
        asyncio.get_running_loop().call_later(_ABANDON_AFTER, self._abandon)

    def _abandon(self) -> None:
        if not self._lane_ended:
            reason = f"was given up: {self._killed}; a thread cannot be ended, what it still does is dropped"
            self._inbox.ended(Exit(kind="abandoned", reason=reason))

    def memory_bytes(self) -> int:
        return 0

    def cpu_seconds(self) -> float | None:
        return None


def _return_memory() -> None:
    """Give freed memory back to the system, as far as the C library can."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        pass  # not glibc
