"""The loaders: one module each, found by name and imported only when a model needs it.

Other packages add theirs through the entry-point group `rmm_widgets.loaders`: an entry's name is the
loader's, its object a function with the signature of `ServableFactory`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Protocol, cast

from ...errors import LoadError, UnsupportedModelError
from ..servable import Servable

__all__ = ["ENTRY_POINT_GROUP", "ServableFactory", "open_servable"]

ENTRY_POINT_GROUP = "rmm_widgets.loaders"

_BUILT_IN = {"onnxruntime": "onnxruntime"}
"""Loader to the module of this package with its `open_servable`."""


class ServableFactory(Protocol):
    """Makes a servable for a folder; nothing heavy happens before its `load`."""

    def __call__(self, *, model_id: str, model_type: str, path: str) -> Servable:
        """See `open_servable`."""
        ...


def open_servable(loader: str, *, model_id: str, model_type: str, path: str) -> Servable:
    """A servable for the model in a folder; nothing is loaded yet.

    Args:
        loader: What `detect` found.
        model_id: For messages.
        model_type: A `ModelType` value.
        path: The model's folder.

    Raises:
        UnsupportedModelError: There is no such loader.
        MissingDependencyError: The loader's library is not installed.
    """
    factory = _built_in(loader) or _from_entry_point(loader, model_id)
    if factory is None:
        raise UnsupportedModelError(
            f"There is no loader {loader!r}",
            model_id=model_id,
            hint=f"Built in: {', '.join(_BUILT_IN)}; others come with packages that register one.",
        )
    return factory(model_id=model_id, model_type=model_type, path=path)


def _built_in(loader: str) -> ServableFactory | None:
    module = _BUILT_IN.get(loader)
    if module is None:
        return None
    return cast("ServableFactory", importlib.import_module(f"{__name__}.{module}").open_servable)


def _from_entry_point(loader: str, model_id: str) -> ServableFactory | None:
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=loader):
        try:
            return cast("ServableFactory", entry.load())
        except Exception as error:
            raise LoadError(
                f"The loader {loader!r} cannot be imported: {error}",
                model_id=model_id,
                hint=f"It comes from {entry.value!r}; reinstall or remove that package.",
            ) from error
    return None
