"""The placements that the conformance suite runs on. A further one joins by one more entry in `PLACEMENTS`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from rmm_widgets.workers.api import Worker, WorkerSpec
from rmm_widgets.workers.nursery import Nurseries
from rmm_widgets.workers.process import start_process_worker
from rmm_widgets.workers.thread import start_thread_worker

from .servables import make

__all__ = ["LIGHT", "OWN_PROCESS", "PLACEMENTS", "Placement"]

LIGHT = ("colorsys",)
"""What the nursery of these tests imports: hardly anything."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """How to start a worker, and what it can do that others need not.

    Attributes:
        word: What `Worker.placement` says.
        start: Starts an empty worker for a specification whose loader makes a `Gadget`.
        own_process: Whether its workers have a process, a pid and memory of their own. Only such can be
            ended whatever they do; others are abandoned, which is the one difference allowed (rule 11).
    """

    word: str
    start: Callable[[WorkerSpec, Nurseries], Awaitable[Worker]]
    own_process: bool

    @property
    def hard_end(self) -> str:
        """How a worker ends that heeds nothing."""
        return "killed" if self.own_process else "abandoned"


async def _anew(spec: WorkerSpec, nurseries: Nurseries) -> Worker:
    return await start_process_worker(spec)


async def _forked(spec: WorkerSpec, nurseries: Nurseries) -> Worker:
    worker = await start_process_worker(msgspec.structs.replace(spec, preload=LIGHT), nurseries=nurseries)
    assert nurseries.pids(), "the worker did not come from a nursery"
    return worker


async def _in_thread(spec: WorkerSpec, nurseries: Nurseries) -> Worker:
    return await start_thread_worker(spec, make())


PLACEMENTS = {
    "process": Placement(word="process", start=_anew, own_process=True),
    "forked": Placement(word="process", start=_forked, own_process=True),
    "kernel": Placement(word="kernel", start=_in_thread, own_process=False),
}
OWN_PROCESS = [name for name, placement in PLACEMENTS.items() if placement.own_process]
