"""The transformers loader: classifiers, detectors, captioners and encoders, from safetensors by their Auto classes.

Owns which repositories it takes and what is needed; what a type does with its input is in `torch_models/` and in
the module of that type beside it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import UnsupportedModelError
from ...hub.identify import Evidence, Identity
from ...types import ModelType
from ..estimate import torch_estimate
from ..loader import Loader, Match, MemoryEstimate
from .model import LoadedModel
from .torch_models.holder import TorchServable
from .torch_models.opening import TRANSFORMERS, Opening, check_folder
from .torch_models.weights import weight_files

__all__ = ["LOADER", "TransformersLoader", "TransformersServable"]

_MODULES = {
    ModelType.CAPTION_GENERATOR: "captions",
    ModelType.CLASSIFICATION_MODEL: "classification",
    ModelType.DETECTION_MODEL: "detection",
    ModelType.EMBEDDING_MODEL: "embeddings",
}


class TransformersLoader:
    """Repositories of transformers; see `loading.loader.Loader`."""

    name = "transformers"
    library = "transformers"
    preload = TRANSFORMERS

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """A repository for transformers, of a type that it can do."""
        if identity.library != "transformers" or identity.model_type not in _MODULES:
            return None
        if not evidence.config.get("model_type") or not evidence.has(".safetensors", ".bin"):
            return None
        return Match(model_type=identity.model_type, detail=identity.reason)

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """The weights at the repository's root."""
        return torch_estimate(
            folder, [path for path in weight_files(folder) if "/" not in path], model_type=model_type, config=config
        )

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> TransformersServable:
        """A servable for the model in a folder; see `Loader.open`.

        Raises:
            UnsupportedModelError: transformers has nothing for models of this type.
        """
        check_folder(path, "torch", "transformers", "PIL", extra="transformers", trusted=trusted, model_id=model_id)
        if model_type not in _MODULES:
            raise UnsupportedModelError(
                f"The loader transformers does not load a {model_type.value}",
                model_id=model_id,
                hint="Use the loader masked-diffusion or diffusers.",
            )
        return TransformersServable(model_id, model_type, path, trusted=trusted)


class TransformersServable(TorchServable):
    """A model by transformers."""

    loader = "transformers"
    library = "transformers"

    def build(self, opening: Opening) -> LoadedModel:
        """See `TorchServable.build`."""
        module = importlib.import_module(f"{__package__}.torch_models.{_MODULES[self._type]}")
        model: LoadedModel = module.open_model(opening)
        return model


LOADER: Loader = TransformersLoader()
