"""What is known: registering models, and seeing what other kernels changed.

What a caller is told is on disk before; how it gets there is `keeping`'s business.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import (
    InvalidConfigError,
    ManagerClosedError,
    ModelAlreadyRegisteredError,
    RegistryError,
)
from ..lifecycle.states import Stage
from ..registry.records import StoredModel
from ..types import ModelEventType, ModelInfo, freeze, thaw
from .entry import CustomSource, Entry
from .gate import check_consent
from .history import History
from .keeping import Keeper
from .revisions import keep_commit

if TYPE_CHECKING:
    from .engine import Engine
    from .job import Job

__all__ = ["Registrar"]

AT_ONCE = 500
"""Models that are written and shown together; in between the runtime does other things."""

REFRESH_INTERVAL = 1.0
"""Seconds between two looks at what other kernels wrote."""

_IDENTITY = ("repo_id", "version", "model_type")
_UNTOUCHED = frozenset({Stage.REGISTERED, Stage.DOWNLOADED, Stage.ERROR})
_log = logging.getLogger("rmm_widgets")


class _Registration(NamedTuple):
    """A model that is new or was changed, and is not written yet.

    Attributes:
        is_another: It has another repository, version or type than before.
    """

    entry: Entry
    undo: Callable[[], None]
    is_new: bool = False
    is_another: bool = False


class Registrar:
    """The registry of one engine; its methods run on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.keeper = Keeper(engine)
        self._lock = asyncio.Lock()
        self._remove_files: dict[int, bool] = {}
        self._leaving: set[str] = set()
        """Deleted here; the store may have them still."""
        self.history = History(engine.loop, self.keeper.in_store)
        engine.on_event = self.history.note
        engine.on_removed = self._removed
        engine.on_commit = engine.on_measured = self.keeper.save_soon

    async def open(self) -> None:
        """Read the registry and look which models are on disk."""
        for stored in await self.keeper.open():
            self._admit(stored)
        await self._engine.disk.look(*self._engine.entries.values())

    async def watch(self) -> None:
        """See what other kernels register, until cancelled."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(REFRESH_INTERVAL)
            try:
                if await self.keeper.changed():
                    await self._refresh()
            except RegistryError as error:
                _log.warning("%s", error)
            if time.monotonic() - looked >= self._engine.settings.cleanup_interval:
                await self.look_again()
                looked = time.monotonic()

    async def close(self) -> None:
        """Write what is left and give the files back."""
        await self.keeper.save_unsaved()
        await self.history.close()
        await self.keeper.close()

    # Registering

    async def register(self, info: ModelInfo, source: CustomSource | None, *, replace: bool) -> ModelInfo:
        """Add a model or update a known one; an unchanged one changes nothing."""
        return (await self._register([info], source, replace=replace))[0]

    async def register_all(self, infos: Sequence[ModelInfo], *, replace: bool) -> list[ModelInfo]:
        """The same for several of the Hub; one that is refused stops it, those before it stay."""
        taken: list[ModelInfo] = []
        for begin in range(0, len(infos), AT_ONCE):
            taken += await self._register(infos[begin : begin + AT_ONCE], None, replace=replace)
        return taken

    async def _register(
        self, infos: Iterable[ModelInfo], source: CustomSource | None, *, replace: bool
    ) -> list[ModelInfo]:
        taken: list[ModelInfo] = []
        pending: dict[str, _Registration] = {}
        async with self._lock:
            try:
                for info in infos:
                    if info.model_id in pending:
                        await self._keep(pending)  # the second finds the first
                    entry = self._engine.entries.get(info.model_id)
                    another = entry is not None and source is not None and source is not entry.source
                    change = _new(info, source) if entry is None else self._update(entry, info, source, replace=replace)
                    if change is not None:
                        pending[info.model_id] = change
                    elif entry is not None and another:
                        await self._engine.disk.look(entry)  # as after a restart, or where a cell is run again
                    taken.append(info if change is not None or entry is None else entry.info)
            finally:
                await self._keep(pending)
        return taken

    async def _keep(self, pending: dict[str, _Registration]) -> None:
        """Write registrations all at once, and then show and tell them in their order; empties `pending`."""
        engine = self._engine
        changes = list(pending.values())
        pending.clear()
        if not changes:
            return
        entries = [change.entry for change in changes]

        def undo() -> None:
            for change in changes:
                change.undo()

        await self.keeper.put_or(undo, *entries)
        for change in changes:
            model_id = change.entry.info.model_id
            if change.is_new:
                engine.entries[model_id] = change.entry
                engine.machine.add(model_id, on_disk=False)
            elif change.is_another and model_id in engine.machine.models:
                self._start_anew(change.entry)
        await engine.disk.look(*entries)
        engine.settle(*(entry.info.model_id for entry in entries))
        for entry in entries:
            info = entry.info
            engine.publish(
                ModelEventType.CONFIG_UPDATE,
                info.model_id,
                action="registered",
                model_info=msgspec.to_builtins(info),
                **{key: info.metadata[key] for key in ("commit", "newer_commit") if "newer_commit" in info.metadata},
            )

    def _start_anew(self, entry: Entry) -> None:
        """Forget what was of the repository, version or type that a model had before."""
        machine, model_id = self._engine.machine, entry.info.model_id
        entry.snapshot, entry.size_on_disk, entry.weak_files = None, 0, ()
        entry.damage, entry.progress, entry.unfinished = None, None, None
        machine.cancel_download(model_id)
        machine.unload(model_id)
        machine.set_on_disk(model_id, False)

    async def register_seen(self, info: ModelInfo) -> ModelInfo:
        """Register what was found on the Hub; a known model stays on its commit, and a newer one is mentioned."""
        entry = self._engine.entries.get(info.model_id)
        return await self.register(keep_commit(entry, info) if entry else info, None, replace=False)

    async def register_locked(self, info: ModelInfo, commit: str, config: Mapping[str, Any]) -> None:
        """Register a model at exactly this commit and with these settings, or give them to a known one at rest.

        Raises:
            ModelAlreadyRegisteredError: It is loaded or at work.
            RegistryError: It could not be written; nothing was changed.
        """
        async with self._lock:
            entry = self._engine.entries.get(info.model_id)
            if entry is None:
                change = _new(info, None)
                change.entry.commit, change.entry.config = commit, freeze(config)
                await self._keep({info.model_id: change})
                return
            async with entry.configuring:
                revoked = entry.allowed_commit if entry.allowed_commit != commit else None
                await self._keep({info.model_id: self._lock_to(entry, info, commit, config)})
        if revoked is not None:
            self._engine.gate.announce(entry, "unsafe_revoked", revoked)

    def _lock_to(self, entry: Entry, info: ModelInfo, commit: str, config: Mapping[str, Any]) -> _Registration:
        state = self._engine.state(info.model_id)
        if state.stage not in _UNTOUCHED or state.worker:
            raise ModelAlreadyRegisteredError(
                f"Model {info.model_id} is {state.stage.value}, so it is not changed now",
                model_id=info.model_id,
                hint="Unload it or cancel its download first.",
            )
        before = (entry.info, entry.commit, entry.config, entry.allowed_commit)
        moves = entry.commit != commit or _files(entry.info) != _files(info)
        entry.info, entry.commit, entry.config = info, commit, freeze(config)
        if entry.allowed_commit != commit:
            entry.allowed_commit = None

        def undo() -> None:
            entry.info, entry.commit, entry.config, entry.allowed_commit = before

        return _Registration(entry, undo, is_another=moves)

    def _update(
        self, entry: Entry, info: ModelInfo, source: CustomSource | None, *, replace: bool
    ) -> _Registration | None:
        """Change a known model; None where nothing changed that others can see."""
        engine, model_id = self._engine, info.model_id
        changed = [name for name in _IDENTITY if getattr(entry.info, name) != getattr(info, name)]
        if changed and not replace:
            was = ", ".join(f"{name} {getattr(entry.info, name)!s}" for name in changed)
            raise ModelAlreadyRegisteredError(
                f"Model {model_id} is already registered with another {' and '.join(changed)} ({was})",
                model_id=model_id,
                hint="Choose another id, or pass replace=True.",
            )
        state = engine.state(model_id)
        if changed and (state.stage not in _UNTOUCHED or state.worker):
            raise ModelAlreadyRegisteredError(
                f"Model {model_id} is {state.stage.value}, so it cannot be replaced now",
                model_id=model_id,
                hint="Unload it or cancel its download first.",
            )
        became_custom = source is not None and not entry.custom
        if source is not None:
            entry.source = source
        if info == entry.info and not became_custom:
            return None
        before = (entry.info, entry.commit, entry.custom, entry.allowed_commit, entry.measured)
        entry.info, entry.custom = info, entry.custom or source is not None
        if changed:
            entry.commit = entry.allowed_commit = None
            entry.measured = ()

        def undo() -> None:
            entry.info, entry.commit, entry.custom, entry.allowed_commit, entry.measured = before

        return _Registration(entry, undo, is_another=bool(changed))

    async def unregister(self, model_id: str) -> None:
        """Forget a model at rest; files stay."""
        engine = self._engine
        state = engine.state(model_id)
        if state.stage not in _UNTOUCHED or state.worker:
            raise ModelAlreadyRegisteredError(
                f"Model {model_id} is {state.stage.value}, so it cannot be unregistered now",
                model_id=model_id,
                hint="Use delete_model(...), which ends its work and unloads it first.",
            )
        await self.delete(model_id, remove_files=False)

    def delete(self, model_id: str, *, remove_files: bool) -> Job[int]:
        """Unload and unregister a model, and free its files where asked."""
        engine = self._engine
        engine.entry(model_id)
        decision = engine.machine.remove(model_id)
        self._remove_files[decision.ticket] = self._remove_files.get(decision.ticket, False) or remove_files
        job = engine.job(decision.ticket, "delete", model_id, lambda: False)
        engine.settle(model_id)
        return job

    def _removed(self, model_id: str, ticket: int) -> None:
        engine = self._engine
        entry = engine.entries.pop(model_id)
        remove_files = self._remove_files.pop(ticket, False)
        job = engine.jobs.pop(ticket, None)
        self._leaving.add(model_id)
        engine.loop.spawn(self._remove(entry, job, remove_files=remove_files), name=f"delete {model_id}")

    async def _remove(self, entry: Entry, job: Job[int] | None, *, remove_files: bool) -> None:
        engine, model_id = self._engine, entry.info.model_id
        try:
            async with self._lock:
                try:
                    if model_id not in engine.entries:
                        await self.keeper.remove(model_id)
                finally:
                    self._leaving.discard(model_id)
            freed = await self._free(entry) if remove_files else 0
        except asyncio.CancelledError:
            if job is not None:
                error = ManagerClosedError("The manager was closed during the deletion.", model_id=model_id)
                engine.fail_job(job, error, cancelled=True)
            return
        except Exception as error:  # noqa: BLE001 - the job must end with it
            if job is not None:
                engine.fail_job(job, error)
            return
        engine.publish(ModelEventType.CONFIG_UPDATE, model_id, action="deleted", freed_bytes=freed)
        if job is not None:
            engine.finish_job(job, freed)

    async def _free(self, entry: Entry) -> int:
        from ..downloads.deletion import delete_snapshot

        engine, repo_id = self._engine, entry.info.repo_id
        commit = entry.commit_on_disk
        if entry.custom or commit is None:
            return 0
        keep = {e.commit for e in engine.entries.values() if e.info.repo_id == repo_id and e.commit}
        if commit in keep:
            return 0
        cache = engine.settings.cache
        freed = await engine.in_thread(lambda: delete_snapshot(cache, repo_id, commit, keep=keep), "delete")
        await engine.integrity.forget(repo_id, commit)
        return freed

    async def look_again(self) -> None:
        """Look at the disk for every model: the cache or the Hub has changed, or time has passed."""
        await self._engine.disk.look(*self._engine.entries.values())

    # Configuration and pins

    async def configure(self, model_id: str, changes: Mapping[str, Any]) -> None:
        """Merge a configuration, one level deep, remember it, and hand it to the loaded model."""
        entry = self._engine.entry(model_id)
        async with entry.configuring:
            if self._engine.entries.get(model_id) is not entry:
                raise self._engine.unknown(model_id)  # deleted during the wait
            await self._configure(entry, changes)

    async def _configure(self, entry: Entry, changes: Mapping[str, Any]) -> None:
        engine, model_id = self._engine, entry.info.model_id
        config = freeze({**entry.config, **changes})
        live = freeze({**entry.live_config, **changes})
        self.check_config(entry, config)
        loaded = engine.state(model_id).stage is Stage.LOADED and entry.worker is not None
        if config == entry.config and (not loaded or live == entry.live_config):
            return
        before, entry.config = entry.config, config

        def undo() -> None:
            entry.config = before

        await self.keeper.put_or(undo, entry)
        if loaded and entry.worker is not None:
            try:
                await self.keeper.do_or(undo, [entry], entry.worker.update_config(thaw(live)))
            except BaseException:
                await self.keeper.save(entry)
                raise
            entry.live_config = live
        # What was said later counts, also where a crash is followed by a reload.
        kept = {key: value for key, value in entry.options.config.items() if key not in changes}
        entry.options = msgspec.structs.replace(entry.options, config=freeze(kept))
        engine.settle(model_id)
        engine.publish(ModelEventType.CONFIG_UPDATE, model_id, action="config_updated", config=config)

    def check_config(self, entry: Entry, config: Mapping[str, Any]) -> None:
        """Refuse a configuration that the model would not take.

        Raises:
            InvalidConfigError: A key is unknown or a value wrong.
        """
        model_id = entry.info.model_id
        if not entry.custom:
            from ..loading.config import parse_config

            parse_config(entry.info.model_type, config, model_id=model_id)
        elif entry.model is not None and not entry.model.validate_config(config):
            raise InvalidConfigError(f"Model {model_id} refuses this configuration", model_id=model_id)

    async def pin(self, model_id: str, pinned: bool) -> None:
        """Keep a model from being evicted, or no longer."""
        entry = self._engine.entry(model_id)
        if entry.pinned != pinned:
            entry.pinned = pinned

            def undo() -> None:
                entry.pinned = not pinned

            await self.keeper.put_or(undo, entry)
            self._engine.settle(model_id)
            self._engine.memory.look_again()

    # Consent to files that may run code

    async def allow(self, model_id: str, commit: str) -> None:
        """Remember that the user allows a model's files, at the commit that it is at, to run code.

        Raises:
            UnsafeModelError: It is at another commit.
        """
        async with self._lock:
            entry = self._engine.entry(model_id)
            await self._consent(entry, check_consent(entry, commit))

    async def forbid(self, model_id: str) -> None:
        """Forget that the user allowed a model's files to run code."""
        async with self._lock:
            await self._consent(self._engine.entry(model_id), None)

    async def _consent(self, entry: Entry, commit: str | None) -> None:
        before = entry.allowed_commit
        if commit == before:
            return
        entry.allowed_commit = commit

        def undo() -> None:
            entry.allowed_commit = before

        await self.keeper.put_or(undo, entry)
        self._engine.gate.announce(entry, "unsafe_allowed" if commit else "unsafe_revoked", commit or before)

    # What other kernels wrote

    def _admit(self, stored: StoredModel) -> Entry:
        entry = Entry(
            stored.info,
            config=stored.config,
            pinned=stored.pinned,
            custom=stored.custom,
            commit=stored.commit,
            allowed_commit=stored.allowed_commit,
            registered_at=stored.registered_at,
            measured=stored.measured,
        )
        self._engine.entries[stored.model_id] = entry
        self._engine.machine.add(stored.model_id, on_disk=False)
        return entry

    async def _refresh(self) -> None:
        """Take over what another kernel changed, as far as no work here is in the way."""
        engine = self._engine
        async with self._lock:
            before = {model_id: _kept(entry) for model_id, entry in engine.entries.items()}
            stored = {model.model_id: model for model in await self.keeper.models()}
            new: list[Entry] = []
            for model_id, model in stored.items():
                entry = engine.entries.get(model_id)
                if entry is None:
                    if model_id not in self._leaving:
                        new.append(self._admit(model))
                elif engine.state(model_id).stage in _UNTOUCHED and before.get(model_id) == _kept(entry):
                    entry.info, entry.config, entry.pinned = model.info, model.config, model.pinned
                    entry.commit, entry.allowed_commit = model.commit or entry.commit, model.allowed_commit
                    entry.measured = model.measured
                    new.append(entry)
            for model_id in [known for known in engine.entries if known not in stored]:
                state = engine.state(model_id)
                if state.stage in _UNTOUCHED and not state.worker:
                    engine.machine.remove(model_id)
                    engine.settle(model_id)  # nobody may meet it half removed
            await engine.disk.look(*new)
        engine.settle(*(entry.info.model_id for entry in new))


def _new(info: ModelInfo, source: CustomSource | None) -> _Registration:
    entry = Entry(info, source=source, custom=source is not None, registered_at=datetime.now(UTC))
    return _Registration(entry, lambda: None, is_new=True)


def _files(info: ModelInfo) -> tuple[object, ...]:
    """Which files of its commit a model is to have."""
    return info.allow_patterns, info.ignore_patterns


def _kept(entry: Entry) -> tuple[object, ...]:
    """What the store keeps of an entry, to tell whether it was changed here while the store was read."""
    return entry.info, entry.commit, entry.config, entry.pinned, entry.allowed_commit, entry.measured
