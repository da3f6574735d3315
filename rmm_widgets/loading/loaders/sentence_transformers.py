"""The sentence-transformers loader: sentence encoders, and cross-encoders as classifiers of pairs of texts.

Owns which repositories it takes and what is needed; what the models do is in `torch_models/sentences.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import UnsupportedModelError
from ...hub.identify import Evidence, Identity
from ...types import ModelType
from ..estimate import torch_estimate
from ..loader import Loader, Match, MemoryEstimate
from .model import LoadedModel
from .torch_models.holder import TorchServable
from .torch_models.opening import Opening, check_folder
from .torch_models.sentences import open_cross_encoder, open_encoder
from .torch_models.weights import weight_files

__all__ = ["LOADER", "SentenceServable", "SentenceTransformersLoader"]

_OPENERS: dict[ModelType, Callable[[Opening], LoadedModel]] = {
    ModelType.EMBEDDING_MODEL: open_encoder,
    ModelType.CLASSIFICATION_MODEL: open_cross_encoder,
}


class SentenceTransformersLoader:
    """Repositories of sentence-transformers; see `loading.loader.Loader`."""

    name = "sentence-transformers"
    library = "sentence-transformers"
    preload = ("sentence_transformers",)

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """A repository for sentence-transformers, with weights for torch."""
        if identity.library != "sentence-transformers" or identity.model_type not in _OPENERS:
            return None
        if not evidence.has(".safetensors", ".bin"):
            return None
        return Match(model_type=identity.model_type, detail=identity.reason)

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """The weights of all modules."""
        return torch_estimate(folder, weight_files(folder), model_type=model_type, config=config)

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> SentenceServable:
        """A servable for the model in a folder; see `Loader.open`.

        Raises:
            UnsupportedModelError: sentence-transformers has nothing for models of this type.
        """
        check_folder(path, "sentence_transformers", extra="sentence-transformers", trusted=trusted, model_id=model_id)
        if model_type not in _OPENERS:
            raise UnsupportedModelError(
                f"The loader sentence-transformers does not load a {model_type.value}",
                model_id=model_id,
                hint="It loads embedding models, and cross-encoders as classification models.",
            )
        return SentenceServable(model_id, model_type, path, trusted=trusted)


class SentenceServable(TorchServable):
    """A model by sentence-transformers."""

    loader = "sentence-transformers"
    library = "sentence-transformers"

    def build(self, opening: Opening) -> LoadedModel:
        """See `TorchServable.build`."""
        return _OPENERS[self._type](opening)


LOADER: Loader = SentenceTransformersLoader()
