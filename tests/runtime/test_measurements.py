"""What is kept of measurements, and when a load is said to have taken too much."""

from __future__ import annotations

from typing import Any

import pytest

from rmm_widgets.loading.estimate import corrected
from rmm_widgets.loading.loader import MemoryEstimate
from rmm_widgets.runtime.measurements import KEPT, Kind, alike, overshoot, with_measurement

MB = 1_000_000
KIND = Kind("onnxruntime", "process", "cpu")
OTHER = Kind("transformers", "process", "cuda")


def test_measurements_of_one_kind_are_kept_apart_and_old_ones_go() -> None:
    stored: tuple[Any, ...] = ()
    for n in range(1, KEPT + 3):
        stored = with_measurement(stored, KIND, 100, 100 * n) or stored
    stored = with_measurement(stored, OTHER, 7, 9) or stored
    assert len(stored) == KEPT
    assert [each.measured for each in alike(stored, KIND)][-1] == 100 * (KEPT + 2)
    assert [(each.estimated, each.measured) for each in alike(stored, OTHER)] == [(7, 9)]


def test_what_says_nothing_new_is_not_written() -> None:
    stored = with_measurement((), KIND, 100, 1000)
    assert stored is not None
    assert with_measurement(stored, KIND, 100, 1090) is None
    assert with_measurement(stored, KIND, 100, 1200) is not None
    assert with_measurement(stored, KIND, 200, 1000) is not None
    assert with_measurement(stored, OTHER, 100, 1000) is not None


def test_a_later_look_at_the_same_load_replaces_the_first() -> None:
    stored = with_measurement((), KIND, 100, 1000)
    assert stored is not None
    stored = with_measurement(stored, KIND, 100, 2000, in_place=True)
    assert stored is not None
    assert [each.measured for each in alike(stored, KIND)] == [2000]


@pytest.mark.parametrize("foreign", [{}, {"kind": "x"}, {"kind": {}, "estimated": "many", "measured": 1}])
def test_what_another_version_wrote_is_left_out(foreign: dict[str, Any]) -> None:
    stored = with_measurement((foreign,), KIND, 100, 1000)
    assert stored is not None
    assert [each.measured for each in alike((foreign, *stored), KIND)] == [1000]


def test_the_next_expectation_is_what_was_measured() -> None:
    estimate = MemoryEstimate(weights=30 * MB, working=20 * MB, libraries=50 * MB)
    stored = with_measurement((), KIND, estimate.total, 180 * MB)
    assert stored is not None
    assert corrected(estimate, alike(stored, KIND)).total == 180 * MB
    assert corrected(estimate, alike(stored, OTHER)) == estimate


def test_only_a_load_that_took_much_more_than_expected_is_worth_a_word() -> None:
    assert overshoot(0, 900 * MB) == ""
    assert overshoot(1000 * MB, 1190 * MB) == ""
    assert overshoot(10 * MB, 30 * MB) == "", "small models differ much, and nobody cares"
    assert overshoot(1000 * MB, 1350 * MB) == ("it takes 1.4 GB, 35 % more than the 1.0 GB that were expected")
