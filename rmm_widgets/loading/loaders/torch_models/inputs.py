"""Pictures and texts as tensors, by the repository's own processors."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..texts import NO_LIMIT, text_limit

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Feed", "PictureFeeder", "TextFeeder", "batches", "to_numpy"]

Feed = dict[str, Any]
"""Tensors by the names of a model's arguments."""


class PictureFeeder:
    """Prepares pictures for a model."""

    def __init__(self, processor: Any, model: Any) -> None:
        """`processor` is called with `images` and gives tensors of a batch of one."""
        self._processor = processor
        self._model = model

    def feeds(self, images: Iterable[Image.Image], batch_size: int, **options: Any) -> Iterator[Feed]:
        """Feeds for all pictures, in order; `options` go to the processor."""
        prepared = (
            self._processor(images=image.convert("RGB"), return_tensors="pt", **options).data for image in images
        )
        return batches(prepared, batch_size, self._model)


class TextFeeder:
    """Tokenizes batches of texts for a model."""

    def __init__(self, tokenizer: Any, model: Any, folder: Path) -> None:
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
            model.config.pad_token_id = tokenizer.pad_token_id
        self._tokenizer = tokenizer
        self._model = model
        self._limit = text_limit(folder, model.config.to_dict())

    def feed(self, texts: list[str], limit: int | None) -> Feed:
        """Tensors for one batch, cut after `limit` tokens (None: the model's own limit)."""
        longest = min(limit or NO_LIMIT, self._limit)
        cut = {"truncation": True, "max_length": longest} if longest < NO_LIMIT else {}
        tokens = self._tokenizer(texts, padding=True, return_tensors="pt", **cut)
        return {name: tensor.to(self._model.device) for name, tensor in tokens.items()}


def batches(prepared: Iterable[Feed], batch_size: int, model: Any) -> Iterator[Feed]:
    """Feeds of one input each as feeds of several, on the model's device; those of different sizes never share one."""
    torch: Any = importlib.import_module("torch")
    batch: list[Feed] = []

    def joined() -> Feed:
        feed = {name: torch.cat([each[name] for each in batch]).to(model.device) for name in batch[0]}
        return {name: each.to(model.dtype) if each.is_floating_point() else each for name, each in feed.items()}

    for features in prepared:
        tensors = {name: value for name, value in features.items() if torch.is_tensor(value)}
        if batch and (len(batch) == batch_size or _shapes(batch[0]) != _shapes(tensors)):
            yield joined()
            batch = []
        batch.append(tensors)
    if batch:
        yield joined()


def to_numpy(tensor: Any) -> NDArray[np.float32]:
    """A tensor's values, whatever their precision and device."""
    return tensor.detach().float().cpu().numpy()


def _shapes(feed: Feed) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in feed.items()}
