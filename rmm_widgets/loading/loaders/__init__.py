"""The loaders: one module each, imported only when a folder or a model is looked at.

Other packages add theirs through the entry-point group `rmm_widgets.loaders`: an entry's name is the
loader's, its object a `loading.loader.Loader`. Built-in ones are asked first.
"""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from ...errors import LoadError, UnsupportedModelError
from ...types import ModelType
from ..loader import Loader
from ..servable import Servable

__all__ = ["ENTRY_POINT_GROUP", "all_loaders", "get_loader", "open_servable"]

ENTRY_POINT_GROUP = "rmm_widgets.loaders"

_BUILT_IN = ("onnxruntime", "model2vec", "gguf")
"""Names of the loaders and of their modules, whose `LOADER` is the loader; the first that takes a folder gets it."""


def all_loaders() -> tuple[Loader, ...]:
    """Every loader, in the order in which they are asked.

    Raises:
        LoadError: One of another package cannot be imported.
    """
    others = (_imported(entry) for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name not in _BUILT_IN)
    return (*map(_built_in, _BUILT_IN), *others)


def get_loader(name: str, *, model_id: str | None = None) -> Loader:
    """The loader of that name.

    Raises:
        UnsupportedModelError: There is none.
        LoadError: It comes from another package and cannot be imported.
    """
    if name in _BUILT_IN:
        return _built_in(name)
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return _imported(entry, model_id)
    raise UnsupportedModelError(
        f"There is no loader {name!r}",
        model_id=model_id,
        hint=f"Built in: {', '.join(_BUILT_IN)}; others come with packages that register one.",
    )


def open_servable(loader: str, *, model_id: str, model_type: str, path: str, trusted: bool = False) -> Servable:
    """A servable for the model in a folder; nothing is loaded yet.

    Args:
        loader: What `detect` found.
        model_id: For messages.
        model_type: A `ModelType` value.
        path: The model's folder.
        trusted: The user allowed this very commit to bring code or pickles.

    Raises:
        UnsupportedModelError: There is no such loader.
        MissingDependencyError: The loader's library is not installed.
        UnsafeModelError: The model needs code or pickles, and is not trusted.
    """
    found = get_loader(loader, model_id=model_id)
    return found.open(model_id=model_id, model_type=ModelType(model_type), path=Path(path), trusted=trusted)


def _built_in(name: str) -> Loader:
    return cast("Loader", importlib.import_module(f"{__name__}.{name}").LOADER)


def _imported(entry: EntryPoint, model_id: str | None = None) -> Loader:
    try:
        return cast("Loader", entry.load())
    except Exception as error:
        raise LoadError(
            f"The loader {entry.name!r} cannot be imported: {error}",
            model_id=model_id,
            hint=f"It comes from {entry.value!r}; reinstall or remove that package.",
        ) from error
