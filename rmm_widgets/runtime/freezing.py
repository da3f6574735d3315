"""Writing down which models there are exactly: their commits, files and settings, as a lock file.

What the cache has recorded of a commit is enough; the Hub is asked about the others. On the runtime's thread.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from .. import names
from ..errors import HubUnavailableError, LockFileError, RMMError
from ..registry.lockfile import FORMAT, LockedFile, LockedModel, LockFile, plain_settings, write_lock
from ..types import ModelInfo
from .entry import Entry

if TYPE_CHECKING:
    from ..downloads.plan import PlannedFile
    from .engine import Engine

__all__ = ["freeze_models"]

AT_ONCE = 8
"""Models about which the Hub is asked at once."""


async def freeze_models(engine: Engine, path: Path, name: str) -> None:
    """Write down all models of the Hub.

    Args:
        name: What the file is called towards people.

    Raises:
        LockFileError: It could not be written.
        DownloadError: What a model's files are is not known here, and the Hub does not tell.
    """
    asking = asyncio.Semaphore(AT_ONCE)
    entries = [entry for entry in engine.entries.values() if not entry.custom]
    pinned = await asyncio.gather(*(_pinned(engine, entry, asking) for entry in entries), return_exceptions=True)
    models = tuple(each for each in pinned if isinstance(each, LockedModel))
    failures = [each for each in pinned if isinstance(each, BaseException)]
    if failures:
        raise _first_of(failures)
    await engine.in_thread(lambda: write_lock(path, LockFile(FORMAT, models), name), "freeze")


async def _pinned(engine: Engine, entry: Entry, asking: asyncio.Semaphore) -> LockedModel:
    info = entry.info
    unfinished = entry.unfinished.commit if entry.unfinished else None
    seen = (entry.commit, unfinished, info.version, info.metadata.get("commit"))
    known = next((each for each in seen if names.is_commit(each)), None)
    async with asking:
        commit, files = await _files(engine, info, known)
    if not files:
        raise LockFileError(
            f"Model {info.model_id} has no files that could be locked",
            model_id=info.model_id,
            hint="Look at its repository and its patterns, or unregister it.",
        )
    return LockedModel(
        model_id=info.model_id,
        model_type=info.model_type,
        repo_id=info.repo_id,
        revision=info.version,
        commit=commit,
        allow_patterns=info.allow_patterns,
        ignore_patterns=info.ignore_patterns,
        config=plain_settings(entry.config),
        files=tuple(LockedFile.of(file.path, file.size, file.digest) for file in files),
    )


async def _files(engine: Engine, info: ModelInfo, commit: str | None) -> tuple[str, tuple[PlannedFile, ...]]:
    """The commit and its chosen files: as the cache has recorded them, else as the Hub tells."""
    from ..downloads.layout import CacheLayout
    from ..downloads.locked import chosen_files, linked_files

    patterns = info.allow_patterns, info.ignore_patterns
    layout = CacheLayout(engine.settings.cache, info.repo_id)
    if commit is not None:
        tree = await engine.in_thread(lambda: layout.read_tree(commit), "freeze")
        if tree is not None:
            return commit, chosen_files(tree, *patterns)
    try:
        found, tree = await engine.revisions.tree(info, commit or info.version)
    except HubUnavailableError:
        if commit is None:
            raise
        linked = await engine.in_thread(lambda: linked_files(layout, commit, *patterns), "freeze")
        if linked is None:
            raise
        return commit, linked
    return found, chosen_files(tree, *patterns)


def _first_of(failures: list[BaseException]) -> BaseException:
    """The first failure, which tells how many there are."""
    first, others = failures[0], len(failures) - 1
    if not others or not isinstance(first, RMMError):
        return first
    told = "one more model cannot" if others == 1 else f"{others} more models cannot"
    return type(first)(f"{first} ({told} be locked either)", model_id=first.model_id, hint=first.hint)
