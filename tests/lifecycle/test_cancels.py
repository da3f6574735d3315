"""D18, the virtual part: a download given up at any moment is back at rest after one answer of its transfer."""

from __future__ import annotations

import random

import pytest

from rmm_widgets.lifecycle.states import FETCHING, Stage

from .driver import OPERATIONS, Driver

UNTIL_THEN = tuple(each for each in OPERATIONS if each != "remove")


@pytest.mark.parametrize("discard", [False, True])
def test_D18_a_cancel_at_any_moment_needs_one_answer(discard: bool) -> None:
    """1,000 virtual cancels of each kind; the real ones are in tests/manager/test_download_control.py."""
    first = random.SystemRandom().randrange(1 << 40)
    print(f"first seed: {first}")
    cancels, seed = 0, first
    while cancels < 1000:
        rng = random.Random(seed)
        driver = Driver(3)
        for _ in range(rng.randrange(1, 30)):
            driver.step(rng.choice(UNTIL_THEN), rng.choice(driver.names), rng.random() * 100)
        fetched = [name for name, state in driver.machine.models.items() if state.stage in FETCHING]
        seed += 1
        if not fetched:
            continue
        name = rng.choice(fetched)
        ticket = driver.machine.models[name].download
        driver.step("discard_download" if discard else "cancel_download", name)
        driver.step("transfer_stopped", name)
        state = driver.machine.models[name]
        assert state.stage is (Stage.DISCARDING if discard else Stage.REGISTERED), f"seed {seed - 1}"
        assert driver.ended[ticket] == 1
        driver.step("discarded", name)
        assert driver.machine.models[name].stage is Stage.REGISTERED
        cancels += 1


def test_a_download_asked_for_while_it_is_discarded_begins_when_that_is_done() -> None:
    driver = Driver(2)
    for operation in ("download", "discard_download", "download", "transfer_stopped"):
        driver.step(operation, "m1")
    assert driver.machine.models["m1"].stage is Stage.DISCARDING
    assert "m1" not in driver.transfers
    driver.step("discarded", "m1")
    assert driver.machine.models["m1"].stage is Stage.RESOLVING
    assert "m1" in driver.transfers


def test_the_queue_is_served_in_the_order_it_was_moved_to() -> None:
    driver = Driver(6)
    for name in ("m1", "m2", "m3", "m4", "m5"):
        driver.step("download", name)
    assert driver.machine.downloads.waiting == ("m3", "m4", "m5")
    assert driver.machine.move_download("m5", 0)
    assert driver.machine.move_download("m3", 99)
    assert not driver.machine.move_download("m1", 0), "it runs"
    assert driver.machine.downloads.waiting == ("m5", "m4", "m3")
    driver.settle()
    for done, following in (("m1", "m5"), ("m2", "m4"), ("m5", "m3")):
        driver.step("transfer_done", done)
        assert following in driver.transfers
