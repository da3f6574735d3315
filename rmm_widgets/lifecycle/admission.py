"""Whether a model may be loaded now, and which idle ones have to go for it. Numbers in, a plan out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ..memory_records import RAM, MemoryHolder

__all__ = ["BUDGET", "Admit", "Evict", "Plan", "Refuse", "Wait", "plan_admission"]

BUDGET = "budget"
"""Stands in `Refuse.short` for what the user lets all models together have of main memory."""


class Admit(msgspec.Struct, frozen=True):
    """There is room."""


class Evict(msgspec.Struct, frozen=True):
    """Unload these, least recently used first; then there is room."""

    model_ids: tuple[str, ...]


class Wait(msgspec.Struct, frozen=True):
    """There may be room once these are unloaded, loaded, or have had time to be used: look again then."""

    model_ids: tuple[str, ...]


class Refuse(msgspec.Struct, frozen=True):
    """It does not fit, whatever is evicted; nothing is. `short` are the pools that are too small."""

    short: tuple[str, ...]


Plan = Admit | Evict | Wait | Refuse


def plan_admission(
    need: Mapping[str, int], free: Mapping[str, int], budget: int | None, holders: Iterable[MemoryHolder]
) -> Plan:
    """What to do for a model that needs `need` bytes of each pool.

    Only idle models are evicted: of all sets that make room, the one whose most recently used member was used
    longest ago, and so on for the next; none of it could be spared. Nothing is evicted for a model that would
    not fit even then.

    Args:
        free: Bytes that may be given away, by pool; below 0 where more is promised than there is.
        budget: Bytes of main memory that all models together may have; None for no limit.
        holders: The models in memory. What a loading one holds must be missing from `free` already.
    """
    by_age = sorted(holders, key=lambda each: (each.idle_since, each.model_id))
    leaving = [each for each in by_age if each.state == "unloading"]
    idle = [each for each in by_age if each.state == "idle"]
    soon = [each for each in by_age if each.state in {"loading", "first_use"}]

    held = _held(by_age, RAM)

    def short(gone: Sequence[MemoryHolder]) -> tuple[str, ...]:
        scarce = [
            pool for pool, wanted in need.items() if wanted > 0 and wanted > free.get(pool, 0) + _held(gone, pool)
        ]
        wanted = need.get(RAM, 0)
        if budget is not None and wanted > 0 and wanted > budget - held + _held(gone, RAM):
            scarce.append(BUDGET)
        return tuple(scarce)

    if not short([]):
        return Admit()
    if not short(leaving):
        return Wait(_ids(leaving))
    if not short([*leaving, *idle]):
        chosen = idle
        for each in reversed(idle):  # the most recently used are spared first
            rest = [other for other in chosen if other is not each]
            if not short([*leaving, *rest]):
                chosen = rest
        return Evict(_ids(chosen))
    if not short([*leaving, *idle, *soon]):
        return Wait(_ids([*leaving, *soon]))
    return Refuse(short([*leaving, *idle, *soon]))


def _held(holders: Iterable[MemoryHolder], pool: str) -> int:
    return sum(each.held.get(pool, 0) for each in holders)


def _ids(holders: Iterable[MemoryHolder]) -> tuple[str, ...]:
    return tuple(each.model_id for each in holders)
