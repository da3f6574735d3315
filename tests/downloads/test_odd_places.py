"""Caches in odd places: read-only, with long names, without room for another file; and few open files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot
from rmm_widgets.downloads.verify import verify_snapshot
from rmm_widgets.errors import DiskFullError, DownloadError

from .fetching import MIB, REPO, assert_intact, content, run, spec, unfinished
from .writers import Writer

pytestmark = pytest.mark.usefixtures("no_leaks")
FILES = {"model.safetensors": content(MIB + 1), "sub/b.safetensors": content(1000, 2), "config.json": b"{}"}
FOLDER = "models--rmm-demo--model"


def mount(*arguments: str) -> bool:
    if os.geteuid() != 0 or sys.platform != "linux":
        return False
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 40 files and folders."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=16m,nr_inodes=40", "rmm-test", str(folder)):
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def remount(disk: Path, options: str) -> None:
    assert mount("-o", f"remount,{options}", str(disk))


def test_D22_a_whole_model_in_a_read_only_cache_is_used(empty_hub: DemoHub, disk: Path) -> None:
    empty_hub.add(REPO, FILES)
    cache = disk / "cache"
    first = run(spec(empty_hub, cache))
    remount(disk, "ro")
    try:
        snapshot = find_snapshot(cache, REPO, None)
        assert snapshot is not None
        assert verify_snapshot(snapshot)[:2] == ((), ())
        again = run(spec(empty_hub, cache))
        assert (again.snapshot, again.fetched_bytes) == (first.snapshot, 0)
    finally:
        remount(disk, "rw")


def test_D22_a_read_only_cache_is_a_clear_error(empty_hub: DemoHub, disk: Path) -> None:
    empty_hub.add(REPO, FILES)
    cache = disk / "cache"
    run(spec(empty_hub, cache))
    empty_hub.update(REPO, {"config.json": b"[]"})
    remount(disk, "ro")
    try:
        for folder in (cache, disk / "other"):
            with pytest.raises(DownloadError, match=r"Cannot write to .*: Read-only file system") as caught:
                run(spec(empty_hub, folder))
            assert "another cache_dir" in caught.value.hint
        assert find_snapshot(cache, REPO, None) is not None, "what was there is still there"
    finally:
        remount(disk, "rw")
    run(spec(empty_hub, cache))
    assert_intact(cache)


def test_D22_blobs_that_are_read_only_are_told_before_the_first_byte(
    empty_hub: DemoHub, cache: Path, disk: Path
) -> None:
    empty_hub.add(REPO, FILES)
    blobs = cache / FOLDER / "blobs"
    blobs.mkdir(parents=True)
    assert mount("-t", "tmpfs", "-o", "ro", "rmm-test", str(blobs))
    try:
        with pytest.raises(DownloadError, match="Cannot write to"):
            run(spec(empty_hub, cache))
        assert empty_hub.bytes_sent(path="*") == 0
    finally:
        subprocess.run(["umount", str(blobs)], check=True)
    run(spec(empty_hub, cache))
    assert_intact(cache)


def test_D22_blobs_may_be_a_disk_of_their_own(empty_hub: DemoHub, cache: Path, disk: Path) -> None:
    empty_hub.add(REPO, FILES)
    blobs = cache / FOLDER / "blobs"
    blobs.mkdir(parents=True)
    assert mount("-t", "tmpfs", "-o", "size=8m", "rmm-test", str(blobs))
    try:
        run(spec(empty_hub, cache))
        assert_intact(cache)
    finally:
        subprocess.run(["umount", str(blobs)], check=True)


def test_D22_a_disk_that_takes_no_more_files_is_told(empty_hub: DemoHub, disk: Path) -> None:
    files = {f"{number}.safetensors": content(1000, number) for number in range(40)}
    empty_hub.add(REPO, files)
    cache = disk / "cache"
    with pytest.raises(DiskFullError, match="takes no more files") as caught:
        run(spec(empty_hub, cache))
    assert "download again" in caught.value.hint
    assert find_snapshot(cache, REPO, None) is None
    remount(disk, "nr_inodes=400")
    run(spec(empty_hub, cache))
    assert_intact(cache)


def test_D22_long_paths_and_names(empty_hub: DemoHub, tmp_path: Path) -> None:
    name, revision = "n" * 188 + ".safetensors", "v" * 255
    empty_hub.add(REPO, FILES | {name: b"x", f"{'d' * 200}/{'e' * 200}/{name}": b"y"})
    commit = empty_hub.tag(REPO, revision)
    cache = tmp_path.joinpath(*["c" * 200] * 4)
    result = run(spec(empty_hub, cache, revision=revision))
    assert result.commit == commit
    snapshot = find_snapshot(cache, REPO, revision)
    assert snapshot is not None
    assert len(str(snapshot.path / snapshot.files[-1])) > 800
    assert verify_snapshot(snapshot)[:2] == ((), ())
    assert unfinished(cache) == []


def test_D22_a_path_that_is_too_long_is_told(empty_hub: DemoHub, tmp_path: Path) -> None:
    empty_hub.add(REPO, FILES)
    for cache in (tmp_path / ("c" * 256), tmp_path.joinpath(*["c" * 200] * 21)):
        with pytest.raises(DownloadError, match="File name too long") as caught:
            run(spec(empty_hub, cache))
        assert "shorter path" in caught.value.hint
    assert empty_hub.bytes_sent(path="*") == 0


@pytest.mark.parametrize("limit", [3, 4, 12, 24])
def test_D22_a_low_limit_on_open_files_ends_well_or_is_told(empty_hub: DemoHub, cache: Path, limit: int) -> None:
    files = {f"{number}.safetensors": content(50_000, number) for number in range(60)}
    empty_hub.add(REPO, files)
    lowered = Writer(open_files=limit)
    try:
        lowered.begin(spec(empty_hub, cache, connections=16))
        outcome = lowered.outcome()
    finally:
        lowered.close()
    print(outcome)
    if outcome.error:
        assert "Too many open files" in outcome.error
        assert "ulimit" in outcome.hint
    else:
        pytest.fail("the limit was not met, so this test tests nothing")
    run(spec(empty_hub, cache))
    assert_intact(cache)
