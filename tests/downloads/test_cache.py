"""What is on disk: complete or not, intact or not, and what a deletion frees."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import (
    Snapshot,
    default_cache_dir,
    find_remains,
    find_snapshot,
    partial_bytes,
)
from rmm_widgets.downloads.deletion import delete_snapshot
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.verify import verify_snapshot
from rmm_widgets.errors import DownloadCancelledError, DownloadError

from .fetching import MIB, REPO, blobs, content, run, spec

FOLDER = "models--rmm-demo--model"
FILES = {
    "config.json": b"{}",
    "model.safetensors": content(2 * MIB + 5),
    "sub/other.safetensors": content(1000, 2),
    "sub/same.json": b"{}",
}


@pytest.fixture
def snapshot(empty_hub: DemoHub, cache: Path) -> Snapshot:
    empty_hub.add(REPO, FILES)
    run(spec(empty_hub, cache))
    found = find_snapshot(cache, REPO, None)
    assert found is not None
    return found


def used_bytes(cache: Path) -> int:
    return sum(path.stat().st_size for path in (cache / FOLDER / "blobs").glob("*")) if (cache / FOLDER).exists() else 0


def real(snapshot: Snapshot, path: str) -> Path:
    return (snapshot.path / path).resolve()


_ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"HF_HOME": "/a/home"},
    {"HF_HOME": "~/x"},
    {"XDG_CACHE_HOME": "/b/xdg"},
    {"XDG_CACHE_HOME": "/b/xdg", "HF_HOME": "/a/home"},
    {"HF_HUB_CACHE": "/c/hub", "HF_HOME": "/a/home"},
    {"HUGGINGFACE_HUB_CACHE": "/d/legacy"},
    {"HUGGINGFACE_HUB_CACHE": "/d/legacy", "HF_HUB_CACHE": "/c/hub"},
    {"HF_HUB_CACHE": "$HOME/e"},
]


def test_the_default_cache_is_that_of_huggingface_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME")
    code = (
        "import importlib, json, os, sys\nfrom huggingface_hub import constants\nfor e in json.load(sys.stdin):\n"
        f"    [os.environ.pop(n, None) for n in {names}]\n    os.environ.update(e)\n"
        "    print(importlib.reload(constants).HF_HUB_CACHE)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(_ENVIRONMENTS), capture_output=True, text=True, check=True
    )
    for environment, expected in zip(_ENVIRONMENTS, process.stdout.split(), strict=True):
        for name in names:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert default_cache_dir() == Path(expected), environment


def test_looking_at_the_cache_imports_nothing_heavy() -> None:
    code = "import sys, rmm_widgets.downloads.cache, rmm_widgets.downloads.client; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_root())
    assert not {"huggingface_hub", "numpy", "requests", "httpx2", "anywidget"} & set(modules.stdout.split())


def _root() -> Path:
    return Path(__file__).resolve().parents[2]


def test_a_complete_snapshot_is_found_with_its_size(snapshot: Snapshot, cache: Path) -> None:
    assert set(snapshot.files) == set(FILES)
    assert snapshot.size == 2 * MIB + 5 + 1000 + 2, "content under two names counts once"
    assert find_snapshot(cache, REPO, snapshot.commit) == snapshot
    assert find_snapshot(str(cache), REPO, "main") == snapshot


@pytest.mark.parametrize("damage", ["blob gone", "blob short", "blob long", "link gone", "snapshot gone", "ref gone"])
def test_an_incomplete_snapshot_is_not_found(snapshot: Snapshot, cache: Path, damage: str) -> None:
    weights = real(snapshot, "model.safetensors")
    match damage:
        case "blob gone":
            weights.unlink()
        case "blob short":
            os.truncate(weights, 1000)
        case "blob long":
            os.truncate(weights, 3 * MIB)
        case "link gone":
            (snapshot.path / "model.safetensors").unlink()
        case "snapshot gone":
            shutil.rmtree(snapshot.path)
        case _:
            shutil.rmtree(cache / FOLDER / "refs")
    assert find_snapshot(cache, REPO, None) is None


def test_unknown_repositories_and_revisions_are_not_found(snapshot: Snapshot, cache: Path) -> None:
    assert find_snapshot(cache, "rmm-demo/none", None) is None
    assert find_snapshot(cache, REPO, "v9") is None
    assert find_snapshot(cache / "none", REPO, None) is None
    for repo_id, revision in (("../x", None), ("a/b/c", None), (REPO, "../../x")):
        with pytest.raises(ValueError):
            find_snapshot(cache, repo_id, revision)


def test_a_ref_that_is_no_commit_is_not_followed(snapshot: Snapshot, cache: Path) -> None:
    (cache / FOLDER / "refs" / "main").write_text("../../../etc")
    assert find_snapshot(cache, REPO, None) is None


def test_files_fetched_one_by_one_count_only_with_weights_and_all_shards(snapshot: Snapshot, cache: Path) -> None:
    (cache / FOLDER / "trees" / f"{snapshot.commit}.json").unlink()
    assert find_snapshot(cache, REPO, None) is not None
    index = snapshot.path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}))
    assert find_snapshot(cache, REPO, None) is None, "a shard is missing"
    (snapshot.path / "model-2.safetensors").write_bytes(b"x")
    assert find_snapshot(cache, REPO, None) is not None
    (cache / FOLDER / "blobs" / "x.1234.incomplete").write_bytes(b"x")
    assert find_snapshot(cache, REPO, None) is None, "something is half fetched"
    (cache / FOLDER / "blobs" / "x.1234.incomplete").unlink()
    for path in snapshot.path.rglob("*.safetensors"):
        path.unlink()
    index.unlink()
    assert find_snapshot(cache, REPO, None) is None, "only the configuration is there"


@pytest.mark.parametrize(
    "tree",
    ["", "[]", '{"format_version": 2, "files": {}}', '{"format_version":1,"files":{"../x":{"size":1,"blob_id":"a"}}}'],
)
def test_a_listing_that_cannot_be_trusted_counts_as_none(snapshot: Snapshot, cache: Path, tree: str) -> None:
    (cache / FOLDER / "trees" / f"{snapshot.commit}.json").write_text(tree)
    found = find_snapshot(cache, REPO, None)
    assert found is not None
    assert found.files == tuple(sorted(FILES))


def test_D5_verify_finds_200_of_200_flips_and_truncations(empty_hub: DemoHub, cache: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    files = {f"{n:03}.safetensors": content(1 + n * 7, n) for n in range(220)}
    empty_hub.add(REPO, files)
    run(spec(empty_hub, cache))
    snapshot = find_snapshot(cache, REPO, None)
    assert snapshot is not None
    assert verify_snapshot(snapshot)[:3] == ((), (), sum(map(len, files.values())))
    damaged = sorted(chance.sample(sorted(files), 200))
    (gone,) = chance.sample(sorted(files.keys() - set(damaged)), 1)
    for number, name in enumerate(damaged):
        damage(real(snapshot, name), chance, empty=number % 20 == 0)
    real(snapshot, gone).unlink()
    assert find_snapshot(cache, REPO, None) is None
    left = find_remains(cache, REPO, None)
    assert left is not None
    corrupt, missing, *_ = verify_snapshot(left)
    assert sorted(corrupt) == damaged
    assert missing == (gone,)


def damage(path: Path, chance: random.Random, *, empty: bool = False) -> None:
    """Change a file as a bad disk does: nothing but its bytes tells."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    if empty:
        del data[:]
    elif chance.random() < 0.2:
        del data[chance.randrange(len(data)) :]
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_verification_tells_how_far_it_is_and_can_be_cancelled(snapshot: Snapshot) -> None:
    read: list[int] = []
    result = verify_snapshot(snapshot, read.append, lambda: False)
    assert sum(read) == result.checked_bytes == snapshot.size, "one content under two names is read once"
    assert len(read) > len(FILES) - 1, "large files in pieces"
    with pytest.raises(DownloadCancelledError):
        verify_snapshot(snapshot, None, lambda: True)


