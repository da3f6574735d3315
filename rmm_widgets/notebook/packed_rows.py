"""All rows as one text: a third of the bytes of rows by name, and none of the walks that hosts take through values.

Ten thousand rows are sent when a view is displayed, and saved with the notebook. Their names are the same in each,
and most values are those of every model that was never touched.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import Any

import msgspec

from ..types import ModelHealth, ModelStatus
from .protocol import PackedRows, Row

__all__ = ["Rows", "pack"]

_USUAL: dict[str, Any] = {
    "need": 0,
    "status": ModelStatus.NOT_DOWNLOADED,
    "stage": "registered",
    "actions": ("download",),
    "health": ModelHealth.UNKNOWN,
    "memory": 0,
    "device": "",
    "placement": "",
    "health_reason": "",
    "pinned": False,
    "allowed": False,
    "error": "",
    "hint": "",
    "fix": "",
    "guide": "",
}
"""What can be left out at a row's end: rarely anything else comes last."""

_OWN = tuple(name for name in Row.__struct_fields__ if name not in _USUAL)
_FIELDS = (*_OWN, *_USUAL)
_values = operator.attrgetter(*_FIELDS)
_DEFAULTS = tuple(_USUAL.values())


class Rows(dict[str, Row]):
    """Rows by id that do not change any more: packed once for all views."""

    @functools.cached_property
    def packed(self) -> str:
        """The text of a `PackedRows`."""
        rows = tuple(_cut(_values(row)) for row in self.values())
        return msgspec.json.encode(PackedRows(fields=_FIELDS, usual=_DEFAULTS, rows=rows)).decode()


def pack(rows: Mapping[str, Row]) -> str:
    """The rows as the JSON of a `PackedRows`."""
    return (rows if isinstance(rows, Rows) else Rows(rows)).packed


def _cut(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values without the usual ones at the end."""
    own = len(_OWN)
    if values[own:] == _DEFAULTS:
        return values[:own]
    end = len(values)
    while values[end - 1] == _DEFAULTS[end - 1 - own]:
        end -= 1
    return values[:end]
