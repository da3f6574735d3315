"""`freeze` and `sync`: the same lock file gives byte-identical models on another machine, or fails saying why."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from huggingface_hub import close_session, hf_hub_download
from tqdm import tqdm

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import (
    HubUnavailableError,
    LockFileError,
    LockMismatchError,
    ManagerClosedError,
    RevisionNotFoundError,
    RMMError,
)
from rmm_widgets.hub import requests
from rmm_widgets.lock_records import SyncedModel, SyncReport
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelStatus, ModelType, UpdateOffer

from ..downloads.fetching import MIB, content, wait_until
from .models import Scripted, info

LONG = 60.0
REPO = "rmm-demo/model"
OLD = {
    "model.safetensors": content(MIB, 1),
    "config.json": b'{"architectures": ["XForSequenceClassification"]}',
    "README.md": b"---\nlicense: mit\n---\nA model of the tests.\n",
}
NEW = {"model.safetensors": content(MIB, 2)}


@pytest.fixture
def endpoint(empty_hub: DemoHub) -> Iterator[str]:
    yield empty_hub.url
    close_session()  # huggingface_hub keeps its connections otherwise


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "rmm.lock"


@pytest.fixture
def first(make_manager: Callable[..., ModelManager]) -> ModelManager:
    return make_manager()


@pytest.fixture
def second(make_manager: Callable[..., ModelManager], tmp_path: Path) -> ModelManager:
    """Another machine: nothing of the first is there."""
    return make_manager(cache_dir=tmp_path / "cache-2", data_dir=tmp_path / "data-2")


@pytest.fixture
def old(empty_hub: DemoHub, first: ModelManager) -> str:
    """A model on the first machine's disk, registered from the hub as `model`; the commit."""
    commit = empty_hub.add(REPO, OLD)
    first.register_from_hub(REPO).result(LONG)
    first.download_model("model").result(LONG)
    return commit


def bytes_of(manager: ModelManager, model_id: str = "model") -> dict[str, bytes]:
    folder = manager.download_model(model_id).result(LONG)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def refused(manager: ModelManager, lock: Path) -> tuple[LockMismatchError, SyncedModel]:
    """The error of a sync, and the only model that is not as locked."""
    with pytest.raises(LockMismatchError) as caught:
        manager.sync(lock).result(LONG)
    (model,) = caught.value.report.differing
    return caught.value, model


def edit(lock: Path, before: str, after: str) -> None:
    text = lock.read_text()
    assert before in text
    lock.write_text(text.replace(before, after))


# The same on another machine


