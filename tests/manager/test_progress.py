"""D23: what a fetcher measures and the runtime lets through, together, with a clock of the test's own."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.fetcher.progress import ProgressMeter
from rmm_widgets.downloads.fetcher.transfer import TICK
from rmm_widgets.downloads.spec import FetchProgress
from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime.transfers import LONGEST_ETA, _sensible, _Throttle
from rmm_widgets.types import DownloadPhase, ModelDownloadProgress

from ..downloads.fetching import MIB, content, wait_until
from ..parity.custom import TIMEOUT
from .models import info

CHUNKINGS = 10_000
STILL: tuple[DownloadPhase, ...] = ("paused", "waiting_for_other", "verifying", "finishing", "resolving")


def chunks_of(total: int, rng: random.Random) -> list[int]:
    """The total in random pieces: a few or many, even or not."""
    cuts = sorted(rng.randrange(total + 1) for _ in range(rng.choice((0, 1, 3, 10, 40))))
    return [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]


def told_of(seed: int) -> tuple[int, list[tuple[float, FetchProgress]], FetchProgress]:
    """The total, the records that a listener gets of a download in random chunks, and the last of its fetcher."""
    rng = random.Random(seed)
    total = rng.choice((1, 1000, 10**6, 10**11))
    now, have, fetched, shown_at = 0.0, 0, 0, -TICK
    heard: list[tuple[float, FetchProgress]] = []
    throttle = _Throttle(lambda record: heard.append((now, record)), clock=lambda: now)
    meter = ProgressMeter()
    meter.set_plan(total, 1)
    # Bytes of an earlier try count as downloaded, not as fetched.
    chunks = chunks_of(total, rng)
    have = chunks.pop(0) if rng.random() < 0.3 else 0
    for chunk in chunks:
        now += rng.choice((0.0, rng.random() * 0.01, rng.random() * 0.2, rng.random() * 5.0))
        have, fetched = have + chunk, fetched + chunk
        if rng.random() < 0.05:
            lost = rng.randrange(have + 1)  # wrong bytes are thrown away and fetched again
            have -= lost
            chunks.append(lost)
        if now >= shown_at + TICK:
            meter.measure(now, fetched)
            phase: DownloadPhase = "downloading" if rng.random() < 0.8 else rng.choice(STILL)
            record = meter.record(phase, downloaded_bytes=have, files_done=0, current_file="model.safetensors")
            shown_at = now
            # The pipe between the processes delivers late, and then several at once.
            now += rng.choice((0.0, 0.0, rng.random() * 0.3))
            throttle(record)
    now = max(now, shown_at + TICK)
    meter.measure(now, fetched)
    last = meter.record("done", downloaded_bytes=total, files_done=1)
    throttle(last)
    if (held := throttle.take()) is not None:
        heard.append((now, held))
    return total, heard, last


@pytest.mark.slow
def test_D23_over_10_000_random_chunkings() -> None:
    first = int(os.environ.get("RMM_TEST_SEED", random.randrange(2**32)))
    print(f"RMM_TEST_SEED={first}")
    for seed in range(first, first + CHUNKINGS):
        total, heard, last = told_of(seed)
        done = [record.downloaded_bytes for _, record in heard]
        assert done == sorted(done), f"seed {seed}: it fell"
        assert done[-1] == total == last.downloaded_bytes, f"seed {seed}: the last one is not exact"
        assert all(0 <= each <= total for each in done), f"seed {seed}: beyond the total"
        assert {record.total_bytes for _, record in heard} == {total}, f"seed {seed}: the total changed"
        times = [time for time, _ in heard]
        for at, began in enumerate(times):
            within = sum(began <= time < began + 1.0 - 1e-9 for time in times[at : at + 12])
            assert within <= 10, f"seed {seed}: {within} in a second"
        for _, record in heard:
            assert record.bytes_per_second >= 0
            still = record.phase != "downloading"
            assert not still or (record.bytes_per_second, record.eta) == (0.0, None), f"seed {seed}: {record}"
            assert record.eta is None or record.eta >= 0


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, None), (0.0, 0.0), (12.5, 12.5), (float("inf"), None), (float("nan"), None), (-1.0, None)],
)
def test_a_time_left_that_is_nonsense_is_none(seconds: float | None, shown: float | None) -> None:
    assert _sensible(seconds) == shown
    assert _sensible(LONGEST_ETA * 1.01) is None


def test_the_rate_does_not_jump_with_one_slow_moment() -> None:
    meter = ProgressMeter()
    meter.set_plan(10**9, 1)
    for tick in range(100):
        meter.measure(tick * 0.1, tick * 100_000)
    meter.measure(10.1, 9_900_000)  # nothing came for a moment
    record = meter.record("downloading", downloaded_bytes=9_900_000, files_done=0)
    assert 900_000 < record.bytes_per_second < 1_000_000


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


def test_D23_the_total_is_known_from_the_start(make_manager: Callable[..., ModelManager], hub: DemoHub) -> None:
    """Before the plan the estimate stands, from the first record after `resolving` the plan's total."""
    manager = make_manager(max_concurrent_downloads=1)
    size, estimate = 3 * MIB, 2 * MIB
    hub.add("rmm-demo/model", {"model.safetensors": content(size)})
    hub.rate = 4 * MIB
    manager.register_model(info("model", repo_id="rmm-demo/model", total_size_estimate=estimate, file_count_estimate=7))
    seen: list[ModelDownloadProgress] = []
    job = manager.download_model("model", seen.append)
    queued = job.progress
    assert queued is not None
    assert (queued.total_bytes, queued.files_total, queued.downloaded_bytes) == (estimate, 7, 0)
    job.result(TIMEOUT)
    wait_until(lambda: seen[-1].phase == "done")
    for each in seen:
        assert each.total_bytes == (estimate if each.phase == "resolving" else size)
    assert seen[-1].downloaded_bytes == size
