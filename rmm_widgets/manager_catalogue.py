"""What a manager does about models that are in the cache and not registered."""

from __future__ import annotations

from typing import Any

from .disk_records import CachedModel
from .errors import ModelAlreadyRegisteredError
from .manager_lifetime import ManagerLifetime
from .runtime.job import Job
from .types import ModelInfo, ModelType

__all__ = ["ManagerCatalogue"]


class ManagerCatalogue(ManagerLifetime):
    """The part of a `ModelManager` about the cache as a catalogue. Nothing here asks the Hub."""

    def list_cached(self) -> Job[list[str]]:
        """The names of all model repositories in the Hub's cache, registered or not, whole or not; quick."""
        from .downloads.cache import cached_repositories

        cache = self._engine.settings.cache
        return self._background(
            "cached", None, lambda _job: self._engine.in_thread(lambda: cached_repositories(cache), "cached")
        )

    def find_cached(self) -> Job[list[CachedModel]]:
        """The repositories in the Hub's cache that no registered model is of, and which of them can be adopted."""
        from .runtime.adoption import find_cached

        async def work(job: Job[Any]) -> list[CachedModel]:
            del job
            registered = [entry.info.repo_id for entry in self._engine.entries.values() if not entry.custom]
            cache = self._engine.settings.cache
            return await self._engine.in_thread(lambda: find_cached(cache, registered), "cached")

        return self._background("cached", None, work)

    def adopt(
        self,
        repo_id: str,
        *,
        revision: str | None = None,
        model_id: str | None = None,
        model_type: ModelType | str | None = None,
    ) -> Job[ModelInfo]:
        """Register a complete model that is in the Hub's cache, without a download and without asking the Hub.

        Type, description and commit are read from its files. One that is registered already is given as it is.

        Args:
            revision: Branch, tag or commit; None for the default branch, or where the cache has none for what it has.
            model_id: Name to register it under; None for the repository's name.
            model_type: Overrides what its files tell.

        The job raises `InvalidModelInfoError`, `ModelNotAvailableError` (the cache has not all of it),
        `UnsupportedModelError` (its type cannot be told: pass `model_type`), or `ModelAlreadyRegisteredError`.
        """
        from .hub.catalogue import check_request
        from .runtime.adoption import described

        async def work(job: Job[Any]) -> ModelInfo:
            wanted = check_request(repo_id, revision, model_id, model_type)
            known = self._registered(repo_id, model_id, revision)
            if known is not None:
                job.name_model(known.model_id)
                return known
            cache = self._engine.settings.cache
            info = await self._engine.in_thread(
                lambda: described(cache, repo_id, revision=revision, model_id=model_id, model_type=wanted), "adopt"
            )
            job.name_model(info.model_id)
            taken = self._engine.entries.get(info.model_id)
            if taken is not None:
                raise ModelAlreadyRegisteredError(
                    f"The id {info.model_id} is taken by a model of {taken.info.repo_id}",
                    model_id=info.model_id,
                    hint=f"Choose another one: model_id=..., or %rmm adopt {repo_id} --as ID.",
                )
            return await self._registrar.register(info, None, replace=False)

        return self._background("adopt", model_id, work)

    def _registered(self, repo_id: str, model_id: str | None, revision: str | None) -> ModelInfo | None:
        """The model that is asked for, where it is registered."""
        infos = [entry.info for entry in self._engine.entries.values() if not entry.custom]
        return next(
            (
                info
                for info in infos
                if info.repo_id == repo_id
                and model_id in {None, info.model_id}
                and revision in {None, info.version, info.metadata.get("commit")}
            ),
            None,
        )
