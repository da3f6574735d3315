"""L1: random sequences of operations and faults, and a state machine that shrinks what it finds."""

from __future__ import annotations

import os
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from rmm_widgets.lifecycle.invariants import violations

from .driver import OPERATIONS, Driver, walk

SEQUENCES = 100_000
STEPS = 50


def _walk_many(first: int, count: int) -> int:
    for seed in range(first, first + count):
        walk(seed, STEPS)
    return count


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_L1_random_walk_of_100_000_sequences() -> None:
    first = random.SystemRandom().randrange(1 << 40)
    print(f"first seed: {first}")
    workers = min(os.cpu_count() or 1, 8)
    share = SEQUENCES // 20
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = sum(pool.map(_walk_many, range(first, first + SEQUENCES, share), [share] * 20))
    assert done == SEQUENCES


def test_L1_a_short_walk() -> None:
    assert _walk_many(0, 1_000) == 1_000


_LATER = {
    *("discard_download", "move_download", "discarded"),
    *("worker_crashed", "load_crashed", "crash_loop", "restart_due"),
}
BEFORE_MOVES = tuple(each for each in OPERATIONS if each not in _LATER)
"""The operations that there were when the seeds below failed: a seed means something for one list only."""


@pytest.mark.parametrize("seed", [112, 966])
def test_L1_seeds_that_once_failed(seed: int) -> None:
    walk(seed, STEPS, BEFORE_MOVES)


class LifecycleMachine(RuleBasedStateMachine):
    """The same operations, driven by hypothesis, which shrinks a failing sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver(2)

    @rule(
        operation=st.sampled_from(OPERATIONS),
        name=st.sampled_from(["m0", "m1"]),
        percent=st.floats(-50, 200, allow_nan=False),
    )
    def step(self, operation: str, name: str, percent: float) -> None:
        self.driver.step(operation, name, percent)

    @invariant()
    def nothing_is_broken(self) -> None:
        assert violations(self.driver.machine) == []

    def teardown(self) -> None:
        self.driver.drain()


TestLifecycleMachine = LifecycleMachine.TestCase
TestLifecycleMachine.settings = settings(
    max_examples=1_000 if os.environ.get("CI") else 200,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLifecycleMachine.pytestmark = [pytest.mark.timeout(600)]


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_L1_ten_thousand_machines() -> None:
    run_state_machine_as_test(LifecycleMachine, settings=settings(TestLifecycleMachine.settings, max_examples=10_000))
