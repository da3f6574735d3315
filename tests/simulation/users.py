"""What the users of a simulated manager ask for, and what befalls them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from rmm_widgets.base_model import BaseModel
from rmm_widgets.errors import RMMError
from rmm_widgets.manager import ModelManager
from rmm_widgets.registry.records import StoredModel
from rmm_widgets.runtime.job import Job
from rmm_widgets.types import ModelDownloadProgress, ModelHealth, ModelInfo, ModelInstance, ModelType

from .world import World

__all__ = ["NAMES", "Users"]

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
TYPE = ModelType.CLASSIFICATION_MODEL
CUSTOM = "mine"
NAMES = ("m0", "m1", "m2", CUSTOM)
"""The models: three of the hub and one of the user's own."""


class Custom(BaseModel):
    """A user's own model, whose coroutines take as long as the seed wants."""

    def __init__(self, world: World) -> None:
        super().__init__(CUSTOM, TYPE)
        self._world = world
        self._there = False

    async def download(self) -> None:
        for step in range(3):
            await self._world.outside.moment()
            if self._world.fault():
                raise OSError("a bad day")
            self.report_progress(step + 1, 3)
        self._there = True

    async def load(self, config: object = None) -> None: ...

    async def unload(self) -> None: ...

    async def health_check(self) -> ModelHealth:
        return ModelHealth.HEALTHY

    async def is_available(self) -> bool:
        await self._world.outside.moment()
        return self._there


