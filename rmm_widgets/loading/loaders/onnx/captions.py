"""caption_generator: pictures to sentences, with an encoder for pictures and a decoder for words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from ....errors import LoadError, UnsupportedModelError
from ...config import CaptionGeneratorConfig
from ...files import read_optional_json
from ..captions import Caption, CaptionGenerator
from ..images import blank_image
from ..scores import softmax
from ..texts import open_tokenizer
from .image_input import ImageInput, image_input_name
from .names import DECODER, ENCODER
from .session import Array, Opener, Session, find_file

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["open_model"]

_DECODER_INPUTS = ("input_ids", "attention_mask", "encoder_hidden_states", "encoder_attention_mask")
_DEFAULT_LENGTH = 50


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """How the repository wants sentences begun and ended.

    Attributes:
        start: The first token.
        stop: Tokens that end a sentence.
        length: Longest sentence in tokens, without the first.
        positions: Tokens that the decoder can hold.
    """

    start: int
    stop: frozenset[int]
    length: int
    positions: int


class _Captioner:
    """Writes sentences word by word; all pictures of a batch together."""

    def __init__(
        self, encoder: Session, images: ImageInput, decoder: Session, tokenizer: Any, generation: Generation
    ) -> None:
        self._encoder = encoder
        self._input = images
        self._decoder = decoder
        self._tokenizer = tokenizer
        self._generation = generation

    def captions(self, images: list[Image.Image], config: CaptionGeneratorConfig) -> list[Caption]:
        written: list[Caption] = []
        for feed in self._input.feeds(images, config.batch_size):
            written.extend(self._captions(self._see(feed), config))
        return written

    def probe(self) -> list[Array]:
        feed = next(self._input.feeds([blank_image()], 1))
        seen = self._see(feed)
        return [seen, self._next(np.full((1, 1), self._generation.start, np.int64), seen)]

    def _see(self, feed: dict[str, Array]) -> Array:
        name = "last_hidden_state" if "last_hidden_state" in self._encoder.outputs else self._encoder.outputs[0]
        return self._encoder.run(feed, [name])[0]

    def _next(self, ids: NDArray[np.int64], seen: Array) -> Array:
        """Logits (n, vocabulary) for the token after `ids`."""
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "encoder_hidden_states": seen,
            "encoder_attention_mask": np.ones(seen.shape[:2], np.int64),
        }
        return self._decoder.run(feed, ["logits"])[0][:, -1]

    def _captions(self, seen: Array, config: CaptionGeneratorConfig) -> list[Caption]:
        """Sentences for one batch: all grow together, those that ended are padded."""
        generation = self._generation
        ids = np.full((len(seen), 1), generation.start, np.int64)
        sureness = np.zeros(len(seen))
        lengths = np.zeros(len(seen))
        growing = np.ones(len(seen), np.bool_)
        for _ in range(min(config.max_length or generation.length, generation.positions - 1)):
            chances = softmax(self._next(ids, seen))
            best = chances.argmax(axis=-1)
            sureness += np.where(growing, np.log(np.maximum(chances.max(axis=-1), 1e-30)), 0)
            lengths += growing
            ids = np.concatenate([ids, np.where(growing, best, min(generation.stop))[:, None]], axis=1)
            growing &= ~np.isin(best, list(generation.stop))
            if not growing.any():
                break
        mean = np.exp(sureness / np.maximum(lengths, 1))
        return [
            Caption(self._text(row, plain=config.post_process), float(sure))
            for row, sure in zip(ids, mean, strict=True)
        ]

    def _text(self, row: NDArray[np.int64], *, plain: bool) -> str:
        tokens = row.tolist()
        for at, token in enumerate(tokens[1:], start=1):
            if token in self._generation.stop:
                tokens = tokens[: at + 1]
                break
        return str(self._tokenizer.decode(tokens, skip_special_tokens=plain))


def open_model(folder: Path, open_session: Opener) -> CaptionGenerator:
    """Open the captioner in a folder.

    Raises:
        LoadError: It cannot be opened, or is built in another way.
    """
    encoder = open_session(find_file(folder, *ENCODER))
    decoder = open_session(find_file(folder, *DECODER))
    name = image_input_name(encoder)
    if name is None or "logits" not in decoder.outputs or "encoder_hidden_states" not in decoder.inputs:
        raise UnsupportedModelError(
            "The repository's ONNX files are not a picture encoder and a word decoder",
            hint="Choose a captioner exported as encoder_model.onnx and decoder_model.onnx.",
        )
    decoder.expect(*_DECODER_INPUTS)
    images = ImageInput(encoder, name, folder)
    return CaptionGenerator(_Captioner(encoder, images, decoder, open_tokenizer(folder), _read(folder)))


def _read(folder: Path) -> Generation:
    config = read_optional_json(folder / "config.json") or {}
    asked = read_optional_json(folder / "generation_config.json") or {}
    text = cast("dict[str, Any]", config.get("text_config") or config.get("decoder") or {})
    sources = (asked, config, text)
    start = _first(sources, "decoder_start_token_id", "bos_token_id")
    stop = _first(sources, "eos_token_id")
    stops = cast("list[object]", stop) if isinstance(stop, list) else [stop]
    # BLIP ends its sentences with the separator, whatever its eos_token_id says.
    ends = frozenset(token for token in (*stops, text.get("sep_token_id")) if isinstance(token, int))
    if not isinstance(start, int) or not ends:
        raise LoadError(
            "The repository does not say with which token captions begin and end",
            hint="Choose a repository with a generation_config.json.",
        )
    length = _first(sources, "max_new_tokens", "max_length")
    positions = _first((text, config), "max_position_embeddings", "n_positions")
    return Generation(
        start=start,
        stop=ends,
        length=length if isinstance(length, int) and length > 0 else _DEFAULT_LENGTH,
        positions=positions if isinstance(positions, int) and positions > 1 else 1 << 20,
    )


def _first(sources: tuple[dict[str, Any], ...], *keys: str) -> object:
    return next((source[key] for key in keys for source in sources if source.get(key) is not None), None)
