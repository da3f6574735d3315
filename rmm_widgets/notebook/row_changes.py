"""The rows that one view knows, and what to tell it when they change.

Rows are many and change one at a time, so only the changed ones travel. Each telling has a number;
a view that misses one asks for all rows.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import msgspec

from .protocol import AllRows, Row, RowChanges

__all__ = ["ToldRows", "difference"]


class ToldRows:
    """What a view has been told so far. One thread tells it news, any thread may ask for all."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self._lock = threading.Lock()
        self._seq = 0
        self._rows = rows

    def tell(self, rows: Mapping[str, Row]) -> RowChanges:
        """Take these as the present rows; returns what is new."""
        with self._lock:
            changes = msgspec.structs.replace(difference(self._rows, rows), seq=self._seq + 1)
            self._seq, self._rows = changes.seq, rows
        return changes

    def __contains__(self, model_id: object) -> bool:
        return model_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def seq(self) -> int:
        """The number of the last telling."""
        return self._seq

    def all(self) -> AllRows:
        """All rows, with the number of the last telling that they hold."""
        with self._lock:
            return AllRows(seq=self._seq, rows=tuple(self._rows.values()))


def difference(before: Mapping[str, Row], now: Mapping[str, Row]) -> RowChanges:
    """What became of the rows, without a number."""
    order, expected = list(now), list(before)
    if order == expected:
        # Most rows are the same objects as before.
        pairs = zip(now.values(), before.values(), strict=True)
        return RowChanges(seq=0, changed=tuple(row for row, known in pairs if row is not known and row != known))
    changed = tuple(row for model_id, row in now.items() if row != before.get(model_id))
    removed = tuple(model_id for model_id in before if model_id not in now)
    expected = [model_id for model_id in before if model_id in now]
    expected += [row.id for row in changed if row.id not in before]
    return RowChanges(seq=0, changed=changed, removed=removed, order=None if order == expected else tuple(order))
