"""What goes into the store comes out of it, in this kernel and the next."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmm_widgets.errors import InvalidConfigError, InvalidModelInfoError, RegistryError
from rmm_widgets.registry import store as store_module
from rmm_widgets.registry.records import StoredModel, decode_model, encode_model
from rmm_widgets.registry.store import RegistryStore
from rmm_widgets.types import ModelEvent, ModelEventType, ModelInfo, ModelType

from .samples import event, model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(folder: Path) -> Iterator[RegistryStore]:
    store = RegistryStore(folder)
    store.open()
    yield store
    store.close()


def reopened(folder: Path) -> list[StoredModel]:
    other = RegistryStore(folder)
    report = other.open()
    assert not report.damaged
    assert report.message == ""
    models = other.models()
    assert report.models == len(models)
    other.close()
    return models


def test_round_trip_to_the_next_kernel(store: RegistryStore, folder: Path) -> None:
    models = [model(n) for n in range(5)]
    for each in models:
        store.put(each)
    assert store.models() == models
    store.close()
    assert reopened(folder) == models


def test_put_replaces_and_keeps_the_order(store: RegistryStore, folder: Path) -> None:
    store.put_many([model(1), model(2), model(3)])
    changed = model(1, description="new", config={"a": {"b": [1, 2]}})
    store.put(changed)
    store.close()
    assert reopened(folder) == [changed, model(2), model(3)]


def test_remove(store: RegistryStore, folder: Path) -> None:
    store.put_many([model(1), model(2)])
    assert store.remove("model-1")
    assert not store.remove("model-1")
    assert not store.remove("never")
    assert not store.remove("\ud800")
    store.close()
    assert reopened(folder) == [model(2)]


def test_nothing_to_put_is_no_change(store: RegistryStore) -> None:
    store.put_many([])
    assert store.models() == []


text = st.text(st.characters(), max_size=50) | st.sampled_from(
    ["", "\x00", "\ud800", "\u202e\u2028\r\n\t", "'; DROP TABLE models; --", "<img src=x onerror=alert(1)>", "\\ud800"]
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)
moments = st.integers(0, 10**16).map(lambda n: datetime(1970, 1, 2, tzinfo=UTC) + timedelta(microseconds=n))


@st.composite
def infos(draw: st.DrawFn) -> ModelInfo:
    fields = {
        "model_id": draw(text | st.sampled_from(["a b", "Ünïcode-🦊", "a/b", "%s", "'"])),
        "repo_id": "owner/name",
        "description": draw(text),
        "version": draw(st.none() | st.just("refs/pr/1")),
        "tags": tuple(draw(st.lists(text, max_size=3))),
        "metadata": draw(st.dictionaries(text, plain, max_size=3)),
    }
    try:
        return ModelInfo(model_type=draw(st.sampled_from(ModelType)), **fields)
    except InvalidModelInfoError:
        return ModelInfo("refused", ModelType.EMBEDDING_MODEL, "o/n", description=fields["description"])


stored = st.builds(
    StoredModel,
    infos(),
    config=st.dictionaries(text, plain, max_size=4),
    pinned=st.booleans(),
    commit=st.none() | st.text("0123456789abcdef", min_size=40, max_size=40),
    custom=st.booleans(),
    registered_at=moments,
    updated_at=moments,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(models=st.lists(stored, max_size=4), notes=st.lists(text, max_size=3))
def test_hostile_text_in_every_field_survives(models: list[StoredModel], notes: list[str]) -> None:
    events = [
        ModelEvent(
            type=ModelEventType.UNLOAD,
            model_id="m",
            seq=n,
            timestamp=datetime(2026, 1, 1, tzinfo=UTC),
            data={note: note},
        )
        for n, note in enumerate(notes, 1)
    ]
    with tempfile.TemporaryDirectory() as name:
        store = RegistryStore(Path(name))
        store.open()
        for each in models:
            store.put(each)
        store.append_events(events, "session")
        store.close()
        report = store.open()
        expected = {each.model_id: each for each in models}
        assert not report.damaged
        assert {each.model_id: each for each in store.models()} == expected
        assert store.events() == events
        store.close()


def test_encoded_text_is_one_line_of_ascii() -> None:
    body = encode_model(model(1, description="a\nb\r\u2028\u0085\ud800\x00"))
    assert body.isascii()
    assert body.isprintable()
    assert decode_model(body) == model(1, description="a\nb\r\u2028\u0085\ud800\x00")


@pytest.mark.parametrize("config", [{"model": object()}, {"f": {"deep": threading.Lock()}}])
def test_config_that_is_no_plain_data_is_refused_and_changes_nothing(store: RegistryStore, config: dict) -> None:
    store.put(model(1))
    with pytest.raises(InvalidConfigError) as caught:
        store.put_many([model(2), model(3, config=config)])
    assert caught.value.model_id == "model-3"
    assert caught.value.hint
    assert store.models() == [model(1)]


@pytest.mark.parametrize(
    "fields",
    [{"commit": "../../etc"}, {"commit": "main"}, {"updated_at": datetime(2026, 1, 1)}],  # noqa: DTZ001
)
def test_malformed_record_is_refused(fields: dict) -> None:
    with pytest.raises(InvalidModelInfoError) as caught:
        StoredModel(model(1).info, **fields)
    assert caught.value.hint


def test_config_handed_out_is_frozen(store: RegistryStore) -> None:
    given = {"a": [1]}
    store.put(model(1, config=given))
    given["a"].append(2)
    (found,) = store.models()
    assert found.config == {"a": (1,)}
    with pytest.raises(TypeError):
        found.config["a"] = 2  # type: ignore[index]


def test_use_before_open_and_after_close_says_so(folder: Path) -> None:
    store = RegistryStore(folder)
    with pytest.raises(RegistryError, match="not open"):
        store.models()
    store.open()
    store.close()
    store.close()
    with pytest.raises(RegistryError, match="not open"):
        store.put(model(1))


def test_opening_twice_is_opening_once(store: RegistryStore, folder: Path) -> None:
    store.put(model(1))
    assert store.open().models == 1
    assert store.models() == [model(1)]


def test_events_newest_last_by_model_and_across_sessions(store: RegistryStore, folder: Path) -> None:
    store.append_events([event(1), event(2, model_id="other"), event(3)], "first kernel")
    store.close()
    store.open()
    store.append_events([event(1, text="second")], "second kernel")
    store.append_events([event(1, text="second")], "second kernel")
    assert [(e.seq, e.data["text"]) for e in store.events()] == [(1, ""), (2, ""), (3, ""), (1, "second")]
    assert [e.seq for e in store.events("model-1", limit=2)] == [3, 1]
    assert [e.seq for e in store.events(limit=1)] == [1]
    assert store.events("unknown") == []
    assert store.events("\ud800") == []
    assert store.events(limit=0) == store.events(limit=-1) == []


def test_event_data_is_frozen(store: RegistryStore) -> None:
    store.append_events([event(1)], "s")
    with pytest.raises(TypeError):
        store.events()[0].data["action"] = "x"  # type: ignore[index]


def test_event_that_is_no_plain_data_is_refused(store: RegistryStore) -> None:
    bad = ModelEvent(type=ModelEventType.UNLOAD, model_id="m", seq=2, timestamp=datetime.now(UTC), data={"x": object()})
    with pytest.raises(RegistryError):
        store.append_events([event(1), bad], "s")
    assert store.events() == []


def test_pruning_events_never_loses_registry_rows(
    store: RegistryStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "KEPT_EVENTS", 50)
    store.put_many(model(n) for n in range(20))
    for start in range(1, 500, 30):
        store.append_events([event(seq) for seq in range(start, start + 30)], "s")
        store.put(model(start % 20))
    kept = [e.seq for e in store.events(limit=1000)]
    assert kept == list(range(kept[-1] - 49, kept[-1] + 1))
    store.close()
    assert reopened(folder) == [model(n) for n in range(20)]


def test_default_history_is_bounded(store: RegistryStore) -> None:
    store.append_events([event(seq) for seq in range(1, 12_001)], "s")
    kept = store.events(limit=20_000)
    assert len(kept) == store_module.KEPT_EVENTS
    assert kept[-1].seq == 12_000


def test_long_journal_is_rewritten(store: RegistryStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "JOURNAL_SLACK", 4000)
    store.close()
    other = RegistryStore(folder)
    other.open()
    for version in range(200):
        other.put(model(version % 3, description=f"version {version}"))
    other.remove("model-0")
    other.close()
    assert (folder / "registry.journal").stat().st_size < 12_000
    assert [m.info.description for m in reopened(folder)] == ["version 199", "version 197"]


def test_in_memory_store_works_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = RegistryStore.in_memory()
    report = store.open()
    assert not report.damaged
    assert "memory" in report.message
    store.put(model(1))
    store.append_events([event(1)], "s")
    assert store.models() == [model(1)]
    assert store.events() == [event(1)]
    assert not store.changed()
    assert store.remove("model-1")
    store.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_S12_files_are_for_the_owner_only(folder: Path) -> None:
    before = os.umask(0)
    try:
        store = RegistryStore(folder)
        store.open()
        store.put(model(1))
        names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(names) >= {"registry.sqlite", "registry.sqlite-wal", "registry.journal", "registry.lock"}
    assert set(names.values()) == {0o600}


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_S12_wide_permissions_are_narrowed_or_warned_about(store: RegistryStore, folder: Path) -> None:
    store.put(model(1))
    store.close()
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)
    report = store.open()
    assert not report.damaged
    assert str(folder) in report.message
    assert "755" in report.message
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_close_leaves_no_file_descriptor_and_no_side_files(folder: Path) -> None:
    warm = RegistryStore(folder)
    warm.open()
    warm.close()
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(20):
        store = RegistryStore(folder)
        store.open()
        store.put(model(1))
        store.append_events([event(1)], "s")
        store.models()
        store.changed()
        store.close()
    assert process.num_fds() <= before
    assert not list(folder.glob("*.new"))


def test_last_one_to_close_takes_the_side_files_away(folder: Path) -> None:
    stores = [RegistryStore(folder) for _ in range(2)]
    for store in stores:
        store.open()
        store.put(model(1))
    for store in stores:
        store.close()
    assert {path.name for path in folder.iterdir()} == {"registry.sqlite", "registry.journal", "registry.lock"}


def test_threads_may_share_a_store(store: RegistryStore, folder: Path) -> None:
    failures: list[BaseException] = []

    def work(base: int) -> None:
        try:
            for number in range(base, base + 25):
                store.put(model(number))
                store.append_events([event(number)], f"thread {base}")
                assert len(store.models()) >= 1
                store.changed()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(base,)) for base in range(0, 100, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    store.close()
    assert {m.model_id for m in reopened(folder)} == {f"model-{n}" for n in range(100)}


def test_record_of_an_unknown_kind_is_kept_but_not_shown(store: RegistryStore, folder: Path) -> None:
    """A later version of the package may know more model types than this one."""
    store.put_many([model(1), model(2)])
    store.close()
    alien = encode_model(model(2)).replace(model(2).info.model_type.value, "time_machine")
    with sqlite3.connect(folder / "registry.sqlite") as connection:
        number = connection.execute("SELECT change FROM models WHERE model_id='model-2'").fetchone()[0]
    connection.close()
    rewrite_row(folder, number, "model-2", alien)
    report = store.open()
    assert not report.damaged
    assert report.models == 1
    assert "1 record" in report.message
    assert store.models() == [model(1)]
    store.put(model(3))
    store.close()
    assert alien in (folder / "registry.journal").read_text()


def rewrite_row(folder: Path, number: int, model_id: str, body: str) -> None:
    """Put other text under a model's row, in both files, as a writer that knows the format would."""
    from rmm_widgets.registry.database import Database
    from rmm_widgets.registry.journal import Journal
    from rmm_widgets.registry.records import Change

    database = Database(folder / "registry.sqlite")
    rows, last = database.rows()
    rows[model_id] = Change(number, model_id, body)
    database.replace(rows, last)
    database.close()
    Journal(folder / "registry.journal").rewrite(rows, last)


def test_times_keep_their_meaning(store: RegistryStore) -> None:
    moment = datetime(2026, 5, 5, 12, 0, tzinfo=UTC) + timedelta(microseconds=1)
    store.put(StoredModel(model(1).info, registered_at=moment, updated_at=moment))
    assert store.models()[0].registered_at == moment
