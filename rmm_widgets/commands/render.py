"""Documents, and how they look as plain text and as HTML.

A document is a table or a message, made of ready strings; `views` makes them from records.
Nothing here knows a model. Whatever the strings hold stays text: HTML is escaped, control
characters (terminal escapes, bidirectional overrides) become a visible replacement.
"""

from __future__ import annotations

import functools
import io
import unicodedata
from typing import TYPE_CHECKING, Literal

import msgspec

from ..quantities import bytes_text

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Column", "Document", "Message", "Table", "environment", "printable", "size", "to_html", "to_text"]

SHOWN_ROWS = 200
"""Rows of a table that HTML shows; the rest is counted, so that a large listing does not bloat a notebook."""


class Column(msgspec.Struct, frozen=True):
    """A column's heading and the side its values keep to."""

    title: str
    align: Literal["left", "right"] = "left"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of strings. `empty` is said instead of a table without rows."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    empty: str = "Nothing to show."


class Message(msgspec.Struct, frozen=True):
    """A sentence or a few lines."""

    text: str


Document = Table | Message


def size(count: float) -> str:
    """Bytes for people, in decimal units: "12.3 MB"; a dash for 0, which means unknown or none."""
    return bytes_text(count) if count > 0 else "-"


def printable(text: str) -> str:
    """The text with every control, format and surrogate character replaced; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in text)


def to_text(document: Document, *, width: int = 120, max_rows: int | None = None) -> str:
    """The document as plain text in lines of at most `width` columns; rows beyond `max_rows` are counted."""
    if isinstance(document, Message):
        return printable(document.text)
    if not document.rows:
        return document.empty
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in document.columns:
        table.add_column(Text(column.title), justify=column.align, overflow="fold")
    for row in document.rows[:max_rows]:
        table.add_row(*(Text(printable(cell)) for cell in row))
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, force_jupyter=False, _environ={})
    console.print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    if max_rows is not None and len(document.rows) > max_rows:
        lines.append(f"… and {len(document.rows) - max_rows} more")
    if document.caption:
        lines.append(printable(document.caption))
    return "\n".join(line for line in lines if line)


def to_html(document: Document) -> str:
    """The document as one HTML element: no scripts, all values escaped, colours of the host's theme."""
    templates = environment("rmm_widgets.commands")
    if isinstance(document, Message):
        return templates.get_template("message.html").render(text=printable(document.text))
    return templates.get_template("table.html").render(
        columns=document.columns,
        rows=[[printable(cell) for cell in row] for row in document.rows[:SHOWN_ROWS]],
        more=max(0, len(document.rows) - SHOWN_ROWS),
        caption=printable(document.caption),
        empty=document.empty,
    )


@functools.cache
def environment(package: str) -> Environment:
    """The templates of a package; every value they are given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader(package)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
