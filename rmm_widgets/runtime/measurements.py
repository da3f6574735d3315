"""What loads of a model took beside what was expected, as the registry keeps it. Pure.

How the next expectation follows from that is `loading.estimate`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..quantities import bytes_text

if TYPE_CHECKING:
    from ..loading.estimate import LoadMeasurement

__all__ = ["Kind", "alike", "overshoot", "with_measurement"]

KEPT = 8
"""Measurements that are remembered of one model."""
_SAME = 0.1
"""Share by which a measurement must differ from the one before to be worth a write."""
_WARN_SHARE = 0.2
_WARN_BYTES = 32 << 20


class Kind(msgspec.Struct, frozen=True):
    """What two loads must have in common for the one to tell about the other. `device` is "cpu" or "cuda"."""

    loader: str
    placement: str
    device: str


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind
    estimated: int
    measured: int


def alike(stored: Sequence[Mapping[str, Any]], kind: Kind) -> list[LoadMeasurement]:
    """The measurements of this kind, the newest last."""
    from ..loading.estimate import LoadMeasurement

    return [LoadMeasurement(each.estimated, each.measured) for each in _understood(stored) if each.kind == kind]


def with_measurement(
    stored: Sequence[Mapping[str, Any]], kind: Kind, estimated: int, measured: int, *, in_place: bool = False
) -> tuple[Mapping[str, Any], ...] | None:
    """What to store with one measurement more, None where that says nothing new.

    Args:
        in_place: It is of the same load as the newest one, and replaces that.
    """
    kept = _understood(stored)
    newest = next((n for n in reversed(range(len(kept))) if kept[n].kind == kind), None)
    new = _Kept(kind=kind, estimated=estimated, measured=measured)
    if newest is not None:
        old = kept[newest]
        if old.estimated == estimated and abs(measured - old.measured) <= _SAME * old.measured:
            return None
        if in_place:
            kept[newest] = new
            return _plain(kept)
    return _plain([*kept, new])


def _plain(kept: Sequence[_Kept]) -> tuple[Mapping[str, Any], ...]:
    return tuple(msgspec.to_builtins(each) for each in kept[-KEPT:])


def _understood(stored: Sequence[Mapping[str, Any]]) -> list[_Kept]:
    """What another version wrote and this one does not understand is left out."""
    found: list[_Kept] = []
    for each in stored:
        try:
            found.append(msgspec.convert(each, _Kept))
        except msgspec.ValidationError:
            continue
    return found


def overshoot(expected: int, measured: int) -> str:
    """What to say where a load took more than 20 % (and 32 MiB) more than expected; else empty."""
    if not expected or measured <= expected * (1 + _WARN_SHARE) or measured - expected < _WARN_BYTES:
        return ""
    share = round(100 * (measured / expected - 1))
    return f"it takes {bytes_text(measured)}, {share} % more than the {bytes_text(expected)} that were expected"
