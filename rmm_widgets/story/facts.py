"""The values of an event, whatever it holds: a history may be of another version, or edited. One line, no controls."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..types import ModelEvent

__all__ = ["Facts", "lasting", "plain"]

LONGEST = 400
"""Characters of a text that a sentence quotes."""
_COMMIT = 12
_MOST = 1e18


class Facts:
    """Reads the data of one event; what is missing or of the wrong kind is empty."""

    def __init__(self, event: ModelEvent) -> None:
        self.at: datetime = event.timestamp
        self.type = event.type
        self._data: Mapping[str, Any] = event.data
        action = event.data.get("action")
        self.action: str = action if isinstance(action, str) else ""

    def text(self, name: str) -> str:
        """A text, cut and without control characters."""
        value = self._data.get(name)
        return plain(value) if isinstance(value, str) else ""

    def sentence(self, name: str) -> str:
        """A text that ends in a full stop where it is not empty."""
        text = self.text(name).rstrip()
        return text if not text or text[-1] in ".!?…" else f"{text}."

    def number(self, name: str) -> float:
        """A number, 0 where there is none."""
        value = self._data.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return 0
        return value if -_MOST < value < _MOST else 0

    def flag(self, name: str) -> bool:
        """Whether it is said, and true."""
        return self._data.get(name) is True

    def count(self, name: str) -> int:
        """A whole number, 0 where there is none."""
        return int(self.number(name))

    def mapping(self, name: str) -> Mapping[str, Any]:
        """A mapping, empty where there is none."""
        value = self._data.get(name)
        return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]

    def words(self, name: str) -> list[str]:
        """The texts of a list."""
        value = self._data.get(name)
        given: tuple[Any, ...] | list[Any] = value if isinstance(value, tuple | list) else ()  # pyright: ignore[reportUnknownVariableType]
        return [plain(each) for each in given if isinstance(each, str)]

    def commit(self, name: str = "commit") -> str:
        """A commit, short."""
        return self.text(name)[:_COMMIT]

    def names(self) -> list[str]:
        """What it holds, for an event that nobody here knows."""
        return [f"{plain(key)}={plain(str(value))}" for key, value in self._data.items() if key != "action"]


def plain(text: str) -> str:
    """A text as one line of bounded length; control, format and surrogate characters are replaced."""
    line = " ".join(text[: 4 * LONGEST].split())
    line = "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in line)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def lasting(seconds: float) -> str:
    """Seconds for people: "0.3 s", "42 s", "3 min", "2 h 5 min"."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
