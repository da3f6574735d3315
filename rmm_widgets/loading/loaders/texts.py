"""Texts to numbers: the tokenizer of a repository, and the arrays a model is fed with."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import LoadError
from ..files import read_optional_json

__all__ = ["NO_LIMIT", "TEXT_INPUTS", "TextEncoder", "open_tokenizer", "text_limit", "texts_of"]

TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
"""What `TextEncoder` can feed."""

NO_LIMIT = 1_000_000
"""Tokens; what transformers writes for "no limit" is far larger."""


def open_tokenizer(folder: Path) -> Any:
    """The repository's `tokenizer.json` as a `tokenizers.Tokenizer`.

    Raises:
        LoadError: It is missing or damaged.
    """
    tokenizers: Any = importlib.import_module("tokenizers")
    for path in (folder / "tokenizer.json", folder / "tokenizer" / "tokenizer.json"):
        if not path.is_file():
            continue
        try:
            return tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception
            raise LoadError(f"tokenizer.json cannot be read: {error}", hint="Download the model again.") from None
    raise LoadError(
        "The repository has no tokenizer.json",
        hint="Choose a repository with a fast tokenizer; vocabulary files alone are not enough.",
    )


class TextEncoder:
    """Tokenizes batches of texts into the inputs that encoder models take."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        """Open the tokenizer; `config` is the model's config.json."""
        self._tokenizer = open_tokenizer(folder)
        settings = read_optional_json(folder / "tokenizer_config.json") or {}
        pad = settings.get("pad_token")
        pad_token = pad if isinstance(pad, str) else "[PAD]"
        pad_id = self._tokenizer.token_to_id(pad_token)
        self._tokenizer.enable_padding(pad_id=pad_id or 0, pad_token=pad_token)
        self.limit = text_limit(folder, config)

    def encode(self, texts: Sequence[str], limit: int | None) -> dict[str, NDArray[np.int64]]:
        """The arrays for a batch, cut after `limit` tokens (None: the model's own limit)."""
        longest = min(limit or NO_LIMIT, self.limit)
        if longest < NO_LIMIT:
            self._tokenizer.enable_truncation(longest)
        else:
            self._tokenizer.no_truncation()
        rows = self._tokenizer.encode_batch(list(texts))
        ids = np.array([row.ids for row in rows], np.int64)
        mask = np.array([row.attention_mask for row in rows], np.int64)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.array([row.type_ids for row in rows], np.int64),
            "position_ids": np.maximum(mask.cumsum(axis=1) - 1, 0),
        }


def texts_of(value: object) -> tuple[list[str], bool]:
    """What a user gave as a list, and whether it was a single text.

    Raises:
        TypeError: It is neither a text nor a sequence of texts.
    """
    if isinstance(value, str):
        return [value], True
    if not isinstance(value, Sequence) or isinstance(value, bytes | bytearray):
        raise TypeError(f"this model takes a text or a list of texts, not {type(value).__name__}")
    texts: list[str] = []
    for each in cast("Sequence[object]", value):
        if not isinstance(each, str):
            raise TypeError(f"this model takes a list of texts; there is a {type(each).__name__} in it")
        texts.append(each)
    return texts, False


def text_limit(folder: Path, config: dict[str, Any]) -> int:
    """Tokens of the longest text that a repository's model takes; `config` is its config.json."""
    settings = read_optional_json(folder / "tokenizer_config.json") or {}
    sentence = read_optional_json(folder / "sentence_bert_config.json") or {}
    limits = (sentence.get("max_seq_length"), settings.get("model_max_length"), config.get("max_position_embeddings"))
    return min((limit for limit in limits if isinstance(limit, int) and limit > 0), default=NO_LIMIT)
