"""Trying again, on a clock that is moved on instead of waited for. The hub, HTTP and all decisions are real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.fetcher.connection import Connections
from rmm_widgets.downloads.fetcher.hub import HubClient
from rmm_widgets.downloads.fetcher.persistence import persist
from rmm_widgets.errors import HubUnavailableError

from .fetching import REPO, spec

API = "/api/*"


class VirtualTime:
    """A job whose clock only moves when it waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.alive_until = 0.0

    def check(self) -> None:
        pass

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        assert self.now <= self.alive_until, "the stall watch was told of the wait"

    def alive(self, until: float = 0.0) -> None:
        self.alive_until = until


@pytest.fixture
def client(no_leaks: None, empty_hub: DemoHub, cache: Path) -> Iterator[HubClient]:
    empty_hub.add(REPO, {"config.json": b"{}"})
    connections = Connections(empty_hub.url, None, 10.0)
    yield HubClient(spec(empty_hub, cache), connections)
    connections.close()


def describe(client: HubClient) -> tuple[list[float], str]:
    """The waits, and the error's text or nothing."""
    time = VirtualTime()
    try:
        persist(time, REPO, client.describe_repository, clock=lambda: time.now)
    except HubUnavailableError as error:
        return time.waits, error.message
    return time.waits, ""


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_D16_six_tries_with_growing_waits_and_then_host_and_status(
    client: HubClient, empty_hub: DemoHub, status: int
) -> None:
    injected = empty_hub.inject(Fault(path=API, status=status))
    waits, told = describe(client)
    assert injected.used == 6
    assert [0.5 * 2**n / 2 <= wait <= 0.5 * 2**n for n, wait in enumerate(waits)] == [True] * 5
    assert told.startswith(f"{REPO} could not be fetched: 127.0.0.1:")
    assert f"answered HTTP {status} (6 tries)" in told


def test_D16_the_waits_differ(client: HubClient, empty_hub: DemoHub) -> None:
    empty_hub.inject(Fault(path=API, status=503))
    assert len({tuple(describe(client)[0]) for _ in range(20)}) == 20


@pytest.mark.parametrize(("asked", "least"), [(0, 0), (7, 7), (59, 59), (300, 60), (600, 60)])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_D16_a_server_is_given_the_time_it_asks_for_within_reason(
    client: HubClient, empty_hub: DemoHub, status: int, asked: float, least: float
) -> None:
    empty_hub.inject(Fault(path=API, status=status, retry_after=asked, times=2))
    waits, told = describe(client)
    assert told == ""
    assert [least <= wait <= least + 1 for wait in waits] == [True, True]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_D16_who_asks_for_an_hour_is_not_waited_for(client: HubClient, empty_hub: DemoHub, status: int) -> None:
    injected = empty_hub.inject(Fault(path=API, status=status, retry_after=3600))
    waits, told = describe(client)
    assert (waits, injected.used) == ([], 1)
    assert f"answered HTTP {status} (1 try, which asks to wait 3600 s)" in told


def test_D17_nobody_there_is_told_after_three_tries_and_within_two_seconds(
    client: HubClient, empty_hub: DemoHub
) -> None:
    empty_hub.offline = True
    waits, told = describe(client)
    assert "the connection was refused (3 tries)" in told
    assert sum(waits) <= 1.5


def test_D17_who_has_answered_once_is_waited_for(client: HubClient, empty_hub: DemoHub) -> None:
    client.describe_repository()
    empty_hub.offline = True
    waits, told = describe(client)
    assert "the connection was refused (6 tries)" in told
    assert sum(waits) >= 7.75
