"""Damaged, half-written, missing and foreign files: nothing registered is lost in silence."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from rmm_widgets.errors import RegistryError
from rmm_widgets.registry.records import StoredModel, StoreReport
from rmm_widgets.registry.store import RegistryStore

from .samples import event, model, seeded

DATABASE = "registry.sqlite"
WAL = "registry.sqlite-wal"
JOURNAL = "registry.journal"
MODELS = [model(n, description="x" * (n * 37 % 400)) for n in range(40)]


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a registry that was closed."""
    folder = tmp_path_factory.mktemp("rest") / "data"
    fill(folder).close()
    return folder


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a registry whose kernel vanished: the last changes stand in the -wal file only."""
    folder = tmp_path_factory.mktemp("crash") / "data"
    store = fill(folder)
    store.close()
    store.open()
    for each in MODELS[30:]:
        store.put(each)
    kept = folder.parent / "kept"
    shutil.copytree(folder, kept)
    store.close()
    assert (kept / WAL).stat().st_size > 0
    return kept


def fill(folder: Path) -> RegistryStore:
    store = RegistryStore(folder)
    store.open()
    store.put_many(MODELS[:30])
    store.put(model(99))
    for each in MODELS[30:]:
        store.put(each)
    store.remove("model-99")
    store.append_events([event(seq) for seq in range(1, 50)], "s")
    return store


def look(folder: Path) -> tuple[StoreReport, list[StoredModel]]:
    store = RegistryStore(folder)
    report = store.open()
    models = store.models()
    assert report.models == len(models)
    store.close()
    return report, models


def ordered(models: list[StoredModel]) -> list[StoredModel]:
    return sorted(models, key=lambda each: int(each.model_id.removeprefix("model-")))


def flip_bit(data: bytearray, at: int, numbers: random.Random) -> None:
    data[at] ^= 1 << numbers.randrange(8)


def flip_bytes(data: bytearray, at: int, numbers: random.Random) -> None:
    length = min(numbers.randint(1, 64), len(data) - at)
    data[at : at + length] = numbers.randbytes(length)


def zero(data: bytearray, at: int, numbers: random.Random) -> None:
    length = min(numbers.choice([1, 16, 512, 4096]), len(data) - at)
    data[at : at + length] = bytes(length)


def truncate(data: bytearray, at: int, numbers: random.Random) -> None:
    del data[at:]


def insert(data: bytearray, at: int, numbers: random.Random) -> None:
    data[at:at] = numbers.randbytes(numbers.randint(1, 5000))


DAMAGES: list[Callable[[bytearray, int, random.Random], None]] = [flip_bit, flip_bytes, zero, truncate, insert]


def damage(path: Path, numbers: random.Random) -> str:
    """Damage a file at random; every second time near its start, where the headers are."""
    data = bytearray(path.read_bytes())
    kind = numbers.choice(DAMAGES)
    at = numbers.randrange(min(len(data), 120) if numbers.random() < 0.5 else len(data))
    kind(data, at, numbers)
    path.write_bytes(data)
    return f"{kind.__name__} of {path.name} at {at}"


def damaged_copies(template: Path, tmp_path: Path, rounds: int, targets: list[str], numbers: random.Random):
    for number in range(rounds):
        folder = tmp_path / str(number)
        shutil.copytree(template, folder)
        yield folder, [damage(folder / target, numbers) for target in targets]
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("state", "target", "rounds"),
    [("at_rest", DATABASE, 200), ("crashed", DATABASE, 100), ("crashed", WAL, 120), ("at_rest", JOURNAL, 80)],
)
def test_L21_one_damaged_file_loses_no_model(
    state: str, target: str, rounds: int, quick_path: Path, request: pytest.FixtureRequest
) -> None:
    numbers = seeded()
    reported = 0
    for folder, what in damaged_copies(request.getfixturevalue(state), quick_path, rounds, [target], numbers):
        report, models = look(folder)
        assert ordered(models) == MODELS, (what, report)
        if report.damaged:
            reported += 1
            assert report.recovered_from, what
            assert report.message, what
        if report.quarantined:
            assert report.quarantined.exists()
        again, models = look(folder)
        assert (again.damaged, again.message) == (False, ""), what
        assert ordered(models) == MODELS, what
    if target != WAL:  # SQLite itself drops a damaged end of it, and the journal has those changes
        assert reported > rounds / 3


def test_L21_two_damaged_files_are_never_a_silent_loss(at_rest: Path, quick_path: Path) -> None:
    numbers = seeded()
    known = {each.model_id: each for each in [*MODELS, model(99)]}
    for folder, what in damaged_copies(at_rest, quick_path, 100, [DATABASE, JOURNAL], numbers):
        report, models = look(folder)
        assert all(known[each.model_id] == each for each in models), what
        if ordered(models) != MODELS:
            assert report.damaged, what
            assert "may be missing" in report.message, (what, report)
        assert look(folder)[0].damaged is False, what


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_L21_many_more_damages(at_rest: Path, crashed: Path, quick_path: Path) -> None:
    numbers = seeded()
    for template, target in [(at_rest, DATABASE), (crashed, DATABASE), (crashed, WAL), (at_rest, JOURNAL)]:
        for folder, what in damaged_copies(template, quick_path, 1000, [target], numbers):
            report, models = look(folder)
            assert ordered(models) == MODELS, (what, report)


@pytest.mark.parametrize("at", range(100))
def test_L21_every_byte_of_the_database_header(at_rest: Path, quick_path: Path, at: int) -> None:
    folder = quick_path / "data"
    for value in (0x00, 0x03, 0xFF):
        shutil.copytree(at_rest, folder)
        data = bytearray((folder / DATABASE).read_bytes())
        data[at] = value
        (folder / DATABASE).write_bytes(data)
        store = RegistryStore(folder)
        store.open()
        store.put(model(41))
        assert ordered(store.models()) == [*MODELS, model(41)]
        store.close()
        shutil.rmtree(folder)


@pytest.mark.parametrize("shift", [*range(1, 61), *range(-39, 0)])
def test_L21_shifted_header_is_not_taken_for_a_newer_version(at_rest: Path, quick_path: Path, shift: int) -> None:
    """Another of the header's numbers then stands where the version should."""
    folder = quick_path / "data"
    shutil.copytree(at_rest, folder)
    data = bytearray((folder / DATABASE).read_bytes())
    if shift > 0:
        data[0:0] = bytes(shift)
        data[:16] = b"SQLite format 3\0"
        data[16:40] = (at_rest / DATABASE).read_bytes()[16:40]
    else:
        del data[20 : 20 - shift]
    (folder / DATABASE).write_bytes(data)
    report, models = look(folder)
    assert report.damaged
    assert ordered(models) == MODELS
    shutil.rmtree(folder)


