"""What is shown where no widget can be: static HTML and plain text of rows and progress.

Used by saved notebooks, terminals and hosts without widgets. No scripts; every value is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..commands.render import SHOWN_ROWS, Column, Document, Table, environment, printable, size, to_html, to_text
from ..error_links import in_one_line
from .protocol import Progress, Row

__all__ = ["bundle", "progress_html", "progress_line", "rows_html", "rows_text"]

_OF_VERY_MANY = 20
"""Rows that are shown where there are too many to show all of them: a sample, as more would be."""

_GAP = "  "

_PACKAGE = "rmm_widgets.notebook"


def bundle(document: Document) -> dict[str, str]:
    """A document as a MIME bundle."""
    return {"text/plain": to_text(document, max_rows=SHOWN_ROWS), "text/html": to_html(document)}


def rows_html(rows: Sequence[Row]) -> str:
    """The table of models as HTML."""
    return to_html(_table(rows))


def rows_text(rows: Sequence[Row]) -> str:
    """The same table as plain text, in columns; made for every display, so it is no work of art."""
    table = _table(rows)
    if not table.rows:
        return table.empty
    titles = tuple(column.title for column in table.columns)
    lines = [titles, *([printable(cell).replace("\n", " ") for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [_GAP.join(map(str.ljust, line, widths)).rstrip() for line in lines]
    if table.more:
        text.append(f"… and {table.more} more")
    return "\n".join(text)


def _table(rows: Sequence[Row]) -> Table:
    """The table of models, without anything that changes from run to run."""
    shown = rows if len(rows) <= SHOWN_ROWS else rows[:_OF_VERY_MANY]
    return Table(
        columns=(Column("id"), Column("type"), Column("status"), Column("health"), Column("note")),
        rows=tuple(
            (row.id, row.type.value, row.stage, row.health.value, in_one_line(row.error, row.hint, row.guide))
            for row in shown
        ),
        more=len(rows) - len(shown),
        empty="No models are registered.",
    )


def progress_line(row: Row, progress: Progress | None) -> str:
    """One model in one line: what it is doing, how far it is, what came out or what went wrong."""
    if row.error:
        return f"{row.id}: {in_one_line(row.error, row.hint, row.guide)}"
    if progress is None or progress.phase == "done":
        result = f", {size(row.size)}" if row.stage == "downloaded" and row.size else ""
        return f"{row.id}: {row.stage}{result}"
    amount = f", {size(progress.done)} of {size(progress.total)}" if progress.total else ""
    return f"{row.id}: {row.stage}, {progress.percent:.0f} %{amount}"


def progress_html(rows: Sequence[Row], progress: Mapping[str, Progress]) -> str:
    """The same lines as HTML, with a bar where there is progress."""
    lines = [
        {"text": printable(progress_line(row, moving)), "percent": moving.percent if moving else None}
        for row, moving in ((row, progress.get(row.id)) for row in rows[:SHOWN_ROWS])
    ]
    return environment(_PACKAGE).get_template("progress.html").render(lines=lines)
