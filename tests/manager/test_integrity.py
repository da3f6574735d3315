"""Damage on disk: found by a verification or before a load, put aside, and repaired by fetching just that."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.errors import (
    IntegrityError,
    LoadCancelledError,
    ModelNotAvailableError,
)
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelEvent, ModelStatus

from ..downloads.fetching import MIB, content, wait_until
from ..downloads.programs import hf
from .conftest import DIGITS
from .models import info

WEIGHTS = "onnx/model.onnx"


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


def folder_of(manager: ModelManager, model_id: str) -> Path:
    return manager.download_model(model_id).result(60)


def spoil(path: Path, chance: random.Random, *, empty: bool = False, times: bool = True) -> None:
    """Flip a bit or cut a file; with `times` nothing but its bytes and size tells."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    if empty:
        data.clear()
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()
    if times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def warnings_of(manager: ModelManager) -> list[object]:
    from huggingface_hub import scan_cache_dir

    return list(scan_cache_dir(manager.cache_dir).warnings)


def no_worker_started(manager: ModelManager, model_id: str) -> bool:
    instance = manager.get_model_instance(model_id)
    return instance is None or instance.memory_bytes == 0


@pytest.mark.slow
def test_D5_200_flips_are_found_and_none_is_loaded(
    make_manager: Callable[..., ModelManager], hub: DemoHub, numbers: random.Random
) -> None:
    manager = make_manager(enable_auto_download=False)
    manager.register_model(DIGITS)
    folder = folder_of(manager, "digits")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    found = refused = 0
    for number in range(200):
        name = numbers.choice(names)
        size = (folder / name).stat().st_size
        hub.reset_log()
        verify_first = number % 2 == 1
        spoil(folder / name, numbers, empty=number % 20 < 2, times=verify_first)
        if verify_first:
            found += manager.verify_model("digits").result(60).corrupt == (name,)
            assert manager.get_model_status("digits") is ModelStatus.ERROR
        try:
            manager.load_model("digits").result(60)
        except (IntegrityError, ModelNotAvailableError):
            refused += no_worker_started(manager, "digits")
        if not verify_first:
            report = manager.verify_model("digits").result(60)
            found += report.corrupt + report.missing == (name,)
        assert hub.requests == [], "finding damage needs no network"
        assert folder_of(manager, "digits") == folder
        assert hub.bytes_sent(path="*") == size, "only the damaged file is fetched"
    assert (found, refused) == (200, 200)
    assert manager.load_model("digits").result(60).status is ModelStatus.LOADED


def test_D5_a_verification_withdraws_the_model_and_a_download_repairs_it(
    manager: ModelManager, digits: str, hub: DemoHub
) -> None:
    events: list[ModelEvent] = []
    manager.add_event_listener(events.append)
    folder = folder_of(manager, digits)
    spoil(folder / WEIGHTS, random.Random(1))
    (folder / "config.json").resolve().unlink()
    (folder / "config.json").unlink()
    report = manager.verify_model(digits).result(60)
    assert (report.corrupt, report.missing, report.loaded, report.ok) == ((WEIGHTS,), ("config.json",), False, False)
    described = manager.describe(digits)
    assert (described.status, described.on_disk) == (ModelStatus.ERROR, False)
    assert described.error == f"Files of model digits are damaged or missing: {WEIGHTS}, config.json"
    assert described.hint == "Download it again: only the 2 damaged files are fetched."
    assert [e.data["error_type"] for e in events if e.data.get("action") == "files_damaged"] == ["IntegrityError"]
    assert warnings_of(manager) == []
    layout = CacheLayout(Path(manager.cache_dir), DIGITS.repo_id)
    assert len(list(layout.blobs.glob("*.rmm-bad"))) == 1
    hub.reset_log()
    assert manager.download_model(digits).result(60) == folder
    sizes = {path: (folder / path).stat().st_size for path in (WEIGHTS, "config.json")}
    assert {r.file: r.bytes_sent for r in hub.requests if r.bytes_sent and r.file} == sizes
    assert list(layout.blobs.glob("*.rmm-bad")) == [], "the right content has come"
    assert manager.verify_model(digits).result(60).ok
    assert manager.load_model(digits).result(60).status is ModelStatus.LOADED


