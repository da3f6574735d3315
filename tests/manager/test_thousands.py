"""Thousands of models: what one change, an opening and a registration cost is counted, not timed.

Were any of these counts to grow with the number of models, ten thousand of them would take minutes.
"""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads import cache
from rmm_widgets.downloads.cache import Snapshot
from rmm_widgets.downloads.deletion import delete_snapshot
from rmm_widgets.errors import InvalidModelInfoError, ModelAlreadyRegisteredError, RegistryError
from rmm_widgets.manager import ModelManager
from rmm_widgets.registry.journal import Journal
from rmm_widgets.registry.records import StoredModel
from rmm_widgets.registry.store import RegistryStore
from rmm_widgets.runtime import disk, engine, registrar
from rmm_widgets.types import ModelEvent, ModelEventType, ModelInfo

from ..downloads.fetching import wait_until
from .conftest import DIGITS
from .models import Barrier, Scripted, failing, info

MANY = 1_200
PARTS = 3
"""Parts of at most 500 in which so many are looked at or written."""

COMMIT = "c" * 40


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many threads were begun, by name, and how often the registry was written to."""
    counts: Counter[str] = Counter()
    start, put_many = threading.Thread.start, RegistryStore.put_many

    def counting_start(thread: threading.Thread) -> None:
        counts[thread.name] += 1
        start(thread)

    def counting_put(store: RegistryStore, models: Iterable[StoredModel]) -> None:
        counts["writes"] += 1
        put_many(store, models)

    monkeypatch.setattr(threading.Thread, "start", counting_start)
    monkeypatch.setattr(RegistryStore, "put_many", counting_put)
    return counts


def infos(count: int = MANY) -> list[ModelInfo]:
    return [info(f"m-{n:04}", repo_id=f"some/m-{n:04}") for n in reversed(range(count))]


def keep_in_registry(folder: Path, models: Iterable[ModelInfo]) -> None:
    store, now = RegistryStore(folder), datetime.now(UTC)
    store.open()
    store.put_many(StoredModel(each, registered_at=now, updated_at=now) for each in models)
    store.close()


def put_files(folder: Path, model: ModelInfo) -> None:
    """A model as another program fetched it: a ref, and a snapshot with its weights."""
    root = folder / f"models--{model.repo_id.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    (root / "snapshots" / COMMIT).mkdir(parents=True)
    (root / "snapshots" / COMMIT / "model.safetensors").write_bytes(b"weights")


def test_the_parts_are_as_large_as_these_tests_think() -> None:
    assert PARTS == -(-MANY // disk.AT_ONCE) == -(-MANY // registrar.AT_ONCE)


# Opening


def test_opening_looks_at_all_models_together_and_keeps_their_order(
    make_manager: Callable[..., ModelManager], tmp_path: Path, counted: Counter[str]
) -> None:
    models = infos()
    keep_in_registry(tmp_path / "data", models)
    with_files = models[5:MANY:100]
    for each in with_files:
        put_files(tmp_path / "cache", each)
    counted.clear()
    manager = make_manager()
    assert [d.info for d in manager.describe_all()] == models
    assert [d.info for d in manager.describe_all() if d.on_disk] == with_files
    assert counted["rmm-disk"] == PARTS
    assert manager.picture.revision < 4 * PARTS
    # Their commits are news; what was found together is written together.
    wait_until(lambda: all(each.commit == COMMIT for each in stored(tmp_path / "data", with_files)))
    assert 1 <= counted["writes"] <= PARTS


def stored(folder: Path, models: Iterable[ModelInfo]) -> list[StoredModel]:
    store = RegistryStore(folder)
    store.open()
    try:
        wanted = {each.model_id for each in models}
        return [each for each in store.models() if each.model_id in wanted]
    finally:
        store.close()


def test_a_look_that_finds_nothing_new_changes_nothing_that_is_shown(
    make_manager: Callable[..., ModelManager], tmp_path: Path, counted: Counter[str]
) -> None:
    keep_in_registry(tmp_path / "data", infos())
    manager = make_manager()
    before = manager.picture
    counted.clear()
    manager._loop.run(manager._registrar.look_again())
    now = manager.picture
    assert all(now.models[name] is description for name, description in before.models.items())
    assert now.revision - before.revision <= PARTS
    assert counted["rmm-disk"] == PARTS
    assert counted["writes"] == 0


def test_what_cannot_be_read_of_one_model_hides_no_other(
    make_manager: Callable[..., ModelManager], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = infos(3)
    keep_in_registry(tmp_path / "data", models)
    manager = make_manager()
    put_files(tmp_path / "cache", models[2])
    find = cache.find_snapshot

    def find_or_fail(where: Path, repo_id: str, *more: Any, **choice: Any) -> Snapshot | None:
        if repo_id == models[0].repo_id:
            raise OSError(errno.EIO, "the disk is broken")
        return find(where, repo_id, *more, **choice)

    monkeypatch.setattr(cache, "find_snapshot", find_or_fail)
    with pytest.raises(OSError, match="the disk is broken"):
        manager._loop.run(manager._registrar.look_again())
    assert manager.is_model_available(models[2].model_id)


def test_a_download_that_ends_during_a_look_is_not_undone_by_it(
    make_manager: Callable[..., ModelManager], hub: DemoHub, barrier: Barrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make_manager(endpoint=hub.url)
    manager.register_model(DIGITS)
    folder = manager.download_model("digits").result(60)
    delete_snapshot(manager._engine.settings.cache, DIGITS.repo_id, folder.name)
    manager._loop.run(manager._registrar.look_again())
    assert not manager.is_model_available("digits")
    find, first = cache.find_snapshot, iter([True])

    def find_and_wait(*where: Any, **choice: Any) -> Snapshot | None:
        found = find(*where, **choice)
        if next(first, False):
            assert found is None
            barrier()  # with an answer that is out of date when it is given
        return found

    monkeypatch.setattr(cache, "find_snapshot", find_and_wait)
    look = manager._loop.submit(manager._registrar.look_again())
    assert barrier.reached.wait(30)
    manager.download_model("digits").result(60)
    barrier.open.set()
    look.result(30)
    assert manager.is_model_available("digits")


# Registering


def heard(manager: ModelManager) -> list[tuple[str, str]]:
    return [(event.model_id, event.data["action"]) for event in manager.events(limit=MANY * 2)]


def test_models_are_registered_together(
    manager: ModelManager, make_manager: Callable[..., ModelManager], counted: Counter[str]
) -> None:
    models = infos()
    counted.clear()
    before = manager.picture.revision
    assert manager.register_models(iter(models)) == models
    assert counted["writes"] == PARTS
    assert counted["rmm-disk"] == PARTS
    assert manager.picture.revision - before < 4 * PARTS
    assert manager.export_models() == models
    assert heard(manager) == [(each.model_id, "registered") for each in models]
    assert make_manager().export_models() == models  # on disk when it returned
    # Again: nothing changes.
    counted.clear()
    before = manager.picture.revision
    assert manager.register_models(models) == models
    assert (counted["writes"], counted["rmm-disk"], manager.picture.revision) == (0, 0, before)
    # Others: changed together too.
    others = [ModelInfo(each.model_id, each.model_type, f"other/{each.model_id}") for each in models]
    assert manager.import_models(others, overwrite=True) == others
    assert counted["writes"] == PARTS
    assert manager.export_models() == others


def test_one_that_is_refused_stops_it_and_those_before_it_stay(manager: ModelManager) -> None:
    manager.register_model(info("taken"))
    first, last = infos(MANY)[:700], infos(MANY)[700:]
    with pytest.raises(ModelAlreadyRegisteredError, match="taken"):
        manager.register_models([*first, info("taken", repo_id="another/one"), *last])
    assert manager.export_models() == [info("taken"), *first]
    assert heard(manager) == [(each.model_id, "registered") for each in manager.export_models()]
    bad: Any = "no info"
    with pytest.raises(InvalidModelInfoError, match="takes a ModelInfo"):
        manager.register_models([last[0], bad, last[1]])
    assert manager.export_models()[-1] == last[0]

    def broken() -> Iterator[ModelInfo]:
        yield last[1]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        manager.register_models(broken())
    assert manager.export_models()[-1] == last[1]


def test_one_that_comes_twice_is_registered_and_then_changed(manager: ModelManager) -> None:
    first, second, other = info("a"), info("a", description="better"), info("b")
    assert manager.register_models([first, other, second, second]) == [first, other, second, second]
    assert manager.export_models() == [second, other]
    assert heard(manager) == [(name, "registered") for name in ("a", "b", "a")]
    with pytest.raises(ModelAlreadyRegisteredError):
        manager.register_models([info("c"), info("c", repo_id="another/one")])
    assert manager.get_model_info("c") == info("c")


def test_where_the_disk_refuses_nothing_has_changed(manager: ModelManager, monkeypatch: pytest.MonkeyPatch) -> None:
    known = infos(3)
    manager.register_models(known)
    before, events = manager.picture, heard(manager)
    changed = [ModelInfo(each.model_id, each.model_type, f"other/{each.model_id}") for each in known]

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as full:
        full.setattr(Journal, "append", refuse)
        with pytest.raises(RegistryError):
            manager.import_models([*changed, info("new")], overwrite=True)
    assert manager.export_models() == known
    assert manager.picture.models == before.models
    assert heard(manager) == events
    assert manager.import_models([*changed, info("new")], overwrite=True) == [*changed, info("new")]


# Progress


def test_a_report_of_a_download_makes_one_picture_and_looks_at_one_model(
    manager: ModelManager, barrier: Barrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.register_models(infos(300))
    manager.register_model(info("moving"), model=Scripted("moving", on_disk=False, download=barrier))
    events: list[ModelEvent] = []
    job = manager.download_model("moving")
    assert barrier.reached.wait(30)
    manager.add_event_listener(events.append)
    looked_at: list[object] = []
    failed = engine._download_failed

    def counting(description: Any) -> bool:
        looked_at.append(description)
        return failed(description)

    monkeypatch.setattr(engine, "_download_failed", counting)
    core, reports = manager._engine, 50

    def report() -> None:
        entry = core.entries["moving"]
        for n in range(reports):
            before = core.picture
            core.transfers._custom_reported(entry, core.state("moving").run, n + 1, 100, None)
            now = core.picture
            assert now.revision == before.revision + 1
            assert now.models["moving"].progress is entry.progress is not None
            assert now.models["moving"] is not before.models["moving"]
            assert now.models._below is before.models._below  # nothing else was copied

    manager._call(report)
    assert len(looked_at) == 2 * reports  # what it was and what it is
    barrier.open.set()
    job.result(30)
    progress = [event for event in events if event.type is ModelEventType.DOWNLOAD_PROGRESS]
    assert [event.data["downloaded_bytes"] for event in progress[:reports]] == list(range(1, reports + 1))


def test_failed_downloads_are_counted_until_they_are_failed_no_more(
    manager: ModelManager, scripted: Callable[..., Scripted]
) -> None:
    def failed() -> tuple[int, int]:
        picture = manager.picture
        return picture.failed_downloads, sum(map(engine._download_failed, picture.models.values()))

    models = [scripted(f"bad-{n}", on_disk=False, download=failing(OSError("no"))) for n in range(3)]
    for n in range(3):
        assert manager.download_model(f"bad-{n}").exception(30) is not None
        assert failed() == (n + 1, n + 1)
    assert manager.download_model("bad-0").exception(30) is not None  # the same again
    assert failed() == (3, 3)
    models[1].stages.clear()
    manager.download_model("bad-1").result(30)
    assert failed() == (2, 2)
    manager.delete_model("bad-2").result(30)
    assert failed() == (1, 1)
    assert manager.get_statistics().failed_downloads == 1