def test_what_huggingface_hub_shares_between_repositories_is_verified(snapshot: Snapshot, cache: Path) -> None:
    blob = real(snapshot, "model.safetensors")
    shared = cache / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to(shared)
    assert find_snapshot(cache, REPO, None) == snapshot
    assert verify_snapshot(snapshot).corrupt == ()
    assert delete_snapshot(cache, REPO, snapshot.commit) == 1002, "the shared content stays and is not counted"
    assert shared.exists()


def test_a_deletion_frees_exactly_what_it_says(snapshot: Snapshot, cache: Path) -> None:
    from huggingface_hub import scan_cache_dir

    before = used_bytes(cache)
    assert delete_snapshot(cache, REPO, snapshot.commit) == before == snapshot.size
    assert not (cache / FOLDER).exists()
    assert find_snapshot(cache, REPO, None) is None
    assert not scan_cache_dir(cache).warnings
    assert delete_snapshot(cache, REPO, snapshot.commit) == 0, "nothing is left to delete"


def test_a_deletion_leaves_what_other_commits_use(empty_hub: DemoHub, snapshot: Snapshot, cache: Path) -> None:
    from huggingface_hub import scan_cache_dir

    new = empty_hub.update(REPO, {"sub/other.safetensors": content(3000, 9)})
    run(spec(empty_hub, cache))
    before = used_bytes(cache)
    assert delete_snapshot(cache, REPO, snapshot.commit) == 1000 == before - used_bytes(cache)
    kept = find_snapshot(cache, REPO, None)
    assert kept is not None
    assert kept.commit == new
    assert verify_snapshot(kept)[:2] == ((), ())
    (repo,) = scan_cache_dir(cache).repos
    assert {revision.commit_hash for revision in repo.revisions} == {new}
    assert not (cache / FOLDER / "trees" / f"{snapshot.commit}.json").exists()


