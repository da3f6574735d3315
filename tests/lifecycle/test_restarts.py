"""L9, in virtual time: the machine and the policy against a reference that looks at the whole history."""

from __future__ import annotations

import heapq
import os
import random
from typing import Any

from rmm_widgets.lifecycle.effects import Announce, AwaitRestart, StartLoad
from rmm_widgets.lifecycle.invariants import violations
from rmm_widgets.lifecycle.machine import Lifecycle
from rmm_widgets.lifecycle.restarts import RestartPolicy, Restarts
from rmm_widgets.lifecycle.states import Failure, Stage

CRASH = Failure(phase="crash", reason="killed by signal 9", error="WorkerDiedError")
LOOP = Failure(phase="crash_loop", reason="again and again", retryable=False)
WINDOW = 600.0
WAITS = (1.0, 2.0, 4.0)


class World:
    """One model, a shell without work, and a clock. Does with the machine what the runtime does."""

    def __init__(self, numbers: random.Random) -> None:
        self.numbers = numbers
        self.machine = Lifecycle()
        self.machine.add("m", on_disk=True)
        self.now = 0.0
        self.clock: list[tuple[float, int, Any]] = []
        self.restarts = Restarts()
        self.history: list[tuple[float, str]] = []

    def later(self, seconds: float, what: Any) -> None:
        heapq.heappush(self.clock, (self.now + seconds, len(self.history) + len(self.clock) * 1000, what))

    def tell(self, what: str) -> None:
        self.history.append((self.now, what))

    def user_loads(self) -> None:
        if self.machine.load("m").ticket:
            self.tell("user")
            self.restarts = Restarts()
        self.settle()

    def crash(self, generation: int, *, loading: bool) -> None:
        state = self.machine.models["m"]
        if state.worker != generation:
            return
        if state.stage is Stage.ABORTING or (loading and not state.restart):
            self.machine.load_failed("m", generation, CRASH)  # not the crash of a loaded model
            self.settle()
            return
        self.tell("crash")
        self.restarts, attempt = self.restarts.crashed(RestartPolicy(), self.now)
        report = self.machine.load_failed if loading else self.machine.worker_died
        report("m", generation, CRASH, restart=attempt)
        if not attempt:
            self.machine.crash_loop("m", generation, LOOP)
        self.settle()

    def settle(self) -> None:
        for effect in self.machine.take_effects():
            match effect:
                case AwaitRestart("m", generation, attempt):
                    self.tell(f"await {attempt}")
                    self.later(WAITS[attempt - 1], ("due", generation))
                case StartLoad("m", generation):
                    self.tell("reload" if self.machine.models["m"].restart else "load")
                    fate = self.numbers.choice(["loaded", "loaded", "loaded", "crash"])
                    self.later(self.numbers.choice([0.1, 5.0]), (fate, generation))
                case Announce(_, _, action) if action in {"crash_loop", "restart_cancelled"}:
                    self.tell(action)
                case _:
                    pass
        assert violations(self.machine) == []

    @property
    def waits(self) -> bool:
        """A reload is waited for."""
        return any(what == "due" for _, _, (what, _) in self.clock)

    def run(self, until: float) -> None:
        while self.clock and self.clock[0][0] <= until:
            self.now, _, (what, generation) = heapq.heappop(self.clock)
            match what:
                case "due":
                    self.machine.restart_due("m", generation)
                    self.settle()
                case "loaded":
                    self.machine.load_done("m", generation)
                    self.settle()
                    life = self.numbers.choice([0.5, 20.0, 150.0, 299.0, 700.0, 5000.0]) * self.numbers.uniform(0.9, 1)
                    self.later(life, ("dies", generation))
                case "crash" | "dies":
                    self.crash(generation, loading=what == "crash")
        self.now = until


def expected(history: list[tuple[float, str]]) -> list[str]:
    """What must follow each crash of a history, judged from everything before it."""
    answers: list[str] = []
    due: list[float] = []
    for at, what in history:
        if what == "user":
            due = []
        elif what == "crash":
            within = [moment for moment in due if moment > at - WINDOW]
            if len(within) == 3:
                answers.append("crash_loop")
            else:
                due.append(at + (1.0, 2.0, 4.0)[len(within)])
                answers.append(f"await {len(within) + 1}")
    return answers


def test_L9_random_crashes_against_the_reference() -> None:
    seed = int(os.environ.get("RMM_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"RMM_TEST_SEED={seed}")
    met: set[str] = set()
    for number in range(300):
        world = World(random.Random(seed + number))
        world.user_loads()
        for _ in range(6):
            world.run(world.now + world.numbers.choice([3.0, 100.0, 2000.0, 20000.0]))
            while not world.waits and world.clock and world.numbers.random() < 0.5:
                world.run(world.clock[0][0])
            if world.numbers.random() < 0.5:
                world.user_loads()
            elif world.numbers.random() < 0.2:
                world.machine.cancel_load("m")
                world.settle()
        told = [what for _, what in world.history if what.startswith("await") or what == "crash_loop"]
        assert told == expected(world.history), world.history
        reloads = [at for at, what in world.history if what == "reload"]
        users = [at for at, what in world.history if what == "user"]
        for at in reloads:
            since = max([user for user in users if user <= at], default=0.0)
            assert sum(max(since, at - WINDOW) < each <= at for each in reloads) <= 3
        met |= {what for _, what in world.history}
    assert met >= {"await 1", "await 2", "await 3", "crash_loop", "restart_cancelled"}


def test_L9_after_a_crash_loop_nothing_happens_until_the_user_acts() -> None:
    world = World(random.Random(1))
    world.machine.load("m")
    for attempt in (1, 2, 3):
        world.settle()
        generation = world.machine.models["m"].worker
        world.machine.load_done("m", generation)
        world.clock.clear()
        world.crash(generation, loading=False)
        assert world.history[-1][1] == f"await {attempt}"
        world.machine.restart_due("m", generation)
    world.settle()
    generation = world.machine.models["m"].worker
    world.clock.clear()
    world.machine.load_done("m", generation)
    world.crash(generation, loading=False)
    state = world.machine.models["m"]
    assert (state.stage, state.failure, state.restart) == (Stage.ERROR, LOOP, 0)
    world.run(1e9)
    assert world.machine.models["m"] == state
    assert world.machine.restart_due("m", generation) == 0, "a timer that comes late changes nothing"
    world.user_loads()
    generation = world.machine.models["m"].worker
    world.machine.load_done("m", generation)
    world.crash(generation, loading=False)
    assert world.history[-1][1] == "await 1", "a user's load begins the count anew"


def test_L9_what_calls_a_reload_off() -> None:
    for request in ("cancel_load", "unload", "remove", "load"):
        world = World(random.Random(1))
        world.user_loads()
        generation = world.machine.models["m"].worker
        world.machine.load_done("m", generation)
        world.crash(generation, loading=False)
        assert world.machine.models["m"].restart == 1
        getattr(world.machine, request)("m")
        world.settle()
        starts = world.machine.models["m"].load if "m" in world.machine.models else 0
        assert world.machine.restart_due("m", generation) == 0
        assert bool(starts) == (request == "load")
