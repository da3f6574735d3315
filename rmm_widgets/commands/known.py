"""What completion knows of a manager: from memory, and from a short look at the cache; the Hub is never asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ..errors import RMMError
from . import recent
from .complete import Known

if TYPE_CHECKING:
    from ..manager import ModelManager
    from ..runtime.job import Job

__all__ = ["known_of"]

PATIENCE = 0.03
"""Seconds that a look at the cache may take; on a disk that is slower the names of the look before are offered."""

_seen: WeakKeyDictionary[ModelManager, list[str]] = WeakKeyDictionary()


def known_of(manager: ModelManager) -> Known:
    """The words of a manager."""
    return Known(
        model_ids=lambda: manager.picture.models,
        settings=lambda model_id: _settings(manager, model_id),
        cached=lambda: _cached(manager),
        found=lambda: (each.repo_id for each in recent.rows(manager)),
    )


def _settings(manager: ModelManager, model_id: str) -> Mapping[str, Sequence[str]]:
    description = manager.picture.models.get(model_id)
    if description is None:
        return {}
    if description.custom:  # only its own class knows more
        return dict.fromkeys(description.config, ())
    from ..loading.config import setting_words

    return setting_words(description.info.model_type)


def _cached(manager: ModelManager) -> Iterable[str]:
    job = manager.list_cached()
    job.add_done_callback(lambda done: _note(manager, done))
    try:
        return job.result(PATIENCE)
    except (OSError, RMMError):  # TimeoutError is an OSError
        return _seen.get(manager, ())


def _note(manager: ModelManager, look: Job[list[str]]) -> None:
    if not look.cancelled() and look.exception() is None:
        _seen[manager] = look.result()
