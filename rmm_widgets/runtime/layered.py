"""A mapping that never changes, and of which a copy with a few changes costs little however large it is.

A copy shares everything but what was changed lately with the mapping that it was made of. Whoever goes through all
of one has that put together once.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TypeVar

__all__ = ["LayeredMap"]

MOST = 256
"""Changes that a copy carries beside what it shares; with more it is copied whole."""

K = TypeVar("K")
V = TypeVar("V")


class LayeredMap(Mapping[K, V]):
    """Keys in the order in which they came, like those of a dict; safe to read in any thread."""

    __slots__ = ("_all", "_below", "_changed")

    def __init__(self, content: Mapping[K, V] | None = None) -> None:
        self._below: dict[K, V] = dict(content or {})
        self._changed: dict[K, V] = {}
        self._all: dict[K, V] | None = self._below

    def changed(self, news: Mapping[K, V], gone: set[K] | frozenset[K] = frozenset()) -> LayeredMap[K, V]:
        """A copy with other values, new keys at the end, and without those that are gone."""
        new: LayeredMap[K, V] = LayeredMap()
        new._below, new._changed, new._all = self._below, {**self._changed, **news}, None
        if gone or len(new._changed) > MOST:
            whole = new._whole()
            new._below = {key: value for key, value in whole.items() if key not in gone} if gone else whole
            new._changed, new._all = {}, new._below
        return new

    def _whole(self) -> dict[K, V]:
        found = self._all
        if found is None:  # two threads at once put the same together
            found = self._all = {**self._below, **self._changed}
        return found

    def __getitem__(self, key: K) -> V:
        try:
            return self._changed[key]
        except KeyError:
            return self._below[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def keys(self) -> KeysView[K]:
        """All keys."""
        return self._whole().keys()

    def values(self) -> ValuesView[V]:
        """All values."""
        return self._whole().values()

    def items(self) -> ItemsView[K, V]:
        """All pairs."""
        return self._whole().items()

    def __repr__(self) -> str:
        return f"LayeredMap({self._whole()!r})"
