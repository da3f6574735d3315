"""L4: every two operations, one after the other, in every stage, give a defined result."""

from __future__ import annotations

import itertools

import pytest

from rmm_widgets.lifecycle.states import TRANSITIONS, Stage, public_status

from .driver import OPERATIONS, Driver

ROADS: dict[Stage, tuple[str, ...]] = {
    Stage.REGISTERED: (),
    Stage.QUEUED: ("fill", "download"),
    Stage.RESOLVING: ("download",),
    Stage.DOWNLOADING: ("download", "transfer_phase"),
    Stage.VERIFYING: ("download", "verify"),
    Stage.PAUSED: ("download", "pause_download", "transfer_stopped"),
    Stage.CANCELLING: ("download", "cancel_download"),
    Stage.DISCARDING: ("download", "discard_download", "transfer_stopped"),
    Stage.DOWNLOADED: ("on_disk",),
    Stage.WAITING: ("on_disk", "fill", "load"),
    Stage.LOADING: ("on_disk", "load"),
    Stage.ABORTING: ("on_disk", "load", "cancel_load"),
    Stage.LOADED: ("on_disk", "load", "load_done"),
    Stage.UNLOADING: ("on_disk", "load", "load_done", "unload"),
    Stage.ERROR: ("on_disk", "load", "load_failed"),
}
OTHER_ERRORS = (
    ("download", "transfer_failed"),
    ("on_disk", "load", "load_done", "worker_died"),
    ("on_disk", "load", "load_done", "worker_crashed"),
    ("on_disk", "load", "load_done", "worker_crashed", "restart_due"),
    ("on_disk", "load", "load_done", "unload", "unload_failed"),
)


def brought_to(road: tuple[str, ...]) -> Driver:
    """A driver whose model m1 went this road; m0, m2 and m3 are there to fill the slots."""
    driver = Driver(5)
    for operation in road:
        if operation == "fill":
            for name in ("m2", "m3"):
                driver.step("download", name)
            driver.step("load", "m0")
        elif operation == "verify":
            driver.step("transfer_phase", "m1", 90.0)
        else:
            driver.step(operation, "m1", 20.0)
    return driver


@pytest.mark.parametrize("stage", list(Stage))
def test_a_road_leads_to_every_stage(stage: Stage) -> None:
    assert brought_to(ROADS[stage]).machine.models["m1"].stage is stage


@pytest.mark.parametrize("road", [*ROADS.values(), *OTHER_ERRORS], ids="-".join)
def test_L4_every_pair_of_operations_is_defined(road: tuple[str, ...]) -> None:
    pairs = list(itertools.product(OPERATIONS, repeat=2))
    for first, second in pairs:
        driver = brought_to(road)
        driver.step(first, "m1", 20.0)
        driver.step(second, "m1", 80.0)
        driver.drain()
    assert len(pairs) == len(OPERATIONS) ** 2


def test_every_stage_has_transitions_and_a_public_status() -> None:
    assert set(TRANSITIONS) == set(Stage)
    assert all(public_status(stage) for stage in Stage)
    reachable = set().union(*TRANSITIONS.values()) | {Stage.REGISTERED}
    assert reachable == set(Stage)


def test_a_cancelled_download_that_ends_all_the_same_is_not_followed_by_its_load() -> None:
    driver = Driver(2)
    for operation in ("load", "cancel_download", "transfer_done"):
        driver.step(operation, "m1")
    assert driver.machine.models["m1"].stage is Stage.DOWNLOADED
    assert not driver.machine.open_tickets
