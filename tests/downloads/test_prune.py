"""Leftovers in the cache: which go, which stay, and that nobody loses work."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rmm_widgets.disk_records import PrunedFile
from rmm_widgets.downloads.layout import TEMPORARY_SUFFIX, CacheLayout
from rmm_widgets.downloads.locks import take_lock_at
from rmm_widgets.downloads.owners import MACHINE
from rmm_widgets.downloads.prune import prune_cache

DAY = 24 * 3600.0
WEEK = 7 * DAY
REPOSITORIES = ("models--rmm-demo--one", "models--gpt2", "datasets--rmm-demo--data")


def write(path: Path, size: int, age: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def digest(chance: random.Random, digits: int = 64) -> str:
    return f"{chance.getrandbits(digits * 4):0{digits}x}"


@contextmanager
def locked(cache: Path, repository: str, content: str) -> Iterator[None]:
    lock = take_lock_at(cache / ".locks" / repository / f"{content}.lock")
    assert lock is not None
    try:
        yield
    finally:
        lock.release()


def test_D21_of_100_leftovers_exactly_the_old_and_free_ones_go(cache: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    expected: set[tuple[str, str]] = set()
    busy = 0
    kept: list[Path] = []
    sizes: dict[tuple[str, str], int] = {}
    with ExitStack() as locks:
        for number in range(100):
            repository = REPOSITORIES[number % 3]
            content = digest(chance, 64 if number % 2 else 40)
            blobs = cache / repository / "blobs"
            old, held = chance.random() < 0.6, chance.random() < 0.3
            age = WEEK + chance.uniform(60, 30 * DAY) if old else chance.uniform(0, WEEK - 60)
            files = {
                0: [f"{content}.rmm-part", f"{content}.rmm-part.json"],
                1: [f"{content}.rmm-part"],
                2: [f"{content}.rmm-part.json"],
                3: [f"{content}.rmm-bad"],
                4: [f"{content}.{chance.getrandbits(32):08x}.incomplete"],
            }[number % 5]
            paths = [write(blobs / name, chance.randrange(1, 5000), age) for name in files]
            if held:
                locks.enter_context(locked(cache, repository, content))
            for path in paths:
                if old and not held:
                    expected.add((repository, path.name))
                    sizes[repository, path.name] = path.stat().st_size
                else:
                    kept.append(path)
            busy += len(paths) if old and held else 0
        blob = write(cache / REPOSITORIES[0] / "blobs" / digest(chance), 10, 90 * DAY)
        report = prune_cache(cache, older_than=WEEK)
    assert {(file.repo, file.name) for file in report.removed} == expected
    assert report.freed_bytes == sum(file.bytes for file in report.removed) == sum(sizes.values())
    assert report.busy == busy
    assert all(path.exists() for path in [*kept, blob]), "what is finished, young or locked stays"
    assert not any((cache / repo / "blobs" / name).exists() for repo, name in expected)
    again = prune_cache(cache, older_than=WEEK)
    assert len(again.removed) == busy, "what was locked goes once it is free"


def test_a_partial_is_as_old_as_the_younger_of_its_two_files(cache: Path) -> None:
    blobs = cache / REPOSITORIES[0] / "blobs"
    content = "a" * 64
    part = write(blobs / f"{content}.rmm-part", 100, 30 * DAY)
    record = write(blobs / f"{content}.rmm-part.json", 10, 60)
    assert prune_cache(cache, older_than=WEEK).removed == ()
    write(record, 10, 30 * DAY)
    report = prune_cache(cache, older_than=WEEK)
    assert report.removed == (
        PrunedFile(repo=REPOSITORIES[0], name=part.name, bytes=100),
        PrunedFile(repo=REPOSITORIES[0], name=record.name, bytes=10),
    )


def test_the_partials_of_a_running_download_stay_however_old(cache: Path) -> None:
    part = write(cache / REPOSITORIES[0] / "blobs" / f"{'a' * 64}.rmm-part", 100, 30 * DAY)
    other = write(cache / REPOSITORIES[1] / "blobs" / f"{'a' * 64}.rmm-part", 100, 30 * DAY)
    report = prune_cache(cache, older_than=WEEK, downloading=[REPOSITORIES[0]])
    assert [file.repo for file in report.removed] == [REPOSITORIES[1]]
    assert (part.exists(), other.exists(), report.busy) == (True, False, 1)


def test_temporary_files_go_with_their_process(cache: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    blobs = cache / REPOSITORIES[0] / "blobs"
    dead = write(blobs / f"a.1-{MACHINE}-{ended.pid:x}{TEMPORARY_SUFFIX}", 10, 60)
    alive = write(blobs / f"b.1-{MACHINE}-{os.getpid():x}{TEMPORARY_SUFFIX}", 10, 60)
    elsewhere = write(blobs / f"c.1-{'0' * 16}-{os.getpid():x}{TEMPORARY_SUFFIX}", 10, 60)
    prune_cache(cache, older_than=0)
    assert (dead.exists(), alive.exists(), elsewhere.exists()) == (False, True, True)
    write(elsewhere, 10, 2 * DAY)
    prune_cache(cache, older_than=DAY)
    assert not elsewhere.exists()


def test_links_are_not_followed_and_other_folders_not_touched(cache: Path, tmp_path: Path) -> None:
    precious = write(tmp_path / "precious" / "blobs" / f"{'b' * 64}.rmm-part", 10, 30 * DAY)
    cache.mkdir()
    (cache / "models--planted--link").symlink_to(tmp_path / "precious")
    (cache / "models--planted--blobs").mkdir()
    (cache / "models--planted--blobs" / "blobs").symlink_to(tmp_path / "precious" / "blobs")
    victim = write(tmp_path / "victim", 10, 30 * DAY)
    planted = cache / REPOSITORIES[0] / "blobs" / f"{'c' * 64}.rmm-part"
    planted.parent.mkdir(parents=True)
    planted.symlink_to(victim)
    os.utime(planted, (1, 1), follow_symlinks=False)
    foreign = write(cache / "notes" / "blobs" / "x.incomplete", 10, 30 * DAY)
    report = prune_cache(cache, older_than=WEEK)
    assert [file.name for file in report.removed] == [planted.name], "the link itself"
    assert precious.exists()
    assert victim.exists()
    assert foreign.exists()


def test_a_partial_with_holes_frees_what_it_took(cache: Path) -> None:
    part = cache / REPOSITORIES[0] / "blobs" / f"{'a' * 64}.rmm-part"
    part.parent.mkdir(parents=True)
    with part.open("wb") as file:
        file.write(b"x" * 4096)
        file.truncate(1 << 30)
        os.fsync(file.fileno())
    os.utime(part, (1, 1))
    assert prune_cache(cache, older_than=WEEK).freed_bytes <= 1 << 20


@pytest.mark.parametrize("name", ["none", "file"])
def test_no_cache_is_no_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert prune_cache(tmp_path / name, older_than=WEEK).removed == ()


def test_a_layout_and_a_clean_up_mean_the_same_lock(cache: Path) -> None:
    layout = CacheLayout(cache, "rmm-demo/one")
    layout.blobs.mkdir(parents=True)
    write(layout.partial("a" * 64), 10, 30 * DAY)
    with layout.locked("a" * 64) as ours:
        assert ours
        assert prune_cache(cache, older_than=WEEK).busy == 1
    assert len(prune_cache(cache, older_than=WEEK).removed) == 1
