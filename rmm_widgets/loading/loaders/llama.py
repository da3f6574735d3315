"""What a model that llama.cpp has in memory can do: embeddings, and for models that write, text.

`gguf.py` opens it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidConfigError
from ..config import EmbeddingModelConfig
from .embeddings import EmbeddingModel
from .texts import texts_of

__all__ = ["LlamaEmbedder", "LlamaEncoder", "LlamaWriter"]


class LlamaEmbedder:
    """Vectors for texts; implements `embeddings.Embedder`.

    Attributes:
        longest: Tokens of the longest text; what is longer is cut.
        context: Tokens that a writing model may have read and written.
    """

    def __init__(self, llama: Any) -> None:
        """Wrap a `llama_cpp.Llama` that was opened for embeddings and pools them."""
        self.llama = llama
        self.dimension = int(llama.n_embd())
        self.longest = int(llama.n_batch)
        self.context = int(llama.n_ctx())

    def read(self, value: object) -> list[Any]:
        """Texts; see `Embedder.read`."""
        return texts_of(value)[0]

    def embed(self, items: list[Any], config: EmbeddingModelConfig) -> NDArray[np.float32]:
        """Vectors for one batch; an empty text is all zeros."""
        # llama-cpp-python cuts texts to the size of its batch, and has no other way to say where.
        self.llama.n_batch = min(config.max_sequence_length or self.longest, self.longest)
        try:
            rows = [self.llama.embed(text) if self._has_tokens(text) else [0.0] * self.dimension for text in items]
        finally:
            self.llama.n_batch = self.longest
        return np.asarray(rows, np.float32).reshape(len(items), self.dimension)

    def probe(self) -> list[NDArray[Any]]:
        """Raw outputs for a tiny input."""
        return [self.embed(["probe"], EmbeddingModelConfig())]

    def _has_tokens(self, text: str) -> bool:
        return bool(text) or bool(self.llama.tokenize(b""))


class LlamaEncoder(EmbeddingModel):
    """An embedding_model."""

    def __init__(self, source: LlamaEmbedder) -> None:
        super().__init__(source)
        self._llama = source.llama
        self._longest = source.longest

    def configure(self, config: EmbeddingModelConfig) -> None:
        """Use these settings from the next call on; see `LoadedModel.configure`."""
        if config.max_sequence_length is not None and config.max_sequence_length > self._longest:
            raise InvalidConfigError(
                f"max_sequence_length is {config.max_sequence_length}, but there is room for {self._longest} tokens",
                hint="Where the model can read more, unload it and load it with this setting.",
            )
        super().configure(config)

    def close(self) -> None:
        """Free the context and the file; the model cannot be used any more."""
        self._llama.close()


class LlamaWriter(LlamaEncoder):
    """An embedding_model that can also write on from a text."""

    methods: ClassVar[tuple[str, ...]] = (*LlamaEncoder.methods, "generate")

    def __init__(self, source: LlamaEmbedder, cancelled: Callable[[], bool]) -> None:
        """Wrap a model; `cancelled` is asked between tokens."""
        super().__init__(source)
        self._context = source.context
        self._cancelled = cancelled

    def generate(
        self,
        prompt: object,
        max_new_tokens: object = 64,
        temperature: object = 0.0,
        on_token: Callable[[str], object] | None = None,
    ) -> str:
        """What the model writes after `prompt`, token by token; no chat template is put around it.

        Args:
            prompt: A text.
            max_new_tokens: At most so many; the prompt and they must fit into the context.
            temperature: 0 takes the likeliest token, 1 draws as the model learnt.
            on_token: Is given each new piece of text as it comes.

        Raises:
            TypeError: The prompt is no text, or `on_token` cannot be called.
            ValueError: A number is out of its range, or the prompt is too long.
        """
        if not isinstance(prompt, str):
            raise TypeError(f"prompt must be a text, not {type(prompt).__name__}")
        if on_token is not None and not callable(on_token):
            raise TypeError(f"on_token must be callable, not {type(on_token).__name__}")
        if type(max_new_tokens) is not int or max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {max_new_tokens!r}; it must be a whole number from 1")
        if not isinstance(temperature, int | float) or not 0 <= temperature <= 100:
            raise ValueError(f"temperature is {temperature!r}; it must be a number from 0 to 100")
        tokens = len(self._llama.tokenize(prompt.encode(), special=True))
        if tokens + max_new_tokens > self._context:
            raise ValueError(
                f"the prompt has {tokens} tokens and {max_new_tokens} shall follow, but the context has room for "
                f"{self._context}; shorten it, or load the model with a larger max_sequence_length"
            )
        return self._write(prompt, max_new_tokens, float(temperature), on_token)

    def _write(
        self, prompt: str, max_new_tokens: int, temperature: float, on_token: Callable[[str], object] | None
    ) -> str:
        written: list[str] = []
        switch: Any = importlib.import_module("llama_cpp").llama_set_embeddings
        self._llama.reset()
        switch(self._llama.ctx, False)  # else every token of the prompt costs as much as a new one
        try:
            pieces = self._llama.create_completion(
                prompt, max_tokens=max_new_tokens, temperature=temperature, stream=True
            )
            for piece in pieces:
                text = piece["choices"][0]["text"]
                if self._cancelled():
                    break
                if text:
                    written.append(text)
                    if on_token is not None:
                        on_token(text)
        finally:
            switch(self._llama.ctx, True)
        return "".join(written)
