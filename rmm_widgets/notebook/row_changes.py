"""Which rows are new, changed or gone, and whether their order is another. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .protocol import Row, RowChanges

__all__ = ["difference"]


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
