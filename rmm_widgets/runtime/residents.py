"""Models in memory: starting a worker, loading, calling, unloading, and noticing when one dies.

When a model may be loaded is the machine's business; how a worker works is `workers`'.
"""

from __future__ import annotations

import asyncio
import importlib
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import (
    IntegrityError,
    LoadError,
    LoadTimeoutError,
    ModelNotAvailableError,
    WorkerDiedError,
)
from ..lifecycle.effects import Announce
from ..lifecycle.states import Stage
from ..types import ModelEventType, ModelHealth, ModelInstance, freeze, thaw
from ..workers.api import Exit, Worker, WorkerSpec
from .entry import Entry, Isolation
from .loader_choice import with_other_loaders
from .probing import Probing
from .resident import Resident
from .restarting import Restarting

if TYPE_CHECKING:
    from ..loading.servable import Servable
    from .engine import Engine

__all__ = ["Residents"]

UNLOAD_TIMEOUT = 30.0
"""Seconds that a custom model's `unload` may take; a process is simply ended."""

STOP_GRACE = 2.0
_NEEDED = (
    *("loading.custom", "loading.detect", "loading.estimate", "loading.safety.folder"),
    *("workers.process", "workers.thread"),
)
_WORTH_COUNTING = 1.0

LAST_WORDS = 200
"""Characters of a dead worker's last line that its error quotes; the error's note has more."""


