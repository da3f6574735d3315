"""Sets of byte ranges, against a set of integers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rmm_widgets.downloads.ranges import Ranges, segments

SIZE = 60
pairs = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE))


@given(st.lists(pairs, max_size=12))
def test_ranges_behave_like_a_set_of_positions(added: list[tuple[int, int]]) -> None:
    ranges, positions = Ranges(), set[int]()
    for start, end in added:
        ranges.add(start, end)
        positions |= set(range(start, end))
        assert {i for a, b in ranges for i in range(a, b)} == positions
    assert ranges.total == len(positions)
    assert {i for a, b in ranges.missing(SIZE) for i in range(a, b)} == set(range(SIZE)) - positions
    assert ranges.prefix() == next(i for i in range(SIZE + 1) if i not in positions)
    listed = list(ranges)
    assert all(a[1] < b[0] for a, b in pairwise(listed)), "ranges that touch are one"


@given(st.lists(pairs, max_size=5), st.integers(1, 20))
def test_segments_cover_the_gaps_and_never_cross_a_boundary(gaps: list[tuple[int, int]], length: int) -> None:
    gaps = [gap for gap in gaps if gap[0] < gap[1]]
    parts = segments(gaps, length)
    assert [i for a, b in parts for i in range(a, b)] == [i for a, b in gaps for i in range(a, b)]
    assert all(a // length == (b - 1) // length for a, b in parts)
