"""embedding_model: vectors cut, scaled and compared as the user asked. Which library computes them is all one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidConfigError, UnsupportedModelError
from ..config import EmbeddingModelConfig
from ..files import read_optional_json
from .pooling import POOLINGS

__all__ = ["Embedder", "EmbeddingModel", "pooling_of"]


class Embedder(Protocol):
    """Computes the vectors."""

    @property
    def dimension(self) -> int:
        """How long they are."""
        ...

    def read(self, value: object) -> list[Any]:
        """What a user gave, as a list of inputs.

        Raises:
            TypeError, ValueError: It is not what the model takes.
        """
        ...

    def embed(self, items: list[Any], config: EmbeddingModelConfig) -> NDArray[np.float32]:
        """Vectors (n, dimension) for one batch, as the model gives them."""
        ...

    def probe(self) -> list[NDArray[Any]]:
        """The same for a tiny input."""
        ...


class EmbeddingModel:
    """Turns texts or pictures into vectors whose angles say how alike they are."""

    methods: ClassVar[tuple[str, ...]] = ("__call__", "similarity")

    def __init__(self, source: Embedder) -> None:
        self._source = source
        self._config = EmbeddingModelConfig()

    def configure(self, config: EmbeddingModelConfig) -> None:
        """Use these settings from the next call on; see `LoadedModel.configure`."""
        longest = self._source.dimension
        if config.dimension is not None and config.dimension > longest:
            raise InvalidConfigError(
                f"dimension is {config.dimension}, but the model has {longest}",
                hint=f"Give a number from 1 to {longest}, or None for all.",
            )
        self._config = config

    def __call__(self, texts: object) -> NDArray[np.float32]:
        """float32 (n, dim) for a text or a list of texts; for a model of pictures, for pictures."""
        config = self._config
        given = self._source.read(texts)
        starts = range(0, len(given), config.batch_size)
        rows = [self._source.embed(given[start : start + config.batch_size], config) for start in starts]
        vectors = np.concatenate(rows) if rows else np.zeros((0, self._source.dimension), np.float32)
        vectors = vectors[:, : config.dimension]
        return _normalized(vectors) if config.normalize else np.ascontiguousarray(vectors)

    def similarity(self, first: object, second: object) -> NDArray[np.float32]:
        """Cosine of the angle between each of `first` and each of `second`: float32 (n, m), -1 to 1."""
        return _normalized(self(first)) @ _normalized(self(second)).T

    def probe(self) -> list[NDArray[Any]]:
        """Raw outputs for a tiny input."""
        return self._source.probe()


def pooling_of(folder: Path) -> str:
    """How the repository makes one vector of many: one of `POOLINGS`, the mean where it does not say.

    Raises:
        UnsupportedModelError: It pools in a way of its own.
    """
    config: dict[str, Any] = read_optional_json(folder / "1_Pooling" / "config.json") or {}
    chosen = [name for name, key in POOLINGS.items() if config.get(key) or config.get("pooling_mode") == name]
    asked = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    if len(chosen) > 1 or (asked and not chosen):
        raise UnsupportedModelError(
            f"The repository pools by {', '.join(asked)}, which this loader does not know",
            hint="Load it with the loader sentence-transformers, or choose an export whose ONNX file has a "
            "sentence_embedding output.",
        )
    return chosen[0] if chosen else "mean"


def _normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