class Residents:
    """The models in memory of one engine; everything on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loads: dict[str, asyncio.Task[None]] = {}
        self._handles: weakref.WeakKeyDictionary[ModelInstance, Resident] = weakref.WeakKeyDictionary()
        self._has_imported = False
        self.probing = Probing(engine)
        self.restarting = Restarting(engine)

    # What the engine asks for

    def start(self, model_id: str, generation: int) -> None:
        """Begin a load."""
        entry = self._engine.entry(model_id)
        handle = self._handles.get(entry.instance) if entry.instance is not None else None
        if handle is not None and self._engine.state(model_id).restart:
            handle.move_to(generation)
        else:
            resident = Resident(self._engine, entry, generation)
            entry.instance = ModelInstance(resident)
            self._handles[entry.instance] = resident
        entry.live_config = freeze({**entry.config, **entry.options.config})
        entry.error = None
        entry.loader, entry.other_loaders = "", ()
        self._loads[model_id] = self._engine.loop.spawn(self._load(entry, generation), name=f"load {model_id}")

    def stop(self, model_id: str, generation: int) -> None:
        """End a load; it reports when its worker is gone."""
        del generation  # there is one load per model at a time
        self._engine.loop.stop_task(self._loads[model_id])

    def unload(self, model_id: str, generation: int, *, force: bool) -> None:
        """Begin an unload."""
        entry = self._engine.entry(model_id)
        self._engine.loop.spawn(self._unload(entry, generation, force=force), name=f"unload {model_id}")

    def used(self, model_id: str) -> None:
        """Note that somebody asked for a loaded model."""
        self._engine.memory.used(self._engine.entry(model_id))
        self._engine.touch(model_id)

    async def kill(self, entry: Entry) -> None:
        """End a model's worker whatever it does; for the end of the manager."""
        worker = entry.worker
        if worker is not None:
            await worker.stop(STOP_GRACE, unload=False)

    def announced(self, entry: Entry, effect: Announce) -> None:
        """Let health and handles follow what was just announced."""
        engine = self._engine
        match effect.type, effect.action:
            case ModelEventType.LOAD_START, _:
                if engine.state(entry.info.model_id).stage is not Stage.LOADED:
                    engine.set_health(entry, ModelHealth.UNKNOWN, told="it is being loaded")
            case ModelEventType.LOAD_COMPLETE, _:
                self.probing.loaded(entry)
            case ModelEventType.LOAD_ERROR, "load_failed" | "worker_died" | "crash_loop" | "unload_failed":
                if effect.failure is not None and effect.failure.phase != "download":
                    engine.set_health(entry, ModelHealth.UNHEALTHY, effect.failure.reason)
            case (ModelEventType.UNLOAD, _) | (ModelEventType.LOAD_ERROR, "load_cancelled"):
                self._forget(entry)
            case ModelEventType.DOWNLOAD_START, _:
                self._forget(entry)  # of a load that failed, which is history now
            case _:
                pass

    def _forget(self, entry: Entry) -> None:
        state = self._engine.machine.models.get(entry.info.model_id)
        if state is not None and state.worker:
            return  # a load that waited was cancelled; the loaded model stays
        entry.instance = None
        entry.worker = None
        entry.loaded_at = None
        entry.residency.ended()
        self._engine.set_health(entry, ModelHealth.UNKNOWN, told="it is not in memory any more")

    # The work

    async def _load(self, entry: Entry, generation: int) -> None:
        engine, machine, model_id = self._engine, self._engine.machine, entry.info.model_id
        admission = engine.memory.admission
        worker: Worker | None = None
        started = time.monotonic()
        try:
            folder = None if entry.custom else await self._intact_folder(entry)
            began = time.monotonic()
            worker = await self._place_in_time(entry, generation, folder)
            admission.placed(generation, worker)
            report = await worker.load(_left(engine.settings.load_timeout, time.monotonic() - began))
            entry.worker = worker
            entry.device, entry.placement, entry.memory_bytes = report.device, worker.placement, report.memory_bytes
            await self.probing.first(entry, worker, _left(engine.settings.load_timeout, time.monotonic() - began))
            await admission.loaded(entry, generation, worker)
            if worker.exited.done():
                raise _death(model_id, worker.exited.result())
            if engine.state(model_id).stage is Stage.ABORTING:
                raise asyncio.CancelledError  # `stop` was called in this very round of the loop
        except asyncio.CancelledError:
            await self._end(worker)
            machine.load_stopped(model_id, generation)
            engine.integrity.unloaded(entry)
        except Exception as raised:  # noqa: BLE001 - whatever it is, the job must end with it
            await self._end(worker)
            entry.worker = None
            error = with_other_loaders(entry, await self._cause(entry, raised))
            damaged = isinstance(error, IntegrityError)
            failure = self.restarting.load_failed(entry, generation, "download" if damaged else "load", error)
            if damaged and model_id in machine.models:
                machine.files_damaged(model_id, failure)
            if isinstance(error, ModelNotAvailableError) and model_id in machine.models:
                machine.set_on_disk(model_id, False)
        else:
            entry.loaded_at = datetime.now(UTC)
            entry.load_seconds = round(time.monotonic() - started, 3)
            engine.memory.loaded(entry)
            machine.load_done(model_id, generation)
            worker.exited.add_done_callback(lambda exited: self._exited(entry, generation, exited))
        finally:
            self._loads.pop(model_id, None)
            admission.ended(generation)
            engine.settle(model_id)

    async def _cause(self, entry: Entry, error: Exception) -> Exception:
        """The error of a load, or that of its files where a verification has put them aside meanwhile."""
        if entry.custom or isinstance(error, IntegrityError | ModelNotAvailableError):
            return error
        try:
            found = await self._engine.in_thread(lambda: self._engine.disk.find(entry), "disk")
        except (asyncio.CancelledError, OSError):
            return error
        if found is not None:
            return error
        return entry.damage.error if entry.damage is not None else _files_gone(entry)

    async def _end(self, worker: Worker | None) -> None:
        while worker is not None and not worker.exited.done():
            try:
                await worker.stop(STOP_GRACE, unload=False)
            except asyncio.CancelledError:
                pass  # a load cancelled now: the end of its worker is what that asks for

    async def _place_in_time(self, entry: Entry, generation: int, folder: Path | None) -> Worker:
        seconds = self._engine.settings.load_timeout
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._place(entry, generation, folder)
        except TimeoutError:
            if not limit.expired():
                raise
            raise LoadTimeoutError(
                f"Model {entry.info.model_id} could not even begin to load within {seconds:g} s",
                model_id=entry.info.model_id,
                hint=(
                    "The callable that makes a custom model may hang"
                    if entry.custom
                    else "Its libraries may be slow, or memory be long in coming free"
                )
                + "; raise manager.load_timeout if it needs longer.",
            ) from None

    async def _place(self, entry: Entry, generation: int, folder: Path | None) -> Worker:
        engine, info = self._engine, entry.info
        if not self._has_imported:
            await engine.in_thread(_import_what_loads_need, "imports")
            self._has_imported = True
        isolation = entry.options.isolation or engine.settings.isolation
        device = entry.options.device
        if folder is None:
            return await self._place_custom(entry, generation, device)
        from ..loading.detect import detect

        trusted = await engine.gate.check(entry, folder, isolation)
        wanted = entry.options.loader
        detection = await engine.in_thread(lambda: detect(folder, loader=wanted, model_type=info.model_type), "detect")
        entry.loader, entry.other_loaders = detection.loader, detection.usable_alternatives
        spec = WorkerSpec(
            model_id=info.model_id,
            model_type=info.model_type.value,
            generation=generation,
            path=str(folder),
            loader=detection.loader,
            config=thaw(entry.live_config),
            device=device,
            log_path=engine.logs.new(generation),
            trusted=trusted,
            preload=detection.preload,
        )
        in_kernel = isolation == "kernel"
        await engine.memory.admission.make_room(
            entry, generation, loader=detection.loader, folder=folder, in_kernel=in_kernel
        )
        if isolation == "process":
            from ..workers.process import start_process_worker

            return await start_process_worker(spec, nurseries=engine.nurseries)
        from ..loading.loaders import open_servable
        from ..workers.thread import start_thread_worker

        servable: Servable = await engine.in_thread(
            lambda: open_servable(
                detection.loader, model_id=info.model_id, model_type=info.model_type.value, path=str(folder)
            ),
            "open",
        )
        entry.residency.servable = weakref.ref(servable)
        return await start_thread_worker(spec, servable, alone=True)

    async def _intact_folder(self, entry: Entry) -> Path:
        """The model's files, looked for again, as somebody may have deleted them, and read where they are new here.

        This takes as long as it takes: the time limit of a load is not about it.
        """
        await self._engine.disk.look(entry)
        if entry.damage is not None:
            raise entry.damage.error
        folder = await self._engine.integrity.check_before_load(entry) if entry.snapshot is not None else None
        if folder is None:
            raise _files_gone(entry)
        return folder

    def check_isolation(self, entry: Entry, isolation: Isolation | None) -> None:
        """Refuse to place a custom model where it cannot live.

        Raises:
            LoadError: It is a custom model, which is to live in a process of its own.
        """
        if entry.custom and isolation == "process":
            raise LoadError(
                f"Model {entry.info.model_id} is a custom model: its class lives in this kernel only",
                model_id=entry.info.model_id,
                hint='Leave isolation out, or give isolation="kernel".',
            )

    async def _place_custom(self, entry: Entry, generation: int, device: str | None) -> Worker:
        from ..loading.custom import CustomServable
        from ..workers.thread import start_thread_worker

        info = entry.info
        self.check_isolation(entry, entry.options.isolation)
        model = await self._engine.in_thread(entry.custom_model, "custom-model")
        await self._engine.memory.admission.make_room(entry, generation, loader="custom", folder=None, in_kernel=True)
        entry.live_config = freeze({**model.config, **entry.live_config})
        spec = WorkerSpec(
            model_id=info.model_id,
            model_type=info.model_type.value,
            generation=generation,
            path="",
            loader="custom",
            config=thaw(entry.live_config),
            device=device,
        )
        return await start_thread_worker(spec, CustomServable(model, entry.turn))

    async def _unload(self, entry: Entry, generation: int, *, force: bool) -> None:
        engine, machine, model_id = self._engine, self._engine.machine, entry.info.model_id
        worker = entry.worker
        try:
            if worker is not None:
                await engine.memory.leaving(entry, worker)
                if worker.placement == "kernel" and not force:
                    await worker.unload(UNLOAD_TIMEOUT)
                await worker.stop(STOP_GRACE)
                await engine.memory.left(entry)
        except WorkerDiedError:
            machine.unload_done(model_id, generation)
            engine.integrity.unloaded(entry)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end with it
            failure = engine.fail(entry, "unload", error)
            machine.unload_failed(model_id, generation, failure)
            if worker is not None and worker.exited.done():
                machine.worker_died(model_id, generation, failure)  # `_exited` left that to the unload
        else:
            if worker is not None:
                engine.logs.drop(worker.spec.log_path)
            machine.unload_done(model_id, generation)
            engine.integrity.unloaded(entry)
        finally:
            engine.settle(model_id)

    def _exited(self, entry: Entry, generation: int, exited: asyncio.Future[Exit]) -> None:
        engine, model_id = self._engine, entry.info.model_id
        state = engine.machine.models.get(model_id)
        if state is None or state.worker != generation or state.stage not in {Stage.LOADED, Stage.ERROR}:
            return
        error = _death(model_id, exited.result())
        entry.worker = None
        self.restarting.died(entry, generation, exited.result(), error)
        engine.integrity.unloaded(entry)
        engine.settle(model_id)


