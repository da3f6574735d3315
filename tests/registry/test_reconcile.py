"""The pure parts: reading a journal as far as it can be read, and deciding which copy to believe."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmm_widgets.registry.database import SCHEMA_VERSION, DatabaseCopy, version_of
from rmm_widgets.registry.journal import Journal, JournalCopy, parse, replay
from rmm_widgets.registry.reconcile import reconcile
from rmm_widgets.registry.records import Change, encode_model

from .samples import model, seeded


def put(number: int, of: int) -> Change:
    return Change(number, f"model-{of}", encode_model(model(of, description=f"change {number}")))


def remove(number: int, of: int) -> Change:
    return Change(number, f"model-{of}", None)


HISTORY = (put(1, 1), put(2, 2), put(3, 1), remove(4, 2), put(5, 3))


def written(tmp_path: Path, changes: tuple[Change, ...] = HISTORY) -> Path:
    journal = Journal(tmp_path / "journal")
    journal.rewrite({}, 0)
    journal.append(changes)
    return journal.path


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    copy = parse(written(tmp_path).read_bytes())
    assert copy.changes == HISTORY
    assert copy.problem == ""
    assert copy.last == 5
    assert set(copy.rows()) == {"model-1", "model-3"}
    assert set(copy.rows(upto=3)) == {"model-1", "model-2"}


def test_rewritten_journal_says_the_same_in_fewer_lines(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = Journal(path).read()
    Journal(path).rewrite(before.rows(), before.last)
    after = Journal(path).read()
    assert after.problem == ""
    assert after.last == before.last
    assert {k: row.body for k, row in after.rows().items()} == {k: row.body for k, row in before.rows().items()}
    assert len(after.changes) == 2


def test_every_lost_line_but_the_last_is_noticed(tmp_path: Path) -> None:
    lines = written(tmp_path).read_bytes().splitlines(keepends=True)
    for lost in range(len(lines) - 1):
        assert parse(b"".join(lines[:lost] + lines[lost + 1 :])).problem
    shortened = parse(b"".join(lines[:-1]))
    assert shortened.problem == ""
    assert shortened.last == 4  # fewer than the database has: that is how it is noticed


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    data = written(tmp_path, (put(1, 1), put(2, 2))).read_bytes()
    whole = parse(data)
    for position in range(len(data) - 1):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            copy = parse(bytes(damaged))
            assert copy.problem or copy.last < whole.last or copy.changes == whole.changes, (position, bit)
            assert set(copy.changes) <= set(whole.changes)


def test_unfinished_save_is_overtaken_by_the_next(tmp_path: Path) -> None:
    path = written(tmp_path)
    journal = Journal(path)
    journal.append([put(6, 7), put(7, 8)])
    journal.append([put(6, 9)])
    copy = journal.read()
    assert copy.problem == ""
    assert copy.last == 6
    assert set(copy.rows()) == {"model-1", "model-3", "model-9"}


def test_half_a_line_is_overtaken_by_the_next(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.stat().st_size
    journal = Journal(path)
    journal.append([put(6, 7)])
    for kept in (1, 17, 60):
        journal.truncate(whole + kept)
        copy = journal.read()
        assert (copy.problem, copy.last) == ("", 5)
    journal.append([put(6, 9)])
    copy = journal.read()
    assert (copy.problem, copy.last) == ("", 6)
    assert "model-9" in copy.rows()


def test_parsing_never_raises() -> None:
    random = seeded()
    for _ in range(500):
        parse(random.randbytes(random.randrange(300)))
    for line in (b"", b"\n\n\n", b" ", b"0 1 put {}", b"\xff\xfe", b"a" * 10_000):
        assert parse(line).problem


def copies(changes: list[tuple[int, bool]]) -> tuple[Change, ...]:
    return tuple(put(n, of) if keep else remove(n, of) for n, (of, keep) in enumerate(changes, 1))


@settings(deadline=None)
@given(
    history=st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=10).map(copies),
    data=st.data(),
)
def test_one_sound_copy_is_always_enough(history: tuple[Change, ...], data: st.DataObject) -> None:
    """Whatever happens to one of the two, the decision is the registry after its last change."""
    truth = {k: row.body for k, row in replay({}, history).items()}
    rows = replay({}, history)
    sound_database = DatabaseCopy(rows=rows, last=len(history))
    sound_journal = JournalCopy(exists=True, format=1, changes=history)
    kept = data.draw(st.sets(st.sampled_from(history))) if history else set()
    readable = {k: row for k, row in rows.items() if row in kept}
    shorter = history[: data.draw(st.integers(0, len(history)))]
    damaged_databases = [
        DatabaseCopy(rows=readable, last=len(history), problem="damaged"),
        DatabaseCopy(rows=replay({}, shorter), last=len(shorter)),
        DatabaseCopy(fresh=True),
    ]
    damaged_journals = [
        JournalCopy(exists=True, changes=tuple(c for c in history if c in kept), problem="damaged"),
        JournalCopy(exists=True, format=1, changes=shorter),
        JournalCopy(exists=False, problem="missing"),
    ]
    for database in damaged_databases:
        decision = reconcile(database, sound_journal)
        assert {k: row.body for k, row in decision.rows.items()} == truth
        assert decision.certain == (not database.fresh or not history)
        assert decision.journal == "keep"
        assert decision.last == len(history)
    for journal in damaged_journals:
        decision = reconcile(sound_database, journal)
        assert {k: row.body for k, row in decision.rows.items()} == truth
        assert decision.certain
        assert decision.last == len(history)
        lost_nothing = journal.last == len(history) and not journal.problem
        assert decision.damaged == (bool(history) and not lost_nothing) or journal.problem == "damaged"
    uncountable = DatabaseCopy(rows=readable, last=None, problem="damaged")
    assert not reconcile(uncountable, sound_journal).certain
    untouched = reconcile(sound_database, sound_journal)
    assert (untouched.database, untouched.journal, untouched.damaged) == ("keep", "keep", False)


@settings(deadline=None)
@given(
    history=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=10).map(copies), data=st.data()
)
def test_what_either_of_two_damaged_copies_has_is_kept(history: tuple[Change, ...], data: st.DataObject) -> None:
    rows = replay({}, history)
    in_database = {k: row for k, row in rows.items() if data.draw(st.booleans())}
    in_journal = tuple(c for c in history if data.draw(st.booleans()))
    decision = reconcile(
        DatabaseCopy(rows=in_database, problem="damaged"),
        JournalCopy(exists=True, changes=in_journal, problem="damaged"),
    )
    assert decision.damaged
    assert not decision.certain
    assert decision.rows.items() >= in_database.items()
    assert decision.rows.items() >= {k: r for k, r in rows.items() if r in in_journal}.items()
    assert all(row.body is not None for row in decision.rows.values())
    assert decision.last >= max((c.number for c in in_journal), default=0)


def test_database_behind_a_damaged_journal_is_not_certain() -> None:
    database = DatabaseCopy(rows=replay({}, HISTORY[:3]), last=3)
    decision = reconcile(database, JournalCopy(exists=True, format=1, changes=HISTORY[4:], problem="damaged"))
    assert set(decision.rows) == {"model-1", "model-2", "model-3"}
    assert decision.last == 5
    assert decision.damaged
    assert not decision.certain


@pytest.mark.parametrize("version", [2, 3, 99, 9999, 0x02020202, 0x63636363])
def test_newer_versions_are_recognised(version: int) -> None:
    assert (version_of(version) or 0) > SCHEMA_VERSION


def test_damaged_stamp_is_not_taken_for_a_newer_version() -> None:
    stamp = bytes([SCHEMA_VERSION] * 4)
    for position in range(4):
        for value in range(256):
            damaged = bytearray(stamp)
            damaged[position] = value
            read = int.from_bytes(damaged, "big", signed=True)
            assert version_of(read) in {None, SCHEMA_VERSION}
    for start in range(4):
        for end in range(start + 1, 5):
            damaged = stamp[:start] + bytes(end - start) + stamp[end:]
            assert version_of(int.from_bytes(damaged, "big")) in {None, 0}
