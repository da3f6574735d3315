"""The error for a model that does not fit: the numbers, who holds what, and what would help. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import InsufficientMemoryError
from ..lifecycle.admission import BUDGET
from ..memory_records import RAM, HolderState, MemoryHolder
from ..quantities import bytes_text
from ..workers.capacity import Machine, kept_back

__all__ = ["refusal"]

_NAMED = 5
"""Holders that the message names; all are in the error's `holders`."""
_STATES: Mapping[HolderState, str] = {
    "idle": "idle",
    "pinned": "pinned",
    "in_use": "in use",
    "first_use": "just loaded",
    "loading": "loading",
    "unloading": "being unloaded",
    "stuck": "could not be unloaded",
}


def refusal(
    model_id: str,
    *,
    short: str,
    need: Mapping[str, int],
    free: Mapping[str, int],
    budget: int | None,
    machine: Machine,
    holders: Sequence[MemoryHolder],
) -> InsufficientMemoryError:
    """The error.

    Args:
        short: The pool that is too small, or `BUDGET`.
        need: Bytes by pool.
        free: Bytes by pool, before anybody is evicted.
    """
    pool = RAM if short == BUDGET else short
    largest = sorted(holders, key=lambda each: (-each.held.get(pool, 0), each.model_id))
    taken = sum(each.held.get(pool, 0) for each in holders)
    if short == BUDGET and budget is not None:
        left, most, of = budget - taken, budget, f"memory_budget of {bytes_text(budget)}"
    else:
        capacity = machine.ram if pool == RAM else machine.devices[pool]
        left, most = free[pool], capacity.total - kept_back(capacity)
        where = capacity.source if pool == RAM else f"{pool} ({capacity.source})"
        of = f"{bytes_text(capacity.total)} of {where}"
    wanted, left = need[pool], max(left, 0)
    fits_alone = wanted <= most
    message = f"Model {model_id} needs about {bytes_text(wanted)}, and {bytes_text(left)} of the {of} is free"
    if named := _named(largest, pool):
        message += f"; in memory: {named}"
    return InsufficientMemoryError(
        message,
        model_id=model_id,
        hint=_hint(short, wanted, largest if fits_alone else []),
        need=wanted,
        free=left,
        device=pool,
        budget=budget,
        holders=tuple(largest),
    )


def _named(holders: Sequence[MemoryHolder], pool: str) -> str:
    named = [f"{each.model_id} {bytes_text(each.held.get(pool, 0))} ({_STATES[each.state]})" for each in holders]
    more = [f"{len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return ", ".join(named[:_NAMED] + more)


def _hint(short: str, wanted: int, holders: Sequence[MemoryHolder]) -> str:
    """What to do; `holders` is empty where the model would not fit into an empty machine either."""

    def of(*states: HolderState) -> str:
        return ", ".join(each.model_id for each in holders if each.state in states)

    advice = [
        f"unpin {of('pinned')}" if of("pinned") else "",
        f"end what uses {of('in_use')}" if of("in_use") else "",
        f"unload {of('stuck', 'first_use', 'loading')}" if of("stuck", "first_use", "loading") else "",
        f"raise manager.memory_budget to {bytes_text(wanted)} or more" if short == BUDGET and not holders else "",
        'load it with device="cpu"' if short not in {BUDGET, RAM} else "",
        "choose a smaller model or a smaller dtype",
    ]
    text = ", or ".join(each for each in advice if each)
    return f"{text[0].upper()}{text[1:]}."
