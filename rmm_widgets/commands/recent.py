"""The rows of the last search that was typed, for `add NUMBER` and for completion; of this kernel, per manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ..errors import InvalidCommandError
from ..types import HubModel

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["note", "row", "rows"]

_found: WeakKeyDictionary[ModelManager, tuple[HubModel, ...]] = WeakKeyDictionary()


def note(manager: ModelManager, models: Sequence[HubModel]) -> None:
    """Remember what a search showed, in the order of its rows."""
    _found[manager] = tuple(models)


def rows(manager: ModelManager) -> tuple[HubModel, ...]:
    """What the last search showed; empty where there was none."""
    return _found.get(manager, ())


def row(manager: ModelManager, number: int) -> HubModel:
    """The row of this number, 1 for the first.

    Raises:
        InvalidCommandError: There was no search, or it had no such row.
    """
    if manager not in _found:
        raise InvalidCommandError(
            f"add: {number} is the row of a search, and there was none in this kernel",
            hint="Write %rmm search WORDS first, or %rmm add OWNER/NAME.",
        )
    found = _found[manager]
    if not 1 <= number <= len(found):
        shown = f"rows 1 to {len(found)}" if found else "no rows"
        raise InvalidCommandError(
            f"add: there is no row {number}: the last search has {shown}", hint="%rmm search WORDS shows others."
        )
    return found[number - 1]
