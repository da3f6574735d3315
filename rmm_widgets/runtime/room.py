"""Whether a model that is not here yet would find memory. Numbers in, a word out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..types import Fits, HubModel

__all__ = ["Room", "fits", "room_for", "with_needs"]


class Room(msgspec.Struct, frozen=True):
    """Bytes that one model more could have.

    Attributes:
        now: As things are.
        most: If all others left.
    """

    now: int
    most: int


def room_for(free: int, most: int, held: int, budget: int | None) -> Room:
    """The room for one model more.

    Args:
        free: Bytes that are neither taken nor promised; below 0 where more is promised than there is.
        most: Bytes that models may have of this machine.
        held: Bytes that the models in memory have.
        budget: Bytes that all models together may have, None for no limit.
    """
    if budget is not None:
        free, most = min(free, budget - held), min(most, budget)
    return Room(max(free, 0), max(most, 0))


def fits(need: int | None, room: Room) -> Fits:
    """Whether so many bytes would be found: at once, only if others leave, not at all."""
    if need is None:
        return "unknown"
    if need <= room.now:
        return "yes"
    return "tight" if need <= room.most else "no"


def with_needs(found: Iterable[HubModel], room: Room) -> list[HubModel]:
    """What a search found, with what each would need and whether it fits."""
    from ..loading.estimate import hub_estimate

    needs = [(each, None if each.weights is None else hub_estimate(each.weights, each.formats).total) for each in found]
    return [msgspec.structs.replace(each, need=need, fits=fits(need, room)) for each, need in needs]
