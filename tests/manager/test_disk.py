"""What the cache takes, what a deletion frees, and what a clean-up removes, as the manager tells it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.disk_records import DiskUsage, ModelUsage
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.errors import ModelNotRegisteredError, RMMError
from rmm_widgets.manager import ModelManager

from ..downloads.fetching import MIB, content, wait_until
from ..downloads.programs import hf
from .models import info

LARGE, SMALL = content(2 * MIB), content(1000, 2)


@pytest.fixture
def endpoint(empty_hub: DemoHub) -> str:
    return empty_hub.url


@pytest.fixture
def two_commits(manager: ModelManager, empty_hub: DemoHub) -> tuple[str, str]:
    """Two models of one repository, at commits that share the large file."""
    old = empty_hub.add("rmm-demo/model", {"model.safetensors": LARGE, "config.json": b"{}", "a.json": SMALL})
    new = empty_hub.update("rmm-demo/model", {"a.json": b"[]"})
    for name, commit in (("old", old), ("new", new)):
        manager.register_model(info(name, repo_id="rmm-demo/model", version=commit))
        manager.download_model(name).result(60)
    return old, new


def usage(manager: ModelManager) -> tuple[DiskUsage, dict[str, ModelUsage]]:
    measured = manager.disk_usage().result(60)
    return measured, {model.model_id: model for model in measured.models}


def test_usage_tells_what_is_shared_and_what_a_deletion_would_free(
    manager: ModelManager, two_commits: tuple[str, str], empty_hub: DemoHub
) -> None:
    manager.register_model(info("again", repo_id="rmm-demo/model", version=two_commits[1]))
    manager.register_model(info("nothing", repo_id="rmm-demo/nothing"))
    measured, models = usage(manager)
    shared = len(LARGE) + 2
    assert models["old"] == ModelUsage(
        model_id="old",
        repo_id="rmm-demo/model",
        commit=two_commits[0],
        bytes=shared + 1000,
        shared_bytes=shared,
        freeable_bytes=1000,
    )
    assert models["new"].bytes == models["new"].shared_bytes == shared + 2
    assert models["new"].freeable_bytes == 0, "another registered model is at the same commit"
    assert models["nothing"] == ModelUsage(model_id="nothing", repo_id="rmm-demo/nothing")
    assert measured.unregistered == ()
    assert measured.free_bytes > 0
    blobs = len(LARGE) + 2 + 1000 + 2
    assert blobs < measured.total_bytes < blobs + 10_000, "content once, and small listings"
    for name in ("again", "old", "new"):
        expected = usage(manager)[1][name].freeable_bytes
        before = usage(manager)[0].total_bytes
        assert manager.delete_model(name, remove_files=True).result(60) == expected
        assert 0 <= before - usage(manager)[0].total_bytes - expected < 10_000
    assert usage(manager)[0].total_bytes < 1000
    assert empty_hub.bytes_sent(path="*") == blobs


def test_deleting_one_commit_leaves_the_other_whole(manager: ModelManager, two_commits: tuple[str, str]) -> None:
    assert manager.delete_model("old", remove_files=True).result(60) == 1000
    assert manager.verify_model("new").result(60).ok
    assert manager.is_model_available("new")


def test_usage_counts_strangers_leftovers_and_quarantine(
    manager: ModelManager, two_commits: tuple[str, str], empty_hub: DemoHub
) -> None:
    cache = Path(manager.cache_dir)
    empty_hub.add("rmm-demo/stranger", {"model.safetensors": content(MIB, 5)})
    hf(empty_hub, cache, "download", "rmm-demo/stranger")
    layout = CacheLayout(cache, "rmm-demo/model")
    layout.partial("a" * 64).write_bytes(b"x" * 5000)
    (layout.blobs / f"{'b' * 64}.12345678.incomplete").write_bytes(b"x" * 300)
    layout.quarantine("c" * 64).write_bytes(b"x" * 70)
    measured, _ = usage(manager)
    (stranger,) = measured.unregistered
    assert stranger.repo == "models--rmm-demo--stranger"
    assert MIB <= stranger.bytes < MIB + 5000
    assert (measured.unfinished_bytes, measured.quarantine_bytes) == (5300, 70)


def test_usage_tells_what_there_is_of_an_unfinished_download(manager: ModelManager, empty_hub: DemoHub) -> None:
    empty_hub.add("rmm-demo/slow", {"model.safetensors": content(8 * MIB)})
    empty_hub.rate = 4 * MIB
    manager.register_model(info("slow", repo_id="rmm-demo/slow"))
    manager.download_model("slow")
    wait_until(lambda: (p := manager.get_download_progress("slow")) is not None and p.downloaded_bytes > MIB)
    manager.pause_download("slow")
    wait_until(lambda: manager.describe("slow").stage == "paused")
    measured, models = usage(manager)
    assert 0 < models["slow"].unfinished_bytes < 8 * MIB
    assert models["slow"].bytes == 0
    assert abs(measured.unfinished_bytes - models["slow"].unfinished_bytes) < 2 * MIB


def test_D21_prune_frees_what_is_old_and_leaves_what_is_paused(manager: ModelManager, empty_hub: DemoHub) -> None:
    empty_hub.add("rmm-demo/slow", {"model.safetensors": content(8 * MIB)})
    empty_hub.rate = 4 * MIB
    manager.register_model(info("slow", repo_id="rmm-demo/slow"))
    job = manager.download_model("slow")
    wait_until(lambda: (p := manager.get_download_progress("slow")) is not None and p.downloaded_bytes > 2 * MIB)
    layout = CacheLayout(Path(manager.cache_dir), "rmm-demo/slow")
    orphan = layout.partial("a" * 64)
    orphan.write_bytes(b"x" * 1234)
    os.utime(orphan, (1, 1))
    assert manager.prune().result(60).removed == (), "the repository is being downloaded"
    assert manager.prune(older_than=0).result(60).removed == ()
    manager.pause_download("slow")
    wait_until(lambda: manager.describe("slow").stage == "paused")
    report = manager.prune().result(60)
    assert [(file.name, file.bytes) for file in report.removed] == [(orphan.name, 1234)]
    assert report.freed_bytes == 1234
    kept = usage(manager)[1]["slow"].unfinished_bytes
    assert kept > MIB
    empty_hub.reset_log()
    empty_hub.rate = None
    manager.resume_download("slow")
    job.result(60)
    assert empty_hub.bytes_sent(path="*") <= 8 * MIB - kept + MIB


@pytest.mark.parametrize("bad", [-1, "7", None, True, float("nan"), float("inf")])
def test_a_clean_up_of_a_nonsense_age_is_refused(manager: ModelManager, bad: object) -> None:
    with pytest.raises(ValueError, match="older_than is"):
        manager.prune(older_than=bad)  # type: ignore[arg-type]


def test_a_cache_that_is_not_there_takes_nothing(make_manager: Callable[..., ModelManager], tmp_path: Path) -> None:
    manager = make_manager(cache_dir=tmp_path / "nowhere")
    measured = manager.disk_usage().result(60)
    assert (measured.total_bytes, measured.models, measured.unregistered) == (0, (), ())
    assert measured.free_bytes > 0
    assert manager.prune().result(60).removed == ()
    assert not (tmp_path / "nowhere").exists()


def test_a_deletion_during_a_download_of_the_same_files_is_refused(
    manager: ModelManager, two_commits: tuple[str, str]
) -> None:
    with CacheLayout(Path(manager.cache_dir), "rmm-demo/model") as layout:
        (digest,) = {path.name for path in layout.blobs.iterdir() if path.stat().st_size == 1000}
        with layout.locked(digest), pytest.raises(RMMError, match="being downloaded"):
            manager.delete_model("old", remove_files=True).result(60)
    assert (layout.snapshot(two_commits[0]) / "a.json").exists()


def test_what_deleting_several_would_free_is_what_it_frees(
    manager: ModelManager, two_commits: tuple[str, str], empty_hub: DemoHub
) -> None:
    manager.register_model(info("twin", repo_id="rmm-demo/model", version=two_commits[1]))
    manager.register_model(info("nothing", repo_id="rmm-demo/nothing"))

    def frees(*model_ids: str) -> int:
        return manager.deletion_frees(model_ids).result(60)

    both = len(LARGE) + 2
    assert frees("old") == 1000, "the other commit keeps the large file"
    assert frees("new") == frees("nothing") == frees() == 0
    assert frees("new", "twin") == 2
    everything = frees("old", "new", "twin", "nothing")
    assert everything == both + 1000 + 2
    freed = [manager.delete_model(name, remove_files=True).result(60) for name in ("old", "new", "nothing", "twin")]
    assert sum(freed) == everything
    with pytest.raises(ModelNotRegisteredError):
        manager.deletion_frees(["old"])
