"""The loaders: one module each, imported only when a folder or a model is looked at.

Other packages add theirs through the entry-point group `rmm_widgets.loaders`: an entry's name is the
loader's, its object a `loading.loader.Loader`. Built-in ones are asked first. One that cannot be imported is
left out, so that it keeps no model of another loader from being loaded.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from ...errors import LoadError, UnsupportedModelError
from ...types import ModelType
from ..loader import Loader
from ..servable import Servable

__all__ = ["ENTRY_POINT_GROUP", "all_loaders", "get_loader", "open_servable", "other_loaders", "set_aside"]

ENTRY_POINT_GROUP = "rmm_widgets.loaders"

_BUILT_IN = (
    "onnxruntime",
    "model2vec",
    "sentence-transformers",
    "masked-diffusion",
    "diffusers",
    "transformers",
    "gguf",
)
"""Names of the loaders; each is the `LOADER` of the module of that name, with "_" for "-"."""

_PARTS = ("name", "library", "preload", "match", "estimate", "open")
_log = logging.getLogger(__name__)
_set_aside: set[str] = set()
"""The loaders whose trouble was logged."""


def all_loaders() -> tuple[Loader, ...]:
    """Every loader that can be imported, in the order in which they are asked."""
    return (*map(_built_in, _BUILT_IN), *other_loaders())


def other_loaders() -> tuple[Loader, ...]:
    """Those of other packages that can be imported."""
    found: list[Loader] = []
    for entry in _entries():
        if entry.name in _BUILT_IN:
            continue
        try:
            found.append(_imported(entry))
        except LoadError as error:
            set_aside(entry.name, error)
    return tuple(found)


def set_aside(name: str, error: Exception) -> None:
    """Say once that a loader of another package cannot be used."""
    if name not in _set_aside:
        _set_aside.add(name)
        _log.warning("the loader %r is left out: %s", name, error)


def get_loader(name: str, *, model_id: str | None = None) -> Loader:
    """The loader of that name.

    Raises:
        UnsupportedModelError: There is none.
        LoadError: It comes from another package and cannot be imported.
    """
    if name in _BUILT_IN:
        return _built_in(name)
    entries = {entry.name: entry for entry in reversed(_entries())}
    if name in entries:
        return _imported(entries[name], model_id)
    others = set(entries) - set(_BUILT_IN)
    raise UnsupportedModelError(
        f"There is no loader {name!r}",
        model_id=model_id,
        hint=f"There is: {', '.join([*_BUILT_IN, *sorted(others)])}; others come with packages that register one.",
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


def _entries() -> tuple[EntryPoint, ...]:
    """What installed packages register; a package installed a moment ago is among them."""
    return _read_entries(tuple(map(_stamp, sys.path)))


@functools.lru_cache(maxsize=1)
def _read_entries(path: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    del path  # where it has not changed, reading the metadata of every package again would only take time
    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def _stamp(folder: str) -> tuple[str, int]:
    try:
        return folder, os.stat(folder or ".").st_mtime_ns  # noqa: PTH116 - text, as in sys.path
    except OSError:
        return folder, 0


def _built_in(name: str) -> Loader:
    return cast("Loader", importlib.import_module(f"{__name__}.{name.replace('-', '_')}").LOADER)


def _imported(entry: EntryPoint, model_id: str | None = None) -> Loader:
    try:
        loader = entry.load()
        lacking = [part for part in _PARTS if not hasattr(loader, part)]
        if lacking:
            raise TypeError(f"it is no loader, for it has no {' and no '.join(lacking)}")
        if loader.name != entry.name:
            raise ValueError(f"it calls itself {loader.name!r}")
    except Exception as error:
        raise LoadError(
            f"The loader {entry.name!r} cannot be imported: {error}",
            model_id=model_id,
            hint=f"It comes from {entry.value!r}; reinstall or remove that package.",
        ) from error
    return cast("Loader", loader)
