"""Which loader takes a model that is on disk, the refusal of one that the user asked for in vain, and the advice
where the one that was taken could not do it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidConfigError, LoadError, ModelNotAvailableError, RMMError, UnsupportedModelError
from .entry import Entry

if TYPE_CHECKING:
    from ..loading.detect import Detection

__all__ = ["check_loader", "find_loader", "with_other_loaders"]


def find_loader(entry: Entry, wanted: str | None = None) -> Detection:
    """The loader for a model's files; reads the disk.

    Args:
        wanted: The name of the one that the user asked for.

    Raises:
        LoadError: It is a custom model, or no loader takes it, or not the wanted one; see `detect`.
        ModelNotAvailableError: It is not on disk.
    """
    from ..loading.detect import detect

    info = entry.info
    _refuse_custom(entry)
    if entry.snapshot is None:
        raise ModelNotAvailableError(
            f"Which loader takes model {info.model_id} is known once it is on disk",
            model_id=info.model_id,
            hint="Download it first.",
        )
    try:
        return detect(Path(entry.snapshot), loader=wanted, model_type=info.model_type)
    except RMMError as error:
        error.model_id = error.model_id or info.model_id
        raise


def check_loader(entry: Entry, name: object) -> None:
    """Refuse a loader that the model cannot have, before anything is loaded; reads the disk, on any thread.

    A model that is not on disk may have any that there is.

    Raises:
        InvalidConfigError: It is no name.
        UnsupportedModelError: There is no such loader, or it does not fit; names those that do.
        MissingDependencyError: Its library is not installed.
        LoadError: It is broken, or the model is a custom one.
    """
    model_id = entry.info.model_id
    if not isinstance(name, str) or not name:
        raise InvalidConfigError(
            f"loader is {name!r}", model_id=model_id, hint='Give a name such as "transformers", or leave it out.'
        )
    _refuse_custom(entry)
    if entry.snapshot is not None and Path(entry.snapshot).is_dir():
        find_loader(entry, name)
        return
    from ..loading.loaders import get_loader

    get_loader(name, model_id=model_id)


def with_other_loaders(entry: Entry, error: Exception) -> Exception:
    """The error of a load; where the loader could not do it, with the others that may."""
    if not isinstance(error, UnsupportedModelError) or not entry.other_loaders:
        return error
    others = " or ".join(f"loader={name!r}" for name in entry.other_loaders)
    told = UnsupportedModelError(
        error.message, model_id=error.model_id, hint=f"Load it with {others}. Otherwise: {error.hint}"
    )
    told.__cause__ = error.__cause__
    return told


def _refuse_custom(entry: Entry) -> None:
    if entry.custom:
        raise LoadError(
            f"Model {entry.info.model_id} is a custom model: its own class loads it",
            model_id=entry.info.model_id,
            hint="Leave loader out.",
        )
