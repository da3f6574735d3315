"""Documents, and how they look as plain text and as HTML.

A document is a table, a message or a chart, made of ready strings; `views` makes them from records.
Nothing here knows a model. Whatever the strings hold stays text: HTML is escaped, control
characters (terminal escapes, bidirectional overrides) become a visible replacement.
"""

from __future__ import annotations

import functools
import io
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from ..quantities import bytes_text

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = [
    "Bar",
    "Chart",
    "Column",
    "Document",
    "Message",
    "Table",
    "environment",
    "printable",
    "size",
    "sparkline",
    "to_html",
    "to_text",
]

SHOWN_ROWS = 200
"""Rows of a table that HTML shows; the rest is counted, so that a large listing does not bloat a notebook."""


class Column(msgspec.Struct, frozen=True):
    """A column's heading and the side its values keep to."""

    title: str
    align: Literal["left", "right"] = "left"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of strings. `empty` is said instead of a table without rows; `more` are left out and counted."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0
    caption: str = ""
    empty: str = "Nothing to show."


class Message(msgspec.Struct, frozen=True):
    """A sentence or a few lines."""

    text: str


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a chart: its height from 0 to 1, what it means, and what it says where somebody points at it."""

    tone: Literal["good", "warn", "bad", "idle"]
    height: float = 0.0
    label: str = ""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence with a row of bars below it, the newest last."""

    text: str
    bars: tuple[Bar, ...]
    caption: str = ""


Document = Table | Message | Chart

_BLOCKS = "▁▂▃▄▅▆▇█"
_SIGNS = {"bad": "!", "idle": "·"}
_CHART_HEIGHT = 24
_FILLS = {
    "good": "var(--jp-success-color1, #2e7d32)",
    "warn": "var(--jp-warn-color1, #b26a00)",
    "bad": "var(--jp-error-color1, #c62828)",
    "idle": "var(--jp-border-color1, #bdbdbd)",
}


def sparkline(bars: Sequence[Bar]) -> str:
    """A row of bars as text, a character each: a block, ! for what went wrong, · for what does not count."""
    return "".join(
        _SIGNS.get(bar.tone) or _BLOCKS[round(max(0.0, min(1.0, bar.height)) * (len(_BLOCKS) - 1))] for bar in bars
    )


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
    if isinstance(document, Chart):
        return printable("\n".join(filter(None, (document.text, sparkline(document.bars), document.caption))))
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
    more = document.more + (0 if max_rows is None else max(0, len(document.rows) - max_rows))
    if more:
        lines.append(f"… and {more} more")
    if document.caption:
        lines.append(printable(document.caption))
    return "\n".join(line for line in lines if line)


def to_html(document: Document) -> str:
    """The document as one HTML element: no scripts, all values escaped, colours of the host's theme."""
    templates = environment("rmm_widgets.commands")
    if isinstance(document, Message):
        return templates.get_template("message.html").render(text=printable(document.text))
    if isinstance(document, Chart):
        return templates.get_template("chart.html").render(
            text=printable(document.text),
            bars=[
                {"pixels": _pixels(bar), "fill": _FILLS[bar.tone], "label": printable(bar.label)}
                for bar in document.bars
            ],
            height=_CHART_HEIGHT,
            caption=printable(document.caption),
        )
    return templates.get_template("table.html").render(
        columns=document.columns,
        rows=[[printable(cell) for cell in row] for row in document.rows[:SHOWN_ROWS]],
        more=document.more + max(0, len(document.rows) - SHOWN_ROWS),
        caption=printable(document.caption),
        empty=document.empty,
    )


def _pixels(bar: Bar) -> int:
    """The height of a bar; what has no value is as high as the chart where it is bad, and a dot where it is not."""
    height = 1.0 if bar.tone == "bad" else max(0.0, min(1.0, bar.height))
    return max(2, round(height * _CHART_HEIGHT))


@functools.cache
def environment(package: str) -> Environment:
    """The templates of a package; every value they are given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader(package)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
