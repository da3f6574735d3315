"""What lies outside of the manager in a simulation: its loop, its clock, and what is on the disk."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from .loop import Outside, SimLoop

if TYPE_CHECKING:
    from .disk import SimStore
    from .workers import SimLink

__all__ = ["Repository", "World"]


class Repository:
    """One model's files in the cache."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.fetched = 0
        self.complete = False
        self.damaged = False
        self.vandalised = False
        """Somebody else changed the files, so that the manager may not know yet."""


class World:
    """Shared by the explorer and all that it puts in place of the outside."""

    def __init__(self, seed: int) -> None:
        self.numbers = random.Random(seed)
        self.loop = SimLoop()
        self.outside = Outside(self.loop, self.numbers)
        self.fault_rate = self.numbers.choice((0.0, 0.02, 0.1))
        self.calm = False
        """Nothing goes wrong any more and nobody hangs: whatever runs has to come to its end."""
        self.repositories = {f"r/{n}": Repository(100 * (n + 1)) for n in range(4)}
        self.links: list[SimLink] = []
        self.store: SimStore
        self.steps = 0
        self.fetching: dict[str, int] = {}
        self.trouble: BaseException | None = None
        self.run_until: Callable[[Callable[[], bool]], None] = lambda _condition: None
        """Set by the explorer."""

    def chance(self, probability: float) -> bool:
        return self.numbers.random() < probability

    def fault(self) -> bool:
        """Whether this goes wrong."""
        return not self.calm and self.chance(self.fault_rate)
