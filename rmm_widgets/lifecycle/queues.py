"""A first-come queue in front of a limited number of slots."""

from __future__ import annotations

__all__ = ["SlotQueue"]


class SlotQueue:
    """Who waits, in order, and who holds one of `limit` slots.

    Lowering the limit takes no slot away; it only keeps new ones from being given.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # A dict keeps insertion order and forgets any entry in constant time.
        self._waiting: dict[str, None] = {}
        self._order: tuple[str, ...] | None = ()
        self._running: set[str] = set()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids in the order in which they will get a slot."""
        if self._order is None:  # asked for with every report of a download: made only when it has changed
            self._order = tuple(self._waiting)
        return self._order

    @property
    def running(self) -> frozenset[str]:
        """Ids that hold a slot."""
        return frozenset(self._running)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """How many slots are held."""
        return len(self._running)

    def next(self) -> str | None:
        """The first in the queue if a slot is free, else None. It stays queued until it has moved."""
        if self._waiting and len(self._running) < self.limit:
            return next(iter(self._waiting))
        return None

    def move(self, model_id: str, position: int) -> bool:
        """Put one that waits at a position, 0 being the next; beyond the end is the last. False if nothing changed."""
        if model_id not in self._waiting:
            return False
        before = list(self._waiting)
        others = [each for each in before if each != model_id]
        others.insert(position, model_id)
        self._waiting, self._order = dict.fromkeys(others), None
        return others != before

    def moved(self, model_id: str, *, queued: bool, running: bool) -> None:
        """A model changed its stage: it now waits, runs, or does neither."""
        if queued != (model_id in self._waiting):
            self._order = None
        if queued:
            self._waiting.setdefault(model_id)
        else:
            self._waiting.pop(model_id, None)
        if running:
            self._running.add(model_id)
        else:
            self._running.discard(model_id)
