"""Which of the two copies to believe: a pure decision from what the database and the journal say.

The journal is written first and forced to disk, so a complete journal is the truth. The database
is the truth where the journal is damaged. Where both are, the newest readable version of every row is
kept: rather a model too many than one too few.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from .database import DatabaseCopy
from .journal import JournalCopy, replay
from .records import Change


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry holds, and what has to be done to the files to make both say so.

    Attributes:
        rows, last: The registry's rows and the number of its newest change.
        database: "keep" it, "update" it in place, or set it aside and "rebuild" it.
        journal: "keep" it, "rewrite" it, or rewrite it and keep the "damaged" one.
        source: Which copy made up for the other's loss; None where nothing was lost.
        trouble: What was found, as a sentence without its subject's file name; empty where all is well.
        certain: No registered model can be missing from `rows`.
    """

    rows: Mapping[str, Change]
    last: int
    database: Literal["keep", "update", "rebuild"] = "keep"
    journal: Literal["keep", "rewrite", "damaged"] = "keep"
    source: Literal["journal", "database", "both"] | None = None
    damaged: bool = False
    trouble: str = ""
    certain: bool = True


def reconcile(database: DatabaseCopy, journal: JournalCopy) -> Decision:
    """Decide; see `Decision`."""
    if database.problem or database.last is None:
        newest = max((row.number for row in database.rows.values()), default=0)
        return _without_database(database, journal) if _reaches(journal, newest) else _merge(database, journal)
    if database.last == 0 and not journal.exists:
        return Decision(rows={}, last=0, journal="rewrite")
    if _reaches(journal, database.last):
        return _believe_journal(database, database.last, journal)
    if database.fresh:
        return _merge(database, journal)
    return _believe_database(database, database.last, journal)


def _reaches(journal: JournalCopy, number: int) -> bool:
    return not journal.problem and journal.last >= number


def _without_database(database: DatabaseCopy, journal: JournalCopy) -> Decision:
    return Decision(
        rows=journal.rows(),
        last=journal.last,
        database="rebuild",
        source="journal",
        damaged=True,
        trouble=f"The database was damaged ({database.problem})",
        # Nothing but the database's count can show that the journal lost lines at its end.
        certain=database.last is not None and database.last <= journal.last,
    )


def _believe_journal(database: DatabaseCopy, known: int, journal: JournalCopy) -> Decision:
    rows = journal.rows()
    if database.fresh:
        lost = journal.last > 0
        return Decision(
            rows=rows,
            last=journal.last,
            database="update" if lost else "keep",
            source="journal" if lost else None,
            damaged=lost,
            trouble="The database was missing or empty" if lost else "",
            certain=not lost,
        )
    behind = journal.last - known
    if _same(database.rows, journal.rows(upto=known)):
        return Decision(
            rows=rows,
            last=journal.last,
            database="update" if behind else "keep",
            source="journal" if behind else None,
            trouble=f"{behind} change(s) were saved but had not reached the database" if behind else "",
        )
    return Decision(
        rows=rows,
        last=journal.last,
        database="rebuild",
        source="journal",
        damaged=True,
        trouble="The database was changed from outside or lost changes",
    )


def _believe_database(database: DatabaseCopy, known: int, journal: JournalCopy) -> Decision:
    later = [change for change in journal.changes if change.number > known]
    rows = replay(database.rows, later)
    problem = journal.problem or f"changes after {journal.last} are missing"
    return Decision(
        rows=rows,
        last=max(known, journal.last, len(rows)),
        database="update" if later else "keep",
        journal="damaged" if journal.exists else "rewrite",
        source="both" if later else "database",
        damaged=True,
        trouble=f"The journal was damaged ({problem})" if journal.exists else "The journal was missing",
        certain=not later,
    )


def _merge(database: DatabaseCopy, journal: JournalCopy) -> Decision:
    newest = dict(database.rows)
    for change in journal.changes:
        if change.model_id not in newest or newest[change.model_id].number <= change.number:
            newest[change.model_id] = change
    rows = {model_id: change for model_id, change in newest.items() if change.body is not None}
    last = max(len(rows), journal.last, *(change.number for change in newest.values()), 0)
    state = "missing or empty" if database.fresh else f"damaged ({database.problem})"
    return Decision(
        rows=rows,
        last=last,
        database="update" if database.fresh else "rebuild",
        journal="damaged" if journal.exists else "rewrite",
        source="both",
        damaged=True,
        trouble=f"The database was {state}, and so was the journal ({journal.problem or 'it ends too early'})",
        certain=False,
    )


def _same(one: Mapping[str, Change], other: Mapping[str, Change]) -> bool:
    return {k: row.body for k, row in one.items()} == {k: row.body for k, row in other.items()}
