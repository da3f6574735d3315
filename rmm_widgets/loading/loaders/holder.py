"""A servable around one `LoadedModel`: load, calls by name, probe, settings, unload.

How the model is opened is the matter of each loader.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LoadCancelledError, ModelNotLoadedError, RMMError
from ...types import ModelType
from ..config import ModelConfig, parse_config
from ..servable import MAIN_METHOD, Loaded, ProbeAnswer
from .model import LoadedModel

__all__ = ["ModelHolder", "stop_if"]


class ModelHolder(ABC):
    """Holds the model in a folder; see `loading.servable.Servable`."""

    def __init__(self, model_id: str, model_type: ModelType, folder: Path) -> None:
        self._model_id = model_id
        self._type = model_type
        self._folder = folder
        self._model: LoadedModel | None = None

    @abstractmethod
    def open_model(
        self, settings: ModelConfig, device: str | None, cancelled: Callable[[], bool]
    ) -> tuple[LoadedModel, Loaded]:
        """The model in memory, not yet configured; see `Servable.load`."""

    def load(self, config: dict[str, Any], device: str | None, cancelled: Callable[[], bool]) -> Loaded:
        """Bring the model into memory; see `Servable.load`."""
        with self._named():
            settings = parse_config(self._type, config)
            model, loaded = self.open_model(settings, device, cancelled)
            model.configure(settings)
            stop_if(cancelled)
            self._model = model
            return loaded

    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one of the model's public methods.

        Raises:
            AttributeError: The model has no such method.
        """
        model = self._loaded()
        if method not in model.methods:
            public = ", ".join(name for name in model.methods if name != MAIN_METHOD)
            raise AttributeError(
                f"this {self._type.value} has no method {method!r}; "
                + (f"besides calling it there is: {public}" if public else "it can only be called")
            )
        return getattr(model, method)(*args, **kwargs)

    def probe(self) -> ProbeAnswer:
        """A tiny real inference; healthy where it ends and gives finite numbers."""
        if self._model is None:
            return ProbeAnswer(healthy=False, detail="the model is not loaded")
        try:
            outputs = self._model.probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, the model is not well
            return ProbeAnswer(healthy=False, detail=f"{type(error).__name__}: {error}")
        if not all(np.isfinite(output).all() for output in outputs):
            return ProbeAnswer(healthy=False, detail="the model's answer holds numbers that are not finite")
        return ProbeAnswer(healthy=True)

    def update_config(self, config: dict[str, Any]) -> None:
        """Use a complete configuration from the next call on; where it is wrong, the old one stays."""
        with self._named():
            self._loaded().configure(parse_config(self._type, config))

    def unload(self) -> None:
        """Drop the model and what it holds."""
        self._model = None  # nothing refers back to it, so its memory goes at once

    @property
    def model(self) -> LoadedModel:
        """The loaded object itself."""
        return self._loaded()

    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise ModelNotLoadedError(
                "The model is not in memory", model_id=self._model_id, hint="Load it first: manager.load_model(...)."
            )
        return self._model

    @contextmanager
    def _named(self) -> Generator[None]:
        """Errors of ours say which model they are about."""
        try:
            yield
        except RMMError as error:
            error.model_id = error.model_id or self._model_id
            raise


def stop_if(cancelled: Callable[[], bool]) -> None:
    """Give up a load between two of its steps.

    Raises:
        LoadCancelledError: It was cancelled.
    """
    if cancelled():
        raise LoadCancelledError("The load was cancelled")
