"""What earlier loads teach about what a model will take of memory."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from .loader import MemoryEstimate

__all__ = ["LoadMeasurement", "corrected"]


class LoadMeasurement(msgspec.Struct, frozen=True):
    """How right an estimate was.

    Attributes:
        estimated: Bytes that were expected, before any correction.
        measured: The most bytes that the model's process was seen to hold.
    """

    estimated: int
    measured: int


_REMEMBERED = 8
_TRUSTED = 3
"""With fewer measurements, the largest error counts rather than the middle one: running out of memory is worse."""
_SMALLEST, _LARGEST = 0.5, 4.0
"""A measurement further off than this says more about the measuring than about the model."""


def corrected(estimate: MemoryEstimate, history: Sequence[LoadMeasurement]) -> MemoryEstimate:
    """The estimate, changed by the error of earlier ones of the same model.

    The middle of the last errors counts, so that single measurements far off change little. What is known of
    the weights is believed as long as the total leaves room for them.

    Args:
        history: The latest last.
    """
    usable = [each for each in history if each.estimated > 0 and each.measured > 0][-_REMEMBERED:]
    if not usable or estimate.total <= 0:
        return estimate
    errors = [min(_LARGEST, max(_SMALLEST, each.measured / each.estimated)) for each in usable]
    error = statistics.median(errors) if len(errors) >= _TRUSTED else max(errors)
    total = round(estimate.total * error)
    weights = min(estimate.weights, total)
    libraries = min(estimate.libraries, total - weights)
    return MemoryEstimate(weights=weights, libraries=libraries, working=total - weights - libraries)
