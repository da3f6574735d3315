"""What the runtime keeps about one model in memory: who uses it, what it takes, why it is leaving."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..loading.servable import Servable
    from .admission import Order
    from .holders import Witness

__all__ = ["Residency"]


@dataclasses.dataclass(eq=False)
class Residency:
    """One model's stay in memory, on the runtime's thread only. Times are of the monotonic clock."""

    blocks: int = 0
    """`use` blocks that have it, those that still wait for its load included."""
    calls: int = 0
    """Calls that run or wait in its worker."""
    idle_since: float = 0.0
    """When it was last used, or loaded."""
    unused_until: float = 0.0
    """Until then, whoever was given it may be about to use it for the first time."""
    keep_alive: float | None = None
    """Seconds for which it may be idle, where its load was given its own; infinity for ever."""

    estimated: int = 0
    """Bytes that its load was expected to take, 0 where nothing was known."""
    held: Mapping[str, int] = dataclasses.field(default_factory=dict[str, int])
    """Bytes by pool that it took once it was loaded."""
    order: Order | None = None
    """What its load asked for, once it is loaded."""
    warning: str = ""
    """That it took much more than expected; empty where it did not."""
    leaving: Mapping[str, Any] | None = None
    """For the event of its unload, where nobody asked for that: what took it out of memory."""
    servable: weakref.ref[Servable] | None = None
    """What holds a model of the Hub that lives in the kernel."""
    witness: Witness | None = None
    """Tells after the unload whether that model's object is gone."""
    held_by: tuple[str, ...] = ()
    """After an unload in the kernel: what keeps the object alive."""

    @property
    def in_use(self) -> bool:
        """Whether a `use` block or a call has it."""
        return self.blocks > 0 or self.calls > 0

    def ended(self) -> None:
        """It is out of memory; blocks and calls end by themselves, and the next load may have been asked for."""
        self.idle_since = self.unused_until = 0.0
        self.leaving = self.order = self.servable = self.witness = None
        self.estimated, self.held, self.warning, self.held_by = 0, {}, "", ()