def test_S20_the_same_lock_gives_the_same_bytes(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    first.update_model_config("model", {"top_k": 7})
    assert first.freeze(lock) == lock
    empty_hub.update(REPO, NEW)
    report = second.sync(lock).result(LONG)
    assert report.ok
    (model,) = report.models
    assert (model.done, model.checked_files) == (("registered", "downloaded"), 3)
    assert model.checked_bytes == sum(map(len, OLD.values()))
    assert bytes_of(second) == bytes_of(first) == dict(sorted(OLD.items()))
    there, here = first.describe("model"), second.describe("model")
    assert here.commit == there.commit == old
    assert (here.config, here.info.version) == ({"top_k": 7}, None)
    assert (here.info.description, here.info.tags) == (there.info.description, there.info.tags)
    other = lock.with_name("second.lock")
    second.freeze(other)
    assert other.read_bytes() == lock.read_bytes()
    newer = second.check_update("model").result(LONG)
    assert isinstance(newer, UpdateOffer), "a lock does not end the offers"
    assert newer.commit == old


def test_a_second_sync_asks_nobody_and_does_nothing(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    first.freeze(lock)
    second.sync(lock).result(LONG)
    events: list[object] = []
    second.add_event_listener(events.append)
    empty_hub.reset_log()
    report = second.sync(lock).result(LONG)
    assert report.ok
    assert report.models[0].done == ()
    assert report.models[0].checked_bytes == sum(map(len, OLD.values())), "and reads everything nevertheless"
    assert empty_hub.count() == 0
    assert events == []


def test_a_locked_model_survives_the_kernel(
    first: ModelManager, make_manager: Callable[..., ModelManager], old: str, lock: Path, tmp_path: Path
) -> None:
    first.freeze(lock)
    place = {"cache_dir": tmp_path / "cache-2", "data_dir": tmp_path / "data-2"}
    with make_manager(**place) as second:
        second.sync(lock).result(LONG)
    third = make_manager(**place)
    assert third.describe("model").commit == old
    assert third.is_model_available("model")
    assert third.check_lock(lock).result(LONG).ok


def test_patterns_types_and_revisions_travel(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, lock: Path
) -> None:
    commit = empty_hub.add(REPO, OLD)
    empty_hub.add("rmm-demo/several", {**OLD, "big.gguf": content(2000), "small.gguf": content(100)})
    empty_hub.tag("rmm-demo/several", "v1")
    first.register_from_hub(
        "rmm-demo/several",
        revision="v1",
        model_id="by-tag",
        model_type="embedding_model",
        allow_patterns=["*.gguf"],
        ignore_patterns=["big*"],
    ).result(LONG)
    first.register_model(info("by-commit", repo_id=REPO, version=commit))
    first.freeze(lock)
    second.sync(lock).result(LONG)
    assert list(bytes_of(second, "by-tag")) == ["small.gguf"]
    by_tag, by_commit = second.get_model_info("by-tag"), second.get_model_info("by-commit")
    assert by_tag is not None
    assert by_commit is not None
    assert (by_tag.version, by_tag.model_type) == ("v1", ModelType.EMBEDDING_MODEL)
    assert (by_tag.allow_patterns, by_tag.ignore_patterns) == (("*.gguf",), ("big*",))
    assert by_commit.version == commit
    second.freeze(lock.with_name("second.lock"))
    assert lock.with_name("second.lock").read_bytes() == lock.read_bytes()


def test_a_model_that_runs_is_the_same_elsewhere(
    make_manager: Callable[..., ModelManager], hub: DemoHub, tmp_path: Path
) -> None:
    first = make_manager(endpoint=hub.url)
    first.register_from_hub("rmm-demo/minilm-toy").result(LONG)
    first.freeze(tmp_path / "rmm.lock")
    second = make_manager(endpoint=hub.url, cache_dir=tmp_path / "cache-2", data_dir=tmp_path / "data-2")
    second.sync(tmp_path / "rmm.lock").result(LONG)
    vectors = second.load_model("minilm-toy").result(LONG)(["the cat sleeps"])
    assert vectors.shape == (1, 64)


# What is written


def test_what_was_not_downloaded_is_frozen_at_the_commit_that_was_seen(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, lock: Path
) -> None:
    seen = empty_hub.add(REPO, OLD)
    first.register_from_hub(REPO).result(LONG)
    newer = empty_hub.update(REPO, NEW)
    first.register_model(info("unseen", repo_id=REPO))
    first.freeze(lock)
    commits = {model["id"]: model["commit"] for model in tomllib.loads(lock.read_text())["model"]}
    assert commits == {"model": seen, "unseen": newer}
    assert empty_hub.bytes_sent(path="model.safetensors") == 0, "nothing was downloaded"
    second.sync(lock).result(LONG)
    assert bytes_of(second)["model.safetensors"] == OLD["model.safetensors"]
    assert bytes_of(second, "unseen")["model.safetensors"] == NEW["model.safetensors"]


def test_what_is_on_disk_is_frozen_without_the_hub(
    first: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    empty_hub.down = True
    first.freeze(lock)
    (model,) = tomllib.loads(lock.read_text())["model"]
    assert [set(file) for file in model["files"]] == [
        {"path", "size", "git-sha1"},
        {"path", "size", "git-sha1"},
        {"path", "size", "sha256"},
    ]


def test_what_another_program_fetched_is_frozen_and_kept_without_the_hub(
    make_manager: Callable[..., ModelManager],
    empty_hub: DemoHub,
    lock: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "POLICY", msgspec.structs.replace(requests.POLICY, first=0.01))
    monkeypatch.setattr(tqdm, "monitor_interval", 0)  # else a thread of its bars outlives the test
    commit = empty_hub.add(REPO, OLD)
    for name in OLD:
        hf_hub_download(REPO, name, endpoint=empty_hub.url, cache_dir=tmp_path / "cache", token=False)
    assert not list((tmp_path / "cache").glob("models--*/trees/*")), "nothing tells what the commit has"
    first = make_manager()
    first.register_model(info("model", repo_id=REPO))
    assert first.is_model_available("model")
    empty_hub.down = True
    first.freeze(lock)
    (model,) = tomllib.loads(lock.read_text())["model"]
    assert model["commit"] == commit
    second = make_manager(data_dir=tmp_path / "data-2")
    assert second.sync(lock).result(LONG).models[0].done == ("registered",)


def test_own_models_are_left_out_and_named(
    first: ModelManager, old: str, lock: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first.register_model(info("mine"), model=Scripted("mine"))
    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        first.freeze(lock)
    assert "mine" in caplog.text
    assert [model["id"] for model in tomllib.loads(lock.read_text())["model"]] == ["model"]
    report = first.sync(lock).result(LONG)
    assert (report.ok, report.not_locked) == (True, ("mine",))


def test_a_model_that_cannot_be_pinned_leaves_the_old_file(
    first: ModelManager, empty_hub: DemoHub, old: str, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "POLICY", msgspec.structs.replace(requests.POLICY, first=0.01))
    first.freeze(lock)
    before = lock.read_bytes()
    for number in range(3):
        first.register_model(info(f"more-{number}", repo_id=REPO, version="gone"))
    with pytest.raises(RevisionNotFoundError, match="2 more models cannot be locked either"):
        first.freeze(lock)
    empty_hub.down = True
    with pytest.raises(HubUnavailableError):
        first.freeze(lock)
    assert lock.read_bytes() == before


def test_nothing_to_freeze_is_a_lock_file_too(first: ModelManager, second: ModelManager, lock: Path) -> None:
    first.freeze(lock)
    assert second.sync(lock).result(LONG) == SyncReport(path=str(lock))


def test_the_default_name_is_where_the_kernel_is(
    first: ModelManager, old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert first.freeze() == Path("rmm.lock")
    assert (tmp_path / "rmm.lock").exists()
    report = first.sync().result(LONG)
    assert (report.ok, report.path) == (True, "rmm.lock")


@pytest.mark.parametrize("path", [None, 3, b"rmm.lock"])
def test_a_path_is_text_or_a_path(first: ModelManager, path: Any) -> None:
    for use in (first.freeze, first.sync, first.check_lock):
        with pytest.raises(TypeError):
            use(path)


def test_a_closed_manager_says_so(first: ModelManager, lock: Path) -> None:
    first.close()
    for use in (first.freeze, first.sync, first.check_lock):
        with pytest.raises(ManagerClosedError):
            use(lock)


# A hub that is not what it was


def recreate(hub: DemoHub) -> str:
    """Another repository under the same name, of which the older commits are gone."""
    hub.remove(REPO)
    return hub.add(REPO, {**OLD, "model.safetensors": content(MIB, 9), "evil.txt": b"new owner"})


def assert_untouched(manager: ModelManager, hub: DemoHub) -> None:
    assert manager.get_all_models() == {}
    assert hub.bytes_sent(path="*") == 0
    assert not list(Path(str(manager.cache_dir)).glob("models--*"))


def test_S20_a_name_with_another_history_is_refused(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    first.freeze(lock)
    new = recreate(empty_hub)
    empty_hub.reset_log()
    error, model = refused(second, lock)
    assert old in str(error)
    assert new in str(error)
    assert "RevisionNotFoundError" in str(error)
    assert "somebody else may own it" in error.hint
    assert error.model_id == "model"
    assert model.done == ()
    assert_untouched(second, empty_hub)
    assert first.sync(lock).result(LONG).ok, "who has the files has them still"


def test_S20_a_repository_that_is_gone_is_refused(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    first.freeze(lock)
    empty_hub.remove(REPO)
    empty_hub.reset_log()
    _, model = refused(second, lock)
    assert model.differences[0].error == "RepositoryNotFoundError"
    assert_untouched(second, empty_hub)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            'path = "model.safetensors", size = ',
            'path = "model.safetensors", size = 1',
            "other bytes for model.safetensors",
        ),
        ('sha256 = "', 'sha256 = "', "other bytes for model.safetensors"),
        ('path = "config.json"', 'path = "config2.json"', "no config2.json"),
        ('path = "README.md"', None, "take README.md"),
    ],
    ids=["size", "hash", "name", "one file less"],
)
def test_S20_other_files_than_the_locked_ones_are_refused_before_the_first_byte(
    first: ModelManager,
    second: ModelManager,
    empty_hub: DemoHub,
    old: str,
    lock: Path,
    before: str,
    after: str | None,
    told: str,
) -> None:
    first.freeze(lock)
    lines = lock.read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if before in line)
    if after is None:
        del lines[number]
    elif before == after:
        digest = lines[number].split(before)[1][:64]
        lines[number] = lines[number].replace(digest, digest[::-1])
    else:
        lines[number] = lines[number].replace(before, after)
    lock.write_text("".join(lines))
    empty_hub.reset_log()
    error, model = refused(second, lock)
    assert told in str(error)
    assert [each.what for each in model.differences] == ["published"]
    assert_untouched(second, empty_hub)
    assert not first.check_lock(lock).result(LONG).ok
    with pytest.raises(LockMismatchError):
        first.sync(lock).result(LONG)
    assert bytes_of(first) == dict(sorted(OLD.items())), "a wrong lock file harms nothing that is here"


def test_S20_a_repository_that_became_gated_says_so_and_the_others_are_done(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    empty_hub.add("rmm-demo/open", {"model.safetensors": content(1000)})
    first.register_from_hub("rmm-demo/open", model_type="embedding_model").result(LONG)
    first.freeze(lock)
    empty_hub.add(REPO, OLD, gated=True)
    error, model = refused(second, lock)
    assert model.differences[0].error == "GatedModelError"
    assert f"{empty_hub.url}/{REPO}" in f"{error} {error.hint}"
    assert second.is_model_available("open")
    assert len(error.report.models) == 2
    assert not second.is_model_available("model")
    assert first.check_lock(lock).result(LONG).models[0].ok


def test_bytes_that_are_not_the_locked_ones_are_not_kept(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    first.freeze(lock)
    empty_hub.inject(Fault(path="model.safetensors", origin="cdn", flip_at=1000))
    _, model = refused(second, lock)
    assert model.differences[0].error == "IntegrityError"
    assert second.get_model_status("model") is ModelStatus.ERROR
    empty_hub.clear_faults()
    assert second.sync(lock).result(LONG).models[0].done == ("downloaded",), "once the line is good again"


def test_a_hub_that_is_down_changes_nothing(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "POLICY", msgspec.structs.replace(requests.POLICY, first=0.01))
    first.freeze(lock)
    empty_hub.down = True
    _, model = refused(second, lock)
    assert model.differences[0].error == "HubUnavailableError"
    assert second.get_all_models() == {}
    assert first.sync(lock).result(LONG).ok


# A machine that is not as locked


def test_check_tells_what_differs_and_changes_nothing(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path, tmp_path: Path
) -> None:
    first.freeze(lock)
    empty_hub.reset_log()
    before = sorted((tmp_path / "data-2").rglob("*"))
    report = second.check_lock(lock).result(LONG)
    assert not report.ok
    (model,) = report.models
    assert [each.what for each in model.differences] == ["registration"]
    assert len(model.missing) == 3
    assert empty_hub.count() == 0
    assert second.get_all_models() == {}
    assert sorted((tmp_path / "data-2").rglob("*")) == before
    assert not (tmp_path / "cache-2").exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_S20_damage_is_found_by_check_and_repaired_by_sync(
    first: ModelManager, empty_hub: DemoHub, old: str, lock: Path, damage: str
) -> None:
    first.freeze(lock)
    folder = first.download_model("model").result(LONG)
    blob = (folder / "model.safetensors").resolve()
    data = bytearray(blob.read_bytes())
    if damage == "remove":
        blob.unlink()
    else:
        data[1000] ^= 1
        blob.write_bytes(data if damage == "flip" else data[:-1])
    for _ in range(2):
        (model,) = first.check_lock(lock).result(LONG).models
        assert model.missing + model.corrupt == ("model.safetensors",)
        assert first.is_model_available("model"), "a check changes nothing"
    empty_hub.reset_log()
    (model,) = first.sync(lock).result(LONG).models
    assert (model.ok, model.done) == (True, ("repaired",))
    assert {request.file for request in empty_hub.requests if request.file} == {"model.safetensors"}
    assert bytes_of(first) == dict(sorted(OLD.items()))


def test_a_model_at_another_commit_is_moved_to_the_locked_one(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    first.freeze(lock)
    new = empty_hub.update(REPO, NEW)
    second.register_from_hub(REPO).result(LONG)
    second.download_model("model").result(LONG)
    second.update_model_config("model", {"top_k": 9})
    second.allow_unsafe("model", commit=new)
    (model,) = second.check_lock(lock).result(LONG).models
    assert [each.what for each in model.differences] == ["commit", "config"]
    assert new in model.differences[0].message
    (model,) = second.sync(lock).result(LONG).models
    assert (model.ok, model.done) == (True, ("moved", "configured", "downloaded"))
    shown = second.describe("model")
    assert (shown.commit, shown.config, shown.allowed_commit) == (old, {}, None)
    assert shown.info.metadata["commit"] == old
    assert bytes_of(second) == dict(sorted(OLD.items()))


def test_settings_alone_are_set_without_a_download(
    first: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    first.update_model_config("model", {"top_k": 4, "max_sequence_length": None})
    first.freeze(lock)
    assert first.check_lock(lock).result(LONG).ok, "None is what a setting is that is not there"
    first.update_model_config("model", {"top_k": 5, "threshold": 0.5})
    empty_hub.reset_log()
    (model,) = first.sync(lock).result(LONG).models
    assert model.done == ("configured",)
    assert first.describe("model").config == {"top_k": 4}
    assert first.is_model_available("model")
    assert empty_hub.count() == 0


def test_an_id_that_is_taken_stays_as_it_is(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, old: str, lock: Path
) -> None:
    first.freeze(lock)
    empty_hub.add("rmm-demo/other", {"model.safetensors": content(1000)})
    takers: list[tuple[Callable[[], object], str]] = [
        (lambda: second.register_model(info("model", repo_id="rmm-demo/other")), "rmm-demo/other here"),
        (lambda: second.register_model(info("model", repo_id=REPO)), "embedding_model here"),
        (lambda: second.register_model(info("model"), model=Scripted("model")), "your own object"),
    ]
    for take, told in takers:
        take()
        before = second.get_all_models()
        error, _ = refused(second, lock)
        assert told in str(error)
        assert "%rmm rm model" in error.hint
        assert second.get_all_models() == before
        assert not second.check_lock(lock).result(LONG).ok
        second.unregister_model("model")


def test_a_model_in_memory_is_not_changed(make_manager: Callable[..., ModelManager], hub: DemoHub, lock: Path) -> None:
    manager = make_manager(endpoint=hub.url)
    manager.register_from_hub("rmm-demo/vit-digits").result(LONG)
    manager.load_model("vit-digits").result(LONG)
    manager.freeze(lock)
    assert manager.sync(lock).result(LONG).ok, "where nothing differs it stays loaded"
    manager.update_model_config("vit-digits", {"top_k": 2})
    error, _ = refused(manager, lock)
    assert "loaded" in str(error)
    assert "Unload" in error.hint
    assert manager.is_model_loaded("vit-digits")
    manager.unload_model("vit-digits").result(LONG)
    assert manager.sync(lock).result(LONG).ok


def test_a_download_under_way_is_joined(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, lock: Path
) -> None:
    commit = empty_hub.add(REPO, {**OLD, "model.safetensors": content(4 * MIB)})
    first.register_model(info("model", repo_id=REPO, version=commit))
    first.freeze(lock)
    second.register_model(info("model", repo_id=REPO, version=commit))
    empty_hub.rate = 2 * MIB
    job = second.download_model("model")
    wait_until(lambda: second.describe("model").stage.value == "downloading")
    sync = second.sync(lock)
    empty_hub.rate = None
    assert sync.result(LONG).ok
    assert job.done()
    assert empty_hub.bytes_sent(path="model.safetensors") == 4 * MIB


def test_cancelling_a_sync_ends_its_downloads_and_keeps_what_was_fetched(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, lock: Path
) -> None:
    empty_hub.add(REPO, {**OLD, "model.safetensors": content(8 * MIB)})
    first.register_from_hub(REPO).result(LONG)
    first.freeze(lock)
    empty_hub.rate = MIB
    job = second.sync(lock)
    wait_until(lambda: (p := second.get_download_progress("model")) is not None and p.downloaded_bytes > MIB)
    assert job.cancel()
    with pytest.raises(RMMError, match="cancelled"):
        job.result(LONG)
    wait_until(lambda: second.get_model_status("model") is ModelStatus.NOT_DOWNLOADED)
    empty_hub.rate = None
    assert second.sync(lock).result(LONG).ok
    assert empty_hub.bytes_sent(path="model.safetensors") < 10 * MIB


def test_many_models_are_done_at_once(
    first: ModelManager, second: ModelManager, empty_hub: DemoHub, lock: Path
) -> None:
    for number in range(30):
        empty_hub.add(f"rmm-demo/m{number}", {"model.safetensors": content(1000, number), "config.json": b"{}"})
        first.register_model(info(f"m{number}", repo_id=f"rmm-demo/m{number}"))
    first.freeze(lock)
    empty_hub.remove("rmm-demo/m7")
    empty_hub.remove("rmm-demo/m8")
    with pytest.raises(LockMismatchError) as caught:
        second.sync(lock).result(LONG)
    assert [model.model_id for model in caught.value.report.differing] == ["m7", "m8"]
    assert caught.value.model_id is None
    assert sum(map(second.is_model_available, second.get_all_models())) == 28


# Lock files that are none


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('id = "model"', 'id = "model"\nrun = "rm -rf /"', "unknown field"),
        ('path = "config.json"', 'path = "../../config.json"', "leave its folder"),
        ("version = 1", "version = 9", "version 9"),
        ('id = "model"', 'id = "model"\nconfig = {top_k = "many"}', "top_k"),
        ('id = "model"', 'id = "model"\nconfig = {trust_remote_code = true}', "trust_remote_code"),
        ('id = "model"', 'id = "model"\nconfig = {file = "/etc/passwd"}', "file"),
        ('id = "model"', 'id = "model"\nconfig = {top_k = 2020-01-01}', "top_k"),
        ("[[model]]", "[[model]", "cannot be read"),
    ],
)
def test_S20_a_hostile_or_damaged_lock_file_changes_nothing(
    first: ModelManager,
    second: ModelManager,
    empty_hub: DemoHub,
    old: str,
    lock: Path,
    before: str,
    after: str,
    told: str,
) -> None:
    empty_hub.add("rmm-demo/a-good-one", {"model.safetensors": content(1000)})
    first.register_from_hub("rmm-demo/a-good-one", model_type="embedding_model").result(LONG)
    first.freeze(lock)
    edit(lock, before, after)
    empty_hub.reset_log()
    for use in (second.sync, second.check_lock):
        with pytest.raises(LockFileError, match="rmm") as caught:
            use(lock).result(LONG)
        assert told in str(caught.value)
        assert caught.value.hint
    assert_untouched(second, empty_hub)
    assert empty_hub.count() == 0


def test_a_lock_file_that_is_not_there_is_told(first: ModelManager, lock: Path) -> None:
    with pytest.raises(LockFileError, match="No such file") as caught:
        first.sync(lock).result(LONG)
    assert "freeze" in caught.value.hint
