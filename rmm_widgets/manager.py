"""`ModelManager`: the facade that wires the parts. It checks arguments, and holds no logic of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from .errors import (
    InvalidModelInfoError,
)
from .manager_catalogue import ManagerCatalogue
from .manager_lifetime import check_callable
from .manager_loading import ManagerLoading
from .manager_locking import ManagerLocking
from .manager_observers import ManagerObservers
from .manager_reading import ManagerReading, check_model_type
from .manager_safety import ManagerSafety
from .runtime.entry import CustomSource
from .runtime.job import Job
from .story.records import Story
from .types import (
    HubModel,
    ModelEvent,
    ModelHealth,
    ModelInfo,
    ModelStatus,
    ModelType,
)

__all__ = ["ModelManager"]

EVENTS_OF_A_STORY = 2000
"""Events of a model that its story is told from, progress reports not counted."""

T = TypeVar("T")
EventHandler = Callable[[ModelEvent], object]


class ModelManager(ManagerLoading, ManagerLocking, ManagerSafety, ManagerCatalogue, ManagerObservers, ManagerReading):
    """Registers, downloads, loads, watches and unloads models.

    Thread-safe. Operations that take long return a `Job` at once; everything that can be read answers from
    the latest picture of the state. Settings may be changed while it runs, also by `%config ModelManager`.

    Raises:
        TypeError: A keyword is unknown.
        InvalidConfigError: A setting is out of its range.
    """

    # Registry

    def register_model(self, info: ModelInfo, *, model: CustomSource | None = None, replace: bool = False) -> ModelInfo:
        """Make a model known; on disk when this returns.

        The same info again changes nothing. A new description, tags, metadata or estimates update the known
        model.

        Args:
            model: A `BaseModel`, or a callable that takes the info and returns one, for a custom model.
            replace: Allow another repository, version or type under a known id.

        Raises:
            InvalidModelInfoError: `info` is no ModelInfo, or `model` no model.
            ModelAlreadyRegisteredError: The id is taken by something else.
            RegistryError: It could not be written; nothing is registered.
        """
        from .base_model import BaseModel

        _checked(info)
        if model is not None and not isinstance(model, BaseModel) and not callable(model):
            raise InvalidModelInfoError(
                f"model is a {type(model).__name__}; it must be a BaseModel or a callable that returns one",
                model_id=info.model_id,
                hint="Leave it out for a model of the Hub.",
            )
        return self._run(self._registrar.register(info, model, replace=replace))

    def register_models(self, infos: Iterable[ModelInfo]) -> list[ModelInfo]:
        """Register several; one that is refused stops it, those before it stay.

        They are written many at a time: where the disk refuses some, those written with them are not registered either.
        """
        return self._register_all(infos, replace=False)

    def register_from_hub(
        self,
        repo_id: str,
        *,
        model_id: str | None = None,
        revision: str | None = None,
        model_type: ModelType | str | None = None,
        allow_patterns: Sequence[str] | None = None,
        ignore_patterns: Sequence[str] | None = None,
    ) -> Job[ModelInfo]:
        """Look at a repository on the Hub and register it: type, size, files, commit, licence, tags.

        A model that is known and on disk stays on its commit; where the branch has moved, the info's metadata
        says so (`"commit"` and `"newer_commit"`), and `update_model` accepts it.

        Args:
            allow_patterns: Globs of the files to download, in place of the automatic choice.
            ignore_patterns: Globs of files never to download.

        The job raises `RepositoryNotFoundError`, `RevisionNotFoundError`, `GatedModelError`,
        `HubUnavailableError`, `UnsupportedModelError` (its type cannot be told: pass `model_type`), or
        `ModelAlreadyRegisteredError`.
        """
        from .hub.catalogue import check_request, inspect

        async def work(job: Job[Any]) -> ModelInfo:
            check_request(repo_id, revision, model_id, model_type, allow_patterns, ignore_patterns)
            settings = self._engine.settings
            token = await self._engine.in_thread(settings.access_token, "login")
            info = await self._engine.in_thread(
                lambda: inspect(
                    repo_id,
                    revision=revision,
                    model_id=model_id,
                    model_type=model_type,
                    allow_patterns=allow_patterns,
                    ignore_patterns=ignore_patterns,
                    endpoint=settings.hub,
                    token=token or False,
                ),
                "inspect",
            )
            job.name_model(info.model_id)
            return await self._registrar.register_seen(info)

        return self._background("register", model_id, work)

    def unregister_model(self, model_id: str) -> None:
        """Forget a model; its files stay on disk.

        Raises:
            ModelNotRegisteredError: The id is unknown.
            ModelAlreadyRegisteredError: It is loaded or at work; `delete_model` ends that first.
        """
        self._engine.entry(model_id)
        self._run(self._registrar.unregister(model_id))

    def delete_model(self, model_id: str, *, remove_files: bool = False) -> Job[int]:
        """Unload and unregister a model; with `remove_files`, free the bytes that no other model needs.

        The job's result is the number of bytes freed.
        """
        return self._call(lambda: self._registrar.delete(model_id, remove_files=remove_files))

    def search_hub(
        self,
        query: str,
        *,
        model_type: ModelType | str | None = None,
        limit: int = 20,
        min_size: int | None = None,
        max_size: int | None = None,
    ) -> Job[list[HubModel]]:
        """Search the Hub by name; most downloaded first. Tells what would find memory here, where that can be told.

        Args:
            min_size, max_size: Bytes; what has another or an unknown size is left out.
        """
        from .hub.catalogue import search
        from .runtime.room import with_needs

        wanted = check_model_type(model_type)

        async def work(job: Job[Any]) -> list[HubModel]:
            del job
            settings = self._engine.settings
            token = await self._engine.in_thread(settings.access_token, "login")
            found = await self._engine.in_thread(
                lambda: search(
                    query,
                    model_type=wanted,
                    limit=limit,
                    min_size=min_size,
                    max_size=max_size,
                    endpoint=settings.hub,
                    token=token or False,
                ),
                "search",
            )
            return with_needs(found, await self._engine.memory.admission.room())

        return self._background("search", None, work)

    def export_models(self) -> list[ModelInfo]:
        """All registered models, as `import_models` takes them."""
        return list(self.get_all_models().values())

    def import_models(self, infos: Iterable[ModelInfo], *, overwrite: bool = False) -> list[ModelInfo]:
        """Register what is not known yet, and with `overwrite` replace what is; returns what was taken."""
        known = self.get_all_models()
        wanted = (info for info in infos if overwrite or not isinstance(info, ModelInfo) or info.model_id not in known)
        return self._register_all(wanted, replace=overwrite)

    def _register_all(self, infos: Iterable[ModelInfo], *, replace: bool) -> list[ModelInfo]:
        good: list[ModelInfo] = []
        try:
            for info in infos:
                good.append(_checked(info))  # noqa: PERF401 - those before one that is refused stay
        finally:
            taken: list[ModelInfo] = self._run(self._registrar.register_all(good, replace=replace)) if good else []
        return taken

    # Health

    def check_health(self, model_id: str) -> Job[ModelHealth]:
        """Probe a model now; UNKNOWN where it is not loaded."""
        self._engine.entry(model_id)

        async def work(job: Job[Any]) -> ModelHealth:
            del job
            return await self._engine.residents.probing.probe(self._engine.entry(model_id))

        return self._background("health", model_id, work)

    def check_all_health(self) -> Job[dict[str, ModelHealth]]:
        """Probe every loaded model now."""

        async def work(job: Job[Any]) -> dict[str, ModelHealth]:
            del job
            loaded = [name for name, d in self._models.items() if d.status is ModelStatus.LOADED]
            probe = self._engine.residents.probing.probe
            health = await asyncio.gather(*(probe(self._engine.entry(name)) for name in loaded))
            return dict(zip(loaded, health, strict=True))

        return self._background("health", None, work)

    # Events

    def add_event_listener(self, handler: EventHandler) -> Callable[[], None]:
        """Call `handler(event)` for every event, in order, in a thread of its own; returns what removes it.

        The same handler twice counts once. One that raises or blocks harms nobody. When a job has ended, a
        listener that keeps up has seen its events.
        """
        check_callable("an event listener", handler)
        self._call(lambda: self._engine.bus.add(handler))
        return lambda: None if self._closed else self._remove_quietly(handler)

    def _remove_quietly(self, handler: EventHandler) -> None:
        self.remove_event_listener(handler)

    def remove_event_listener(self, handler: EventHandler) -> bool:
        """Take a listener away; False where it is not one."""
        return self._call(lambda: self._engine.bus.remove(handler))

    def get_story(self, model_id: str, *, limit: int = 100) -> Story:
        """What happened to a model, also in earlier kernels, how it is now, and what to do next.

        Args:
            limit: Lines at most; the oldest are left out.

        Raises:
            ModelNotRegisteredError: The id is unknown, and nothing is known to have happened under it.
            ValueError: `limit` is no whole number, or below 1.
        """
        from .story.telling import tell

        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ValueError(f"limit is {limit!r}; it must be a whole number, 1 or more")
        if not isinstance(model_id, str):
            raise self._engine.unknown(model_id)
        events: list[ModelEvent] = self._run(self._registrar.history.kept(model_id, EVENTS_OF_A_STORY))
        description = self._description(model_id)
        if description is None and not events:
            raise self._engine.unknown(model_id)
        return tell(model_id, events, description, limit=limit)

    def explain(self, model_id: str, *, limit: int = 100) -> str:
        """The same as text: a line for each thing that happened, then how the model is now and what to do next.

        Raises:
            ModelNotRegisteredError: The id is unknown, and nothing is known to have happened under it.
            ValueError: `limit` is no whole number, or below 1.
        """
        return str(self.get_story(model_id, limit=limit))

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback()` on every change, on the runtime's thread: it must return at once.

        For views, which then read the state themselves. Returns what ends it.
        """
        check_callable("a subscriber", callback)
        self._call(lambda: self._engine.subscribe(callback))

        def unsubscribe() -> None:
            if not self._closed:
                self._call(lambda: self._engine.unsubscribe(callback))

        return unsubscribe

    # Later versions

    def connect(self, address: str) -> Job[None]:
        """Connect to a Ray cluster; comes in a later version."""
        raise NotImplementedError(f"connecting to a cluster ({address!r}) comes in a later version")

    def disconnect(self) -> Job[None]:
        """Leave the cluster; comes in a later version."""
        raise NotImplementedError("clusters come in a later version")

    def __repr__(self) -> str:
        if self._closed:
            return "<ModelManager closed>"
        statistics = self.get_statistics()
        return f"<ModelManager {statistics.total_models} models, {statistics.loaded_models} loaded>"


def _checked(info: object) -> ModelInfo:
    if not isinstance(info, ModelInfo):
        raise InvalidModelInfoError(
            f"register_model takes a ModelInfo, not {type(info).__name__}",
            hint="Make one: ModelInfo(model_id, model_type, repo_id).",
        )
    return info
