"""What loads took beside what was expected, so that the next expectation is better. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..quantities import bytes_text

__all__ = ["Measurement", "corrected", "overshoot", "read_measurements", "with_measurement"]

KEPT = 8
"""Measurements that are remembered of one model."""
COUNTED = 3
"""Measurements that an expectation goes by; the worst of them counts, for running out is worse than room to spare."""
_SAME = 0.1
"""Share by which a measurement must differ from the last one to be worth keeping."""
_WARN_SHARE = 0.2
_WARN_BYTES = 32 << 20


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One load in one pool of memory. Sizes are bytes; `estimated` is from the files alone."""

    pool: str
    loader: str
    placement: str
    estimated: int
    measured: int


def read_measurements(stored: Sequence[Mapping[str, Any]]) -> list[Measurement]:
    """What the registry remembers; what another version wrote and this one does not understand is left out."""
    found: list[Measurement] = []
    for each in stored:
        try:
            found.append(msgspec.convert(each, Measurement))
        except msgspec.ValidationError:
            pass  # of another version
    return found


def corrected(estimated: int, pool: str, loader: str, placement: str, history: Sequence[Measurement]) -> int:
    """An estimate in the light of earlier loads of the same kind. Without an estimate, what those took."""
    alike = [m for m in history if (m.pool, m.loader, m.placement) == (pool, loader, placement)][-COUNTED:]
    if not alike:
        return estimated
    if not estimated:
        return max(each.measured for each in alike)
    ratios = [each.measured / each.estimated for each in alike if each.estimated]
    return round(estimated * max(ratios)) if ratios else estimated


def with_measurement(history: Sequence[Measurement], new: Measurement) -> list[Measurement] | None:
    """The history with one more, None where it says nothing new."""
    kind = (new.pool, new.loader, new.placement)
    alike = [each for each in history if (each.pool, each.loader, each.placement) == kind]
    last = alike[-1] if alike else None
    if last and last.estimated == new.estimated and abs(new.measured - last.measured) <= _SAME * last.measured:
        return None
    return [*history, new][-KEPT:]


def overshoot(expected: int, measured: int) -> str:
    """What to say where a load took more than 20 % (and 32 MiB) more than expected; else empty."""
    if not expected or measured <= expected * (1 + _WARN_SHARE) or measured - expected < _WARN_BYTES:
        return ""
    share = round(100 * (measured / expected - 1))
    return f"it takes {bytes_text(measured)}, {share} % more than the {bytes_text(expected)} that were expected"
