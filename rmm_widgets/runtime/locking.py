"""Making a machine as a lock file says, or telling why not.

A lock file was written by somebody else. Nothing is changed before all of it was understood, and no model before
its commit was found to have just the locked files: in the cache's own record, else on the Hub. At the end every
file is read and compared with the lock file itself. Format and hashing belong to others; on the runtime's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import (
    DownloadError,
    HubUnavailableError,
    IntegrityError,
    InvalidConfigError,
    LockFileError,
    ModelNotAvailableError,
    RevisionNotFoundError,
    RMMError,
)
from ..lifecycle.states import Stage
from ..lock_records import LockAction, LockDifference, LockSubject, SyncedModel, SyncReport
from ..registry.lockfile import LockedModel, LockFile, plain_settings, read_lock
from ..types import ModelInfo
from .lock_words import between, mismatch

if TYPE_CHECKING:
    from ..downloads.layout import CacheLayout
    from ..downloads.locked import FolderCheck
    from ..downloads.plan import PlannedFile, TreeEntry
    from .engine import Engine
    from .job import Job
    from .registrar import Registrar

__all__ = ["Locking"]

AT_ONCE = 8
"""Models about which the cache or the Hub is asked at once."""
READ_AT_ONCE = 2
"""Models whose files are read at once."""

_AT_REST = frozenset({Stage.REGISTERED, Stage.DOWNLOADED, Stage.ERROR})
_BLOCKING = frozenset({"repository", "type", "refused"})
"""What a lock file does not change: the model is somebody's for another purpose."""

_ACTIONS: tuple[tuple[LockSubject, LockAction], ...] = (
    ("registration", "registered"),
    ("commit", "moved"),
    ("choice", "moved"),
    ("config", "configured"),
)


