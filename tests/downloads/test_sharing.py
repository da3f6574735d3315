"""Several processes and one cache: with locks, without locks that work, and when the holder of one dies."""

from __future__ import annotations

import contextlib
import random
import statistics
import threading
import time
from pathlib import Path

import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot, partial_bytes
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.spec import FetchProgress, FetchSpec
from rmm_widgets.downloads.verify import verify_snapshot
from rmm_widgets.errors import DownloadCancelledError

from .fetching import MIB, REPO, assert_intact, content, spec, wait_until
from .writers import Writer, writers

FILE = "model.safetensors"


def leave_unfinished(wanted: FetchSpec, hub: DemoHub) -> None:
    """Begin a download and cancel it."""
    hub.rate = 20 * MIB
    transfer = Transfer(wanted, lambda record: transfer.cancel() if record.downloaded_bytes > MIB // 2 else None)
    with contextlib.suppress(DownloadCancelledError):
        transfer.run()
    hub.rate = None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_D8_processes_side_by_side_fetch_every_byte_once(no_leaks: None, empty_hub: DemoHub, tmp_path: Path) -> None:
    files = {FILE: content(MIB), "b.safetensors": content(300_000, 2), "config.json": b"{}"}
    empty_hub.add(REPO, files)
    with writers(8) as processes:
        for number in range(20):
            cache = tmp_path / str(number)
            empty_hub.reset_log()
            began = time.monotonic()
            for process in processes:
                process.begin(spec(empty_hub, cache))
            outcomes = [process.outcome() for process in processes]
            assert time.monotonic() - began < 60, "a deadlock"
            assert [outcome.error for outcome in outcomes] == [""] * 8
            total = sum(map(len, files.values()))
            assert empty_hub.bytes_sent(path="*") == sum(outcome.fetched_bytes for outcome in outcomes) == total
            assert_intact(cache)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_D9_a_waiter_goes_on_when_the_holder_is_killed(no_leaks: None, empty_hub: DemoHub, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    empty_hub.add(REPO, {FILE: content(3 * MIB)})
    delays: list[float] = []
    for number in range(50):
        cache = tmp_path / str(number)
        empty_hub.rate = 8 * MIB
        holder = Writer()
        records: list[FetchProgress] = []
        waiter = Transfer(spec(empty_hub, cache), records.append)
        thread = threading.Thread(target=waiter.run)
        try:
            holder.begin(spec(empty_hub, cache))
            wait_until(lambda cache=cache: partial_bytes(cache, REPO) > 0)
            thread.start()
            wait_until(lambda records=records: any(r.phase == "waiting_for_other" for r in records))
            time.sleep(chance.random() * 0.1)
            holder.process.kill()
            killed, before = time.monotonic(), len(records)
            empty_hub.rate = None
            wait_until(lambda records=records, n=before: any(r.phase != "waiting_for_other" for r in records[n:]))
            delays.append(time.monotonic() - killed)
        finally:
            holder.close()
            thread.join(60)
        assert_intact(cache)
    assert statistics.median(delays) < 2, delays
    assert max(delays) < 20, delays


def test_D9_a_waiter_shows_what_the_other_fetches(no_leaks: None, empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add(REPO, {FILE: content(6 * MIB)})
    empty_hub.rate = 4 * MIB
    records: list[FetchProgress] = []
    with writers(1) as [other]:
        other.begin(spec(empty_hub, cache))
        wait_until(lambda: partial_bytes(cache, REPO) > 0)
        result = Transfer(spec(empty_hub, cache), records.append).run()
        assert other.outcome().error == ""
    waiting = [record.downloaded_bytes for record in records if record.phase == "waiting_for_other"]
    assert len(set(waiting)) >= 2, "it moved while it waited"
    assert result.fetched_bytes == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_D10_locks_that_do_not_work_only_cost_bandwidth(no_leaks: None, empty_hub: DemoHub, tmp_path: Path) -> None:
    """Four writers at once; some of what is sent to them is damaged, so a shared file would show it."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    files = {FILE: content(2 * MIB + 1), "b.safetensors": content(200_000, 2), "config.json": b"{}"}
    empty_hub.add(REPO, files)
    fetched = 0
    with writers(4, locks_work=False) as processes:
        for number in range(100):
            cache = tmp_path / str(number)
            empty_hub.clear_faults()
            flip = chance.randrange(2 * MIB)
            empty_hub.inject(Fault(path="*", origin="cdn", flip_at=flip, times=1, skip=chance.randrange(3)))
            if number % 4 == 0:  # an unfinished file, for all four to want
                leave_unfinished(spec(empty_hub, cache), empty_hub)
            for process in processes:
                process.begin(spec(empty_hub, cache))
                time.sleep(chance.choice([0, 0, 0.005, 0.02]))
            outcomes = [process.outcome() for process in processes]
            assert [outcome.error for outcome in outcomes] == [""] * 4
            fetched += sum(outcome.fetched_bytes for outcome in outcomes)
            snapshot = find_snapshot(cache, REPO, None)
            assert snapshot is not None
            assert verify_snapshot(snapshot)[:2] == ((), ())
    assert fetched > 101 * sum(map(len, files.values())), "the locks did work"
