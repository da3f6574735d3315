"""Content that huggingface_hub keeps once for all repositories of a cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir
from huggingface_hub.utils import _shared_blobs

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import Snapshot, find_snapshot
from rmm_widgets.downloads.deletion import delete_snapshot, deletion_frees
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.quarantine import set_aside
from rmm_widgets.downloads.shared import SharedStore
from rmm_widgets.downloads.verify import verify_snapshot

from .fetching import MIB, content, run, spec

ONE, TWO = "rmm-demo/one", "rmm-demo/two"
XET = "ab" * 32
SIZE = 2 * MIB


@pytest.fixture
def shared(empty_hub: DemoHub, cache: Path) -> dict[str, Snapshot]:
    """Two repositories with the same weights, stored once by huggingface_hub's own code."""
    found: dict[str, Snapshot] = {}
    for repo in (ONE, TWO):
        empty_hub.add(repo, {"model.safetensors": content(SIZE), "config.json": repo.encode()})
        run(spec(empty_hub, cache, repo))
        snapshot = find_snapshot(cache, repo, None)
        assert snapshot is not None
        found[repo] = snapshot
        assert _shared_blobs.publish_blob_to_shared_store(
            blob_path=str(blob(snapshot)), xet_hash=XET, cache_dir=str(cache), expected_size=SIZE
        )
    assert store(cache).stat().st_nlink == 1
    return found


def blob(snapshot: Snapshot) -> Path:
    link = snapshot.path / "model.safetensors"
    return Path(os.path.normpath(link.parent / link.readlink()))


def store(cache: Path) -> Path:
    return cache / "blobs" / XET[:2] / XET


def test_shared_content_is_freed_with_its_last_user(shared: dict[str, Snapshot], cache: Path) -> None:
    one, two = shared[ONE], shared[TWO]
    assert find_snapshot(cache, ONE, None) == one
    own = len(ONE)
    assert deletion_frees(cache, ONE, one.commit) == own
    assert delete_snapshot(cache, ONE, one.commit) == own, "the other repository still needs the content"
    assert store(cache).exists()
    assert verify_snapshot(two)[:2] == ((), ())
    assert deletion_frees(cache, TWO, two.commit) == SIZE + len(TWO)
    assert delete_snapshot(cache, TWO, two.commit) == SIZE + len(TWO)
    assert not store(cache).exists()
    assert not scan_cache_dir(cache).warnings


def test_content_whose_links_nobody_knows_is_kept(shared: dict[str, Snapshot], cache: Path) -> None:
    store(cache).with_name(f"{XET}.refs").unlink()
    for repo, snapshot in shared.items():
        assert deletion_frees(cache, repo, snapshot.commit) == len(repo)
        assert delete_snapshot(cache, repo, snapshot.commit) == len(repo)
    assert store(cache).exists()


def test_a_link_that_the_list_does_not_name_still_counts(shared: dict[str, Snapshot], cache: Path) -> None:
    store(cache).with_name(f"{XET}.refs").write_text("")
    assert delete_snapshot(cache, ONE, shared[ONE].commit) == len(ONE)
    assert verify_snapshot(shared[TWO])[:2] == ((), ())


def test_a_store_of_another_layout_is_left_alone(shared: dict[str, Snapshot], cache: Path) -> None:
    (cache / "blobs" / ".huggingface-shared-blobs").write_text("2\n")
    for repo, snapshot in shared.items():
        assert delete_snapshot(cache, repo, snapshot.commit) == len(repo)
    assert store(cache).exists()


def test_content_that_is_being_linked_at_this_moment_is_kept(shared: dict[str, Snapshot], cache: Path) -> None:
    with _shared_blobs._shared_blob_lock(store(cache)):
        for repo, snapshot in shared.items():
            assert delete_snapshot(cache, repo, snapshot.commit) == len(repo)
    assert store(cache).exists()


def test_only_links_into_the_store_count_as_such(cache: Path, tmp_path: Path) -> None:
    layout = CacheLayout(cache, ONE)
    layout.blobs.mkdir(parents=True)
    outside = tmp_path / XET
    outside.write_bytes(b"x")
    for name, target in {"a": outside, "b": Path("../../../etc/passwd"), "c": Path("d")}.items():
        link = layout.blobs / name
        link.symlink_to(target)
        assert SharedStore(cache).target(link) is None


def test_damaged_shared_content_loses_only_our_link(
    shared: dict[str, Snapshot], cache: Path, empty_hub: DemoHub
) -> None:
    one = shared[ONE]
    path = store(cache)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    result = verify_snapshot(one)
    assert result.corrupt == ("model.safetensors",)
    assert set_aside(one, result.damaged) == {}
    assert path.read_bytes() == data, "nobody changes what others use"
    assert not blob(shared[TWO]).is_symlink() or blob(shared[TWO]).exists()
    assert not list(CacheLayout(cache, ONE).blobs.glob("*.rmm-bad"))
    assert find_snapshot(cache, ONE, None) is None
    assert not scan_cache_dir(cache).warnings
    empty_hub.reset_log()
    run(spec(empty_hub, cache, ONE))
    assert empty_hub.bytes_sent(path="*") == SIZE
    assert verify_snapshot(one)[:2] == ((), ())
    assert path.read_bytes() == data
    assert not blob(one).is_symlink()
