"""A model stays on the commit of its first download; a newer one is an offer, and only the user accepts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from huggingface_hub import close_session

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import (
    DownloadCancelledError,
    DownloadError,
    HubUnavailableError,
    ModelNotRegisteredError,
    RevisionNotFoundError,
)
from rmm_widgets.hub import requests
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelEvent, ModelStatus, UpdateOffer

from ..downloads.fetching import MIB, content, wait_until
from .models import info

LONG = 60.0
REPO = "rmm-demo/model"
OLD = {"model.safetensors": content(MIB, 1), "config.json": b'{"architectures": ["XForSequenceClassification"]}'}
NEW = {"model.safetensors": content(MIB, 2)}


@pytest.fixture
def endpoint(empty_hub: DemoHub) -> Iterator[str]:
    yield empty_hub.url
    close_session()  # huggingface_hub keeps its connections otherwise


@pytest.fixture
def old(empty_hub: DemoHub, manager: ModelManager) -> str:
    """A model on disk, registered from the hub as `model`; the commit."""
    commit = empty_hub.add(REPO, OLD)
    manager.register_from_hub(REPO).result(LONG)
    manager.download_model("model").result(LONG)
    return commit


def test_S20_nothing_is_offered_while_the_branch_stays(manager: ModelManager, empty_hub: DemoHub, old: str) -> None:
    empty_hub.reset_log()
    assert manager.check_update("model").result(LONG) is None
    assert empty_hub.count() == 1
    assert manager.describe("model").commit == old


def test_S20_a_moved_branch_is_an_offer_with_both_commits(manager: ModelManager, empty_hub: DemoHub, old: str) -> None:
    new = empty_hub.update(REPO, NEW)
    empty_hub.reset_log()
    expected = UpdateOffer(model_id="model", repo_id=REPO, revision="main", commit=old, newer_commit=new)
    assert manager.check_update("model").result(LONG) == expected
    assert empty_hub.count() == 1, "one request"
    path = manager.download_model("model").result(LONG)
    assert path.name == old, "downloading again moves nothing"
    assert manager.describe("model").commit == old


def test_S20_files_that_were_lost_are_fetched_again_from_the_recorded_commit(
    make_manager: Callable[..., ModelManager], empty_hub: DemoHub
) -> None:
    with make_manager() as first:
        old = empty_hub.add(REPO, OLD)
        first.register_from_hub(REPO).result(LONG)
        path = first.download_model("model").result(LONG)
    empty_hub.update(REPO, NEW)
    (path / "model.safetensors").resolve().unlink()
    second = make_manager()
    assert not second.is_model_available("model")
    again = second.download_model("model").result(LONG)
    assert again.name == old
    assert (again / "model.safetensors").read_bytes() == OLD["model.safetensors"]


def test_S20_registering_again_says_so_and_moves_nothing(manager: ModelManager, empty_hub: DemoHub, old: str) -> None:
    before = manager.get_model_info("model")
    assert before is not None
    new = empty_hub.update(REPO, {**NEW, "more.json": b"{}"})
    events: list[ModelEvent] = []
    manager.add_event_listener(events.append)
    seen = manager.register_from_hub(REPO).result(LONG)
    assert (seen.metadata["commit"], seen.metadata["newer_commit"]) == (old, new)
    assert seen.total_size_estimate == before.total_size_estimate, "the size of what is there"
    assert seen.file_count_estimate == before.file_count_estimate
    (event,) = events
    assert (event.data["commit"], event.data["newer_commit"]) == (old, new)
    assert manager.describe("model").commit == old
    assert manager.is_model_available("model")
    assert manager.register_from_hub(REPO).result(LONG) == seen
    assert len(events) == 1, "the same answer again changes nothing"


def test_S20_an_update_accepts_the_newer_commit(make_manager: Callable[..., ModelManager], empty_hub: DemoHub) -> None:
    with make_manager() as first:
        empty_hub.add(REPO, OLD)
        first.register_from_hub(REPO).result(LONG)
        first.download_model("model").result(LONG)
        new = empty_hub.update(REPO, NEW)
        first.register_from_hub(REPO).result(LONG)
        empty_hub.reset_log()
        path = first.update_model("model").result(LONG)
        assert path.name == new
        assert (path / "model.safetensors").read_bytes() == NEW["model.safetensors"]
        assert empty_hub.bytes_sent(path="*") == MIB, "what did not change is not fetched again"
        found = first.get_model_info("model")
        assert found is not None
        assert found.metadata["commit"] == new
        assert "newer_commit" not in found.metadata
        assert first.check_update("model").result(LONG) is None
        assert first.update_model("model").result(LONG) == path, "once more changes nothing"
    second = make_manager()
    assert second.describe("model").commit == new
    assert second.is_model_available("model")


def test_S20_a_failed_update_leaves_the_older_commit_usable(
    manager: ModelManager, empty_hub: DemoHub, old: str
) -> None:
    new = empty_hub.update(REPO, NEW)
    empty_hub.inject(Fault(path="model.safetensors", status=403))
    with pytest.raises(DownloadError):
        manager.update_model("model").result(LONG)
    assert manager.get_model_status("model") is ModelStatus.DOWNLOADED
    assert manager.describe("model").commit == old
    assert (manager.download_model("model").result(LONG)).name == old
    assert manager.verify_model("model").result(LONG).ok
    empty_hub.clear_faults()
    assert manager.update_model("model").result(LONG).name == new


def test_S20_a_cancelled_update_leaves_the_older_commit_usable(
    manager: ModelManager, empty_hub: DemoHub, old: str
) -> None:
    empty_hub.update(REPO, {"model.safetensors": content(8 * MIB, 3)})
    empty_hub.rate = MIB
    job = manager.update_model("model")
    assert manager.update_model("model") is job, "a second call joins"
    wait_until(lambda: (p := manager.get_download_progress("model")) is not None and p.phase == "downloading")
    assert manager.cancel_download("model")
    with pytest.raises(DownloadCancelledError):
        job.result(LONG)
    assert manager.is_model_available("model")
    assert manager.describe("model").commit == old
    assert manager.verify_model("model").result(LONG).ok


def test_S20_a_paused_update_goes_on_as_one(manager: ModelManager, empty_hub: DemoHub, old: str) -> None:
    new = empty_hub.update(REPO, {"model.safetensors": content(4 * MIB, 3)})
    empty_hub.rate = MIB
    job = manager.update_model("model")
    wait_until(lambda: (p := manager.get_download_progress("model")) is not None and p.phase == "downloading")
    manager.pause_download("model")
    wait_until(lambda: (p := manager.get_download_progress("model")) is not None and p.phase == "paused")
    assert manager.describe("model").commit == old
    empty_hub.rate = None
    manager.resume_download("model")
    assert job.result(LONG).name == new


def test_S20_an_update_that_a_killed_kernel_left_is_no_update(
    make_manager: Callable[..., ModelManager], empty_hub: DemoHub
) -> None:
    first = make_manager()
    old = empty_hub.add(REPO, OLD)
    first.register_from_hub(REPO).result(LONG)
    first.download_model("model").result(LONG)
    empty_hub.update(REPO, {"model.safetensors": content(8 * MIB, 3)})
    empty_hub.rate = MIB
    first.update_model("model")
    wait_until(lambda: (p := first.get_download_progress("model")) is not None and p.phase == "downloading")
    second = make_manager()  # reads what a kernel would find after the first one's death
    assert second.describe("model").commit == old
    assert second.is_model_available("model")


def test_a_model_in_memory_is_not_updated(make_manager: Callable[..., ModelManager], hub: DemoHub) -> None:
    manager = make_manager(endpoint=hub.url)
    manager.register_from_hub("rmm-demo/vit-digits").result(LONG)
    manager.load_model("vit-digits").result(LONG)
    hub.update("rmm-demo/vit-digits", {"extra.txt": b"more"})
    with pytest.raises(DownloadError, match="in memory") as caught:
        manager.update_model("vit-digits")
    assert "unload" in caught.value.hint
    manager.unload_model("vit-digits").result(LONG)
    assert manager.update_model("vit-digits").result(LONG).name == hub.commit("rmm-demo/vit-digits")


def test_what_cannot_move_has_no_update(
    manager: ModelManager, empty_hub: DemoHub, scripted: Callable[..., object]
) -> None:
    commit = empty_hub.add(REPO, OLD)
    manager.register_model(info("fixed", repo_id=REPO, version=commit))
    manager.download_model("fixed").result(LONG)
    empty_hub.update(REPO, NEW)
    empty_hub.reset_log()
    assert manager.check_update("fixed").result(LONG) is None
    with pytest.raises(DownloadError, match="never moves"):
        manager.update_model("fixed")
    scripted("own")
    assert manager.check_update("own").result(LONG) is None
    with pytest.raises(DownloadError, match="own object"):
        manager.update_model("own")
    manager.register_model(info("not-here", repo_id=REPO))
    assert manager.check_update("not-here").result(LONG) is None, "its first download takes the newest"
    for ask in (manager.check_update, manager.update_model):
        with pytest.raises(ModelNotRegisteredError):
            ask("unknown")
    assert empty_hub.count() == 0


def test_a_download_under_way_is_not_turned_into_an_update(manager: ModelManager, empty_hub: DemoHub) -> None:
    empty_hub.add(REPO, {"model.safetensors": content(4 * MIB)})
    manager.register_model(info("model", repo_id=REPO))
    empty_hub.rate = MIB
    manager.download_model("model")
    with pytest.raises(DownloadError, match="being downloaded"):
        manager.update_model("model")
    assert manager.cancel_download("model")


def test_a_hub_that_is_down_offers_nothing(
    manager: ModelManager, empty_hub: DemoHub, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "POLICY", msgspec.structs.replace(requests.POLICY, first=0.01))
    empty_hub.down = True
    with pytest.raises(HubUnavailableError) as caught:
        manager.check_update("model").result(LONG)
    assert caught.value.model_id == "model"
    assert manager.describe("model").commit == old


def rewrite(hub: DemoHub) -> str:
    """Another repository under the same id, of which the older commits are gone."""
    hub.remove(REPO)
    return hub.add(REPO, {**OLD, "model.safetensors": content(MIB, 9), "evil.txt": b"new owner"})


def test_S20_another_history_under_the_same_id_is_refused(
    make_manager: Callable[..., ModelManager], empty_hub: DemoHub
) -> None:
    with make_manager() as first:
        old = empty_hub.add(REPO, OLD)
        first.register_from_hub(REPO).result(LONG)
        path = first.download_model("model").result(LONG)
    (path / "config.json").unlink()
    new = rewrite(empty_hub)
    manager = make_manager()
    for _ in range(2):
        with pytest.raises(RevisionNotFoundError) as caught:
            manager.download_model("model").result(LONG)
        assert old in str(caught.value)
        assert new in str(caught.value)
        assert "update" in caught.value.hint
        assert manager.describe("model").commit == old
    assert empty_hub.bytes_sent(path="model.safetensors") == MIB, "of the old history; nothing of the new one"
    (path.parents[1] / "trees" / f"{old}.json").unlink()
    with pytest.raises(RevisionNotFoundError, match=new):
        manager.list_files("model").result(LONG)
    assert manager.update_model("model").result(LONG).name == new, "accepted by name"
    assert manager.describe("model").commit == new


def test_S20_what_is_on_disk_stays_usable_when_the_history_was_rewritten(
    manager: ModelManager, empty_hub: DemoHub, old: str
) -> None:
    new = rewrite(empty_hub)
    empty_hub.reset_log()
    assert manager.download_model("model").result(LONG).name == old
    assert empty_hub.count() == 0
    offer = manager.check_update("model").result(LONG)
    assert offer is not None
    assert offer.newer_commit == new


def test_D13_what_changes_upstream_midway_changes_nothing_here(manager: ModelManager, empty_hub: DemoHub) -> None:
    files = {f"part-{n}.safetensors": content(MIB, n) for n in range(6)}
    first = empty_hub.add(REPO, files)
    manager.register_model(info("model", repo_id=REPO))
    empty_hub.rate = 4 * MIB
    job = manager.download_model("model")
    wait_until(lambda: (p := manager.get_download_progress("model")) is not None and p.downloaded_bytes > MIB)
    second = empty_hub.update(REPO, {name: content(MIB, n + 100) for n, name in enumerate(files)})
    empty_hub.rate = None
    path = job.result(LONG)
    assert path.name == first != second
    assert {name: (path / name).read_bytes() for name in files} == files
    assert manager.describe("model").commit == first
    asked = {request.path for request in empty_hub.requests if "/resolve/" in request.path}
    assert all(f"/resolve/{first}/" in each for each in asked), "every file is asked for at one commit"


def test_D13_a_repository_replaced_midway_leaves_nothing_of_two_histories(
    manager: ModelManager, empty_hub: DemoHub
) -> None:
    files = {f"part-{n}.safetensors": content(MIB, n) for n in range(6)}
    empty_hub.add(REPO, files)
    manager.register_model(info("model", repo_id=REPO))
    empty_hub.rate = 4 * MIB
    job = manager.download_model("model")
    wait_until(lambda: (p := manager.get_download_progress("model")) is not None and p.downloaded_bytes > MIB)
    empty_hub.remove(REPO)
    others = {name: content(MIB, n + 100) for n, name in enumerate(files)}
    second = empty_hub.add(REPO, {**others, "new.txt": b"new owner"})
    empty_hub.rate = None
    if job.exception(LONG) is not None:  # else every address was known already, and all bytes are of the first
        assert isinstance(job.exception(), DownloadError)
        assert not manager.is_model_available("model")
        path = manager.download_model("model").result(LONG)
        assert path.name == second
        assert {name: (path / name).read_bytes() for name in others} == others
    else:
        assert {name: (job.result() / name).read_bytes() for name in files} == files
    assert manager.verify_model("model").result(LONG).ok


def test_D19_each_of_five_files_may_fail_and_only_that_one_is_fetched_again(
    make_manager: Callable[..., ModelManager], empty_hub: DemoHub, tmp_path: Path
) -> None:
    files = {f"part-{n}.safetensors": content(50_000, n) for n in range(4)} | {"config.json": b"{}"}
    empty_hub.add(REPO, files)
    for position, failing in enumerate(files):
        manager = make_manager(cache_dir=tmp_path / f"cache-{position}", data_dir=tmp_path / f"data-{position}")
        manager.register_model(info("model", repo_id=REPO))
        empty_hub.inject(Fault(path=failing, origin="hub", status=403))
        with pytest.raises(DownloadError):
            manager.download_model("model").result(LONG)
        assert manager.get_model_status("model") is ModelStatus.ERROR
        kept = {f.path for f in manager.list_files("model").result(LONG).files if f.on_disk}
        assert kept == set(files) - {failing}, "the others are finished and stay"
        empty_hub.clear_faults()
        empty_hub.reset_log()
        path = manager.download_model("model").result(LONG)
        assert {request.file for request in empty_hub.requests if request.file} == {failing}
        assert {name: (path / name).read_bytes() for name in files} == files
        manager.close()