class Users:
    """Threads that use one manager; each request stands for one of them, and none waits for another."""

    def __init__(self, world: World, manager: ModelManager) -> None:
        self.world, self.manager = world, manager
        self.numbers = world.numbers
        self.trace: list[str] = []
        self.jobs: list[Job[Any]] = []
        self.waits: list[Future[Any]] = []
        self.unloads: dict[Job[Any], int] = {}
        """Which generation each unload was asked to end."""

    def request(self) -> None:
        """One request of some user's thread."""
        name = self.numbers.choice(NAMES)
        kind = self.numbers.choice(REQUESTS)
        self.trace.append(f"{self.world.steps}: {kind.__name__} {name}")
        try:
            answer = kind(self, name)
        except RMMError as error:
            self.trace.append(f"  {type(error).__name__}: {error}")
            return
        if isinstance(answer, Job):
            self.jobs.append(answer)

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        self.waits.append(self.manager._loop.submit(work))

    def as_a_call_does(self, work: Coroutine[Any, Any, Any]) -> None:
        """What `manager._run` does, without waiting for it here."""
        self.in_background(self.manager._engine.delivered(work, None))

    def register(self, name: str) -> None:
        self.as_a_call_does(self._register(name))

    async def _register(self, name: str) -> None:
        info = ModelInfo(name, TYPE, f"r/{NAMES.index(name)}", description=str(self.numbers.randrange(3)))
        model = Custom(self.world) if name == CUSTOM else None
        await self.manager._registrar.register(info, model, replace=False)

    def download(self, name: str) -> object:
        if self.numbers.random() < 0.5:
            return self.manager.download_model(name)
        last: list[float] = [0.0]

        def progress(report: ModelDownloadProgress) -> None:
            assert last[-1] <= report.progress <= 100 or report.phase in {"queued", "paused"}, "progress fell"
            last.append(report.progress)

        return self.manager.download_model(name, progress)

    def cancel_download(self, name: str) -> object:
        return self.manager.cancel_download(name, discard=self.world.chance(0.2))

    def discard_download(self, name: str) -> object:
        return self.manager.discard_download(name)

    def move_download(self, name: str) -> object:
        return self.manager.move_download(name, self.numbers.randrange(3))

    def pause_download(self, name: str) -> object:
        return self.manager.pause_download(name)

    def resume_download(self, name: str) -> object:
        return self.manager.resume_download(name)

    def load(self, name: str) -> object:
        return self.manager.load_model(name)

    def cancel_load(self, name: str) -> object:
        return self.manager.cancel_load(name)

    def unload(self, name: str) -> object:
        state = self.manager._engine.machine.models.get(name)
        job = self.manager.unload_model(name)
        self.unloads.setdefault(job, state.worker if state else 0)
        return job

    def use(self, name: str) -> None:
        async def use() -> None:
            async with self.manager.use(name) as instance:
                assert isinstance(instance, ModelInstance)
                await instance.acall("__call__", 1, timeout=5.0)

        self.in_background(use())

    def call(self, name: str) -> None:
        instance = self.manager.get_model_instance(name)
        if instance is not None:
            self.in_background(instance.acall("__call__", 1, timeout=5.0))

    def configure(self, name: str) -> None:
        entry = self.manager._engine.entry(name)
        if not entry.custom:
            self.as_a_call_does(self.manager._registrar.configure(name, {"top_k": self.numbers.randrange(1, 4)}))

    def pin(self, name: str) -> None:
        self.manager._engine.entry(name)
        self.as_a_call_does(self.manager._registrar.pin(name, self.world.chance(0.5)))

    def check_health(self, name: str) -> object:
        return self.manager.check_health(name)

    def verify(self, name: str) -> object:
        return self.manager.verify_model(name)

    def delete(self, name: str) -> object:
        return self.manager.delete_model(name, remove_files=self.world.chance(0.3))

    def look_again(self, _name: str) -> None:
        self.in_background(self.manager._registrar.look_again())

    def cancel_some_job(self, _name: str) -> None:
        if self.jobs:
            # Whoever holds a job has been given it: this comes after all that giving it has begun.
            self.world.loop.call_soon_threadsafe(self.numbers.choice(self.jobs).cancel)

    def set_limits(self, _name: str) -> None:
        self.manager.max_concurrent_loads = self.numbers.randrange(1, 3)
        self.manager.max_concurrent_downloads = self.numbers.randrange(1, 3)

    def read_everything(self, name: str) -> None:
        self.manager.get_state()
        self.manager.get_statistics()
        self.manager.get_model_status(name)
        repr(self.manager.get_model_instance(name))

    # What befalls them

    def a_worker_dies(self, _name: str) -> None:
        alive = [link for link in self.world.links if link.alive and link.placement == "process"]
        if alive:
            self.numbers.choice(alive).die()

    def files_rot(self, name: str) -> None:
        it = self.world.repositories[f"r/{NAMES.index(name)}"]
        if it.complete:
            it.damaged = it.vandalised = True

    def files_vanish(self, name: str) -> None:
        it = self.world.repositories[f"r/{NAMES.index(name)}"]
        it.complete, it.fetched, it.vandalised = False, 0, True

    def another_kernel_writes(self, name: str) -> None:
        store = self.world.store
        if name == CUSTOM:
            return
        store.changed_by_others = True
        store.uncertain.add(name)
        if store.rows.pop(name, None) is None:
            info = ModelInfo(name, TYPE, f"r/{NAMES.index(name)}", description="of another kernel")
            store.rows[name] = StoredModel(info, registered_at=WHEN, updated_at=WHEN)


REQUESTS: list[Callable[[Users, str], object]] = [
    *[Users.load] * 4,
    *[Users.unload] * 3,
    *[Users.download] * 3,
    *[Users.cancel_load] * 2,
    *[Users.cancel_download] * 2,
    *[Users.pause_download] * 2,
    *[Users.use] * 2,
    Users.resume_download,
    Users.discard_download,
    Users.move_download,
    Users.call,
    Users.register,
    Users.configure,
    Users.pin,
    Users.check_health,
    Users.verify,
    Users.delete,
    Users.look_again,
    Users.cancel_some_job,
    Users.set_limits,
    Users.read_everything,
    Users.a_worker_dies,
    Users.files_rot,
    Users.files_vanish,
    Users.another_kernel_writes,
]
