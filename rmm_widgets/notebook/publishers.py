"""Which publisher serves which manager: one per manager, as long as it has views."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

import msgspec

from .. import __version__
from ..errors import ManagerClosedError
from .publisher import INTERVAL, Publisher
from .snapshots import Snapshot, Snapshots

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["publisher_of", "snapshot_of"]

CLOSING = 15.0
"""Seconds that a manager being closed gets to come to rest."""

_AT_REST = frozenset({"registered", "paused", "downloaded", "error"})

_publishers: WeakKeyDictionary[ModelManager, Publisher] = WeakKeyDictionary()
_snapshots: WeakKeyDictionary[ModelManager, Snapshots] = WeakKeyDictionary()
_lock = threading.Lock()


def publisher_of(manager: ModelManager) -> Publisher:
    """The manager's publisher; the same one for all its views."""
    with _lock:
        publisher = _publishers.get(manager)
        if publisher is None:
            publisher = _publishers[manager] = Publisher(_ManagerSource(manager))
        return publisher


def snapshot_of(manager: ModelManager) -> Snapshot:
    """What the manager's views show now."""
    with _lock:
        snapshots = _snapshots.setdefault(manager, Snapshots())
    return snapshots.take(manager.picture, manager.memory_budget, __version__)


class _ManagerSource:
    """A manager as the publisher sees it; does not keep it alive, or nothing would ever let go of either."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = ref(manager)

    @property
    def closed(self) -> bool:
        manager = self._manager()
        return manager is None or manager.closed

    def take(self) -> Snapshot:
        manager = self._alive()
        return _last_snapshot(manager) if manager.closed else snapshot_of(manager)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._alive().subscribe(callback)

    def _alive(self) -> ModelManager:
        manager = self._manager()
        if manager is None:
            raise ManagerClosedError("the manager is gone")
        return manager


def _last_snapshot(manager: ModelManager) -> Snapshot:
    """What a manager shows in the end: it says that it is closed before everything has come to rest."""
    deadline = time.monotonic() + CLOSING
    while True:
        snapshot = snapshot_of(manager)
        if time.monotonic() > deadline or all(row.stage in _AT_REST for row in snapshot.rows.values()):
            return msgspec.structs.replace(snapshot, last=True)
        time.sleep(INTERVAL)
