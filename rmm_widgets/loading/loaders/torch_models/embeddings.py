"""embedding_model: texts or pictures to vectors, by transformers."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...config import EmbeddingModelConfig
from ..embeddings import EmbeddingModel, pooling_of
from ..images import blank_image, read_images
from ..pooling import pool
from ..texts import texts_of
from .inputs import PictureFeeder, TextFeeder, to_numpy
from .opening import Opening

__all__ = ["open_model"]

_POOLER = "pooler"
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model")


class _Texts:
    """Vectors for texts, pooled over their real tokens."""

    def __init__(self, model: Any, feeder: TextFeeder, pooling: str) -> None:
        self._model = model
        self._input = feeder
        self._pooling = pooling
        self.dimension = self.probe()[0].shape[1]

    def read(self, value: object) -> list[Any]:
        return texts_of(value)[0]

    def embed(self, items: list[Any], config: EmbeddingModelConfig) -> NDArray[np.float32]:
        feed = self._input.feed(items, config.max_sequence_length)
        with importlib.import_module("torch").inference_mode():
            values = to_numpy(self._model(**feed).last_hidden_state)
        return pool(values, feed["attention_mask"].cpu().numpy(), self._pooling)

    def probe(self) -> list[NDArray[Any]]:
        return [self.embed(["probe"], EmbeddingModelConfig())]


class _Pictures:
    """Vectors for pictures: what the model itself pools, else the mean over all places."""

    def __init__(self, model: Any, processor: Any, *, pooler: bool) -> None:
        self._model = model
        self._input = PictureFeeder(processor, model)
        self._pooler = pooler
        self.dimension = self.probe()[0].shape[1]

    def read(self, value: object) -> list[Any]:
        return read_images(value)[0]

    def embed(self, items: list[Any], config: EmbeddingModelConfig) -> NDArray[np.float32]:
        with importlib.import_module("torch").inference_mode():
            feeds = self._input.feeds(items, config.batch_size)
            return np.concatenate([self._pooled(self._model(**feed)) for feed in feeds])

    def probe(self) -> list[NDArray[Any]]:
        return [self.embed([blank_image()], EmbeddingModelConfig())]

    def _pooled(self, output: Any) -> NDArray[np.float32]:
        pooled = getattr(output, "pooler_output", None) if self._pooler else None
        if pooled is not None:
            return to_numpy(pooled.flatten(1))  # convolutional models keep (n, dim, 1, 1)
        values = to_numpy(output.last_hidden_state)
        return values.mean(axis=1) if values.ndim == 3 else values.mean(axis=(2, 3))


def open_model(opening: Opening) -> EmbeddingModel:
    """Open the encoder in a folder.

    Raises:
        LoadError: It cannot be opened, or pools in a way of its own.
    """
    transformers: Any = importlib.import_module("transformers")
    config = opening.part(transformers.AutoConfig)
    encoder = _encoder(transformers, config)
    model, no_pooler = opening.model_without(encoder, _POOLER)
    if any((opening.folder / name).is_file() for name in _TOKENIZERS):
        feeder = TextFeeder(opening.part(transformers.AutoTokenizer), model, opening.folder)
        return EmbeddingModel(_Texts(model, feeder, pooling_of(opening.folder)))
    processor = opening.part(transformers.AutoImageProcessor)
    return EmbeddingModel(_Pictures(model, processor, pooler=not no_pooler))


def _encoder(transformers: Any, config: Any) -> Any:
    """The class to open: the one that the repository names where it is a bare model, as T5's encoder is."""
    named = (config.architectures or [""])[0]
    known = getattr(transformers, named, None) if named.endswith("Model") else None
    return known or transformers.AutoModel
