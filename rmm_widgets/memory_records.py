"""Who holds memory: what `InsufficientMemoryError` tells, and what the choice of models to evict goes by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

__all__ = ["RAM", "HolderState", "MemoryHolder"]

RAM = "ram"
"""The pool that is the machine's main memory; those of GPUs are named as devices are: "cuda:0"."""

HolderState = Literal["idle", "pinned", "in_use", "first_use", "loading", "unloading", "stuck"]
"""Why a model's memory can or cannot be had: it is "idle" and may be evicted; a user pinned it; a `use` block or a
call has it; whoever loaded it has had no time to use it; it is being loaded or unloaded; or unloading it failed."""


class MemoryHolder(msgspec.Struct, frozen=True, kw_only=True):
    """A model in memory.

    Attributes:
        held: Bytes by pool ("ram", "cuda:0", ...): measured, or estimated while it is loading.
        idle_since: When it was last used, on any clock that grows; what counts is the order.
    """

    model_id: str
    held: Mapping[str, int]
    state: HolderState
    idle_since: float = 0.0

    @property
    def bytes(self) -> int:
        """All that it holds."""
        return sum(self.held.values())
