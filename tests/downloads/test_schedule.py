"""Who does what next, and what jobs share. Real files and a real cache, no network."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.fetcher.file import FileTransfer, Segment
from rmm_widgets.downloads.fetcher.limits import Limits
from rmm_widgets.downloads.fetcher.schedule import LOCK_POLL, Schedule
from rmm_widgets.downloads.fetcher.small import SmallFile, SmallFiles
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.plan import PlannedFile
from rmm_widgets.errors import DiskFullError

from .fetching import MIB, REPO, content, run, spec

COMMIT = "c" * 40


@pytest.fixture
def layout(no_leaks: None, cache: Path) -> CacheLayout:
    return CacheLayout(cache, REPO)


def large(layout: CacheLayout, name: str, size: int) -> FileTransfer:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return FileTransfer(layout, COMMIT, [PlannedFile(name, size, digest)])


def segments(file: FileTransfer, *bounds: int) -> list[Segment]:
    return [Segment(file, start, end) for start, end in itertools.pairwise(bounds)]


def test_a_connection_stays_with_its_file_then_begins_another_then_helps(layout: CacheLayout) -> None:
    first, second = large(layout, "first", 10 * MIB), large(layout, "second", 20 * MIB)
    schedule = Schedule([second, first])
    assert schedule.take() is first, "the smaller one"
    pieces = segments(first, 0, 4 * MIB, 8 * MIB, 10 * MIB)
    schedule.add(first, pieces)
    assert schedule.take(first) is pieces[0]
    assert schedule.take() is second, "another connection begins the next file"
    others = segments(second, 0, 4 * MIB, 8 * MIB, 12 * MIB, 16 * MIB, 20 * MIB)
    schedule.add(second, others)
    assert schedule.take(first) is pieces[1]
    assert schedule.take() is others[0], "a new one helps where most is left"
    assert schedule.take(second) is others[1]


def test_small_files_come_first_and_those_that_are_there_count_as_done(layout: CacheLayout) -> None:
    planned = [PlannedFile(f"{n}.json", n, hashlib.sha256(b"x" * n).hexdigest()) for n in range(1, 4)]
    layout.prepare(COMMIT, {})
    layout.write_blob(planned[0].digest, b"x")
    small = SmallFiles(layout, COMMIT, [[file] for file in planned])
    file = large(layout, "large", 10 * MIB)
    schedule = Schedule([file], small)
    assert schedule.take() is small
    assert small.open()
    schedule.add_small(small.files)
    taken = [schedule.take(), schedule.take()]
    assert all(isinstance(each, SmallFile) for each in taken)
    for each in taken:
        assert isinstance(each, SmallFile)
        schedule.settle(each)
    assert schedule.take() is file
    assert not schedule.is_done
    schedule.settle(file)
    assert schedule.is_done
    small.close()
    layout.close()


def test_a_slow_segment_is_shared_and_a_fast_one_is_not(layout: CacheLayout) -> None:
    file = large(layout, "file", 64 * MIB)
    slow, fast = segments(file, 0, 32 * MIB, 64 * MIB)
    for segment, rate in ((slow, MIB), (fast, 100 * MIB)):
        segment.begin(0.0)
        assert not segment.is_worth_sharing(0.5, 1.0), "its rate is not known yet"
        segment.advance(1.5, rate + rate // 2, rate + rate // 2)
    assert slow.is_worth_sharing(1.5, 1.0)
    assert not fast.is_worth_sharing(1.5, 1.0)
    end = slow.end
    other = slow.split()
    assert (slow.position, slow.end, other.position, other.end) == (3 * MIB // 2, other.position, slow.end, end)
    assert slow.end - slow.position - (other.end - other.position) in {0, 1}


def test_an_idle_connection_waits_before_it_shares(layout: CacheLayout) -> None:
    file = large(layout, "file", 64 * MIB)
    schedule = Schedule([file])
    schedule.take()
    (segment,) = segments(file, 0, 64 * MIB)
    schedule.add(file, [segment])
    assert schedule.take(file) is segment
    segment.begin(time.monotonic() - 10)
    segment.advance(time.monotonic(), MIB, MIB)
    began = time.monotonic()
    shared = schedule.take()
    assert isinstance(shared, Segment)
    assert (segment.end, shared.end) == (shared.position, 64 * MIB)
    assert time.monotonic() - began >= LOCK_POLL


def test_connections_are_shared_and_a_jobs_first_is_never_refused() -> None:
    limits = Limits(most_connections=3)
    assert [limits.claim_connection(is_first=False) for _ in range(4)] == [True, True, True, False]
    assert limits.claim_connection(is_first=True)
    limits.return_connection()
    assert not limits.claim_connection(is_first=False)
    limits.return_connection()
    assert limits.claim_connection(is_first=False)


def test_claims_from_many_threads_stay_within_the_limit() -> None:
    limits, granted, guard = Limits(most_connections=20), [], threading.Lock()

    def claim() -> None:
        for _ in range(10):
            if limits.claim_connection(is_first=False):
                with guard:
                    granted.append(1)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 20


def test_D6_space_that_another_download_will_fill_is_not_free(
    no_leaks: None, empty_hub: DemoHub, cache: Path, tmp_path: Path
) -> None:
    limits = Limits()
    free = limits.plan_space("me", tmp_path, lambda: 0)
    left = [free - 2 * MIB]
    limits.plan_space("another", tmp_path, lambda: left[0])
    assert limits.plan_space("me", tmp_path / "not" / "there", lambda: 0) < free // 2

    empty_hub.add(REPO, {"model.safetensors": content(6 * MIB)})
    with pytest.raises(DiskFullError, match=r"needs 6\.3 MB"):
        Transfer(spec(empty_hub, cache), lambda _: None, limits).run()
    assert empty_hub.bytes_sent(path="*") == 0
    left[0] = 0
    Transfer(spec(empty_hub, cache), lambda _: None, limits).run()
    limits.forget_space("another")
    run(spec(empty_hub, cache))
