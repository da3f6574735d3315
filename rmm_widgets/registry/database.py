"""The database: the registry's rows and the event history in one SQLite file.

Owns the schema, every SQL statement and the judgement whether the file is sound. Rows carry a
digest, because SQLite's own check does not look at contents. Several processes use the file at
once (WAL, busy timeout). The journal, locking between kernels and repair are left to the others.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from .journal import open_private
from .records import Change, digest

SCHEMA_VERSION = 1
BUSY_TIMEOUT = 30.0
MAX_CHANGE = 2**53

_SCHEMA = (
    """CREATE TABLE models (
        model_id TEXT PRIMARY KEY, change INTEGER NOT NULL, body TEXT NOT NULL, digest TEXT NOT NULL
    )""",
    "CREATE TABLE state (last_change INTEGER NOT NULL)",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL, seq INTEGER NOT NULL, model_id TEXT NOT NULL,
        body TEXT NOT NULL, UNIQUE (session, seq)
    )""",
    "CREATE INDEX events_of_model ON events (model_id, id)",
)

EventRow = tuple[str, int, str, str]
"""Session, seq, model id and body of an event."""


class DatabaseCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What a database says.

    Attributes:
        fresh: It was missing or empty and has just been made.
        rows: The readable, undamaged rows.
        last: Number of the newest change it has taken; None where that is unreadable, which is a problem.
        problem: Why it cannot be trusted; empty where it can.
    """

    fresh: bool = False
    rows: Mapping[str, Change] = {}
    last: int | None = 0
    problem: str = ""


def _stamp(version: int) -> int:
    # Four times over, so that a damaged byte is not taken for a newer version.
    return version * 0x01010101


def version_of(stamp: int) -> int | None:
    """The schema version that a file's `user_version` names; None where it is garbage.

    A small plain number is taken at its word: it is what a program with another scheme would write.
    """
    if stamp in {0, _stamp(stamp & 0xFF)}:
        return stamp & 0xFF
    ours = _stamp(SCHEMA_VERSION)
    partly_zeroed = {ours & 0xFFFF, ours & 0xFF}
    return stamp if 0 < stamp <= 0xFFFF and stamp not in partly_zeroed else None


def _read_version(connection: sqlite3.Connection) -> int | None:
    stamp = connection.execute("PRAGMA user_version").fetchone()[0]
    version = version_of(stamp)
    if version and stamp == version:
        # Bytes put into the header or taken from it show another field here, and leave no readable table.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return version


def peek_version(path: Path) -> int | None:
    """The schema version of a file, without locks and without leaving a trace; None where it cannot be told."""
    # Through SQLite: opening and closing the file ourselves would drop the locks that this process holds on it.
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True, factory=_Connection)) as connection:
            return _read_version(connection)
    except sqlite3.Error:
        return None


def is_damage(error: sqlite3.Error, path: Path | None) -> bool:
    """True where the file is to blame for an error, not its surroundings (locks, disk space, permissions)."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    match code & 0xFF:
        case sqlite3.SQLITE_READONLY:
            # A damaged header can make SQLite think that the file must not be written.
            return path is not None and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        case sqlite3.SQLITE_IOERR:
            return code in {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
        case primary:
            return primary not in _SURROUNDINGS


_SURROUNDINGS = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
}


