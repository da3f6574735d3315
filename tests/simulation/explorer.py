"""One schedule of a real manager in a simulated world: random requests, and after every step the invariants.

The manager, its engine, residents, transfers, registrar, bus and worker handles are the real ones. Threads,
processes, the disk, the hub and the clock are those of `world`, moved by one seed, so that a seed repeats exactly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets import manager_lifetime
from rmm_widgets.errors import ModelNotRegisteredError, RMMError
from rmm_widgets.lifecycle.invariants import violations
from rmm_widgets.lifecycle.states import RESTING, ModelState, Stage
from rmm_widgets.loading.detect import detect
from rmm_widgets.loading.safety.folder import inspect_folder
from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime import transfers
from rmm_widgets.runtime.job import Job
from rmm_widgets.safety_records import SafetyReport
from rmm_widgets.types import ModelEvent, ModelHealth, ModelInstance
from rmm_widgets.workers.capacity import Capacity, Machine

from .disk import doubles_of_disk
from .threads import doubles_of_threads
from .users import NAMES, Users
from .workers import SimLink, doubles_of_workers
from .world import World

__all__ = ["Violation", "explore"]

MOST_STEPS = 30_000
"""Steps after which a schedule that has not come to rest never will."""

_detected: dict[Path, Any] = {}
_inspected: dict[Path, SafetyReport] = {}
_MACHINE = Machine(ram=Capacity(total=64 << 30, available=60 << 30, source="this computer"))
"""Room for everything: evictions are ordinary unloads, and their policy has tests of its own."""


class _Opened:
    """A servable that nobody asks for anything."""


class Violation(AssertionError):
    """A promise was broken; the message names the seed."""


class Explorer:
    """Moves the world of one manager on, and watches that no promise is broken."""

    def __init__(self, world: World, folder: Path, requests: int) -> None:
        self.world = world
        self.loop, self.outside, self.numbers = world.loop, world.outside, world.numbers
        self.requests_left = 0
        self.ended: Counter[Job[Any]] = Counter()
        self.percent: dict[int, float] = {}
        self.ceiling = {"downloads": 0, "loads": 0}
        self.seen: list[ModelEvent] = []
        self.known: dict[str, ModelState] = {}
        self.living: list[SimLink] = []
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
        self.engine.settings.read_machine = lambda **_: _MACHINE
        self.machine = self.engine.machine
        self.manager.add_event_listener(self.seen.append)
        self.users = Users(world, self.manager)
        self.open, self.requests_left = True, requests

    # Time

    def tick(self) -> bool:
        """Let one thing happen; False where nothing can."""
        loop, outside, draw = self.loop, self.outside, self.numbers.random()
        if self.requests_left and draw < 0.08:
            self.requests_left -= 1
            self.users.request()
            self.check()  # here too: what one request changes, the next may change back
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
        self.world.steps += 1
        return True

    def run_until(self, condition: Callable[[], bool]) -> None:
        last = self.world.steps + MOST_STEPS
        while not condition():
            if not self.tick() and not condition():
                raise AssertionError("nothing can happen any more, and somebody still waits")
            assert self.world.steps < last, f"it never comes to an end: {self.unfinished()}"

    # What must be true

    def check(self) -> None:
        """The invariants, between two callbacks of the loop."""
        if self.loop.broken:
            raise AssertionError("; ".join(self.loop.broken)) from self.world.trouble
        machine = self.machine
        if machine.models != self.known:
            self.known = dict(machine.models)
            self.check_states()
        assert len(self.world.fetching) <= self.ceiling["downloads"], "more fetches at work than there are slots"
        for name, count in self.world.fetching.items():
            assert count == 1, f"{count} fetches of {name} at once"
        self.living = [link for link in self.world.links if link.alive]
        for link in self.living:
            state = machine.models.get(link.spec.model_id)
            assert state is not None, f"a worker of {link.spec.model_id}, which is gone"
            assert state.worker == link.spec.generation, f"a worker of {link.spec.model_id} that nobody counts"

    def check_states(self) -> None:
        machine, engine = self.machine, self.engine
        broken = violations(machine)
        assert not broken, broken
        for kind, queue in (("downloads", machine.downloads), ("loads", machine.loads)):
            self.ceiling[kind] = max(queue.limit, min(self.ceiling[kind], queue.busy))
            assert queue.busy <= self.ceiling[kind], f"{kind} above their limit"
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

    def job_ends(self, job: Job[Any], outcome: str) -> None:
        self.ended[job] += 1
        assert self.ended[job] == 1 or self.closing, f"{job!r} ends twice"
        if outcome == "done" and job.kind == "unload":
            asked = self.users.unloads.get(job, 0)
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
            and all(job.done() for job in self.users.jobs)
            and all(wait.done() for wait in self.users.waits)
            and not any(entry.watched for entry in self.engine.entries.values())
        )

    def unfinished(self) -> str:
        """What keeps the manager from its rest."""
        stages = {name: state.stage.value for name, state in self.machine.models.items()}
        jobs = [job for job in self.users.jobs if not job.done()]
        return (
            f"{stages}, {jobs}, {[wait for wait in self.users.waits if not wait.done()]}, {len(self.outside)} outside"
        )

    def abandon(self) -> None:
        """Leave no coroutine half run, also where a promise was broken."""
        self.open, self.requests_left, self.world.calm = False, 0, True
        for _ in range(MOST_STEPS):
            if not (tasks := asyncio.all_tasks(self.loop)):
                return
            if not self.outside and not self.loop.ready:
                for task in tasks:
                    task.cancel()
            with contextlib.suppress(Exception):
                self.tick()

    def check_at_rest(self) -> None:
        engine, machine = self.engine, self.machine
        assert not engine.jobs, f"open jobs: {engine.jobs}"
        assert not machine.open_tickets
        assert not engine.transfers._tasks
        assert not engine.residents._loads
        assert not engine.transfers._callbacks
        assert not engine.bus._barriers
        assert set(machine.models) == set(engine.entries) == set(engine.picture.models)
        living = {(link.spec.model_id, link.spec.generation) for link in self.living}
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
            if name not in self.world.store.uncertain:
                kept = self.world.store.rows.get(name)
                assert kept is not None, f"{name} is not kept"
                assert (kept.config, kept.pinned) == (entry.config, entry.pinned), f"{name} is not kept as it is shown"
        self.check_events()
        self.check_outcomes()

    def check_events(self) -> None:
        numbers = [event.seq for event in self.seen]
        assert numbers == list(range(1, len(numbers) + 1)), "an event is lost, doubled or out of order"

    def check_outcomes(self) -> None:
        for job in self.users.jobs:
            error = job.exception(0)
            assert error is None or isinstance(error, RMMError), f"{job!r} ended with {error!r}"
            if job.kind == "load" and error is None:
                assert isinstance(job.result(0), ModelInstance)
        for wait in self.users.waits:
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
        assert all(job.done() for job in self.users.jobs), [job for job in self.users.jobs if not job.done()]
        assert all(wait.done() for wait in self.users.waits), "a caller waits for a closed manager"
        assert not self.loop.broken, self.loop.broken
        self.check_events()
        self.check_outcomes()


@contextlib.contextmanager
def _simulated(world: World, folder: Path) -> Generator[None]:
    """Put the world in the place of the real one."""

    def no_thread(thread: threading.Thread) -> None:
        raise AssertionError(f"{thread.name} is a real thread: give it a double")

    def detect_once(path: Path, **_more: Any) -> Any:
        if path not in _detected:
            _detected[path] = detect(path)
        return _detected[path]

    def inspect_once(path: Path) -> SafetyReport:
        if path not in _inspected:
            _inspected[path] = inspect_folder(path)
        return _inspected[path]

    doubles = {
        **doubles_of_threads(world),
        **doubles_of_workers(world),
        **doubles_of_disk(world, folder / "models"),
        "loading.detect.detect": detect_once,
        "loading.safety.folder.inspect_folder": inspect_once,
        "loading.loaders.open_servable": lambda *_, **__: _Opened(),
        "runtime.admission.process_memory": lambda _pid: 50 << 20,
        "runtime.admission.resident_memory": lambda: 100 << 20,
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
                    explorer.users.register(name)
                if world.chance(0.85):
                    explorer.come_to_rest()
                else:
                    explorer.run_until(lambda: explorer.requests_left == 0)
                explorer.close()
            except Exception as error:
                tail = "\n".join(explorer.users.trace[-40:])
                raise Violation(f"seed {seed}, step {world.steps}: {error}\n{tail}") from error
            finally:
                manager_lifetime._open_managers.discard(explorer.manager)
                explorer.abandon()
                world.loop.close()
    stages = {name: state.stage.value for name, state in explorer.machine.models.items()}
    events = [(event.seq, event.type.value, event.model_id, event.data.get("action")) for event in explorer.seen]
    return "\n".join([str(world.steps), *explorer.users.trace, *map(str, events), str(stages)])


def _noting(end: Callable[..., None], explorer: Explorer, outcome: str) -> Callable[..., None]:
    def note(job: Job[Any], *args: Any, **more: Any) -> None:
        explorer.job_ends(job, outcome)
        end(job, *args, **more)

    return note
