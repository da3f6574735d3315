"""Opens the registry's files and repairs them: carries out what `reconcile` decides.

The caller holds the registry's lock. The journal is repaired first, so that a crash in the middle
of a repair leaves at least one complete copy. A damaged file is never deleted, it is kept under a
name with the time.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ..errors import RegistryError
from .database import SCHEMA_VERSION, Database, peek_version
from .journal import FORMAT, Journal, JournalCopy, sync_folder
from .reconcile import Decision, reconcile
from .records import StoreReport, decode_model

DATABASE = "registry.sqlite"
JOURNAL = "registry.journal"
LOCK = "registry.lock"
_SIDE_FILES = ("-wal", "-shm")
_SOURCES = {"journal": JOURNAL, "database": DATABASE, "both": f"{DATABASE} and {JOURNAL}", None: None}


def make_folder(folder: Path) -> None:
    """Make the folder, for the owner only, where it is missing."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_private(folder: Path) -> str:
    """Close the registry's files to other users; returns a warning where the folder itself is open to them."""
    for name in (DATABASE, *(DATABASE + side for side in _SIDE_FILES), JOURNAL, LOCK):
        path = folder / name
        with suppress(FileNotFoundError):
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if os.name != "posix" or not mode & 0o077:
        return ""
    return f"Other users of this computer have access to {folder} (mode {mode:o}); close it with chmod 700."


def open_files(folder: Path) -> tuple[Database, StoreReport]:
    """The database, sound and complete, and what had to be done to make it so.

    Raises:
        RegistryError: The files are of a newer version; they are left as they are.
        OSError, sqlite3.Error: The disk refuses.
    """
    journal = Journal(folder / JOURNAL)
    written = journal.read()
    path = folder / DATABASE
    _refuse_newer(folder, max(written.format - FORMAT, (peek_version(path) or 0) - SCHEMA_VERSION))
    database = Database(path)
    try:
        _refuse_newer(folder, (database.version() or 0) - SCHEMA_VERSION)
        decision = reconcile(database.inspect(), written)
        kept = _repair_journal(journal, written, decision)
        match decision.database:
            case "keep":
                pass
            case "update":
                database.replace(decision.rows, decision.last)
            case "rebuild":
                database, kept = _rebuild(database, decision)
    except BaseException:
        database.close()
        raise
    return database, _report(decision, kept)


def _refuse_newer(folder: Path, versions_ahead: int) -> None:
    if versions_ahead > 0:
        raise RegistryError(
            f"The model registry in {folder} was written by a newer version of rmm_widgets and was left untouched.",
            hint="Upgrade with `pip install -U rmm_widgets`, or set RMM_DATA_DIR to another folder.",
        )


def _repair_journal(journal: Journal, written: JournalCopy, decision: Decision) -> Path | None:
    kept = None
    if decision.journal == "damaged" and written.exists:
        kept = _free_name(journal.path)
        shutil.copy2(journal.path, kept)
    if decision.journal != "keep":
        journal.rewrite(decision.rows, decision.last)
    return kept


def _rebuild(damaged: Database, decision: Decision) -> tuple[Database, Path]:
    """A new database in the place of a damaged one, with what can be read of its history."""
    assert damaged.path is not None  # noqa: S101 - memory is never damaged
    events = damaged.salvage_events()
    damaged.close()
    path, kept = damaged.path, _free_name(damaged.path)
    path.rename(kept)
    for side in _SIDE_FILES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + side).rename(kept.with_name(kept.name + side))
    database = Database(path)
    try:
        database.inspect()
        database.replace(decision.rows, decision.last, events)
        sync_folder(path.parent)
    except BaseException:
        database.close()
        raise
    return database, kept


def _free_name(path: Path) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = path.with_name(f"{path.stem}-damaged-{moment}{path.suffix}")
    number = 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.stem}-damaged-{moment}-{number}{path.suffix}")
    return name


def _report(decision: Decision, kept: Path | None) -> StoreReport:
    usable = sum(decode_model(row.body or "") is not None for row in decision.rows.values())
    source = {"journal": JOURNAL, "database": DATABASE, "both": f"{DATABASE} and {JOURNAL}", None: None}[
        decision.source
    ]
    sentences: list[str] = []
    if decision.trouble:
        sentences.append(f"{decision.trouble}; {usable} model(s) were restored from {source}.")
    if not decision.certain:
        sentences.append("Some of the last changes may be missing.")
    if kept is not None:
        sentences.append(f"The damaged file was kept as {kept}.")
    if usable < len(decision.rows):
        foreign = len(decision.rows) - usable
        sentences.append(f"{foreign} record(s) are not understood by this version; they were kept but are not shown.")
    return StoreReport(
        damaged=decision.damaged,
        recovered_from=source,
        quarantined=kept,
        message=" ".join(sentences),
        models=usable,
    )