def _corrupt(message: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


class _Connection(sqlite3.Connection):
    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except UnicodeDecodeError:  # SQLite's message quotes the damaged schema
            raise _corrupt("its schema is unreadable") from None


class Database:
    """A connection to the file, or to memory where `path` is None. Methods raise `sqlite3.Error`."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None:
            with suppress(FileExistsError), open(path, "xb", opener=open_private):
                pass
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        self._connection.text_factory = _text
        self._inode = self._inode_now()

    def close(self) -> None:
        """Give the file back; the last connection of all processes takes its -wal and -shm files away."""
        self._connection.close()

    def moved(self) -> bool:
        """True where another file, or none, stands under the path now."""
        return self._inode_now() != self._inode

    def _inode_now(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return (0, 0)
        return (status.st_dev, status.st_ino)

    # -- looking at a file of unknown state

    def inspect(self) -> DatabaseCopy:
        """Make the file usable where it is new, and judge it; damage is an answer, not an error."""
        fresh = False
        try:
            fresh = self._prepare()
            problem = self._find_problem()
        except sqlite3.DatabaseError as error:
            if not is_damage(error, self.path):
                raise
            problem = str(error)
        rows, unreadable = self._salvage()
        last = self._last_change_if_sane()
        if not problem and unreadable:
            problem = f"{unreadable} of its rows are damaged"
        if not problem and last is None:
            problem = "its state is damaged"
        return DatabaseCopy(fresh=fresh, rows=rows, last=last, problem=problem)

    def version(self) -> int | None:
        """Schema version; None where it cannot be told."""
        try:
            return _read_version(self._connection)
        except sqlite3.DatabaseError as error:
            if not is_damage(error, self.path):
                raise
            return None

    def _prepare(self) -> bool:
        """Set the connection up, make the tables in an empty file; True where that was needed."""
        self._connection.execute("PRAGMA journal_mode=WAL").fetchone()
        with self.transaction():
            if self._number("PRAGMA user_version") or self._number("SELECT count(*) FROM sqlite_master"):
                # Changes nothing, but fails where a damaged header says that nobody may write.
                self._connection.execute("UPDATE state SET last_change=0 WHERE 0")
                return False
            for statement in _SCHEMA:
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO state VALUES (0)")
            self._connection.execute(f"PRAGMA user_version={_stamp(SCHEMA_VERSION)}")
        # The stamp must stand in the file itself, where `peek_version` looks for it.
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return True

    def _find_problem(self) -> str:
        if self._number("PRAGMA user_version") != _stamp(SCHEMA_VERSION):
            return "its version stamp is damaged"
        verdict = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            return str(verdict).replace("\n", " ")
        statements = self._connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        if {sql for (sql,) in statements} != set(_SCHEMA):
            return "its tables are not the registry's"
        return ""

    def _salvage(self) -> tuple[dict[str, Change], int]:
        """Every undamaged row that can be reached from either end, and how many damaged ones were met."""
        rows: dict[str, Change] = {}
        unreadable = 0
        for order in ("ASC", "DESC"):
            damaged = 0
            try:
                for values in self._connection.execute(
                    f"SELECT model_id, change, body, digest FROM models NOT INDEXED ORDER BY rowid {order}"  # noqa: S608
                ):
                    row = _checked_row(*values)
                    if row is None:
                        damaged += 1
                    else:
                        rows[row.model_id] = row
            except sqlite3.DatabaseError as error:
                if not is_damage(error, self.path):
                    raise
            else:
                return rows, damaged
            unreadable = max(unreadable, damaged)
        return rows, unreadable

    def _last_change_if_sane(self) -> int | None:
        try:
            values = self._connection.execute("SELECT last_change FROM state").fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error, self.path):
                raise
            return None
        match values:
            case [(int(last),)] if 0 <= last < MAX_CHANGE:
                return last
            case _:
                return None

    def salvage_events(self) -> list[EventRow]:
        """As much of the history as can be read."""
        events: list[EventRow] = []
        with suppress(sqlite3.DatabaseError):
            for row in self._connection.execute("SELECT session, seq, model_id, body FROM events ORDER BY id"):
                match row:
                    case (str(session), int(seq), str(model_id), str(body)):
                        events.append((session, seq, model_id, body))
                    case _:
                        pass
        return events

    # -- using a sound file

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Generator[None]:
        """All or nothing; a `durable` one survives a power cut once it ends."""
        self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def rows(self) -> tuple[dict[str, Change], int]:
        """All rows in the order of their registration, and the number of the newest change."""
        self._connection.execute("BEGIN")
        try:
            last = self.last_change()
            values = self._connection.execute("SELECT model_id, change, body, digest FROM models ORDER BY rowid")
            rows = [_checked_row(*row) for row in values]
        finally:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        sound = {row.model_id: row for row in rows if row is not None}
        if len(sound) != len(rows):
            raise _corrupt("a row does not fit its digest")
        return sound, last

    def has(self, model_id: str) -> bool:
        """True where there is a row of this id."""
        return self._connection.execute("SELECT 1 FROM models WHERE model_id=?", (model_id,)).fetchone() is not None

    def last_change(self) -> int:
        """Number of the newest change."""
        return self._number("SELECT last_change FROM state")

    def live_bytes(self) -> int:
        """Size of all rows' bodies."""
        return self._number("SELECT coalesce(sum(length(body)), 0) FROM models")

    def apply(self, changes: Iterable[Change]) -> None:
        """Take changes, given in order; inside a transaction."""
        for change in changes:
            if change.body is None:
                self._connection.execute("DELETE FROM models WHERE model_id=?", (change.model_id,))
            else:
                self._connection.execute(
                    "INSERT INTO models VALUES (?, ?, ?, ?) ON CONFLICT (model_id)"
                    " DO UPDATE SET change=excluded.change, body=excluded.body, digest=excluded.digest",
                    (change.model_id, change.number, change.body, _row_digest(change)),
                )
            self._connection.execute("UPDATE state SET last_change=?", (change.number,))

    def replace(self, rows: Mapping[str, Change], last: int, events: Sequence[EventRow] = ()) -> None:
        """Make the rows these and nothing else, and add events."""
        with self.transaction(durable=True):
            self._connection.execute("DELETE FROM models")
            self.apply(rows.values())
            self._connection.execute("UPDATE state SET last_change=?", (last,))
            self._insert_events(events)

    def data_version(self) -> int:
        """A number that changes when another connection has written; cheap."""
        return self._number("PRAGMA data_version")

    def add_events(self, events: Sequence[EventRow], *, keep: int) -> None:
        """Add to the history, then forget all but the newest `keep`. An event that is there already stays once."""
        with self.transaction():
            self._insert_events(events)
            self._connection.execute("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (keep,))

    def _insert_events(self, events: Sequence[EventRow]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO events (session, seq, model_id, body) VALUES (?, ?, ?, ?)", events
        )

    def events(self, model_id: str | None, limit: int) -> list[str]:
        """Bodies of the newest events, newest first."""
        if model_id is None:
            cursor = self._connection.execute("SELECT body FROM events ORDER BY id DESC LIMIT ?", (limit,))
        else:
            cursor = self._connection.execute(
                "SELECT body FROM events WHERE model_id=? ORDER BY id DESC LIMIT ?", (model_id, limit)
            )
        return [body for (body,) in cursor]

    def last_event(self) -> int:
        """The row of the newest event, 0 where there is none."""
        return self._number("SELECT coalesce(max(id), 0) FROM events")

    def events_after(self, row: int, session: str, limit: int) -> list[tuple[int, str]]:
        """Rows and bodies of the events after a row, the oldest first, without those of one session."""
        cursor = self._connection.execute(
            "SELECT id, body FROM events WHERE id > ? AND session != ? ORDER BY id LIMIT ?", (row, session, limit)
        )
        return list(cursor)

    def _number(self, statement: str) -> int:
        return self._connection.execute(statement).fetchone()[0]


def _text(raw: bytes) -> str:
    # Damaged text must reach the digest's check instead of failing the whole query.
    return raw.decode("utf-8", "replace")


def _row_digest(row: Change) -> str:
    return digest(f"{row.number} {row.model_id} {row.body}")


def _checked_row(model_id: object, change: object, body: object, checksum: object) -> Change | None:
    match model_id, change, body:
        case str(), int(), str():
            row = Change(change, model_id, body)
        case _:
            return None
    return row if checksum == _row_digest(row) else None
