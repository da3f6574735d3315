"""Documents about errors, of what the guide says. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .render import Column, Message, Table

if TYPE_CHECKING:
    from ..error_guide.records import ErrorEntry

__all__ = ["error_message", "errors_table", "steps_text", "wrapped"]

_WIDTH = 100
_BLANK_IN_CODE = "\0"


def error_message(entry: ErrorEntry) -> Message:
    """What an error means, what to do about it, and an example where there is one."""
    example = [textwrap.indent(entry.example, "    ")] if entry.example else []
    return Message("\n\n".join([entry.name, wrapped(entry.meaning, _WIDTH), steps_text(entry.steps, _WIDTH), *example]))


def errors_table(entries: Iterable[ErrorEntry]) -> Table:
    """All errors, a line each."""
    return Table(
        columns=(Column("error"), Column("what it means")),
        rows=tuple((entry.name, entry.summary) for entry in entries),
        caption="%rmm help ERROR tells what to do about one of them.",
    )


def steps_text(steps: Iterable[str], width: int) -> str:
    """The steps as a list."""
    return "\n".join(textwrap.indent(wrapped(step, width - 2), "  ").replace("  ", "- ", 1) for step in steps)


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most so many columns; what stands in backticks stays on one line, to be copied."""
    bound = re.sub("`[^`]*`", lambda code: code[0].replace(" ", _BLANK_IN_CODE), text)
    lines = textwrap.wrap(bound, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace(_BLANK_IN_CODE, " ")
