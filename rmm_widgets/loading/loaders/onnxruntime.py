"""The onnxruntime loader: a servable for each of the five types, from the repository's ONNX files.

Owns the life of the model: dependencies, load, calls by name, probe, settings, unload. What a type
does with its input is in `onnx/`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LoadCancelledError, ModelNotAvailableError, ModelNotLoadedError, RMMError
from ...hub.identify import Evidence, Identity
from ...types import ModelType
from ..config import ModelConfig, parse_config, refuse_settings
from ..dependencies import require
from ..files import list_files
from ..loader import Loader, Match, MemoryEstimate
from ..servable import MAIN_METHOD, Loaded, ProbeAnswer
from .onnx.model import OnnxModel
from .onnx.names import has_all_parts
from .onnx.session import Session

__all__ = ["LOADER", "OnnxLoader", "OnnxServable"]

_MODULES = {
    ModelType.CAPTION_GENERATOR: "captions",
    ModelType.CLASSIFICATION_MODEL: "classification",
    ModelType.DETECTION_MODEL: "detection",
    ModelType.DIFFUSION_LM: "diffusion",
    ModelType.EMBEDDING_MODEL: "embeddings",
}


_LIBRARIES = 45 << 20
"""Bytes of a process with onnxruntime, measured with 1.32."""
_WORKING = 0.5
"""Bytes for a call, as a share of the weights: activations of a small batch."""


class OnnxLoader:
    """ONNX files of any of the five types; see `loading.loader.Loader`."""

    name = "onnxruntime"
    library = "onnxruntime"
    preload = ("onnxruntime",)

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """A folder with the ONNX files that a model of its type is made of."""
        if not has_all_parts(evidence.files, identity.model_type):
            return None
        detail = ", ".join(filter(None, ["*.onnx files", identity.reason]))
        return Match(model_type=identity.model_type, detail=detail)

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """The ONNX files and their external data."""
        del model_type, config  # neither changes what a session takes
        files = [path for path in list_files(folder) if ".onnx" in path]
        weights = sum((folder / path).stat().st_size for path in files)
        return MemoryEstimate(weights=weights, working=int(_WORKING * weights), libraries=_LIBRARIES)

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> OnnxServable:
        """A servable for the ONNX files in a folder.

        Raises:
            MissingDependencyError: A library that this model needs is not installed.
            ModelNotAvailableError: There is no such folder.
        """
        del trusted  # ONNX files hold no code
        if not path.is_dir():
            raise ModelNotAvailableError(
                "The model's folder is not on disk", model_id=model_id, hint="Download the model first."
            )
        require("onnxruntime", *_needed(path), model_id=model_id)
        return OnnxServable(model_id, model_type, path)


class OnnxServable:
    """A model from ONNX files; see `loading.servable.Servable`."""

    def __init__(self, model_id: str, model_type: ModelType, folder: Path) -> None:
        self._model_id = model_id
        self._type = model_type
        self._folder = folder
        self._model: OnnxModel | None = None

    def load(self, config: dict[str, Any], device: str | None, cancelled: Callable[[], bool]) -> Loaded:
        """Open the sessions; `device` is "cpu" (also None) or "cuda", "cuda:1" ..."""
        with self._named():
            settings = self._parse(config)
            place = "cpu" if device is None or settings.force_cpu else device
            opened: list[str] = []

            def open_session(path: Path) -> Session:
                _stop_if(cancelled)
                session = Session.open(path, place)
                opened.append(path.relative_to(self._folder).as_posix())
                return session

            module = importlib.import_module(f"{__package__}.onnx.{_MODULES[self._type]}")
            model: OnnxModel = module.open_model(self._folder, open_session)
            model.configure(settings)
            _stop_if(cancelled)
            self._model = model
            return Loaded(device=place, detail={"files": opened, "library": f"onnxruntime {version('onnxruntime')}"})

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
            self._loaded().configure(self._parse(config))

    def unload(self) -> None:
        """Drop the sessions and what they hold."""
        self._model = None  # nothing refers back to it, so its memory goes at once

    @property
    def model(self) -> OnnxModel:
        """The loaded object itself."""
        return self._loaded()

    def _parse(self, config: dict[str, Any]) -> ModelConfig:
        settings = parse_config(self._type, config)
        refuse_settings(settings, "dtype", "file", loader="onnxruntime")  # the files fix both
        return settings

    def _loaded(self) -> OnnxModel:
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


def _stop_if(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise LoadCancelledError("The load was cancelled")


def _needed(folder: Path) -> list[str]:
    """The libraries besides onnxruntime, going by the repository's files."""
    files = list_files(folder)
    needed = {"preprocessor_config.json": "PIL", "tokenizer.json": "tokenizers"}
    return sorted({module for name, module in needed.items() if any(path.endswith(name) for path in files)})


LOADER: Loader = OnnxLoader()
