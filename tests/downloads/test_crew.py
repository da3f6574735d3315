"""How many connections: found by trying, on lines whose behaviour is given by a formula."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.fetcher.crew import FIRST, LEAST, WINDOW, Crew
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.spec import FetchProgress

from .fetching import MIB, REPO, assert_intact, content, spec

TICK = 0.06
MOST = 64


def work(rate: Callable[[float, int], float], seconds: float, *, most: int = MOST, load: float = 0.1) -> list[int]:
    """The sizes over time on a line that brings `rate(time, size)` bytes per second."""
    crew, fetched, sizes, now = Crew(0.0, most), 0.0, [], 0.0
    while now < seconds:
        now += TICK
        fetched += rate(now, crew.size) * TICK
        crew.measure(now, int(fetched), now * load, has_work=True)
        sizes.append(crew.size)
    return sizes


def test_a_server_that_limits_each_connection_gets_as_many_as_there_may_be() -> None:
    sizes = work(lambda _now, size: size * 20e6, 2.0)
    assert sizes[-1] == MOST
    assert sizes == sorted(sizes)


def test_a_full_line_gets_no_more_than_at_first() -> None:
    sizes = work(lambda _now, _size: 100e6, 60.0)
    assert sizes[-1] == FIRST
    assert sum(size > FIRST for size in sizes) < 0.1 * len(sizes), "it tries again, ever more seldom"


def test_a_line_that_is_full_later_is_filled_and_not_more() -> None:
    sizes = work(lambda _now, size: min(size * 20e6, 400e6), 4.0)
    assert sizes[-1] in {16, 32}


def test_a_burst_at_the_beginning_does_not_deceive_for_long() -> None:
    sizes = work(lambda now, size: 2e9 if now < 0.6 else size * 20e6, 3.0)
    assert sizes[-1] == MOST


def test_a_process_without_time_to_spare_works_with_few() -> None:
    sizes = work(lambda _now, size: size * 20e6, 5.0, load=0.95)
    assert (sizes[0], sizes[-1]) == (FIRST, LEAST)
    assert sizes == sorted(sizes, reverse=True)


def test_nothing_is_learnt_where_there_is_no_work_to_share() -> None:
    crew = Crew(0.0, MOST)
    for step in range(100):
        crew.measure(step * TICK, step * 10**6, 0.0, has_work=False)
    assert crew.size == FIRST


def test_a_server_that_asks_for_less_gets_less_for_a_while() -> None:
    crew = Crew(0.0, MOST)
    crew.slow_down(1.0, seconds=30.0)
    assert crew.size == FIRST // 2
    for step in range(1, 400):
        now = 1.0 + step * TICK
        crew.measure(now, int(step * TICK * 1e8), 0.0, has_work=True)
        assert crew.size <= FIRST // 2 or now >= 31.0


def test_a_real_server_that_limits_each_connection_gets_more_of_them(
    no_leaks: None, empty_hub: DemoHub, cache: Path
) -> None:
    empty_hub.add(REPO, {"model.safetensors": content(64 * MIB)})
    empty_hub.inject(Fault(path="model.safetensors", origin="cdn", rate=2 * MIB))
    most = 0

    def watch(_record: FetchProgress) -> None:
        nonlocal most
        most = max([most, *(file.connections for file in transfer.files())])

    transfer = Transfer(spec(empty_hub, cache), watch)
    transfer.run()
    assert_intact(cache)
    assert most > FIRST


@given(st.integers(1, 100), st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 10**9)), max_size=200))
def test_there_is_always_one_and_never_too_many(most: int, steps: list[tuple[float, int]]) -> None:
    crew, now, fetched = Crew(0.0, most), 0.0, 0
    for elapsed, came in steps:
        now, fetched = now + elapsed, fetched + came
        crew.measure(now, fetched, now / 2, has_work=came % 3 != 0)
        if came % 7 == 0:
            crew.slow_down(now, WINDOW)
        assert 1 <= crew.size <= max(1, most)
