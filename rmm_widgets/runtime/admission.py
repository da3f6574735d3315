"""Room for a model before its worker starts: what it will need, what is free, who goes for it, what it took in the end.

Who goes is decided by `lifecycle.admission`; unloading is done by the engine, as if a user had asked for it.
One load at a time looks for room, in the order in which they came, so that none takes what another made room for.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import RMMError
from ..lifecycle.admission import Admit, Evict, Refuse, Wait, plan_admission
from ..memory_records import RAM, MemoryHolder
from ..types import freeze, thaw
from ..workers.api import Worker
from ..workers.capacity import Machine, kept_back
from ..workers.gpus import gpu_memory_of
from ..workers.measure import process_memory, resident_memory
from .entry import Entry
from .measurements import Kind, alike, overshoot, with_measurement
from .refusal import refusal
from .room import Room, room_for

if TYPE_CHECKING:
    from ..loading.loader import MemoryEstimate
    from .engine import Engine
    from .memory import Memory

__all__ = ["Admission", "Order"]

_SETTLING = 2.0
"""Seconds that evicted models' memory may take to come back; drivers of GPUs give it back late."""
_PATIENCE = 5.0
"""Seconds after which a load that waits looks again: other programs come and go, too."""
_GPU_CONTEXT = 512 << 20
"""Bytes on a GPU that a process takes beside its model: context, kernels, work space."""
_FIRST_GPU = "cuda:0"
_ON_TORCH = frozenset({"torch", "transformers", "sentence-transformers", "diffusers"})
"""Libraries whose loaders take the first GPU, where there is one and nobody says otherwise."""
_NOISE = 32 << 20
"""Bytes by which the kernel may grow beside a load into it; less says nothing of the model."""

_log = logging.getLogger("rmm_widgets")


@dataclasses.dataclass(eq=False)
class Order:
    """What a load asks of memory, and while it is under way, what is promised to it."""

    entry: Entry
    kind: Kind
    device: str | None
    """The GPU that it was asked for, None for main memory."""
    estimated: int
    """Bytes in all, from the files alone; 0 where nothing tells."""
    need: Mapping[str, int]
    """Bytes by pool, in the light of earlier loads."""
    admitted: bool = False
    worker: Worker | None = None
    resident: int = 0
    """Resident bytes of the kernel before a load into it."""

    @property
    def in_kernel(self) -> bool:
        """Whether it is to live in this process."""
        return self.kind.placement == "kernel"


class _Seen(msgspec.Struct, frozen=True):
    """What was read at one moment: the machine, and what each worker's process takes, by generation."""

    machine: Machine
    workers: Mapping[int, int]


