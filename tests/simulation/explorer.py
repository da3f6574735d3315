"""One schedule of a real manager in a simulated world: random requests, and after every step the invariants.

The manager, its engine, residents, transfers, registrar, bus and worker handles are the real ones. Threads,
processes, the disk, the hub and the clock are those of `world`, moved by one seed, so that a seed repeats exactly.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets import manager_lifetime
from rmm_widgets.base_model import BaseModel
from rmm_widgets.errors import ModelNotRegisteredError, RMMError
from rmm_widgets.lifecycle.invariants import violations
from rmm_widgets.lifecycle.states import RESTING, Stage
from rmm_widgets.loading.detect import detect
from rmm_widgets.manager import ModelManager
from rmm_widgets.registry.records import StoredModel
from rmm_widgets.runtime import transfers
from rmm_widgets.runtime.job import Job
from rmm_widgets.types import ModelDownloadProgress, ModelEvent, ModelHealth, ModelInfo, ModelInstance, ModelType

from .disk import SimStore, doubles_of_disk
from .threads import doubles_of_threads
from .workers import doubles_of_workers
from .world import World

__all__ = ["Violation", "explore"]

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
TYPE = ModelType.CLASSIFICATION_MODEL
HUB_MODELS = ("m0", "m1", "m2")
CUSTOM = "mine"
NAMES = (*HUB_MODELS, CUSTOM)
MOST_STEPS = 30_000
"""Steps after which a schedule that has not come to rest never will."""

_detected: dict[Path, Any] = {}


class Violation(AssertionError):
    """A promise was broken; the message names the seed."""


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


class Explorer:
    """The users of one manager, and who watches it."""

    def __init__(self, world: World, folder: Path, requests: int) -> None:
        self.world = world
        self.loop, self.outside, self.numbers = world.loop, world.outside, world.numbers
        self.requests_left = 0
        self.steps = 0
        self.trace: list[str] = []
        self.jobs: list[Job[Any]] = []
        self.waits: list[Future[Any]] = []
        self.ended: Counter[Job[Any]] = Counter()
        self.asked_generation: dict[Job[Any], int] = {}
        self.percent: dict[int, float] = {}
        self.ceiling = {"downloads": 0, "loads": 0}
        self.seen: list[ModelEvent] = []
        self.open = self.closing = False
        world.run_until = self.run_until
        self.manager = ModelManager(
            data_dir=folder / "data",
            cache_dir=folder / "cache",
            endpoint="http://127.0.0.1:9",
            token=False,
            max_concurrent_downloads=self.numbers.randrange(1, 3),
            max_concurrent_loads=self.numbers.randrange(1, 3),
            enable_auto_download=world.chance(0.8),
            enable_auto_load=world.chance(0.2),
            isolation="process" if world.chance(0.8) else "kernel",
            load_timeout=20.0,
            download_timeout=world.numbers.choice((None, 60.0)),
        )
        self.engine = self.manager._engine
        self.machine = self.engine.machine
        self.manager.add_event_listener(self.seen.append)
        self.open, self.requests_left = True, requests

    # Time

    def tick(self) -> bool:
        """Let one thing happen; False where nothing can."""
        loop, outside, draw = self.loop, self.outside, self.numbers.random()
        if self.requests_left and draw < 0.08:
            self.requests_left -= 1
            self.request()
        elif loop.ready and (not outside or draw < 0.65):
            loop.step()
            if self.open:
                self.check()
        elif outside and (draw < 0.97 or loop.next_timer is None):
            outside.happen()
        elif loop.next_timer is not None:
            loop.move_on()
        else:
            return False
        self.steps += 1
        return True

    def run_until(self, condition: Callable[[], bool]) -> None:
        last = self.steps + MOST_STEPS
        while not condition():
            if not self.tick() and not condition():
                raise AssertionError("nothing can happen any more, and somebody still waits")
            assert self.steps < last, f"it never comes to an end: {self.unfinished()}"

    # What users do

    def request(self) -> None:
        """One request of some user's thread."""
        name = self.numbers.choice(NAMES)
        kind = self.numbers.choice(REQUESTS)
        self.trace.append(f"{self.steps}: {kind.__name__} {name}")
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
        self.in_background(self.engine.delivered(work, None))

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
        state = self.machine.models.get(name)
        job = self.manager.unload_model(name)
        self.asked_generation.setdefault(job, state.worker if state else 0)
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
        entry = self.engine.entry(name)
        if not entry.custom:
            self.as_a_call_does(self.manager._registrar.configure(name, {"top_k": self.numbers.randrange(1, 4)}))

    def pin(self, name: str) -> None:
        self.engine.entry(name)
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
            self.loop.call_soon_threadsafe(self.numbers.choice(self.jobs).cancel)

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
        store: SimStore = self.world.store  # type: ignore[attr-defined]
        if name == CUSTOM:
            return
        store.changed_by_others = True
        if store.rows.pop(name, None) is None:
            info = ModelInfo(name, TYPE, f"r/{NAMES.index(name)}", description="of another kernel")
            store.rows[name] = StoredModel(info, registered_at=WHEN, updated_at=WHEN)

    # What must be true

    def check(self) -> None:
        """The invariants, between two callbacks of the loop."""
        if self.loop.broken:
            raise AssertionError("; ".join(self.loop.broken)) from self.world.trouble
        machine, engine = self.machine, self.engine
        broken = violations(machine)
        assert not broken, broken
        for kind, queue, running in (
            ("downloads", machine.downloads, len(self.world.fetching)),
            ("loads", machine.loads, machine.loads.busy),
        ):
            self.ceiling[kind] = max(queue.limit, min(self.ceiling[kind], queue.busy))
            assert queue.busy <= self.ceiling[kind], f"{kind} above their limit"
            assert running <= self.ceiling[kind], f"more {kind} at work than there are slots"
        for name, count in self.world.fetching.items():
            assert count == 1, f"{count} fetches of {name} at once"
        for name, state in machine.models.items():
            if state.stage is Stage.LOADED:
                worker = engine.entries[name].worker
                assert worker is not None, f"{name} is loaded and has no worker"
                assert worker.spec.generation == state.worker == state.generation, f"{name}: worker of another time"
            if state.download:
                assert state.percent >= self.percent.get(state.download, 0.0), f"progress of {name} fell"
                self.percent[state.download] = state.percent
            shown = engine.entries[name].progress
            assert shown is None or 0.0 <= shown.progress <= 100.0
        for link in self.world.links:
            if link.alive:
                state = machine.models.get(link.spec.model_id)
                assert state is not None, f"a worker of {link.spec.model_id}, which is gone"
                assert state.worker == link.spec.generation, f"a worker of {link.spec.model_id} that nobody counts"

    def job_ends(self, job: Job[Any], outcome: str) -> None:
        self.ended[job] += 1
        assert self.ended[job] == 1 or self.closing, f"{job!r} ends twice"
        if outcome == "done" and job.kind == "unload":
            asked = self.asked_generation.get(job, 0)
            left = [x for x in self.world.links if x.alive and x.spec.model_id == job.model_id]
            assert not [x for x in left if x.spec.generation <= asked], "the unload has ended, its worker has not"

    def come_to_rest(self) -> None:
        """No more requests or faults: everything that runs has to end, well or not."""
        self.run_until(lambda: not self.requests_left)
        self.world.calm = True
        for link in self.world.links:
            link.wake()
        for name in NAMES:
            try:
                self.manager.cancel_download(name)
            except ModelNotRegisteredError:
                pass
        self.run_until(self.at_rest)
        self.check()
        self.check_at_rest()

    def at_rest(self) -> bool:
        return (
            not self.outside
            and not self.loop.ready
            and all(state.stage in RESTING for state in self.machine.models.values())
            and all(job.done() for job in self.jobs)
            and all(wait.done() for wait in self.waits)
            and not any(entry.probing for entry in self.engine.entries.values())
        )

    def unfinished(self) -> str:
        """What keeps the manager from its rest."""
        stages = {name: state.stage.value for name, state in self.machine.models.items()}
        jobs = [job for job in self.jobs if not job.done()]
        return f"{stages}, {jobs}, {[wait for wait in self.waits if not wait.done()]}, {len(self.outside)} outside"

    def check_at_rest(self) -> None:
        engine, machine = self.engine, self.machine
        assert not engine.jobs, f"open jobs: {engine.jobs}"
        assert not machine.open_tickets
        assert not engine.transfers._tasks
        assert not engine.residents._loads
        assert not engine.transfers._callbacks
        assert not engine.bus._barriers
        assert set(machine.models) == set(engine.entries) == set(engine.picture.models)
        living = {(link.spec.model_id, link.spec.generation) for link in self.world.links if link.alive}
        known = {(name, state.worker) for name, state in machine.models.items() if state.worker}
        assert living == known, f"workers {living}, of which {known} are known"
        for name, state in machine.models.items():
            entry = engine.entries[name]
            shown, now = engine.picture.models[name], entry.describe(state)
            fields = set(now.__struct_fields__) - {"last_used"}  # a call moves it on without a new picture
            old = [each for each in fields if getattr(shown, each) != getattr(now, each)]
            assert not old, f"the picture of {name} is old: {old}"
            it = self.world.repositories[f"r/{NAMES.index(name)}"]
            if state.on_disk and not entry.custom and not it.vandalised:
                assert it.complete, f"{name} counts as downloaded and is not"
            if not state.worker and state.stage is not Stage.ERROR:
                assert entry.health is ModelHealth.UNKNOWN, f"health of {name}, which is not loaded"
                assert entry.worker is None
            if state.failure is not None and state.failure.phase != "download":
                assert entry.health is ModelHealth.UNHEALTHY, f"{name} has failed and is {entry.health}"
            assert not entry.turn.locked()
        self.check_events()
        self.check_outcomes()

    def check_events(self) -> None:
        numbers = [event.seq for event in self.seen]
        assert numbers == list(range(1, len(numbers) + 1)), "an event is lost, doubled or out of order"

    def check_outcomes(self) -> None:
        for job in self.jobs:
            error = job.exception(0)
            assert error is None or isinstance(error, RMMError), f"{job!r} ended with {error!r}"
            if job.kind == "load" and error is None:
                assert isinstance(job.result(0), ModelInstance)
        for wait in self.waits:
            try:
                error = wait.exception(0)
            except CancelledError:
                error = None
                assert self.closing, "somebody's wait was cancelled"
            if error is not None and not isinstance(error, RMMError | TimeoutError):
                raise AssertionError(f"a caller got {error!r}") from error

    def close(self) -> None:
        """The end, with whatever is under way: nothing may be left."""
        self.closing = True
        try:
            self.manager.close()
        except RMMError:
            pass  # some model could not be unloaded properly
        while self.outside or self.loop.ready:
            self.tick()
        assert not [link for link in self.world.links if link.alive], "a worker outlives the manager"
        assert not self.world.fetching, "a fetch outlives the manager"
        assert all(job.done() for job in self.jobs), [job for job in self.jobs if not job.done()]
        assert all(wait.done() for wait in self.waits), "a caller waits for a closed manager"
        assert not self.loop.broken, self.loop.broken
        self.check_events()
        self.check_outcomes()


