"""embedding_model: texts to vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ....errors import UnsupportedModelError
from ...config import EmbeddingModelConfig
from ...files import read_optional_json
from ..embeddings import EmbeddingModel, pooling_of
from ..pooling import pool
from ..texts import TEXT_INPUTS, TextEncoder, texts_of
from .names import WHOLE
from .session import Array, Opener, Session, find_file

__all__ = ["open_model"]

_POOLED = ("sentence_embedding", "text_embeds", "embeddings")
_PER_TOKEN = ("last_hidden_state", "token_embeddings")


class _Embedder:
    """Vectors for texts."""

    def __init__(self, session: Session, encoder: TextEncoder, output: str, pooling: str | None) -> None:
        self._session = session
        self._encoder = encoder
        self._output = output
        self._pooling = pooling
        self.dimension = session.output_size(output, -1) or len(self.probe()[0][0])

    def read(self, value: object) -> list[Any]:
        return texts_of(value)[0]

    def embed(self, items: list[Any], config: EmbeddingModelConfig) -> NDArray[np.float32]:
        feed = self._encoder.encode(items, config.max_sequence_length)
        values = self._session.run(feed, [self._output])[0].astype(np.float32)
        return pool(values, feed["attention_mask"], self._pooling) if self._pooling else values

    def probe(self) -> list[Array]:
        return [self.embed(["probe"], EmbeddingModelConfig())]


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
            return EmbeddingModel(_Embedder(session, encoder, name, None))
    for name in _PER_TOKEN:
        if name in session.outputs:
            _refuse_other_modules(folder)
            return EmbeddingModel(_Embedder(session, encoder, name, pooling_of(folder)))
    raise UnsupportedModelError(
        f"{session.name} gives {', '.join(session.outputs)}; none of them is an embedding",
        hint="Choose an export with a sentence_embedding or last_hidden_state.",
    )


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