class Admission:
    """The loads of one engine that look for room; everything on the runtime's thread."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self._engine = engine
        self._memory = memory
        self._turn = asyncio.Lock()
        self._orders: dict[int, Order] = {}

    async def make_room(
        self, entry: Entry, generation: int, *, loader: str, folder: Path | None, in_kernel: bool
    ) -> None:
        """Return once there is room for a model, and keep it for this load; evicts idle models where that helps.

        A model of which nothing is known (a custom one at its first load) is let in unchecked.

        Raises:
            InsufficientMemoryError: It does not fit; nothing was evicted for it.
            LoadError: One of its files is damaged.
        """
        order = await self._order(entry, loader, folder, in_kernel=in_kernel)
        self._orders[generation] = order
        entry.residency.estimated = sum(order.need.values())
        if order.need:
            async with self._turn:
                await self._find_room(order)
        order.admitted = True
        order.resident = await self._engine.in_thread(resident_memory, "weigh") if in_kernel else 0

    def placed(self, generation: int, worker: Worker) -> None:
        """The load has a worker: what that takes already is no longer only promised."""
        if generation in self._orders:
            self._orders[generation].worker = worker

    async def loaded(self, entry: Entry, generation: int, worker: Worker) -> None:
        """The model is in memory and was asked once: measure what it takes, and remember that."""
        order = self._orders[generation]
        pid = worker.pid

        def weigh() -> dict[str, int]:
            ram = process_memory(pid) if pid else max(resident_memory() - order.resident, 0)
            return {RAM: ram} | (gpu_memory_of(pid) if pid and entry.device.startswith("cuda") else {})

        held = await self._engine.in_thread(weigh, "weigh")
        residency = entry.residency
        residency.held, residency.order = held, order
        entry.memory_bytes = held[RAM] if pid else 0
        if order.in_kernel and order.estimated:
            return  # libraries imported now are in it, and what others in the kernel took meanwhile: no measure
        residency.warning = overshoot(residency.estimated, sum(held.values()))
        if residency.warning:
            _log.warning("model %s: %s", entry.info.model_id, residency.warning)
        self._remember(entry, order, held)

    async def leaving(self, entry: Entry, worker: Worker) -> None:
        """A model in a process is about to be unloaded: what it takes after its use is news for its next load."""
        pid, order = worker.pid, entry.residency.order
        if pid is None or order is None:
            return
        ram = await self._engine.in_thread(lambda: process_memory(pid), "weigh")
        held = {**entry.residency.held, RAM: ram}
        if sum(held.values()) > sum(entry.residency.held.values()):
            self._remember(entry, order, held, in_place=True)

    def ended(self, generation: int) -> None:
        """The load is over, well or not: nothing is promised to it any more."""
        self._orders.pop(generation, None)

    async def room(self) -> Room:
        """The main memory that one model more, in a process of its own, could have; promises nothing."""
        seen = await self._engine.in_thread(self._look(devices=False, in_kernel=False), "capacity")
        held = sum(each.held.get(RAM, 0) for each in self._holders(seen))
        ram, budget = seen.machine.ram, self._engine.settings.memory_budget
        return room_for(self._free(seen)[RAM], ram.total - kept_back(ram), held, budget)

    # What it will need

    async def _order(self, entry: Entry, loader: str, folder: Path | None, *, in_kernel: bool) -> Order:
        from ..loading.estimate import corrected

        device = await self._gpu(entry, loader, in_kernel=in_kernel)
        kind = Kind(loader, "kernel" if in_kernel else "process", "cuda" if device else "cpu")
        history = alike(entry.measured, kind)
        estimate = await self._estimate(entry, loader, folder) if folder else None
        if estimate is None:
            taken = max((each.measured for each in history[-3:]), default=0)
            return Order(entry, kind, device, 0, {RAM: taken} if taken else {})
        replace = msgspec.structs.replace
        if in_kernel:
            estimate = replace(estimate, libraries=0)
        if device:
            estimate = replace(estimate, working=estimate.working + _GPU_CONTEXT)
        better = corrected(estimate, history)
        model = better.weights + better.working
        need = {RAM: better.libraries, device: model} if device else {RAM: better.total}
        return Order(entry, kind, device, estimate.total, need)

    async def _gpu(self, entry: Entry, loader: str, *, in_kernel: bool) -> str | None:
        """The GPU that a load will use, as `workers.gpus` names it; None for main memory."""
        asked = entry.options.device
        if entry.live_config.get("force_cpu") or entry.custom:
            return None
        if asked is not None:
            return (_FIRST_GPU if asked == "cuda" else asked) if asked.startswith("cuda") else None
        from ..loading.loaders import get_loader

        read = self._engine.settings.read_machine

        def look() -> str | None:
            on_torch = get_loader(loader, model_id=entry.info.model_id).library in _ON_TORCH
            return _FIRST_GPU if on_torch and _FIRST_GPU in read(devices=True, in_kernel=in_kernel).devices else None

        return await self._engine.in_thread(look, "gpus")

    async def _estimate(self, entry: Entry, loader: str, folder: Path) -> MemoryEstimate | None:
        from ..loading.loaders import get_loader

        info, config = entry.info, thaw(entry.live_config)

        def estimate() -> MemoryEstimate:
            return get_loader(loader, model_id=info.model_id).estimate(folder, info.model_type, config)

        try:
            return await self._engine.in_thread(estimate, "estimate")
        except RMMError:
            raise
        except Exception:  # noqa: BLE001 - the loader may be another package's: its mistake is no reason not to load
            _log.warning("the loader %r cannot tell what %s needs", loader, info.model_id, exc_info=True)
            return None

    # What is free, and making it so

    async def _find_room(self, order: Order) -> None:
        evicted, settled_at = False, 0.0
        while True:
            seen = await self._engine.in_thread(
                self._look(devices=order.device is not None, in_kernel=order.in_kernel), "capacity"
            )
            holders = self._holders(seen, apart_from=order.entry)
            free = self._free(seen, order)
            budget = self._engine.settings.memory_budget
            need = {pool: wanted for pool, wanted in order.need.items() if pool in free}
            plan = plan_admission(need, free, budget, holders)
            match plan:
                case Admit():
                    return
                case Wait(model_ids):
                    await self._change(self._first_use_left(model_ids))
                    settled_at = time.monotonic() + _SETTLING if evicted else 0.0
                case _ if time.monotonic() < settled_at:
                    await self._change(0.1)
                case Evict(model_ids):
                    self._evict(model_ids, order)
                    evicted, settled_at = True, time.monotonic() + _SETTLING
                case Refuse(short):
                    raise refusal(
                        order.entry.info.model_id,
                        short=short[0],
                        need=need,
                        free=free,
                        budget=budget,
                        machine=seen.machine,
                        holders=holders,
                    )

    def _look(self, *, devices: bool, in_kernel: bool) -> Callable[[], _Seen]:
        read = self._engine.settings.read_machine
        workers = {
            self._engine.state(entry.info.model_id).worker: entry.worker
            for entry in self._engine.entries.values()
            if entry.worker is not None
        } | {generation: each.worker for generation, each in self._orders.items() if each.worker is not None}

        def look() -> _Seen:
            machine = read(devices=devices, in_kernel=in_kernel)
            return _Seen(machine, {generation: worker.memory_bytes() for generation, worker in workers.items()})

        return look

    def _holders(self, seen: _Seen, *, apart_from: Entry | None = None) -> list[MemoryHolder]:
        """The models in memory but one, and those on their way there for which there was room."""
        found: list[MemoryHolder] = []
        for model_id, entry in self._engine.entries.items():
            generation = self._engine.state(model_id).worker
            theirs = self._orders.get(generation)
            if not generation or entry is apart_from or (theirs is not None and not theirs.admitted):
                continue
            measured = seen.workers.get(generation, 0)
            if theirs is not None:
                held = {**theirs.need, RAM: max(theirs.need.get(RAM, 0), measured)}
            else:
                held = {**entry.residency.held, RAM: measured or entry.residency.held.get(RAM, 0)}
            found.append(
                MemoryHolder(
                    model_id=model_id,
                    held=held,
                    state=self._memory.state_of(entry),
                    idle_since=entry.residency.idle_since,
                )
            )
        return found

    def _free(self, seen: _Seen, order: Order | None = None) -> dict[str, int]:
        """Bytes by pool that are neither taken, nor promised to others, nor kept back."""
        pools = {RAM: seen.machine.ram}
        if order is not None and order.device and order.device in seen.machine.devices:
            pools[order.device] = seen.machine.devices[order.device]
        free: dict[str, int] = {}
        for pool, capacity in pools.items():
            promised = 0
            for generation, other in self._orders.items():
                if other is not order and other.admitted:
                    taken = seen.workers.get(generation, 0) if pool == RAM else 0
                    promised += max(other.need.get(pool, 0) - taken, 0)
            free[pool] = capacity.available - kept_back(capacity) - promised
        return free

    def _evict(self, model_ids: tuple[str, ...], order: Order) -> None:
        for model_id in model_ids:
            entry = self._engine.entries[model_id]
            self._memory.unload(
                entry,
                action="evicted",
                evicted_for=order.entry.info.model_id,
                idle_seconds=round(time.monotonic() - entry.residency.idle_since, 1),
                memory_bytes=sum(entry.residency.held.values()),
            )

    def _first_use_left(self, model_ids: tuple[str, ...]) -> float:
        now = time.monotonic()
        ends = [self._engine.entries[name].residency.unused_until for name in model_ids if name in self._engine.entries]
        return min([end - now for end in ends if end > now], default=_PATIENCE)

    async def _change(self, seconds: float) -> None:
        """Wait for a change of any model, but not longer than this."""
        moved = asyncio.Event()
        self._engine.subscribe(moved.set)
        try:
            async with asyncio.timeout(min(seconds, _PATIENCE)):  # Python 3.11's wait_for can lose a cancel
                await moved.wait()
        except TimeoutError:
            pass
        finally:
            self._engine.unsubscribe(moved.set)

    # What it took

    def _remember(self, entry: Entry, order: Order, held: Mapping[str, int], *, in_place: bool = False) -> None:
        if order.device and order.device not in held:
            return  # what it takes there is not told
        measured = sum(held.values())
        if order.in_kernel and measured < _NOISE:
            return
        grown = with_measurement(entry.measured, order.kind, order.estimated, measured, in_place=in_place)
        if grown is not None:
            entry.measured = freeze(grown)
            self._engine.on_measured(entry)