@pytest.mark.parametrize("what", ["mtime", "inode", "size"])
def test_D5_a_changed_file_is_read_before_the_load(manager: ModelManager, digits: str, what: str, hub: DemoHub) -> None:
    folder = folder_of(manager, digits)
    file = (folder / "config.json").resolve()
    before = file.stat()
    data = file.read_bytes()
    if what == "inode":
        copy = file.with_name("copy")
        copy.write_bytes(data.replace(b"{", b"[", 1))
        copy.replace(file)
    elif what == "mtime":
        file.write_bytes(data.replace(b"{", b"[", 1))
    else:
        file.write_bytes(data + b" ")
    moment = before.st_mtime_ns + (1 if what == "mtime" else 0)
    os.utime(file, ns=(before.st_atime_ns, moment))
    hub.offline = True
    hub.reset_log()
    manager.enable_auto_download = False
    with pytest.raises((IntegrityError, ModelNotAvailableError)) as caught:
        manager.load_model(digits).result(60)
    if what != "size":
        assert isinstance(caught.value, IntegrityError)
        assert "config.json" in str(caught.value)
        assert caught.value.hint == "Download it again: only the damaged file is fetched."
        assert manager.get_model_status(digits) is ModelStatus.ERROR
    assert not manager.is_model_available(digits)
    assert no_worker_started(manager, digits)
    assert hub.requests == []
    hub.offline = False
    folder_of(manager, digits)
    assert manager.load_model(digits).result(60).status is ModelStatus.LOADED


def test_a_file_whose_time_changed_and_nothing_else_is_read_and_accepted(manager: ModelManager, digits: str) -> None:
    folder = folder_of(manager, digits)
    os.utime((folder / WEIGHTS).resolve())
    assert manager.load_model(digits).result(60).status is ModelStatus.LOADED


def test_what_was_verified_is_not_read_again(manager: ModelManager, digits: str, tmp_path: Path) -> None:
    """A byte that changes behind every mark of a file goes unseen: so it was not read; a verification sees it."""
    folder = folder_of(manager, digits)
    spoil(folder / "README.md", random.Random(1))
    assert manager.load_model(digits).result(60).status is ModelStatus.LOADED
    manager.unload_model(digits).result(60)
    records = list((tmp_path / "data" / "verified").iterdir())
    assert [path.name for path in records] == ["models--rmm-demo--vit-digits.json"]
    assert records[0].stat().st_mode & 0o777 == 0o600
    records[0].unlink()
    with pytest.raises(IntegrityError, match=r"README\.md"):
        manager.load_model(digits).result(60)


@pytest.mark.parametrize("rubbish", [b"", b"[]", b"\xff\x00", b'{"v": 2, "files": {}}', b'{"v": 1, "files": {"x": 5}}'])
def test_a_damaged_memory_costs_only_another_reading(
    manager: ModelManager, digits: str, tmp_path: Path, rubbish: bytes
) -> None:
    (record,) = (tmp_path / "data" / "verified").iterdir()
    record.write_bytes(rubbish)
    folder_of(manager, digits)
    assert manager.load_model(digits).result(60).status is ModelStatus.LOADED
    assert len(record.read_bytes()) > 100, "it is known again"


def test_a_loaded_model_stays_loaded_and_is_withdrawn_when_it_is_unloaded(
    manager: ModelManager, digits: str, hub: DemoHub
) -> None:
    folder = folder_of(manager, digits)
    instance = manager.load_model(digits).result(60)
    spoil(folder / WEIGHTS, random.Random(3))
    report = manager.verify_model(digits).result(60)
    assert (report.loaded, report.corrupt) == (True, (WEIGHTS,))
    assert instance.status is ModelStatus.LOADED
    assert instance((hub_models() / "vit-digits" / "example.png").read_bytes())
    for ask in (manager.repair_model, manager.download_model):
        with pytest.raises(IntegrityError) as caught:
            ask(digits).result(60)
        assert "Unload it" in caught.value.hint
    manager.unload_model(digits).result(60)
    wait_until(lambda: manager.get_model_status(digits) is ModelStatus.ERROR)
    assert not manager.is_model_available(digits)
    hub.reset_log()
    assert manager.repair_model(digits).result(60) == folder
    assert hub.bytes_sent(path="*") == (folder / WEIGHTS).stat().st_size


def hub_models() -> Path:
    from rmm_widgets.demo import MODELS_DIR

    return Path(MODELS_DIR)


def test_repairing_what_is_whole_fetches_nothing(manager: ModelManager, digits: str, hub: DemoHub) -> None:
    folder = folder_of(manager, digits)
    hub.reset_log()
    assert manager.repair_model(digits).result(60) == folder
    assert hub.requests == []


def test_repairing_what_is_not_there_downloads_it(manager: ModelManager) -> None:
    manager.register_model(DIGITS)
    assert (manager.repair_model("digits").result(60) / WEIGHTS).is_file()


