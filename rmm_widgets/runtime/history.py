"""The history of events: this session's in memory, earlier ones in the registry's store."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from ..errors import RegistryError
from ..registry.store import RegistryStore
from ..types import ModelEvent, ModelEventType
from .loop import RuntimeLoop

__all__ = ["History"]

KEPT = 10_000
"""Events of this session that stay in memory; as many are kept of all sessions on disk."""

DELAY = 0.2
"""Seconds for which events collect before they are written together."""

_log = logging.getLogger("rmm_widgets")

InStore = Callable[[Callable[[RegistryStore], Any]], Awaitable[Any]]
"""Runs a function on the store, in the store's thread."""


class History:
    """Keeps the events of one manager; on the runtime's thread."""

    def __init__(self, loop: RuntimeLoop, in_store: InStore) -> None:
        self._loop = loop
        self._in_store = in_store
        self._session = uuid.uuid4().hex
        self._began = datetime.now(UTC)
        self._recent: deque[ModelEvent] = deque(maxlen=KEPT)
        self._unwritten: list[ModelEvent] = []
        self._writing: asyncio.Task[None] | None = None

    def note(self, event: ModelEvent) -> None:
        """Remember an event, and write it a moment later."""
        self._recent.append(event)
        if event.type is ModelEventType.DOWNLOAD_PROGRESS and "action" not in event.data:
            return  # progress is state: keeping ten a second would push everything else out of the history
        self._unwritten.append(event)
        if self._writing is None:
            self._writing = self._loop.spawn(self._write_soon(), name="write events")

    async def events(self, model_id: str | None, limit: int) -> list[ModelEvent]:
        """The last events, newest last: this session's own, before them those of earlier ones."""
        own = [event for event in self._recent if model_id is None or event.model_id == model_id]
        missing = limit - len(own)
        if missing <= 0:
            return own[len(own) - limit :]
        await self._write()
        stored = await self._in_store(lambda store: store.events(model_id, limit=limit + len(own)))
        earlier = [event for event in stored if event.timestamp < self._began]
        return earlier[-missing:] + own

    async def kept(self, model_id: str, limit: int) -> list[ModelEvent]:
        """The last events of a model that are kept for good, newest last: of all sessions, without progress reports."""
        await self._write()
        stored = await self._in_store(lambda store: store.events(model_id, limit=limit))
        return [*stored, *(event for event in self._unwritten if event.model_id == model_id)]

    async def place(self) -> int:
        """Where the history of all kernels ends now, for `of_others`."""
        return await self._in_store(lambda store: store.last_event())

    async def of_others(self, place: int) -> tuple[list[ModelEvent], int]:
        """What other kernels have written since a place in the history, oldest first, and where it ends now."""
        return await self._in_store(lambda store: store.events_after(place, self._session))

    async def close(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            self._writing.cancel()
        await self._write()

    async def _write_soon(self) -> None:
        await asyncio.sleep(DELAY)
        self._writing = None
        await self._write()

    async def _write(self) -> None:
        events, self._unwritten = self._unwritten, []
        if not events:
            return
        try:
            await self._in_store(lambda store: store.append_events(events, self._session))
        except RegistryError as error:
            _log.warning("%s", error)
            self._unwritten = [*events, *self._unwritten][-KEPT:]  # the next event tries again
