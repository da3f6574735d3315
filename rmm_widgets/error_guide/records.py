"""What the guide says of one error."""

from __future__ import annotations

import msgspec

__all__ = ["ErrorEntry", "ErrorGroup"]


class ErrorEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One error. Names, commands and code stand in backticks; `ID`, `OTHER` and `OWNER/NAME` stand for the reader's.

    Attributes:
        name: The error's class.
        meaning: What happened; the first sentence says it alone.
        steps: What to do, the most likely help first.
        example: Python that shows it, empty where none is needed.
    """

    name: str
    meaning: str
    steps: tuple[str, ...]
    example: str = ""

    @property
    def summary(self) -> str:
        """The first sentence of its meaning, without the full stop."""
        return self.meaning.partition(". ")[0].removesuffix(".")


class ErrorGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Errors that are met at the same work."""

    title: str
    entries: tuple[ErrorEntry, ...]