def test_D3_wrong_bytes_end_in_quarantine_and_never_in_the_store(manager: ModelManager, hub: DemoHub) -> None:
    data = content(MIB)
    hub.add("rmm-demo/model", {"model.safetensors": data, "config.json": b"{}"})
    manager.register_model(info("model", repo_id="rmm-demo/model"))
    hub.inject(Fault(path="*.safetensors", flip_at=1000))
    with pytest.raises(IntegrityError, match="twice in a row"):
        manager.download_model("model").result(60)
    layout = CacheLayout(Path(manager.cache_dir), "rmm-demo/model")
    (bad,) = layout.blobs.glob("*.rmm-bad")
    digest = bad.name.removesuffix(".rmm-bad")
    assert bad.stat().st_size == MIB
    assert bad.read_bytes() != data
    assert not layout.blob(digest).exists()
    assert not layout.partial(digest).exists()
    assert warnings_of(manager) == []
    hub.clear_faults()
    manager.download_model("model").result(60)
    assert layout.blob(digest).read_bytes() == data
    assert not bad.exists()


def test_what_another_program_wrote_is_read_before_the_first_load(manager: ModelManager, hub: DemoHub) -> None:
    hf(hub, Path(manager.cache_dir), "download", DIGITS.repo_id)
    hub.reset_log()
    manager.register_model(DIGITS)
    assert manager.is_model_available("digits"), "adopted at once"
    folder = folder_of(manager, "digits")
    assert hub.requests == []
    spoil(folder / WEIGHTS, random.Random(5))
    with pytest.raises(IntegrityError):
        manager.load_model("digits").result(60)
    assert hub.requests == []
    hub.reset_log()
    folder_of(manager, "digits")
    assert hub.bytes_sent(path="*") == (folder / WEIGHTS).stat().st_size
    assert manager.load_model("digits").result(60).status is ModelStatus.LOADED


def test_hashing_is_cancelled_with_the_load_and_takes_nothing_of_its_time(
    make_manager: Callable[..., ModelManager], tmp_path: Path
) -> None:
    folder = tmp_path / "cache" / "models--rmm-demo--large" / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    refs = folder.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    with (folder / "model.onnx").open("wb") as file:
        file.truncate(256 << 30)  # a hole: no space, and minutes to hash
    manager = make_manager(load_timeout=0.3)
    manager.register_model(info("large", repo_id="rmm-demo/large"))
    job = manager.load_model("large")
    wait_until(lambda: "rmm-verify" in {thread.name for thread in threading.enumerate()})
    with pytest.raises(TimeoutError):
        job.result(0.6)
    assert manager.cancel_load("large")
    with pytest.raises(LoadCancelledError):
        job.result(60)
    assert manager.get_model_status("large") is ModelStatus.DOWNLOADED
    wait_until(lambda: "rmm-verify" not in {thread.name for thread in threading.enumerate()})
    (folder / "model.onnx").unlink()  # or the search for tokens at the session's end would read it, too


def test_D14_small_files_are_weak_and_a_change_is_refused(manager: ModelManager, digits: str, hub: DemoHub) -> None:
    folder = folder_of(manager, digits)
    report = manager.verify_model(digits).result(60)
    by = {file.path: file.checked_by for file in report.files}
    assert by[WEIGHTS] == "sha256"
    assert by["config.json"] == "git-sha1"
    assert set(report.weak) == {path for path, method in by.items() if method == "git-sha1"}
    assert manager.describe(digits).weak_files == report.weak
    spoil(folder / "config.json", random.Random(2))
    assert manager.verify_model(digits).result(60).corrupt == ("config.json",)
    manager.enable_auto_download = False
    with pytest.raises(ModelNotAvailableError):
        manager.load_model(digits)


def test_D14_what_nobody_published_a_hash_for_is_trusted_at_first_sight_only(
    make_manager: Callable[..., ModelManager], tmp_path: Path, hub: DemoHub
) -> None:
    first = make_manager()
    first.register_model(DIGITS)
    folder = folder_of(first, "digits")
    first.delete_model("digits").result(60)
    plain(folder, tmp_path / "data")
    first.register_model(DIGITS)
    hub.offline = True
    report = first.verify_model("digits").result(60)
    assert report.ok
    assert {file.checked_by for file in report.files} == {"size"}
    assert first.load_model("digits").result(60).status is ModelStatus.LOADED
    assert {f.checked_by for f in first.verify_model("digits").result(60).files} == {"recorded"}
    first.close()
    spoil(folder / "config.json", random.Random(4), times=False)
    second = make_manager(enable_auto_download=False)
    assert second.is_model_available("digits")
    with pytest.raises(IntegrityError, match=r"config\.json"):
        second.load_model("digits").result(60)
    second.close()
    third = make_manager(enable_auto_download=False)
    assert not (folder / "config.json").exists()
    with pytest.raises((IntegrityError, ModelNotAvailableError)):
        third.load_model("digits").result(60)
    assert "config.json" in third.describe("digits").error, "what is lost is not forgotten"
    hub.offline = False
    folder_of(third, "digits")
    assert third.load_model("digits").result(60).status is ModelStatus.LOADED