class Locking:
    """One use of a lock file.

    Args:
        download: Begins the download of a model, or joins it.
        name: What the file is called towards people.
    """

    def __init__(
        self, engine: Engine, registrar: Registrar, download: Callable[[str], Job[Path]], path: Path, name: str
    ) -> None:
        self._engine = engine
        self._registrar = registrar
        self._start_download = download
        self._path = path
        self._name = name
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._reading = asyncio.Semaphore(READ_AT_ONCE)

    async def check(self) -> SyncReport:
        """Compare this machine with the lock file; asks nobody and changes nothing.

        Raises:
            LockFileError: There is no lock file that can be read.
        """
        lock = await self._read()
        return self._report(lock, await asyncio.gather(*map(self._compared, lock.models)))

    async def sync(self) -> SyncReport:
        """Make this machine as the lock file says.

        Raises:
            LockFileError: There is no lock file that can be read; nothing was changed.
            LockMismatchError: Some models are not as it says; the others are.
        """
        lock = await self._read()
        report = self._report(lock, await asyncio.gather(*map(self._synced, lock.models)))
        if not report.ok:
            raise mismatch(report)
        return report

    async def _read(self) -> LockFile:
        lock: LockFile = await self._engine.in_thread(lambda: read_lock(self._path, self._name), "lock")
        from ..loading.config import parse_config

        for model in lock.models:
            try:
                parse_config(model.model_type, model.config, model_id=model.model_id)
            except InvalidConfigError as error:
                raise LockFileError(
                    f"{self._name} has settings that {model.model_id} does not take: {error}",
                    model_id=model.model_id,
                    hint="Nothing was changed. " + error.hint,
                ) from None
        return lock

    def _report(self, lock: LockFile, models: list[SyncedModel]) -> SyncReport:
        locked = {model.model_id for model in lock.models}
        others = tuple(model_id for model_id in self._engine.entries if model_id not in locked)
        return SyncReport(path=self._name, models=tuple(models), not_locked=others)

    async def _compared(self, model: LockedModel) -> SyncedModel:
        differences = self._differences(model)
        async with self._asking:
            text = await self._recorded(model)
        if text:
            differences.append(LockDifference(what="published", message=text))
        found = await self._check_files(model)
        return _outcome(model, [], differences, found)

    async def _synced(self, model: LockedModel) -> SyncedModel:
        done: list[LockAction] = []
        differences = [each for each in self._differences(model) if each.what in _BLOCKING]
        found: FolderCheck | None = None
        try:
            if not differences and not (differences := await self._foreseen(model)):
                await self._register(model, done)
                found = await self._fetched(model, done)
                differences = self._differences(model)
        except (RMMError, OSError) as error:
            hint = error.hint if isinstance(error, RMMError) else ""
            differences.append(
                LockDifference(what="refused", message=str(error), hint=hint, error=type(error).__name__)
            )
        return _outcome(model, done, differences, found)

    def _differences(self, model: LockedModel) -> list[LockDifference]:
        """In what a model's registration is not as locked."""
        entry = self._engine.entries.get(model.model_id)
        if entry is None:
            return [LockDifference(what="registration", message="it is not registered")]
        return between(model, entry.info, entry.commit, plain_settings(entry.config), custom=entry.custom)

    async def _foreseen(self, model: LockedModel) -> list[LockDifference]:
        """Why the locked files cannot be had, as far as that can be told before anything is changed.

        Raises:
            DownloadError: The Hub was asked and does not answer, or has no such commit any more.
        """
        async with self._asking:
            recorded = await self._recorded(model)
            if recorded == "" and await self._is_here(model):
                return []
            try:
                text = await self._told_by_the_hub(model)
            except HubUnavailableError:
                if recorded is None and await self._is_here(model):
                    return []  # fetched by a program that lists no commits: the bytes will tell
                raise
            except RevisionNotFoundError as error:
                raise await self._gone(model, error) from None
        hint = "Find out who changed what before you trust either: the repository, or this lock file."
        return [LockDifference(what="published", message=text, hint=hint)] if text else []

    async def _recorded(self, model: LockedModel) -> str | None:
        """In what the cache's own record of the commit differs from the lock; None where there is no record."""
        layout = self._layout(model)

        def work() -> str | None:
            tree = layout.read_tree(model.commit)
            return None if tree is None else _published(model, tree)

        return await self._engine.in_thread(work, "lock")

    async def _told_by_the_hub(self, model: LockedModel) -> str:
        commit, tree = await self._engine.revisions.tree(_info(model, None), model.commit)
        if commit != model.commit:
            return f"the Hub answers with commit {commit}"
        return await self._engine.in_thread(lambda: _published(model, tree), "lock")

    async def _is_here(self, model: LockedModel) -> bool:
        from ..downloads.locked import is_here

        return await self._engine.in_thread(lambda: is_here(self._layout(model), model.commit, _planned(model)), "lock")

    async def _gone(self, model: LockedModel, error: RevisionNotFoundError) -> DownloadError:
        """The error for a commit that the Hub does not have any more: with what it has instead."""
        try:
            newest = await self._engine.revisions.newest(_info(model, None))
        except DownloadError:
            return error
        return RevisionNotFoundError(
            f"{model.repo_id} has no commit {model.commit} any more, and {model.revision or 'main'} is {newest}: "
            "it has another history now",
            model_id=model.model_id,
            hint="Look at the repository: somebody else may own it now. The locked files are not to be had from there.",
        )

    async def _register(self, model: LockedModel, done: list[LockAction]) -> None:
        """Register what is missing, and give a known model the locked commit, choice of files and settings."""
        differing = {each.what for each in self._differences(model)}
        entry = self._engine.entries.get(model.model_id)
        if not differing:
            return
        info = entry.info if entry is not None else await self._described(model)
        if info is None or entry is None or differing & {"commit", "choice"}:
            info = _info(model, info)
        await self._registrar.register_locked(info, model.commit, model.config)
        done.extend(dict.fromkeys(action for what, action in _ACTIONS if what in differing))

    async def _described(self, model: LockedModel) -> ModelInfo | None:
        """What the Hub says of the locked commit: its description, tags and licence; None where it is not asked,
        because all files are here, or does not say.
        """
        from ..hub.catalogue import inspect

        settings = self._engine.settings

        def ask() -> ModelInfo:
            return inspect(
                model.repo_id,
                revision=model.commit,
                model_id=model.model_id,
                model_type=model.model_type,
                allow_patterns=model.allow_patterns,
                ignore_patterns=model.ignore_patterns,
                endpoint=settings.hub,
                token=settings.access_token() or False,
            )

        async with self._asking:
            if await self._is_here(model):
                return None
            try:
                return await self._engine.in_thread(ask, "inspect")
            except RMMError:
                return None  # the model can be used without

    async def _fetched(self, model: LockedModel, done: list[LockAction]) -> FolderCheck:
        """Fetch what is missing, then read everything; what turns out wrong is fetched once more."""
        engine, model_id = self._engine, model.model_id
        engine.entry(model_id)  # it may have been deleted meanwhile
        if not engine.state(model_id).on_disk:
            await self._download(model_id)
            done.append("downloaded")
        found = await self._check_files(model)
        if not found.ok:
            await self._repair(model_id)
            done.append("repaired")
            found = await self._check_files(model)
        await engine.integrity.remember(self._layout(model).root.name, found.records)
        return found

    async def _download(self, model_id: str) -> None:
        ours = self._engine.state(model_id).stage in _AT_REST
        job = self._start_download(model_id)
        try:
            await job
        except asyncio.CancelledError:
            if ours:
                job.cancel()
            raise

    async def _repair(self, model_id: str) -> None:
        """Put aside what is not as published, and fetch it and what is missing."""
        engine = self._engine
        entry = engine.entry(model_id)
        if engine.state(model_id).worker:
            raise IntegrityError(
                "files are missing or damaged, and it is in memory, so they are not fetched now",
                model_id=model_id,
                hint=f"Unload it first: %rmm unload {model_id}.",
            )
        with contextlib.suppress(ModelNotAvailableError):  # nothing is left of it
            await engine.integrity.verify(model_id)
        if engine.entries.get(model_id) is entry:
            engine.machine.set_on_disk(model_id, False)
        try:
            await self._download(model_id)
        finally:
            await engine.disk.look(entry)

    async def _check_files(self, model: LockedModel) -> FolderCheck:
        from ..downloads.locked import check_folder

        folder, stop = self._layout(model).snapshot(model.commit), threading.Event()
        async with self._reading:
            try:
                return await self._engine.in_thread(lambda: check_folder(folder, _planned(model), stop.is_set), "lock")
            finally:
                stop.set()

    def _layout(self, model: LockedModel) -> CacheLayout:
        from ..downloads.layout import CacheLayout

        return CacheLayout(self._engine.settings.cache, model.repo_id)