def test_L21_damaged_database_is_kept_and_its_history_saved(at_rest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    data = (folder / DATABASE).read_bytes()
    spoiled = data.replace(b"owner/repository-7", b"owner/repository-8", 1)
    assert spoiled != data
    (folder / DATABASE).write_bytes(spoiled)
    store = RegistryStore(folder)
    report = store.open()
    assert report.damaged
    assert report.recovered_from == JOURNAL
    assert report.quarantined is not None
    assert report.quarantined.read_bytes() == spoiled
    assert str(report.quarantined) in report.message
    assert "restored from registry.journal" in report.message
    assert len(store.events()) == 49
    store.close()


@pytest.mark.parametrize("missing", [DATABASE, JOURNAL])
def test_L21_missing_file_is_made_anew_from_the_other(at_rest: Path, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    (folder / missing).unlink()
    report, models = look(folder)
    assert report.damaged
    assert "missing" in report.message
    assert ordered(models) == MODELS
    assert look(folder)[0].damaged is False


@pytest.mark.parametrize("emptied", [DATABASE, JOURNAL])
def test_L21_empty_file_is_made_anew_from_the_other(at_rest: Path, tmp_path: Path, emptied: str) -> None:
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    (folder / emptied).write_bytes(b"")
    report, models = look(folder)
    assert report.damaged
    assert ordered(models) == MODELS


def test_L21_both_files_emptied_is_reported(at_rest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    (folder / DATABASE).write_bytes(b"")
    (folder / JOURNAL).write_bytes(b"")
    report, models = look(folder)
    assert report.damaged
    assert "may be missing" in report.message
    assert models == []


def test_L21_lost_wal_file_loses_nothing(crashed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(crashed, folder)
    (folder / WAL).unlink()
    report, models = look(folder)
    assert ordered(models) == MODELS
    assert report.recovered_from == JOURNAL
    assert "had not reached the database" in report.message


def test_L21_older_copy_of_the_database_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    store = RegistryStore(folder)
    store.open()
    store.put_many([model(1), model(2)])
    store.close()
    old = (folder / DATABASE).read_bytes()
    store.open()
    store.put(model(3))
    store.remove("model-1")
    store.close()
    (folder / DATABASE).write_bytes(old)
    report, models = look(folder)
    assert models == [model(2), model(3)]
    assert report.recovered_from == JOURNAL


@pytest.mark.parametrize(
    "edit",
    [
        "DELETE FROM models WHERE model_id='model-3'",
        "DELETE FROM models",
        "UPDATE models SET body=replace(body, 'owner', 'intruder')",
        "UPDATE models SET model_id='renamed' WHERE model_id='model-3'",
        "UPDATE models SET change=1000000",
        "UPDATE state SET last_change=1",
        "UPDATE state SET last_change='x'",
        "UPDATE state SET last_change=9000000000000000000",
        "DELETE FROM state",
        "DROP TABLE models",
        "DROP TABLE events",
        "ALTER TABLE models ADD COLUMN extra",
        "CREATE TRIGGER t AFTER INSERT ON models BEGIN DELETE FROM models; END",
        "INSERT INTO models VALUES ('x', 1, 'not JSON', 'no digest')",
        "INSERT INTO models VALUES (x'00', 1, x'ff', x'00')",
    ],
)
def test_L21_database_edited_by_another_program(at_rest: Path, tmp_path: Path, edit: str) -> None:
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute(edit)
    connection.close()
    report, models = look(folder)
    assert report.damaged
    assert ordered(models) == MODELS
    assert look(folder)[0].damaged is False


def test_L21_edit_under_an_open_store_is_repaired_when_it_is_met(
    at_rest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    store = RegistryStore(folder)
    store.open()
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("UPDATE models SET body=replace(body, 'owner', 'intruder')")
    connection.close()
    assert ordered(store.models()) == MODELS
    assert "damaged" in caplog.text
    store.put(model(41))
    store.close()
    assert ordered(look(folder)[1]) == [*MODELS, model(41)]


@pytest.mark.parametrize("removed", [[DATABASE], [JOURNAL], [DATABASE, WAL, "registry.sqlite-shm"]])
def test_L21_files_removed_under_an_open_store(at_rest: Path, tmp_path: Path, removed: list[str]) -> None:
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    store = RegistryStore(folder)
    store.open()
    store.put(model(41))
    for name in removed:
        (folder / name).unlink()
    store.put(model(42))
    assert ordered(store.models()) == [*MODELS, model(41), model(42)]
    store.close()
    assert ordered(look(folder)[1]) == [*MODELS, model(41), model(42)]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "registry.lock"}


@pytest.mark.parametrize("version", [2, 99, 0x02020202])
def test_L21_database_of_a_newer_version_is_refused_and_not_touched(
    at_rest: Path, tmp_path: Path, version: int
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    connection.close()
    before = files(folder)
    store = RegistryStore(folder)
    with pytest.raises(RegistryError, match="newer version") as caught:
        store.open()
    assert "pip install -U" in caught.value.hint
    assert files(folder) == before
    with pytest.raises(RegistryError):
        store.put(model(1))


def test_L21_newer_version_that_crashed_is_refused(at_rest: Path, tmp_path: Path) -> None:
    """Its version may stand in the -wal file only."""
    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    other = sqlite3.connect(folder / DATABASE)
    other.execute(f"PRAGMA user_version={0x02020202}")
    other.commit()
    crash = tmp_path / "crash"
    shutil.copytree(folder, crash)
    other.close()
    with pytest.raises(RegistryError, match="newer version"):
        RegistryStore(crash).open()
    assert (crash / JOURNAL).read_bytes() == (at_rest / JOURNAL).read_bytes()


def test_L21_journal_of_a_newer_version_is_refused_and_not_touched(at_rest: Path, tmp_path: Path) -> None:
    from rmm_widgets.registry.records import digest

    folder = tmp_path / "data"
    shutil.copytree(at_rest, folder)
    lines = (folder / JOURNAL).read_text().splitlines(keepends=True)
    header = '0 journal {"format": 2}'
    (folder / JOURNAL).write_text(f"{digest(header)} {header}\n" + "".join(lines[1:]))
    before = files(folder)
    with pytest.raises(RegistryError, match="newer version"):
        RegistryStore(folder).open()
    assert files(folder) == before
