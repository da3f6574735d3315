"""Drives a machine with random requests and honest but badly timed reports, and checks every step."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from rmm_widgets.lifecycle.effects import (
    Announce,
    AwaitRestart,
    Finish,
    Removed,
    StartDiscard,
    StartLoad,
    StartTransfer,
    StartUnload,
    StopLoad,
    StopTransfer,
)
from rmm_widgets.lifecycle.invariants import violations
from rmm_widgets.lifecycle.machine import Lifecycle
from rmm_widgets.lifecycle.states import Failure, Stage

FAILURE = Failure(phase="load", reason="no")
DOWNLOAD_FAILURE = Failure(phase="download", reason="no")
CRASH = Failure(phase="crash", reason="killed by signal 9")
LOOP = Failure(phase="crash_loop", reason="killed again and again", retryable=False)
UNLOAD_FAILURE = Failure(phase="unload", reason="no")

REQUESTS = (
    "download",
    "cancel_download",
    "discard_download",
    "move_download",
    "pause_download",
    "load",
    "cancel_load",
    "unload",
    "remove",
)
REPORTS = (
    "transfer_phase",
    "transfer_progress",
    "transfer_done",
    "transfer_failed",
    "transfer_stopped",
    "discarded",
    "load_done",
    "load_failed",
    "load_stopped",
    "worker_died",
    "unload_done",
    "unload_failed",
    "stale",
    "worker_crashed",
    "load_crashed",
    "crash_loop",
    "restart_due",
)
OTHERS = ("add", "on_disk", "off_disk", "damaged", "limits")
OPERATIONS = REQUESTS + REPORTS + OTHERS
DRAINING = ("transfer_stopped", "transfer_done", "discarded", "load_stopped", "load_done", "unload_done", "restart_due")


class Driver:
    """A shell without work: it knows what runs, from the effects alone, and reports about it when told."""

    def __init__(self, models: int = 3, *, auto_download: bool = True, auto_load: bool = False) -> None:
        self.machine = Lifecycle(2, 1, auto_download=auto_download, auto_load=auto_load)
        self.names = [f"m{n}" for n in range(models)]
        self.transfers: dict[str, int] = {}
        self.discards: dict[str, int] = {}
        self.workers: dict[str, int] = {}
        self.reloads: dict[str, int] = {}
        self.ceiling = {"downloads": 2, "loads": 1}
        self.ended: Counter[int] = Counter()
        self.percent: dict[int, float] = {}
        for n, name in enumerate(self.names):
            self.machine.add(name, on_disk=n == 0)

    def request(self, operation: str, name: str, percent: float = 50.0) -> None:
        if name not in self.machine.models:
            return
        if operation == "move_download":
            self.move(name, abs(int(percent)) % 4)
        else:
            getattr(self.machine, operation)(name)

    def move(self, name: str, position: int) -> None:
        """Only the order of those that wait may change, and only by this one's place."""
        queue, before = self.machine.downloads, self.machine.models.copy()
        waiting = queue.waiting
        moved = self.machine.move_download(name, position)
        assert moved == (name in waiting)
        if moved:
            assert queue.waiting.index(name) == min(position, len(waiting) - 1)
        assert [each for each in queue.waiting if each != name] == [each for each in waiting if each != name]
        assert self.machine.models == before

    def report(self, operation: str, name: str, percent: float = 50.0) -> None:
        """Only what an honest shell could say: about what it was told to run and has not yet ended."""
        machine = self.machine
        state = machine.models.get(name)
        if operation.startswith("transfer_") and name in self.transfers:
            run = self.transfers[name]
            if operation == "transfer_phase":
                machine.transfer_phase(name, run, Stage.VERIFYING if percent > 50 else Stage.DOWNLOADING)
            elif operation == "transfer_progress":
                machine.transfer_progress(name, run, percent * 1.2 - 10)
            elif operation == "transfer_stopped":
                if state and state.stage is Stage.CANCELLING:
                    del self.transfers[name]
                    machine.transfer_stopped(name, run)
            elif operation == "transfer_done":
                del self.transfers[name]
                machine.transfer_done(name, run)
            else:
                del self.transfers[name]
                machine.transfer_failed(name, run, DOWNLOAD_FAILURE)
        elif operation == "discarded" and name in self.discards:
            run = self.discards.pop(name)
            machine.discarded(name, run, freed=int(percent), failure=DOWNLOAD_FAILURE if percent < 10 else None)
        elif operation == "restart_due" and name in self.reloads:
            self.reload(name)
        elif operation == "crash_loop" and state is not None:
            if state.stage is Stage.ERROR and state.failure == CRASH:
                machine.crash_loop(name, state.generation, LOOP)
        elif name in self.workers and state is not None and not operation.startswith("transfer_"):
            generation = self.workers[name]
            stage = state.stage
            if operation == "load_done" and stage in {Stage.LOADING, Stage.ABORTING}:
                machine.load_done(name, generation)
            elif operation == "load_failed" and stage in {Stage.LOADING, Stage.ABORTING}:
                del self.workers[name]
                machine.load_failed(name, generation, FAILURE)
            elif operation == "load_crashed" and stage in {Stage.LOADING, Stage.ABORTING}:
                del self.workers[name]
                machine.load_failed(name, generation, CRASH, restart=1 + int(percent) % 3)
            elif operation == "load_stopped" and stage is Stage.ABORTING:
                del self.workers[name]
                machine.load_stopped(name, generation)
            elif operation == "worker_died":
                del self.workers[name]
                machine.worker_died(name, generation, CRASH)
            elif operation == "worker_crashed":
                del self.workers[name]
                machine.worker_died(name, generation, CRASH, restart=1 + int(percent) % 3)
            elif operation == "unload_done" and stage is Stage.UNLOADING:
                del self.workers[name]
                machine.unload_done(name, generation)
            elif operation == "unload_failed" and stage is Stage.UNLOADING:
                machine.unload_failed(name, generation, UNLOAD_FAILURE)

    def reload(self, name: str) -> None:
        """The wait is over: a reload begins exactly where nobody has called it off or done something else."""
        generation = self.reloads.pop(name)
        state = self.machine.models.get(name)
        wanted = state is not None and state.stage is Stage.ERROR and state.generation == generation
        due = wanted and state is not None and state.restart > 0 and state.on_disk
        assert bool(self.machine.restart_due(name, generation)) == due

    def stale(self, name: str) -> None:
        """Late news of earlier transfers and workers must change nothing."""
        state = self.machine.models.get(name)
        if state is None:
            return
        before = state
        self.machine.transfer_done(name, state.run - 1)
        self.machine.transfer_failed(name, state.run - 1, DOWNLOAD_FAILURE)
        self.machine.transfer_stopped(name, state.run - 1)
        self.machine.transfer_progress(name, state.run - 1, 99.0)
        self.machine.discarded(name, state.run - 1)
        self.machine.load_done(name, state.generation - 1)
        self.machine.load_failed(name, state.generation - 1, FAILURE)
        self.machine.worker_died(name, state.generation - 1, CRASH, restart=1)
        self.machine.restart_due(name, state.generation - 1)
        self.machine.crash_loop(name, state.generation - 1, LOOP)
        self.machine.unload_done(name, state.generation - 1)
        assert self.machine.models[name] == before

    def step(self, operation: str, name: str, percent: float = 50.0) -> None:
        if operation in REQUESTS:
            self.request(operation, name, percent)
        elif operation == "stale":
            self.stale(name)
        elif operation in REPORTS:
            self.report(operation, name, percent)
        elif operation == "add":
            if name not in self.machine.models:
                self.machine.add(name, on_disk=percent > 50)
        elif operation in {"on_disk", "off_disk"}:
            if name in self.machine.models:
                self.machine.set_on_disk(name, operation == "on_disk")
        elif operation == "damaged":
            if name in self.machine.models:
                self.machine.files_damaged(name, DOWNLOAD_FAILURE)
        elif operation == "limits":
            self.machine.set_limits(downloads=1 + int(percent) % 3, loads=1 + int(percent) % 2)
        self.settle()

    def settle(self) -> None:
        machine = self.machine
        for effect in machine.take_effects():
            match effect:
                case StartTransfer(name, run):
                    assert name not in self.transfers, "two transfers of one model"
                    assert name not in self.discards, "a transfer of what is being removed"
                    self.transfers[name] = run
                case StopTransfer(name, run):
                    assert self.transfers.get(name) == run
                case StartDiscard(name, run):
                    assert name not in self.transfers, "a discard of what is being fetched"
                    assert name not in self.discards, "two discards of one model"
                    self.discards[name] = run
                case StartLoad(name, generation):
                    assert name not in self.workers, "two workers of one model"
                    self.workers[name] = generation
                case StopLoad(name, generation) | StartUnload(name, generation):
                    assert self.workers.get(name) == generation
                case Finish(_, ticket) | Removed(_, ticket):
                    self.ended[ticket] += 1
                    assert self.ended[ticket] == 1, "a job ended twice"
                case AwaitRestart(name, generation, attempt):
                    assert attempt > 0
                    self.reloads[name] = generation
                case Announce():
                    pass
        broken = violations(machine)
        assert not broken, broken
        for kind, queue, running in (
            ("downloads", machine.downloads, len(self.transfers)),
            ("loads", machine.loads, queue_busy(machine)),
        ):
            self.ceiling[kind] = max(queue.limit, min(self.ceiling[kind], queue.busy))
            assert queue.busy <= self.ceiling[kind], f"{kind} above their limit"
            assert running <= self.ceiling[kind]
        for name, state in machine.models.items():
            if state.download:
                assert state.percent >= self.percent.get(state.download, 0.0), "progress fell"
                self.percent[state.download] = state.percent
            if state.stage is Stage.LOADED:
                assert self.workers.get(name) == state.generation

    def drain(self) -> None:
        """Let everything that runs end: nothing may stay open but what is paused."""
        for _ in range(10 * len(self.names)):
            before = dict(self.machine.models)
            for name in (*self.transfers, *self.discards, *self.workers, *self.reloads):
                for operation in DRAINING:
                    self.report(operation, name)
            self.settle()
            if self.machine.models == before:
                break
        paused = {s.download for s in self.machine.models.values() if s.stage is Stage.PAUSED}
        paused |= {s.load for s in self.machine.models.values() if s.stage is Stage.PAUSED and s.load}
        assert self.machine.open_tickets == paused
        assert not self.transfers
        assert not self.discards


def queue_busy(machine: Lifecycle) -> int:
    return sum(state.stage in {Stage.LOADING, Stage.ABORTING} for state in machine.models.values())


def walk(seed: int, steps: int, operations_of: Sequence[str] = OPERATIONS) -> None:
    """One random sequence of these operations; an assertion that fails names its seed."""
    rng = random.Random(seed)
    driver = Driver(3, auto_download=rng.random() < 0.8, auto_load=rng.random() < 0.2)
    operations = rng.choices(operations_of, k=steps)
    try:
        for operation in operations:
            driver.step(operation, rng.choice(driver.names), rng.random() * 100)
        driver.drain() if seed % 16 == 0 else None
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