def test_a_deletion_takes_unfinished_files_along(empty_hub: DemoHub, cache: Path) -> None:
    from rmm_widgets.downloads.fetcher.transfer import Transfer

    commit = empty_hub.add(REPO, {"model.safetensors": content(4 * MIB), "config.json": b"{}"})
    empty_hub.rate = 4 * MIB
    transfer = Transfer(
        spec(empty_hub, cache), lambda record: transfer.cancel() if record.downloaded_bytes > MIB else None
    )
    with pytest.raises(DownloadCancelledError):
        transfer.run()
    left = partial_bytes(cache, REPO)
    assert left > MIB
    assert delete_snapshot(cache, REPO, commit) == left + 2
    assert (partial_bytes(cache, REPO), blobs(cache)) == (0, [])


def test_kept_commits_keep_their_unfinished_files(empty_hub: DemoHub, cache: Path) -> None:
    from rmm_widgets.downloads.fetcher.transfer import Transfer

    old = empty_hub.add(REPO, {"model.safetensors": content(4 * MIB), "config.json": b"{}"})
    run(spec(empty_hub, cache, allow_patterns=("config.json",)))
    new = empty_hub.update(REPO, {"config.json": b"[]"})
    empty_hub.rate = 4 * MIB
    transfer = Transfer(
        spec(empty_hub, cache), lambda record: transfer.cancel() if record.downloaded_bytes > MIB else None
    )
    with pytest.raises(DownloadCancelledError):
        transfer.run()
    left = partial_bytes(cache, REPO)
    shutil.rmtree(cache / FOLDER / "snapshots" / new)
    assert delete_snapshot(cache, REPO, old, keep=[new]) == 2
    assert partial_bytes(cache, REPO) == left > MIB


def test_a_running_download_is_not_destroyed(snapshot: Snapshot, cache: Path) -> None:
    layout = CacheLayout(cache, REPO)
    held = layout.lock(real(snapshot, "model.safetensors").name)
    assert held is not None
    try:
        with pytest.raises(DownloadError, match="being downloaded"):
            delete_snapshot(cache, REPO, snapshot.commit)
    finally:
        held.release()
    assert find_snapshot(cache, REPO, None) == snapshot, "nothing was removed"


def test_only_a_commit_can_be_deleted(snapshot: Snapshot, cache: Path) -> None:
    for commit in ("main", "../..", "", "A" * 40):
        with pytest.raises(ValueError):
            delete_snapshot(cache, REPO, commit)
    assert find_snapshot(cache, REPO, None) == snapshot