def _import_what_loads_need() -> None:
    """On a thread: the first import of it all would hold the loop up for a tenth of a second."""
    for module in _NEEDED:
        importlib.import_module(f"...{module}", __name__)


def _left(limit: float | None, spent: float) -> float | None:
    """What is left of a load's time once its worker is there, which can take long where libraries are imported."""
    if limit is None or spent < _WORTH_COUNTING:
        return limit
    return max(round(limit - spent, 1), _WORTH_COUNTING)


def _files_gone(entry: Entry) -> ModelNotAvailableError:
    return ModelNotAvailableError(
        f"The files of model {entry.info.model_id} are no longer all on disk",
        model_id=entry.info.model_id,
        hint="Download it again.",
    )


def _death(model_id: str, exit_: Exit) -> WorkerDiedError:
    last_line = exit_.detail.rstrip().rpartition("\n")[2][-LAST_WORDS:].strip()
    wrote = f"; the last line it wrote: {last_line}" if last_line else ""
    error = WorkerDiedError(
        f"The process of model {model_id} {exit_.reason}{wrote}",
        model_id=model_id,
        hint="Load it again.",
        signal=exit_.signal,
        exitcode=exit_.exitcode,
    )
    if exit_.detail:
        error.add_note(f"Its last output:\n{exit_.detail}")
    return error
