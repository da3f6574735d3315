"""embedding_model: texts to vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ....errors import InvalidConfigError, UnsupportedModelError
from ...config import EmbeddingModelConfig
from ...files import read_optional_json
from ..pooling import POOLINGS, pool
from ..texts import TEXT_INPUTS, TextEncoder, texts_of
from .model import Opener
from .names import WHOLE
from .session import Array, Session, find_file

__all__ = ["EmbeddingModel", "open_model"]

_POOLED = ("sentence_embedding", "text_embeds", "embeddings")
_PER_TOKEN = ("last_hidden_state", "token_embeddings")


class EmbeddingModel:
    """Turns texts into vectors whose angles say how alike the texts are."""

    methods: ClassVar[tuple[str, ...]] = ("__call__", "similarity")

    def __init__(self, session: Session, encoder: TextEncoder, output: str, pooling: str | None) -> None:
        self._session = session
        self._encoder = encoder
        self._output = output
        self._pooling = pooling
        self._config = EmbeddingModelConfig()
        self._dimension = session.output_size(output, -1) or len(self.probe()[0][0])

    def configure(self, config: EmbeddingModelConfig) -> None:
        """Use these settings from the next call on; see `OnnxModel.configure`."""
        if config.dimension is not None and config.dimension > self._dimension:
            raise InvalidConfigError(
                f"dimension is {config.dimension}, but the model has {self._dimension}",
                hint=f"Give a number from 1 to {self._dimension}, or None for all.",
            )
        self._config = config

    def __call__(self, texts: object) -> NDArray[np.float32]:
        """float32 (n, dim) for a text or a list of texts."""
        config = self._config
        given, _ = texts_of(texts)
        starts = range(0, len(given), config.batch_size)
        rows = [self._embed(given[start : start + config.batch_size], config) for start in starts]
        vectors = np.concatenate(rows) if rows else np.zeros((0, self._dimension), np.float32)
        vectors = vectors[:, : config.dimension]
        return _normalized(vectors) if config.normalize else np.ascontiguousarray(vectors)

    def similarity(self, first: object, second: object) -> NDArray[np.float32]:
        """Cosine of the angle between each of `first` and each of `second`: float32 (n, m), -1 to 1."""
        return _normalized(self(first)) @ _normalized(self(second)).T

    def probe(self) -> list[Array]:
        """Raw outputs for a tiny input."""
        return [self._embed(["probe"], self._config)]

    def _embed(self, texts: list[str], config: EmbeddingModelConfig) -> NDArray[np.float32]:
        feed = self._encoder.encode(texts, config.max_sequence_length)
        values = self._session.run(feed, [self._output])[0].astype(np.float32)
        return pool(values, feed["attention_mask"], self._pooling) if self._pooling else values


def open_model(folder: Path, open_session: Opener) -> EmbeddingModel:
    """Open the text encoder in a folder.

    Raises:
        LoadError: It cannot be opened, takes no texts, or needs a layer that the file lacks.
    """
    session = open_session(find_file(folder, *WHOLE))
    if "input_ids" not in session.inputs:
        raise UnsupportedModelError(
            f"{session.name} takes {', '.join(session.inputs)}, not texts", hint="Choose an encoder for texts."
        )
    session.expect(*TEXT_INPUTS)
    encoder = TextEncoder(folder, read_optional_json(folder / "config.json") or {})
    for name in _POOLED:
        if name in session.outputs:
            return EmbeddingModel(session, encoder, name, None)
    for name in _PER_TOKEN:
        if name in session.outputs:
            return EmbeddingModel(session, encoder, name, _pooling(folder))
    raise UnsupportedModelError(
        f"{session.name} gives {', '.join(session.outputs)}; none of them is an embedding",
        hint="Choose an export with a sentence_embedding or last_hidden_state.",
    )


def _pooling(folder: Path) -> str:
    """How the repository makes one vector of many, where its ONNX file leaves that to others."""
    _refuse_other_modules(folder)
    config: dict[str, Any] = read_optional_json(folder / "1_Pooling" / "config.json") or {}
    chosen = [name for name, key in POOLINGS.items() if config.get(key) or config.get("pooling_mode") == name]
    asked = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    if len(chosen) > 1 or (asked and not chosen):
        raise UnsupportedModelError(
            f"The repository pools by {', '.join(asked)}, which this loader does not know",
            hint="Choose an export whose ONNX file has a sentence_embedding output.",
        )
    return chosen[0] if chosen else "mean"


def _refuse_other_modules(folder: Path) -> None:
    try:
        modules: Any = msgspec.json.decode((folder / "modules.json").read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    strange = [kind for kind in kinds if kind not in {"Transformer", "Pooling", "Normalize"}]
    if strange:
        raise UnsupportedModelError(
            f"The repository adds a {strange[0]} layer that its ONNX file lacks",
            hint="Choose an export whose ONNX file has a sentence_embedding output.",
        )


def _normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
