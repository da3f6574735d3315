"""What a manager does about the files on disk: verifying, repairing, measuring, cleaning up, and telling which
loader takes them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .disk_records import DiskUsage, PruneReport
from .file_records import VerifyReport
from .manager_lifetime import ManagerLifetime
from .runtime.job import Job
from .runtime.loader_choice import find_loader

if TYPE_CHECKING:
    from .loading.detect import Detection

__all__ = ["ManagerFiles"]


class ManagerFiles(ManagerLifetime):
    """The part of a `ModelManager` about files."""

    def verify_model(self, model_id: str) -> Job[VerifyReport]:
        """Read and hash every file of a model and compare with what the Hub published.

        Damaged files are taken out of the cache, and the model is no longer downloaded: `repair_model`, or another
        download, fetches just these. A model in memory stays there; it counts as damaged once it is unloaded.
        """
        self._engine.entry(model_id)
        return self._background("verify", model_id, lambda _job: self._engine.integrity.verify(model_id))

    def repair_model(self, model_id: str) -> Job[Path]:
        """Verify a model and fetch what is damaged or missing; the job's result is the folder with its files.

        The job raises `IntegrityError` where the model is damaged and in memory, and what a download raises.
        """
        self._engine.entry(model_id)

        async def work(job: Job[Any]) -> Path:
            del job
            folder = await self._engine.integrity.repair(model_id)
            if folder is not None:
                return folder
            download = self._job(self._engine.machine.download(model_id), "download", model_id)
            try:
                return await download
            except asyncio.CancelledError:
                download.cancel()
                raise

        return self._background("repair", model_id, work)

    def find_loader(self, model_id: str) -> Job[Detection]:
        """Which loader `load_model` would use for a model on disk, why this one, and which others fit.

        The job raises `ModelNotAvailableError` (it is not on disk), `UnsupportedModelError` (no loader takes it),
        `MissingDependencyError`, or `LoadError` (a damaged configuration file, a custom model).
        """
        entry = self._engine.entry(model_id)
        return self._background(
            "inspect", model_id, lambda _job: self._engine.in_thread(lambda: find_loader(entry), "detect")
        )

    def prune(self, *, older_than: float = 7 * 24 * 3600.0) -> Job[PruneReport]:
        """Remove what interrupted downloads and damage left in the cache, in all repositories.

        Partials, quarantined and temporary files, and huggingface_hub's own unfinished files; never one that a
        program is working with.

        Args:
            older_than: Seconds since the last change; younger files stay.

        Raises:
            ValueError: `older_than` is no number, or below 0.
        """
        if not isinstance(older_than, int | float) or isinstance(older_than, bool) or not 0 <= older_than < math.inf:
            raise ValueError(f"older_than is {older_than!r}; it must be a number of seconds, 0 or more")
        return self._background("prune", None, lambda _job: self._engine.housekeeping.prune(older_than))

    def deletion_frees(self, model_ids: Iterable[str]) -> Job[int]:
        """How many bytes deleting these models with their files would free, one after another; changes nothing.

        Counts what only these models share with each other, and nothing that another model needs.

        Raises:
            ModelNotRegisteredError: One of the ids is unknown.
        """
        chosen = frozenset([model_ids] if isinstance(model_ids, str) else model_ids)
        for model_id in chosen:
            self._engine.entry(model_id)
        return self._background("usage", None, lambda _job: self._engine.housekeeping.deletion_frees(chosen))

    def disk_usage(self) -> Job[DiskUsage]:
        """Measure what the models and the rest of the cache take on disk, and what a deletion would free."""
        return self._background("usage", None, lambda _job: self._engine.housekeeping.usage())
