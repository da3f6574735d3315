"""The model2vec loader: static embeddings, a table of vectors that a text's tokens are looked up in. No torch.

Owns which repositories it takes and how one is opened; what is done with the vectors is in `embeddings.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LoadError, UnsupportedModelError
from ...hub.identify import Evidence, Identity
from ...types import ModelType
from ..config import EmbeddingModelConfig, ModelConfig, refuse_settings
from ..dependencies import require, version_of
from ..estimate import model2vec_estimate
from ..files import require_folder
from ..loader import Loader, Match, MemoryEstimate
from ..servable import Loaded
from .embeddings import EmbeddingModel
from .holder import ModelHolder, stop_if
from .texts import texts_of

__all__ = ["LOADER", "Model2VecLoader", "Model2VecServable"]


class Model2VecLoader:
    """Repositories of model2vec; see `loading.loader.Loader`."""

    name = "model2vec"
    library = "model2vec"
    preload = ("model2vec",)

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """A repository made for model2vec, with its table."""
        if identity.library != self.library or not evidence.has(".safetensors"):
            return None
        return Match(model_type=ModelType.EMBEDDING_MODEL, detail=identity.reason)

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """The table; what a call adds is small."""
        del model_type
        return model2vec_estimate(folder, dtype=str(config.get("dtype", "auto")))

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> Model2VecServable:
        """A servable for the model in a folder; see `Loader.open`.

        Raises:
            UnsupportedModelError: It is to be something else than an embedding model.
            ModelNotAvailableError: There is no such folder.
        """
        del trusted  # neither tables nor tokenizers hold code
        if model_type is not ModelType.EMBEDDING_MODEL:
            raise UnsupportedModelError(
                f"model2vec gives embeddings; it has nothing for a {model_type.value}",
                model_id=model_id,
                hint="Register the model as an embedding_model.",
            )
        require_folder(path, model_id=model_id)
        require("model2vec", model_id=model_id)
        return Model2VecServable(model_id, model_type, path)


class Model2VecServable(ModelHolder):
    """A static embedding model; see `loading.servable.Servable`."""

    loader = "model2vec"
    fixed = ("file",)  # there is one table

    def open_model(
        self, settings: ModelConfig, device: str | None, cancelled: Callable[[], bool]
    ) -> tuple[EmbeddingModel, Loaded]:
        """Read the table and the tokenizer.

        Raises:
            LoadError: They are damaged, or another device than the CPU was asked for.
        """
        if device not in {None, "cpu"} and not settings.force_cpu:
            raise LoadError(
                f"model2vec runs on the CPU only, not on {device!r}", hint="Load it with device='cpu', or without one."
            )
        stop_if(cancelled)
        static = _read(self._folder, settings.dtype)
        library = f"model2vec {version_of('model2vec')}"
        return EmbeddingModel(_Embedder(static)), Loaded(device="cpu", detail={"library": library})

    def _parse(self, config: dict[str, Any]) -> ModelConfig:
        settings = super()._parse(config)
        if settings.dtype == "bfloat16":  # numpy, which holds the table, has none
            refuse_settings(settings, "dtype", loader=self.loader)
        return settings


class _Embedder:
    """Vectors for texts."""

    def __init__(self, static: Any) -> None:
        self._static = static
        self.dimension = int(static.dim)

    def read(self, value: object) -> list[Any]:
        return texts_of(value)[0]

    def embed(self, items: list[Any], config: EmbeddingModelConfig) -> NDArray[np.float32]:
        longest = config.max_sequence_length or getattr(self._static, "max_length", 512)
        vectors = self._static.encode(
            items, max_length=longest, normalize=False, batch_size=len(items), use_multiprocessing=False
        )
        return np.asarray(vectors, np.float32)

    def probe(self) -> list[NDArray[Any]]:
        return [self.embed(["probe"], EmbeddingModelConfig())]


def _read(folder: Path, dtype: str) -> Any:
    model2vec: Any = importlib.import_module("model2vec")
    try:
        return model2vec.StaticModel.from_pretrained(folder, quantize_to=None if dtype == "auto" else dtype)
    except Exception as error:  # tokenizers and safetensors raise bare Exception
        raise LoadError(
            f"model2vec cannot read the model: {error}",
            hint="Run `%rmm verify` on it, then download it again; if it stays so, the repository is broken.",
        ) from error


LOADER: Loader = Model2VecLoader()