def plain(folder: Path, data_dir: Path) -> None:
    """A snapshot as programs leave it that know neither links nor listings."""
    for link in [path for path in folder.rglob("*") if path.is_symlink()]:
        real = link.resolve()
        link.unlink()
        shutil.copyfile(real, link)
    shutil.rmtree(folder.parent.parent / "blobs")
    shutil.rmtree(folder.parent.parent / "trees")
    shutil.rmtree(data_dir / "verified")


def test_damage_that_cannot_be_moved_still_counts(manager: ModelManager, digits: str, hub: DemoHub) -> None:
    folder = folder_of(manager, digits)
    file = (folder / WEIGHTS).resolve()
    right = file.read_bytes()
    spoil(file, random.Random(6))
    wrong = file.read_bytes()
    manager.enable_auto_download = False
    with CacheLayout(Path(manager.cache_dir), DIGITS.repo_id).locked(file.name):
        assert manager.verify_model(digits).result(60).corrupt == (WEIGHTS,)
    assert file.read_bytes() == wrong
    assert "another program is fetching it" in manager.describe(digits).hint
    look_again(manager, "once")
    assert manager.get_model_status(digits) is ModelStatus.ERROR
    with pytest.raises(ModelNotAvailableError):
        manager.load_model(digits)
    file.write_bytes(right)
    look_again(manager, "twice")
    assert manager.get_model_status(digits) is ModelStatus.DOWNLOADED, "somebody has put it right"
    assert manager.load_model(digits).result(60).status is ModelStatus.LOADED


def look_again(manager: ModelManager, word: str) -> None:
    """Let the manager look at the disk, as it does every few minutes."""
    manager.register_model(msgspec.structs.replace(DIGITS, description=word))


def test_a_download_over_damage_that_could_not_be_moved_is_not_loaded(manager: ModelManager, digits: str) -> None:
    file = (folder_of(manager, digits) / WEIGHTS).resolve()
    spoil(file, random.Random(7))
    with CacheLayout(Path(manager.cache_dir), DIGITS.repo_id).locked(file.name):
        manager.verify_model(digits).result(60)
    manager.download_model(digits).result(60)
    with pytest.raises(IntegrityError):
        manager.load_model(digits).result(60)
    manager.download_model(digits).result(60)
    assert manager.load_model(digits).result(60).status is ModelStatus.LOADED


def test_every_model_that_shares_a_damaged_file_loses_it(manager: ModelManager, digits: str) -> None:
    other = msgspec.structs.replace(DIGITS, model_id="other")
    manager.register_model(other)
    assert manager.is_model_available("other")
    spoil(folder_of(manager, digits) / WEIGHTS, random.Random(8))
    manager.verify_model(digits).result(60)
    assert not manager.is_model_available("other")
    assert manager.repair_model("other").result(60)
    manager.download_model(digits).result(60)
    assert manager.verify_model(digits).result(60).ok


def test_a_load_and_a_verification_at_the_same_time_agree(manager: ModelManager, digits: str) -> None:
    manager.enable_auto_download = False
    for seed in range(6):
        spoil(folder_of(manager, digits) / WEIGHTS, random.Random(seed), times=False)
        load, check = manager.load_model(digits), manager.verify_model(digits)
        assert isinstance(load.exception(60), IntegrityError | ModelNotAvailableError)
        report = check.exception(60) or check.result(60)
        assert isinstance(report, ModelNotAvailableError) or not report.ok
        wait_until(lambda: not manager.is_model_available(digits))


def test_a_repair_can_be_cancelled_and_taken_up_again(manager: ModelManager, hub: DemoHub) -> None:
    hub.add("rmm-demo/large", {"model.safetensors": content(4 * MIB), "config.json": b"{}"})
    manager.register_model(info("large", repo_id="rmm-demo/large"))
    folder = folder_of(manager, "large")
    spoil(folder / "model.safetensors", random.Random(9))
    hub.rate = 2 * MIB
    job = manager.repair_model("large")
    wait_until(lambda: manager.describe("large").stage == "downloading")
    assert job.cancel()
    assert job.exception(60) is not None
    assert job.cancelled()
    wait_until(lambda: manager.describe("large").stage == "registered")
    hub.rate = None
    assert manager.repair_model("large").result(60) == folder
    assert manager.verify_model("large").result(60).ok
