"""The cache as a whole: what it takes, and removing what nobody needs. The measuring is `downloads`' business."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..disk_records import DiskUsage, PruneReport
from ..lifecycle.states import TRANSFERRING

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Housekeeping"]


class Housekeeping:
    """The cache of one engine; on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def prune(self, older_than: float) -> PruneReport:
        """Remove leftovers that are older than so many seconds."""
        from ..downloads.layout import CacheLayout
        from ..downloads.prune import prune_cache

        engine = self._engine
        cache = engine.settings.cache
        at_work = [entry for name, entry in engine.entries.items() if engine.state(name).stage in TRANSFERRING]
        downloading = {CacheLayout(cache, entry.info.repo_id).root.name for entry in at_work if not entry.custom}
        return await engine.in_thread(
            lambda: prune_cache(cache, older_than=older_than, downloading=downloading), "prune"
        )

    async def usage(self) -> DiskUsage:
        """Measure what the models and the cache take."""
        from ..downloads.layout import CacheLayout
        from ..downloads.usage import RegisteredModel, disk_usage

        cache = self._engine.settings.cache
        entries = [entry for entry in self._engine.entries.values() if not entry.custom]
        wanted = [(entry.info, entry.commit or entry.info.version) for entry in entries]

        def measure() -> DiskUsage:
            models = [
                RegisteredModel(info.model_id, info.repo_id, CacheLayout(cache, info.repo_id).commit_of(revision))
                for info, revision in wanted
            ]
            return disk_usage(cache, models)

        return await self._engine.in_thread(measure, "usage")

    async def deletion_frees(self, model_ids: Collection[str]) -> int:
        """Bytes that deleting these models with their files would free, one after another."""
        from ..downloads.deletion import deletions_free

        gone: dict[str, set[str]] = {}
        keep: dict[str, set[str]] = {}
        for model_id, entry in self._engine.entries.items():
            leaves = model_id in model_ids
            commit = entry.commit_on_disk if leaves else entry.commit
            if commit is not None and not (leaves and entry.custom):
                (gone if leaves else keep).setdefault(entry.info.repo_id, set()).add(commit)
        wanted = {repo_id: commits - keep.get(repo_id, set()) for repo_id, commits in gone.items()}
        cache = self._engine.settings.cache
        return await self._engine.in_thread(lambda: deletions_free(cache, wanted, keep=keep), "usage")
