"""Sets of byte ranges: which parts of a file are there. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise


class Ranges:
    """Disjoint half-open ranges `[start, end)` in order; ranges that touch become one."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        """Bytes in all ranges together."""
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, start: int, end: int) -> None:
        """Add `[start, end)`; an empty range changes nothing."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        replaced = sum(self._ends[first:last]) - sum(self._starts[first:last])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
        self.total += end - start - replaced

    def prefix(self) -> int:
        """Bytes from 0 up to the first gap."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """What is missing of `[start, end)`, in order."""
        found: list[tuple[int, int]] = []
        at = bisect_right(self._ends, start)
        while start < end:
            begins = self._starts[at] if at < len(self._starts) else end
            if start < begins:
                found.append((start, min(begins, end)))
            start = self._ends[at] if at < len(self._ends) else end
            at += 1
        return found

    def missing(self, size: int) -> list[tuple[int, int]]:
        """The gaps in `[0, size)`, in order."""
        return self.gaps(0, size)


def segments(gaps: Iterable[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """The gaps cut at multiples of `length`, so that several connections can share a file."""
    parts: list[tuple[int, int]] = []
    for start, end in gaps:
        first = start - start % length + length
        cuts = [start, *range(first, end, length), end]
        parts += pairwise(cuts)
    return parts
