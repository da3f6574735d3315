"""Keeping entries in the registry's store: writes go through one thread, in order.

What is written, and when, is the registrar's business. Where the store cannot be used, the manager goes on in
memory and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..error_links import pointer_here
from ..errors import RegistryError
from ..registry.records import StoredModel
from ..registry.store import RegistryStore
from .entry import Entry, ModelDescription
from .threads import SerialThread

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Keeper"]

_log = logging.getLogger("rmm_widgets")


class Keeper:
    """The store of one engine; its methods run on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = RegistryStore(engine.data_dir)
        self._thread = SerialThread("rmm-store")
        self._unsaved: dict[str, Entry] = {}
        self.on_disk = True
        """False where the store could not be used, so that all is forgotten at the end."""

    async def open(self) -> list[StoredModel]:
        """Open the store; gives what it has."""
        try:
            report = await self._thread.run(self._store.open)
        except RegistryError as error:
            more = pointer_here(error.guide_name)
            _log.warning("%s This manager keeps its registry in memory only. %s %s", error, error.hint, more)
            self._store, self.on_disk = RegistryStore.in_memory(), False
            report = await self._thread.run(self._store.open)
        if report.damaged:
            _log.warning("%s", report.message)
        return await self.models()

    async def close(self) -> None:
        """Give the files back."""
        await self._thread.run(self._store.close)

    def end_thread(self) -> None:
        """End the store's thread, after `close`."""
        self._thread.close()

    async def in_store(self, work: Callable[[RegistryStore], Any]) -> Any:
        """Run a function on the store, in its thread."""
        return await self._thread.run(lambda: work(self._store))

    async def models(self) -> list[StoredModel]:
        """All models that the store has."""
        return await self._thread.run(self._store.models)

    async def changed(self) -> bool:
        """Whether others wrote since the last look."""
        return await self._thread.run(self._store.changed)

    async def remove(self, model_id: str) -> None:
        """Forget a model."""
        await self._thread.run(self._store.remove, model_id)

    # Writing

    async def put_or(self, undo: Callable[[], None], *entries: Entry) -> None:
        """Write entries that were just changed, all or none; where that fails, take the changes back."""
        await self.do_or(undo, entries, self._put(*entries))

    async def do_or(self, undo: Callable[[], None], entries: Sequence[Entry], work: Coroutine[Any, Any, None]) -> None:
        """Do what entries were just changed for; where that fails, take the changes back, also from the picture."""
        before = [self._shown(entry) for entry in entries]
        try:
            await work
        except BaseException:
            undo()
            seen = [e.info.model_id for e, was in zip(entries, before, strict=True) if self._shown(e) is not was]
            if seen:
                self._engine.settle(*seen)
            raise

    def save_soon(self, entry: Entry) -> None:
        """Write an entry that the runtime changed, together with all others that it changes just now."""
        if not self._unsaved:
            self._engine.loop.spawn(self.save_unsaved(), name="save")
        self._unsaved[entry.info.model_id] = entry

    async def save_unsaved(self) -> None:
        """Write what waits for that."""
        entries, self._unsaved = list(self._unsaved.values()), {}
        await self.save(*entries)

    async def save(self, *entries: Entry) -> None:
        """Write entries, after the runtime changed them; trouble is logged, the work they belong to is done."""
        known = [entry for entry in entries if self._engine.entries.get(entry.info.model_id) is entry]
        if not known:
            return  # they were deleted meanwhile
        try:
            await self._put(*known)
        except RegistryError as error:
            _log.warning("%s", error)

    async def _put(self, *entries: Entry) -> None:
        await self._thread.run(self._store.put_many, [_stored(entry) for entry in entries])

    def _shown(self, entry: Entry) -> ModelDescription | None:
        return self._engine.picture.models.get(entry.info.model_id)


def _stored(entry: Entry) -> StoredModel:
    now = datetime.now(UTC)
    return StoredModel(
        info=entry.info,
        config=entry.config,
        pinned=entry.pinned,
        commit=entry.commit,
        allowed_commit=entry.allowed_commit,
        custom=entry.custom,
        registered_at=entry.registered_at or now,
        updated_at=now,
        measured=entry.measured,
    )
