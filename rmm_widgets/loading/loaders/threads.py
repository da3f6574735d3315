"""How many threads a model's library may use."""

from __future__ import annotations

import os

import psutil

from ...errors import LoadError

__all__ = ["thread_limit"]


def thread_limit(most: int | None = None) -> int:
    """The environment's RMM_NUM_THREADS; else the physical cores that this process may use, at most `most`.

    Raises:
        LoadError: The variable holds no number.
    """
    asked = os.environ.get("RMM_NUM_THREADS")
    if asked is None:
        return min(most or _cores(), _cores())
    if not asked.isdecimal() or int(asked) < 1:
        raise LoadError(f"RMM_NUM_THREADS is {asked!r}", hint="Set it to a whole number from 1, or unset it.")
    return int(asked)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))
