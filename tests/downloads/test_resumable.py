"""What a download that has not ended left on disk, and how it is removed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.resumable import discard_unfinished, files_on_disk, find_unfinished
from rmm_widgets.downloads.spec import FetchProgress
from rmm_widgets.errors import DownloadCancelledError, DownloadError

from .fetching import MIB, REPO, blobs, content, run, spec, unfinished

BIG, SMALL = 8 * MIB, 1000


@pytest.fixture
def begun(no_leaks: None, empty_hub: DemoHub, cache: Path) -> DemoHub:
    """A hub, and a cache with a part of its model: the small file whole, the large one half fetched."""
    empty_hub.add(REPO, {"model.safetensors": content(BIG), "config.json": content(SMALL, 2)})
    begin(empty_hub, cache)
    return empty_hub


def begin(hub: DemoHub, cache: Path, **changes: object) -> None:
    """Fetch 2 MiB or some more, and stop."""
    hub.rate = 8 * MIB
    transfer: Transfer | None = None

    def stop(progress: FetchProgress) -> None:
        if progress.downloaded_bytes > 2 * MIB and transfer is not None:
            transfer.cancel()

    transfer = Transfer(spec(hub, cache, **changes), stop)
    with pytest.raises(DownloadCancelledError):
        transfer.run()
    hub.rate = None


def commit_of(hub: DemoHub, cache: Path) -> str:
    found = find_unfinished(cache, REPO, None)
    assert found is not None
    return found.commit


def test_it_is_found_before_its_ref_is_there(begun: DemoHub, cache: Path) -> None:
    found = find_unfinished(cache, REPO, None)
    assert found is not None
    assert (found.total_bytes, found.files_done, found.files_total) == (BIG + SMALL, 1, 2)
    assert 2 * MIB < found.downloaded_bytes < BIG
    begun.reset_log()
    run(spec(begun, cache))
    assert find_unfinished(cache, REPO, None) is None
    # What was on its way when the first transfer ended may be counted late.
    assert begun.bytes_sent(path="*.safetensors") <= BIG + SMALL - found.downloaded_bytes + MIB // 2
    assert not any(CacheLayout(cache, REPO).begun.iterdir())


def test_another_revision_has_nothing_of_it(begun: DemoHub, cache: Path) -> None:
    assert find_unfinished(cache, REPO, "v2") is None
    assert find_unfinished(cache, "rmm-demo/other", None) is None
    assert find_unfinished(cache, REPO, "0" * 40) is None
    assert find_unfinished(cache, REPO, commit_of(begun, cache)) is not None


def test_the_files_are_told_one_by_one(begun: DemoHub, cache: Path) -> None:
    config, model = files_on_disk(cache, REPO, None)
    assert (config.path, config.state, config.downloaded_bytes) == ("config.json", "done", SMALL)
    assert (model.path, model.state, model.size) == ("model.safetensors", "waiting", BIG)
    assert 2 * MIB - SMALL < model.downloaded_bytes < BIG
    run(spec(begun, cache))
    assert [(each.state, each.downloaded_bytes) for each in files_on_disk(cache, REPO, None)] == [
        ("done", SMALL),
        ("done", BIG),
    ]
    assert files_on_disk(cache, "rmm-demo/other", None) == []


def test_a_discard_gives_back_every_byte(begun: DemoHub, cache: Path) -> None:
    found = find_unfinished(cache, REPO, None)
    assert found is not None
    assert discard_unfinished(cache, REPO, None) == found.downloaded_bytes
    assert find_unfinished(cache, REPO, None) is None
    assert blobs(cache) == []
    assert discard_unfinished(cache, REPO, None) == 0


def test_a_discard_leaves_what_another_commit_needs(begun: DemoHub, cache: Path) -> None:
    run(spec(begun, cache, revision=commit_of(begun, cache)))
    begun.update(REPO, {"model.safetensors": content(BIG, 3), "config.json": content(SMALL, 2)})
    begin(begun, cache)
    freed = discard_unfinished(cache, REPO, None)
    assert 2 * MIB - SMALL < freed < BIG
    assert unfinished(cache) == []
    assert len(blobs(cache)) == 2, "the first commit is whole"


def test_a_discard_keeps_the_finished_files_that_another_program_fetched_too(begun: DemoHub, cache: Path) -> None:
    layout = CacheLayout(cache, REPO)
    layout.write_ref("main", commit_of(begun, cache))
    assert discard_unfinished(cache, REPO, None) > 2 * MIB - SMALL
    assert unfinished(cache) == []
    assert len(blobs(cache)) == 1
    assert find_unfinished(cache, REPO, None) is None


def test_a_discard_touches_nothing_that_is_being_fetched(begun: DemoHub, cache: Path) -> None:
    layout = CacheLayout(cache, REPO)
    digest = layout.partials()[0]
    before = blobs(cache)
    with layout.locked(digest) as ours:
        assert ours
        with pytest.raises(DownloadError, match="is being downloaded"):
            discard_unfinished(cache, REPO, None)
    assert blobs(cache) == before
    assert find_snapshot(cache, REPO, None) is None


def test_a_running_transfer_tells_of_its_files(begun: DemoHub, cache: Path) -> None:
    begun.rate = MIB
    told = threading.Event()
    states: set[str] = set()

    def look(progress: FetchProgress) -> None:
        files = {each.path: each for each in transfer.files()}
        if progress.phase == "downloading" and files["model.safetensors"].connections:
            states.add(files["model.safetensors"].state)
            assert files["config.json"].state == "done"
            assert sum(each.downloaded_bytes for each in files.values()) >= progress.downloaded_bytes - MIB
            begun.rate = None
            told.set()

    transfer = Transfer(spec(begun, cache), look)
    assert transfer.files() == []
    transfer.run()
    assert told.is_set()
    assert states == {"downloading"}
    assert {(each.state, each.connections) for each in transfer.files()} == {("done", 0)}
