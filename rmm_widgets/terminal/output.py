"""What a terminal is shown: results on standard output, everything else on standard error.

Colour and moving bars are for people who look at a terminal; a pipe or a file gets plain text in whole lines. The
advice in texts is written for notebooks; here it names the commands as one types them in a terminal.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from collections.abc import Mapping
from typing import TextIO

from ..commands.job_views import error_line
from ..commands.render import Document, printable, to_text
from ..commands.spec import Command

__all__ = ["Output"]

UNFOLDED = 100_000
"""Columns of a pipe: no line of a table is folded there, so that `grep` and `cut` find whole values."""

_MAGIC = re.compile(r"%rmm (?=([a-z]+)|COMMAND)")
_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"


class Output:
    """The two streams of one command.

    Args:
        table: The commands; the advice that names one which is only in notebooks keeps its `%`.
    """

    def __init__(self, table: Mapping[str, Command]) -> None:
        self._table = table
        for stream in (sys.stdout, sys.stderr):
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="replace")  # a repository's text must not end a command
        self.has_bars = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def show(self, document: Document) -> None:
        """A command's result, as wide as the terminal."""
        width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else UNFOLDED
        self.write(self.reworded(to_text(document, width=width)))

    def write(self, text: str) -> None:
        """A command's result as it is."""
        _line(sys.stdout, text)

    def say(self, text: str) -> None:
        """Something beside the result."""
        _line(sys.stderr, printable(self.reworded(text)))

    def error(self, error: BaseException) -> None:
        """What went wrong and what to do, in one line."""
        self._label("error", _RED, error_line(error))

    def trouble(self, text: str) -> None:
        """The same, where there is only the text."""
        self._label("error", _RED, text)

    def warn(self, text: str) -> None:
        """What may surprise later."""
        self._label("warning", _YELLOW, text)

    def warn_of_logged(self) -> None:
        """Show what this package logs as warnings."""
        logger = logging.getLogger("rmm_widgets")
        logger.addHandler(_Warnings(self))
        logger.propagate = False

    def reworded(self, text: str) -> str:
        """`%rmm ls` as `rmm ls`; what only notebooks have stays `%rmm load`."""
        return _MAGIC.sub(self._as_typed, text)

    def _as_typed(self, found: re.Match[str]) -> str:
        command = self._table.get(found[1] or "")
        return "rmm " if command is not None and not command.only_in_notebooks else found[0]

    def _label(self, label: str, colour: str, text: str) -> None:
        line = printable(" ".join(self.reworded(text).split()))
        shown = f"{colour}{label}:{_PLAIN}" if self._has_colour else f"{label}:"
        _line(sys.stderr, f"{shown} {line}")


class _Warnings(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__(logging.WARNING)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.warn(record.getMessage())


def _line(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()