def _published(model: LockedModel, tree: Mapping[str, TreeEntry]) -> str:
    """In what the published files of a commit differ from the locked ones; empty where they do not."""
    from ..downloads.locked import chosen_files, tell_difference

    return tell_difference(tree, chosen_files(tree, model.allow_patterns, model.ignore_patterns), _planned(model))


def _planned(model: LockedModel) -> tuple[PlannedFile, ...]:
    from ..downloads.plan import PlannedFile

    return tuple(PlannedFile(file.path, file.size, file.digest) for file in model.files)


def _info(model: LockedModel, known: ModelInfo | None) -> ModelInfo:
    """A model's record at the locked commit; with what is known of it beside that."""
    from ..downloads.listing import SUMMARY_KEY

    old: Mapping[str, Any] = known.metadata if known is not None else {}
    of_its_files = {"newer_commit", "allow_patterns", "ignore_patterns"}
    if old.get("commit") != model.commit:
        of_its_files.add(SUMMARY_KEY)
    patterns = {"allow_patterns": model.allow_patterns, "ignore_patterns": model.ignore_patterns}
    return ModelInfo(
        model.model_id,
        model.model_type,
        model.repo_id,
        description=known.description if known is not None else "",
        tags=known.tags if known is not None else (),
        version=model.revision,
        total_size_estimate=sum(file.size for file in model.files),
        file_count_estimate=len(model.files),
        metadata={
            **{key: value for key, value in old.items() if key not in of_its_files},
            "commit": model.commit,
            **{key: value for key, value in patterns.items() if value is not None},
        },
    )


def _outcome(
    model: LockedModel, done: list[LockAction], differences: list[LockDifference], found: FolderCheck | None
) -> SyncedModel:
    return SyncedModel(
        model_id=model.model_id,
        done=tuple(done),
        differences=tuple(differences),
        missing=found.missing if found is not None else (),
        corrupt=found.corrupt if found is not None else (),
        checked_files=len(model.files) if found is not None else 0,
        checked_bytes=found.read_bytes if found is not None else 0,
    )
