"""Numbers a person can follow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmm_widgets.downloads.fetcher.progress import ProgressMeter, StallWatch


@settings(max_examples=500)
@given(st.integers(0, 10**6), st.lists(st.integers(-(10**4), 10**5), max_size=40))
def test_D23_progress_never_falls_never_passes_the_total_and_ends_exactly(total: int, steps: list[int]) -> None:
    meter = ProgressMeter()
    meter.set_plan(total, 3)
    now, have, shown = 0.0, 0, -1
    for step in steps:
        have, now = max(0, have + step), now + 0.1
        meter.measure(now, have)
        record = meter.record("downloading", downloaded_bytes=have, files_done=0)
        assert shown <= record.downloaded_bytes <= total
        assert record.bytes_per_second >= 0
        assert record.eta is None or record.eta >= 0
        shown = record.downloaded_bytes
    last = meter.record("done", downloaded_bytes=total, files_done=3)
    assert (last.downloaded_bytes, last.files_done, last.eta) == (total, 3, None)


def test_the_rate_settles_and_gives_the_time_left() -> None:
    meter = ProgressMeter()
    meter.set_plan(100_000, 1)
    first = meter.record("downloading", downloaded_bytes=0, files_done=0)
    assert first.eta is None, "nothing is known yet"
    for tick in range(1, 101):
        meter.measure(tick / 10, tick * 100)
    record = meter.record("downloading", downloaded_bytes=10_000, files_done=0)
    assert record.bytes_per_second == pytest.approx(1000, rel=0.05)
    assert record.eta == pytest.approx(90, rel=0.05)


def test_bytes_of_an_earlier_try_do_not_make_the_rate() -> None:
    meter = ProgressMeter()
    meter.set_plan(1000, 1)
    meter.measure(0.0, 0)
    meter.measure(1.0, 10)
    assert meter.record("downloading", downloaded_bytes=900, files_done=0).bytes_per_second == pytest.approx(10)


def test_D15_silence_and_a_trickle_are_stalls_and_a_slow_line_is_none() -> None:
    for rate, stalled in ((0, True), (1, True), (900, True), (1100, False)):
        watch = StallWatch(60.0, now=0.0)
        assert any(watch.is_stalled(float(now), now * rate) for now in range(1, 200)) == stalled, rate


def test_D15_a_stall_is_noticed_within_the_limit() -> None:
    watch = StallWatch(60.0, now=0.0)
    assert not watch.is_stalled(59.0, 59 * 10_000)
    assert not watch.is_stalled(118.0, 59 * 10_000)
    assert watch.is_stalled(119.1, 59 * 10_000)


def test_a_wait_that_was_asked_for_is_no_stall() -> None:
    watch = StallWatch(10.0, now=0.0)
    watch.alive(60.0)
    assert not watch.is_stalled(69.0, 0)
    assert watch.is_stalled(70.1, 0)
