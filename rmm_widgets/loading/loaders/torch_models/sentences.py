"""embedding_model and classification_model of sentence-transformers: sentence encoders and cross-encoders."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from ....errors import UnsupportedModelError
from ...config import ClassificationModelConfig, EmbeddingModelConfig
from ...files import read_optional_json
from ..classification import ClassificationModel, Input
from ..embeddings import EmbeddingModel
from ..holder import stop_if
from ..texts import texts_of
from .devices import torch_dtype
from .opening import Opening

__all__ = ["open_cross_encoder", "open_encoder"]

_Pair = tuple[str, str]


class _Encoder:
    """Vectors by all modules of the repository."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._limit = model.max_seq_length
        self.dimension = self.probe()[0].shape[1]

    def read(self, value: object) -> list[Any]:
        return texts_of(value)[0]

    def embed(self, items: list[Any], config: EmbeddingModelConfig) -> NDArray[np.float32]:
        _limit(self._model, config.max_sequence_length, self._limit)
        vectors = self._model.encode(
            items, batch_size=config.batch_size, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, np.float32)

    def probe(self) -> list[NDArray[Any]]:
        return [self.embed(["probe"], EmbeddingModelConfig())]


class _CrossEncoder:
    """Logits for pairs of texts."""

    takes: ClassVar[Input] = "pair"

    def __init__(self, model: Any) -> None:
        self._model = model
        self._limit = model.max_seq_length

    def logits(self, value: object, config: ClassificationModelConfig) -> tuple[list[NDArray[Any]], bool]:
        pairs, single = _pairs_of(value)
        if not pairs:
            return [], single
        _limit(self._model, config.max_sequence_length, self._limit)
        scores = self._model.predict(
            pairs,
            batch_size=config.batch_size,
            show_progress_bar=False,
            activation_fn=importlib.import_module("torch").nn.Identity(),
            convert_to_numpy=True,
        )
        return list(np.asarray(scores, np.float32).reshape(len(pairs), -1)), single

    def probe(self) -> list[NDArray[Any]]:
        return self.logits(("a probe", "another"), ClassificationModelConfig())[0]


def open_encoder(opening: Opening) -> EmbeddingModel:
    """Open the sentence encoder in a folder.

    Raises:
        LoadError: It cannot be opened.
    """
    return EmbeddingModel(_Encoder(_open(opening, "SentenceTransformer")))


def open_cross_encoder(opening: Opening) -> ClassificationModel:
    """Open the cross-encoder in a folder.

    Raises:
        LoadError: It cannot be opened, or is none.
    """
    config = read_optional_json(opening.folder / "config.json") or {}
    named = str(next(iter(config.get("architectures") or []), ""))
    if not named.endswith("ForSequenceClassification"):
        # The library would put a head of random numbers on any other model.
        raise UnsupportedModelError(
            f"The repository holds a {named or 'model without a name'}, not a cross-encoder",
            hint="Give the model's right type, or choose a repository with a cross-encoder.",
        )
    return ClassificationModel(_CrossEncoder(_open(opening, "CrossEncoder")), config)


def _open(opening: Opening, name: str) -> Any:
    stop_if(opening.cancelled)
    library: Any = importlib.import_module("sentence_transformers")
    weights = {"dtype": torch_dtype(opening.dtype), "use_safetensors": None if opening.trusted else True}
    model = getattr(library, name)(
        str(opening.folder), device=opening.device, model_kwargs=weights, **opening.offline()
    )
    stop_if(opening.cancelled)
    return model.eval()


def _limit(model: Any, asked: int | None, most: int | None) -> None:
    """Cut texts there from now on; `most` is the repository's own limit. Calls come one at a time."""
    wanted = min((limit for limit in (asked, most) if limit), default=None)
    if wanted is not None and model.max_seq_length != wanted:
        model.max_seq_length = wanted


def _pairs_of(value: object) -> tuple[list[_Pair], bool]:
    """What a user gave as a list of pairs, and whether it was a single pair.

    Raises:
        TypeError: It is neither.
    """
    if _is_pair(value):
        return [cast("_Pair", tuple(cast("Sequence[str]", value)))], True
    if not isinstance(value, list | tuple):
        raise TypeError(f"this model compares two texts: give a pair or a list of pairs, not {type(value).__name__}")
    pairs: list[_Pair] = []
    for each in cast("Sequence[object]", value):
        if not _is_pair(each):
            raise TypeError(
                "this model compares two texts: give a pair or a list of pairs; there is another thing in it"
            )
        pairs.append(cast("_Pair", tuple(cast("Sequence[str]", each))))
    return pairs, False


def _is_pair(value: object) -> bool:
    if not isinstance(value, list | tuple):
        return False
    texts = cast("Sequence[object]", value)
    return len(texts) == 2 and all(isinstance(text, str) for text in texts)
