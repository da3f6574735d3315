"""What can be read of a manager: every answer comes from the runtime's latest picture, so nothing here waits."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import InvalidModelInfoError
from .health import ProbeRecord
from .lifecycle.states import TRANSFERRING
from .runtime.engine import Engine
from .runtime.entry import ModelDescription, Picture
from .types import (
    ManagerState,
    ModelDownloadProgress,
    ModelHealth,
    ModelInfo,
    ModelInstance,
    ModelStatus,
    ModelType,
    QueueEntry,
    Statistics,
)

__all__ = ["ManagerReading", "check_model_type"]


class ManagerReading:
    """The reading part of a `ModelManager`."""

    _engine: Engine

    @property
    def picture(self) -> Picture:
        """All models and the counts of this moment, for views: it never changes, a newer one takes its place."""
        return self._engine.picture

    @property
    def _models(self) -> Mapping[str, ModelDescription]:
        return self._engine.picture.models

    def _description(self, model_id: str) -> ModelDescription | None:
        return self._models.get(model_id) if isinstance(model_id, str) else None

    def get_model_info(self, model_id: str) -> ModelInfo | None:
        """What is known of a model, None for an unknown id."""
        description = self._description(model_id)
        return description.info if description else None

    def get_model_instance(self, model_id: str) -> ModelInstance | None:
        """The handle on a model in memory (also one that is loading or failed to), None where there is none."""
        description = self._description(model_id)
        return description.instance if description else None

    def get_all_models(self) -> dict[str, ModelInfo]:
        """All registered models by id."""
        return {name: d.info for name, d in self._models.items()}

    def get_all_instances(self) -> dict[str, ModelInstance]:
        """All handles by id."""
        return {name: d.instance for name, d in self._models.items() if d.instance is not None}

    def is_model_available(self, model_id: str) -> bool:
        """True when every file of the model is on disk; False for an unknown id."""
        description = self._description(model_id)
        return description is not None and description.on_disk

    def is_model_loaded(self, model_id: str) -> bool:
        """True when it can be called; False for an unknown id."""
        return self.get_model_status(model_id) is ModelStatus.LOADED

    def get_model_status(self, model_id: str) -> ModelStatus:
        """Where a model stands; NOT_DOWNLOADED for an unknown id."""
        description = self._description(model_id)
        return description.status if description else ModelStatus.NOT_DOWNLOADED

    def get_model_health(self, model_id: str) -> ModelHealth:
        """How a loaded model is; UNKNOWN where it is not loaded."""
        description = self._description(model_id)
        return description.health if description else ModelHealth.UNKNOWN

    def get_probe_history(self, model_id: str) -> tuple[ProbeRecord, ...]:
        """The last 60 health probes since a model was loaded, the newest last; empty where it was not.

        They are kept in memory until the next load, so that they tell what came before a crash.

        Raises:
            ModelNotRegisteredError: The id is unknown.
        """
        return self.describe(model_id).probes

    def describe(self, model_id: str) -> ModelDescription:
        """Everything there is to show about a model.

        Raises:
            ModelNotRegisteredError: The id is unknown.
        """
        description = self._description(model_id)
        if description is None:
            raise self._engine.unknown(model_id)
        return description

    def hub_page(self, model_id: str) -> str:
        """The address of a model's page on its Hub; empty for a custom model.

        Raises:
            ModelNotRegisteredError: The id is unknown.
        """
        from .hub.pages import page_of

        description = self.describe(model_id)
        return "" if description.custom else page_of(self._engine.settings.hub, description.info.repo_id)

    def describe_all(self) -> list[ModelDescription]:
        """The same for all models, in the order of their registration."""
        return list(self._models.values())

    def get_statistics(self) -> Statistics:
        """Counts and sums; memory is measured now."""
        picture = self._engine.picture
        models = list(picture.models.values())
        return Statistics(
            total_models=len(models),
            downloaded_models=sum(d.on_disk for d in models),
            loaded_models=sum(d.status is ModelStatus.LOADED for d in models),
            active_downloads=picture.active_downloads,
            active_loads=picture.active_loads,
            total_memory_usage=sum(d.instance.memory_bytes for d in models if d.instance is not None),
            queued_downloads=picture.queued_downloads,
            queued_loads=picture.queued_loads,
            failed_downloads=picture.failed_downloads,
            total_bytes_downloaded=picture.bytes_downloaded,
        )

    def get_state(self) -> ManagerState:
        """Everything at one moment."""
        picture = self._engine.picture
        models = picture.models
        return ManagerState(
            models={name: d.info for name, d in models.items()},
            instances={name: d.instance for name, d in models.items() if d.instance is not None},
            download_progress={name: d.progress for name, d in models.items() if d.progress is not None},
            is_downloading=picture.active_downloads + picture.queued_downloads > 0,
            is_loading=picture.active_loads + picture.queued_loads > 0,
            last_update=picture.changed_at,
            revision=picture.revision,
        )

    def find_models(
        self,
        query: str = "",
        *,
        model_type: ModelType | str | None = None,
        tag: str | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
    ) -> list[ModelInfo]:
        """Registered models by part of id, description, repository or tag (any case), type, tag and size (bytes).

        Raises:
            InvalidModelInfoError: There is no such type.
            TypeError: Another argument is of the wrong type.
        """
        _check_search(query, tag, min_size, max_size)
        wanted, text = check_model_type(model_type), query.casefold()

        def fits(info: ModelInfo) -> bool:
            words = (info.model_id, info.description, info.repo_id, *info.tags)
            return (
                any(text in word.casefold() for word in words)
                and (wanted is None or info.model_type is wanted)
                and (tag is None or tag in info.tags)
                and (min_size is None or info.total_size_estimate >= min_size)
                and (max_size is None or info.total_size_estimate <= max_size)
            )

        return [info for info in self.get_all_models().values() if fits(info)]

    def get_download_progress(self, model_id: str) -> ModelDownloadProgress | None:
        """How far the running or last download of a model is, None where there was none."""
        description = self._description(model_id)
        return description.progress if description else None

    def get_download_queue(self) -> list[QueueEntry]:
        """The downloads that run, then those that wait, the next one first."""
        picture = self._engine.picture
        running = [name for name, d in picture.models.items() if d.stage in TRANSFERRING]
        waiting = [name for name in picture.download_queue if name in picture.models]
        places = [*((0, name) for name in running), *enumerate(waiting, start=1)]
        return [
            QueueEntry(model_id=name, position=place, progress=picture.models[name].progress) for place, name in places
        ]

    def get_all_download_progress(self) -> dict[str, ModelDownloadProgress]:
        """The same for all models that have one."""
        return {name: d.progress for name, d in self._models.items() if d.progress is not None}


def _check_search(query: object, tag: object, min_size: object, max_size: object) -> None:
    if not isinstance(query, str) or not isinstance(tag, str | None):
        raise TypeError("query and tag must be text")
    if not isinstance(min_size, int | float | None) or not isinstance(max_size, int | float | None):
        raise TypeError("min_size and max_size must be numbers of bytes")


def check_model_type(value: ModelType | str | None) -> ModelType | None:
    """A model type given as such or by its value; None stays None.

    Raises:
        InvalidModelInfoError: There is no such type.
    """
    try:
        return None if value is None else ModelType(value)
    except ValueError:
        raise InvalidModelInfoError(
            f"Invalid model type {value!r}", hint=f"One of: {', '.join(t.value for t in ModelType)}."
        ) from None
