"""Damaged files are taken out of the cache in a way that no other program stumbles over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import Snapshot, find_remains, find_snapshot
from rmm_widgets.downloads.deletion import delete_snapshot
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.prune import prune_cache
from rmm_widgets.downloads.quarantine import set_aside
from rmm_widgets.downloads.verified import VerifiedFiles
from rmm_widgets.downloads.verify import Verification, verify_snapshot
from rmm_widgets.errors import IntegrityError

from .fetching import MIB, REPO, content, run, spec

FILES = {"model.safetensors": content(MIB), "config.json": b"{}", "sub/same.json": b"{}"}


@pytest.fixture
def snapshot(empty_hub: DemoHub, cache: Path) -> Snapshot:
    empty_hub.add(REPO, FILES)
    run(spec(empty_hub, cache))
    found = find_snapshot(cache, REPO, None)
    assert found is not None
    return found


@pytest.fixture
def layout(cache: Path) -> CacheLayout:
    return CacheLayout(cache, REPO)


def flip(path: Path) -> Path:
    real = path.resolve()
    data = bytearray(real.read_bytes())
    data[0] ^= 1
    real.write_bytes(data)
    return real


def quarantined(layout: CacheLayout) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in layout.blobs.glob("*.rmm-bad"))


def put_aside(snapshot: Snapshot) -> Verification:
    result = verify_snapshot(snapshot)
    assert set_aside(snapshot, result.damaged) == {}
    return result


def test_all_names_of_a_damaged_content_go_in_all_commits(
    empty_hub: DemoHub, cache: Path, snapshot: Snapshot, layout: CacheLayout
) -> None:
    empty_hub.update(REPO, {"model.safetensors": content(2 * MIB, 2)})
    run(spec(empty_hub, cache))
    newer = find_snapshot(cache, REPO, None)
    assert newer is not None
    digest = flip(snapshot.path / "config.json").name
    result = put_aside(snapshot)
    assert set(result.corrupt) == {"config.json", "sub/same.json"}
    assert quarantined(layout) == [digest]
    assert find_snapshot(cache, REPO, snapshot.commit) is None
    assert find_snapshot(cache, REPO, newer.commit) is None
    assert not scan_cache_dir(cache).warnings
    assert (snapshot.path / "model.safetensors").exists()
    empty_hub.reset_log()
    run(spec(empty_hub, cache))
    assert empty_hub.bytes_sent(path="*") == 2
    assert quarantined(layout) == []
    run(spec(empty_hub, cache, revision=snapshot.commit))
    assert empty_hub.bytes_sent(path="*") == 2, "what another commit fetched is linked"
    for each in (snapshot, newer):
        assert verify_snapshot(each)[:2] == ((), ())


def test_files_without_links_are_put_aside_too(
    empty_hub: DemoHub, cache: Path, layout: CacheLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    empty_hub.add(REPO, FILES)
    run(spec(empty_hub, cache))
    snapshot = find_snapshot(cache, REPO, None)
    assert snapshot is not None
    flip(snapshot.path / "model.safetensors")
    assert put_aside(snapshot).corrupt == ("model.safetensors",)
    assert not (snapshot.path / "model.safetensors").exists()
    assert len(quarantined(layout)) == 1
    assert not scan_cache_dir(cache).warnings
    run(spec(empty_hub, cache))
    assert verify_snapshot(snapshot)[:2] == ((), ())
    assert quarantined(layout) == []


def test_a_file_that_was_replaced_after_it_was_read_stays(snapshot: Snapshot, layout: CacheLayout) -> None:
    real = flip(snapshot.path / "model.safetensors")
    result = verify_snapshot(snapshot)
    right = real.with_name("new")
    right.write_bytes(FILES["model.safetensors"])
    right.replace(real)
    assert set_aside(snapshot, result.damaged) == {}
    assert real.read_bytes() == FILES["model.safetensors"]
    assert quarantined(layout) == []


def test_a_file_that_another_program_fetches_stays(snapshot: Snapshot, layout: CacheLayout) -> None:
    real = flip(snapshot.path / "model.safetensors")
    result = verify_snapshot(snapshot)
    with layout.locked(real.name):
        assert set_aside(snapshot, result.damaged) == {"model.safetensors": "another program is fetching it"}
    assert real.exists()


def test_a_link_out_of_the_repository_is_cut_and_nothing_else(
    snapshot: Snapshot, layout: CacheLayout, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(content(MIB, 7))
    (snapshot.path / "model.safetensors").unlink()
    (snapshot.path / "model.safetensors").symlink_to(outside)
    assert put_aside(snapshot).corrupt == ("model.safetensors",)
    assert outside.read_bytes() == content(MIB, 7)
    assert not (snapshot.path / "model.safetensors").is_symlink()


def test_a_later_damaged_copy_replaces_the_earlier(
    empty_hub: DemoHub, cache: Path, snapshot: Snapshot, layout: CacheLayout
) -> None:
    digest = flip(snapshot.path / "model.safetensors").name
    put_aside(snapshot)
    first = layout.quarantine(digest).read_bytes()
    empty_hub.inject(Fault(path="*.safetensors", flip_at=500))
    with pytest.raises(IntegrityError):
        run(spec(empty_hub, cache))
    assert quarantined(layout) == [digest]
    assert layout.quarantine(digest).read_bytes() != first
    assert find_snapshot(cache, REPO, None) is None


def test_one_wrong_answer_leaves_nothing_behind(empty_hub: DemoHub, cache: Path, layout: CacheLayout) -> None:
    empty_hub.add(REPO, FILES)
    empty_hub.inject(Fault(path="*.safetensors", flip_at=500, times=1))
    run(spec(empty_hub, cache))
    assert quarantined(layout) == []


def test_a_deletion_and_a_clean_up_take_the_quarantine_along(
    cache: Path, snapshot: Snapshot, layout: CacheLayout
) -> None:
    digest = flip(snapshot.path / "model.safetensors").name
    put_aside(snapshot)
    os.utime(layout.quarantine(digest), (1, 1))
    assert [file.name for file in prune_cache(cache, older_than=60).removed] == [f"{digest}.rmm-bad"]
    layout.quarantine(digest).write_bytes(b"x" * 100)
    assert delete_snapshot(cache, REPO, snapshot.commit) == 102
    assert not layout.root.exists()


def test_what_a_verification_finds_is_remembered_also_when_it_is_cancelled(
    snapshot: Snapshot, layout: CacheLayout, tmp_path: Path
) -> None:
    memory = VerifiedFiles(tmp_path / "verified")
    read: list[int] = []
    from rmm_widgets.errors import DownloadCancelledError

    with pytest.raises(DownloadCancelledError):
        verify_snapshot(snapshot, read.append, lambda: sum(read) > 2, memory=memory)
    known = {Path(path).name for path in memory.read(layout.root.name)}
    assert known == {"config.json"}
    read.clear()
    result = verify_snapshot(snapshot, read.append, memory=memory, skip_known=True)
    assert result.checked_bytes == sum(read) == MIB
    assert verify_snapshot(snapshot, memory=memory, skip_known=True).checked_bytes == 0
    assert verify_snapshot(snapshot, memory=memory).checked_bytes == MIB + 2
    memory.forget(layout.root.name, snapshot.path)
    assert list((tmp_path / "verified").iterdir()) == []


def test_a_memory_that_cannot_be_written_costs_only_reading(snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "verified").write_bytes(b"a file where a folder should be")
    memory = VerifiedFiles(tmp_path / "verified")
    for _ in range(2):
        assert verify_snapshot(snapshot, memory=memory, skip_known=True).checked_bytes == MIB + 2


def test_files_beside_the_chosen_ones_are_read_and_do_not_count_as_needed(snapshot: Snapshot, tmp_path: Path) -> None:
    memory = VerifiedFiles(tmp_path / "verified")
    (snapshot.path / "extra.onnx").write_bytes(b"planted")
    (snapshot.path / "pytorch_model.bin").write_bytes(b"nobody opens pickles")
    first = verify_snapshot(snapshot, memory=memory)
    assert {f.path: f.checked_by for f in first.files}["extra.onnx"] == "size"
    assert "pytorch_model.bin" not in {file.path for file in first.files}
    (snapshot.path / "extra.onnx").write_bytes(b"changed")
    second = verify_snapshot(snapshot, memory=memory)
    assert second.corrupt == ("extra.onnx",)
    assert "extra.onnx" not in second.needed
    assert set_aside(snapshot, second.damaged) == {}
    assert not (snapshot.path / "extra.onnx").exists()


def test_remains_are_what_is_left_of_a_snapshot(cache: Path, snapshot: Snapshot) -> None:
    (snapshot.path / "model.safetensors").unlink()
    left = find_remains(cache, REPO, None)
    assert left is not None
    assert (left.files, left.size, left.weak) == (snapshot.files, 2, ("config.json", "sub/same.json"))
    assert verify_snapshot(left).missing == ("model.safetensors",)
    for path in ("config.json", "sub/same.json"):
        (snapshot.path / path).unlink()
    assert find_remains(cache, REPO, None) is None
    assert find_remains(cache, "rmm-demo/none", None) is None
