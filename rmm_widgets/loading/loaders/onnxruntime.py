"""The onnxruntime loader: a servable for each of the five types, from the repository's ONNX files.

Owns what it needs and what is opened; the model's life is in `holder`, what a type does with its input in
`onnx/` and in the module of that type beside it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...hub.identify import Evidence, Identity
from ...types import ModelType
from ..config import ModelConfig
from ..dependencies import require, version_of
from ..estimate import onnx_estimate
from ..files import list_files, require_folder
from ..loader import Loader, Match, MemoryEstimate
from ..servable import Loaded
from .holder import ModelHolder, stop_if
from .model import LoadedModel
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


class OnnxLoader:
    """ONNX files of any of the five types; see `loading.loader.Loader`."""

    name = "onnxruntime"
    library = "onnxruntime"
    preload = ("onnxruntime", *(f"{__package__}.onnx.{module}" for module in _MODULES.values()))

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """A folder with the ONNX files that a model of its type is made of."""
        if not has_all_parts(evidence.files, identity.model_type):
            return None
        detail = ", ".join(filter(None, ["*.onnx files", identity.reason]))
        return Match(model_type=identity.model_type, detail=detail)

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """The ONNX files with their external data, and the batch that the configuration allows."""
        return onnx_estimate(folder, model_type, config)

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> OnnxServable:
        """A servable for the ONNX files in a folder.

        Raises:
            MissingDependencyError: A library that this model needs is not installed.
            ModelNotAvailableError: There is no such folder.
        """
        del trusted  # ONNX files hold no code
        require_folder(path, model_id=model_id)
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # in the kernel, too, where nobody wants to be reported
        require("onnxruntime", *_needed(path), model_id=model_id)
        return OnnxServable(model_id, model_type, path)


class OnnxServable(ModelHolder):
    """A model from ONNX files."""

    loader = "onnxruntime"
    fixed = ("dtype", "file")

    def open_model(
        self, settings: ModelConfig, device: str | None, cancelled: Callable[[], bool]
    ) -> tuple[LoadedModel, Loaded]:
        """Open the sessions; `device` is "cpu" (also None) or "cuda", "cuda:1" ..."""
        place = "cpu" if device is None or settings.force_cpu else device
        opened: list[str] = []

        def open_session(path: Path) -> Session:
            stop_if(cancelled)
            session = Session.open(path, place)
            opened.append(path.relative_to(self._folder).as_posix())
            return session

        module = importlib.import_module(f"{__package__}.onnx.{_MODULES[self._type]}")
        model: LoadedModel = module.open_model(self._folder, open_session)
        detail = {"files": opened, "library": f"onnxruntime {version_of('onnxruntime')}"}
        return model, Loaded(device=place, detail=detail)


def _needed(folder: Path) -> list[str]:
    """The libraries besides onnxruntime, going by the repository's files."""
    files = list_files(folder)
    needed = {"preprocessor_config.json": "PIL", "tokenizer.json": "tokenizers"}
    return sorted({module for name, module in needed.items() if any(path.endswith(name) for path in files)})


LOADER: Loader = OnnxLoader()
