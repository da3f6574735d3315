"""The registry store: what is known about models survives kernels, crashes and damage.

Two files hold every registered model, each complete by itself:

* `registry.journal`, plain text, one digested and numbered line per change. A change is appended and
  forced to disk first; it is acknowledged when the database has it too.
* `registry.sqlite`, the same rows, each with its digest, and the history of events. Kernels read from it.

Opening compares the two. Whichever is damaged, truncated, missing or edited from outside is set aside
and rebuilt from the other (`reconcile` decides, `recovery` acts), and the report says so. A change that
only the journal has was interrupted, and is finished. The event history is kept in the database alone:
losing some of it loses no model.

Kernels share the files. A lock file admits one writer at a time, the last writer of a row wins,
and a kernel notices that another one replaced a file under it. When the journal has grown well beyond the
rows, it is rewritten in one atomic step.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Self, TypeVar

import msgspec
from filelock import FileLock

from ..errors import RegistryError
from ..types import ModelEvent
from .database import Database, is_damage
from .faults import translated
from .journal import Journal
from .records import Change, StoredModel, StoreReport, decode_event, decode_model, encode_event, encode_model
from .recovery import JOURNAL, LOCK, make_folder, make_private, open_files

KEPT_EVENTS = 10_000
LOCK_TIMEOUT = 30.0
JOURNAL_SLACK = 1024 * 1024
"""Bytes the journal may grow by before it is rewritten."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class RegistryStore:
    """The registry of one folder. Synchronous; safe to use from several threads and processes.

    Every method raises `RegistryError` where the files cannot be used.
    """

    def __init__(self, data_dir: Path | None) -> None:
        self._folder = data_dir
        self._journal: Journal | None = None
        self._file_lock: FileLock | None = None
        if data_dir is not None:
            self._journal = Journal(data_dir / JOURNAL)
            self._file_lock = FileLock(data_dir / LOCK, timeout=LOCK_TIMEOUT, mode=0o600, thread_local=False)
        self._lock = threading.RLock()
        self._database: Database | None = None
        self._is_open = False
        self._journal_limit = JOURNAL_SLACK
        self._seen_version = -1
        self._seen_change = 0

    @classmethod
    def in_memory(cls) -> Self:
        """A store that forgets everything when it is closed: for when the disk cannot be used."""
        return cls(None)

    def open(self) -> StoreReport:
        """Open, check and where needed repair the files; call it before anything else.

        Raises:
            RegistryError: The files cannot be used, or a newer version wrote them.
        """
        with self._lock, translated("opened", self._folder):
            self.close()
            with self._writing():
                report = self._open_files()
            self._is_open = True
            return report

    def close(self) -> None:
        """Give all files back. Closing twice does no harm; `open` opens again."""
        with self._lock, translated("closed", self._folder):
            self._is_open = False
            self._drop_database()

    def models(self) -> list[StoredModel]:
        """All registered models, in the order of their registration."""

        def read(database: Database) -> dict[str, Change]:
            rows, self._seen_change = database.rows()
            return rows

        decoded = (decode_model(row.body or "") for row in self._run("read", read).values())
        return [model for model in decoded if model is not None]

    def put(self, model: StoredModel) -> None:
        """Store a model, in the place of one with the same id. On disk for good when this returns.

        Raises:
            InvalidConfigError: The configuration is not plain data; nothing is changed.
        """
        self.put_many([model])

    def put_many(self, models: Iterable[StoredModel]) -> None:
        """Like `put` for each of them, at the price of one."""
        bodies = [(model.model_id, encode_model(model)) for model in models]
        if bodies:
            self._run("written", lambda database: self._save(database, bodies), write=True)

    def remove(self, model_id: str) -> bool:
        """Forget a model; False where it was not known."""

        def forget(database: Database) -> bool:
            known = model_id == _text(model_id) and database.has(model_id)
            if known:
                self._save(database, [(model_id, None)])
            return known

        return self._run("written", forget, write=True)

    def append_events(self, events: Sequence[ModelEvent], session: str) -> None:
        """Add to the history; `seq` is unique within a `session`, the same event again changes nothing.

        The history keeps the newest 10,000 events. A power cut may cost the last ones.
        """
        rows = [(session, event.seq, _text(event.model_id), encode_event(event)) for event in events]
        if rows:
            self._run("written", lambda database: database.add_events(rows, keep=KEPT_EVENTS), write=True)

    def events(self, model_id: str | None = None, *, limit: int = 100) -> list[ModelEvent]:
        """The newest events of all sessions, newest last; of one model where an id is given."""
        if limit <= 0:
            return []
        key = None if model_id is None else _text(model_id)
        bodies = self._run("read", lambda database: database.events(key, limit))
        decoded = map(decode_event, reversed(bodies))
        return [event for event in decoded if event is not None]

    def last_event(self) -> int:
        """Where the history ends now, for `events_after`."""
        return self._run("read", lambda database: database.last_event())

    def events_after(self, place: int, session: str, *, limit: int = 1000) -> tuple[list[ModelEvent], int]:
        """What other sessions have added to the history since a place in it, oldest first, and where it ends now."""
        rows = self._run("read", lambda database: database.events_after(place, session, limit))
        decoded = (decode_event(body) for _, body in rows)
        return [event for event in decoded if event is not None], rows[-1][0] if rows else place

    def changed(self) -> bool:
        """True where another store has changed a model since the last look (this call or `models`); cheap."""
        return self._run("read", self._look)

    # -- inside the lock

    def _look(self, database: Database) -> bool:
        version = database.data_version()
        if version == self._seen_version:
            return False
        self._seen_version = version
        last = database.last_change()
        news = last != self._seen_change
        self._seen_change = last
        return news

    def _save(self, database: Database, bodies: Sequence[tuple[str, str | None]]) -> None:
        """Journal first, then the database; after an error neither has the changes."""
        if self._journal is not None and self._journal.size() == 0:
            self._journal.rewrite(*database.rows())  # somebody removed it
        size = 0 if self._journal is None else self._journal.size()
        try:
            with database.transaction(durable=True):
                before = database.last_change()
                changes = [Change(number, *body) for number, body in enumerate(bodies, before + 1)]
                database.apply(changes)
                if self._journal is not None:
                    self._journal.append(changes)
        except Exception:
            if self._journal is not None:
                with suppress(OSError):
                    self._journal.truncate(size)
            raise
        if self._seen_change == before:
            self._seen_change = before + len(changes)
        self._trim_journal(database)

    def _trim_journal(self, database: Database) -> None:
        if self._journal is None or self._journal.size() <= self._journal_limit:
            return
        with suppress(OSError, sqlite3.Error):  # the long journal is as good; what is wrong shows at the next use
            self._journal_limit = JOURNAL_SLACK + 2 * database.live_bytes()
            if self._journal.size() > self._journal_limit:
                self._journal.rewrite(*database.rows())

    def _run(self, action: str, work: Callable[[Database], _T], *, write: bool = False) -> _T:
        """Do `work`; where the database turns out to be damaged, repair it and do it again."""
        with self._lock, translated(action, self._folder):
            if not self._is_open:
                raise RegistryError("The model registry is not open.", hint="Call open() before using it.")
            with self._writing() if write else nullcontext():
                try:
                    return work(self._current())
                except sqlite3.Error as error:
                    if self._database is None or not is_damage(error, self._database.path):
                        raise
                return work(self._reopened())

    def _current(self) -> Database:
        if self._database is None or self._database.moved():
            return self._reopened()
        return self._database

    def _reopened(self) -> Database:
        with self._writing():
            self._drop_database()
            report = self._open_files()
            if report.message:
                _log.warning("%s", report.message)
            assert self._database is not None  # noqa: S101 - just opened
            return self._database

    def _open_files(self) -> StoreReport:
        if self._folder is None:
            self._database = Database(None)
            self._database.inspect()
            return StoreReport(message="The registry is kept in memory only.")
        warning = make_private(self._folder)
        self._database, report = open_files(self._folder)
        self._trim_journal(self._database)
        return msgspec.structs.replace(report, message=f"{report.message} {warning}".strip())

    def _drop_database(self) -> None:
        database, self._database = self._database, None
        self._seen_version = -1
        if database is not None:
            database.close()

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Keep the other processes from writing; may be nested."""
        if self._folder is None or self._file_lock is None:
            yield
            return
        make_folder(self._folder)
        with self._file_lock.acquire(poll_interval=0.01):
            yield


def _text(value: str) -> str:
    # SQLite refuses lone surrogates; no registered id has one.
    return value.encode("utf-8", "backslashreplace").decode()