REQUESTS: list[Callable[[Explorer, str], object]] = [
    *[Explorer.load] * 4,
    *[Explorer.unload] * 3,
    *[Explorer.download] * 3,
    *[Explorer.cancel_load] * 2,
    *[Explorer.cancel_download] * 2,
    *[Explorer.pause_download] * 2,
    *[Explorer.use] * 2,
    Explorer.resume_download,
    Explorer.discard_download,
    Explorer.move_download,
    Explorer.call,
    Explorer.register,
    Explorer.configure,
    Explorer.pin,
    Explorer.check_health,
    Explorer.verify,
    Explorer.delete,
    Explorer.look_again,
    Explorer.cancel_some_job,
    Explorer.set_limits,
    Explorer.read_everything,
    Explorer.a_worker_dies,
    Explorer.files_rot,
    Explorer.files_vanish,
    Explorer.another_kernel_writes,
]


@contextmanager
def _simulated(world: World, folder: Path) -> Generator[None]:
    """Put the world in the place of the real one."""

    def no_thread(thread: threading.Thread) -> None:
        raise AssertionError(f"{thread.name} is a real thread: give it a double")

    def detect_once(path: Path) -> Any:
        if path not in _detected:
            _detected[path] = detect(path)
        return _detected[path]

    doubles = {
        **doubles_of_threads(world),
        **doubles_of_workers(world),
        **doubles_of_disk(world, folder / "models"),
        "loading.detect.detect": detect_once,
        "loading.loaders.open_servable": lambda *_, **__: None,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, double in doubles.items():
            patch.setattr(f"rmm_widgets.{name}", double)
        patch.setattr(threading.Thread, "start", no_thread)
        patch.setattr(time, "monotonic", world.loop.time)
        patch.setattr(transfers._Throttle.__init__, "__defaults__", (world.loop.time,))
        yield


def explore(seed: int, folder: Path, *, requests: int = 25) -> str:
    """Run one schedule; returns what happened, which the same seed repeats.

    Args:
        folder: Holds `models/0` to `models/3`, each with a model's files.

    Raises:
        Violation: A promise was broken.
    """
    world = World(seed)
    logging.getLogger("rmm_widgets").setLevel(logging.CRITICAL)
    with _simulated(world, folder):
        explorer = Explorer(world, folder, requests)
        with pytest.MonkeyPatch.context() as patch:
            for method, outcome in (("finish", "done"), ("fail", "failed")):
                patch.setattr(Job, method, _noting(getattr(Job, method), explorer, outcome))
            try:
                for name in NAMES:
                    explorer.register(name)
                if world.chance(0.85):
                    explorer.come_to_rest()
                else:
                    explorer.run_until(lambda: explorer.requests_left == 0)
                explorer.close()
            except Exception as error:
                tail = "\n".join(explorer.trace[-40:])
                raise Violation(f"seed {seed}, step {explorer.steps}: {error}\n{tail}") from error
            finally:
                manager_lifetime._open_managers.discard(explorer.manager)
                world.loop.close()
    stages = {name: state.stage.value for name, state in explorer.machine.models.items()}
    return f"{explorer.steps} {explorer.seen[-1:]} {stages} {explorer.trace}"


def _noting(end: Callable[..., None], explorer: Explorer, outcome: str) -> Callable[..., None]:
    def note(job: Job[Any], *args: Any, **more: Any) -> None:
        explorer.job_ends(job, outcome)
        end(job, *args, **more)

    return note
