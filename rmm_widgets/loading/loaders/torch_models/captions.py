"""caption_generator: pictures to sentences, by transformers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ...config import CaptionGeneratorConfig
from ..captions import Caption, CaptionGenerator
from ..images import blank_image
from .inputs import Feed, batches, to_numpy
from .opening import Opening

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["open_model"]

_DEFAULT_LENGTH = 50
_QUESTION = "Describe this image in one sentence."
"""For models that chat about pictures; captioners proper are asked nothing."""


class _Captioner:
    """Writes sentences word by word; all pictures of a batch together."""

    def __init__(self, model: Any, processor: Any, tokenizer: Any) -> None:
        self._model = model
        self._processor = processor
        self._tokenizer = tokenizer
        asked = model.generation_config
        text = model.config.get_text_config(decoder=True)
        ends = (asked.eos_token_id, getattr(text, "sep_token_id", None))  # BLIP ends with the separator
        self._stops = frozenset(token for each in ends for token in _listed(each))
        positions = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None) or 1 << 20
        self._longest = max(1, positions - 1)
        self._length = asked.max_new_tokens or asked.max_length or _DEFAULT_LENGTH

    def captions(self, images: list[Image.Image], config: CaptionGeneratorConfig) -> list[Caption]:
        written: list[Caption] = []
        for feed in batches(self._prepared(images), config.batch_size, self._model):
            written.extend(self._captions(feed, config))
        return written

    def probe(self) -> list[NDArray[Any]]:
        feed = next(batches(self._prepared([blank_image()]), 1, self._model))
        return [to_numpy(self._generate(feed, 1).logits[0])]

    def _prepared(self, images: list[Image.Image]) -> Iterator[Feed]:
        words: dict[str, str] = {}
        if getattr(self._processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": _QUESTION}]
            turns = [{"role": "user", "content": content}]
            words["text"] = self._processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        for image in images:
            yield self._processor(images=image.convert("RGB"), return_tensors="pt", **words).data

    def _generate(self, feed: Feed, length: int) -> Any:
        with importlib.import_module("torch").inference_mode():
            return self._model.generate(
                **feed,
                do_sample=False,
                num_beams=1,
                max_new_tokens=min(length, self._longest),
                return_dict_in_generate=True,
                output_logits=True,
            )

    def _captions(self, feed: Feed, config: CaptionGeneratorConfig) -> list[Caption]:
        torch: Any = importlib.import_module("torch")
        written = self._generate(feed, config.max_length or self._length)
        count = len(written.logits)
        before = written.sequences.shape[1] - count
        chances = torch.stack(written.logits, dim=1).float().softmax(dim=-1)
        chosen = written.sequences[:, before:]
        sureness = to_numpy(chances.gather(-1, chosen.unsqueeze(-1)).squeeze(-1))
        captions: list[Caption] = []
        for row, sure in zip(written.sequences.tolist(), sureness, strict=True):
            new: list[int] = row[before:]
            length = next((at for at, token in enumerate(new, start=1) if token in self._stops), count)
            # A single token before is the mark of the beginning, more are the question.
            tokens = row[: before + length] if before <= 1 else new[:length]
            text = str(self._tokenizer.decode(tokens, skip_special_tokens=config.post_process))
            captions.append(Caption(text, float(np.exp(np.log(np.maximum(sure[:length], 1e-30)).mean()))))
        return captions


def open_model(opening: Opening) -> CaptionGenerator:
    """Open the captioner in a folder.

    Raises:
        LoadError: It cannot be opened, or does not describe pictures.
    """
    transformers: Any = importlib.import_module("transformers")
    model = opening.model(transformers.AutoModelForImageTextToText)
    processor, tokenizer = _processors(opening, transformers)
    return CaptionGenerator(_Captioner(model, processor, tokenizer))


def _processors(opening: Opening, transformers: Any) -> tuple[Any, Any]:
    """What prepares pictures, and the tokenizer; each part by itself where the repository has no whole."""
    try:
        whole = opening.part(transformers.AutoProcessor)
    except (OSError, ValueError, ImportError, AttributeError):
        whole = None
    if hasattr(whole, "image_processor") and hasattr(whole, "tokenizer"):
        return whole, cast("Any", whole).tokenizer
    return opening.part(transformers.AutoImageProcessor), opening.part(transformers.AutoTokenizer)


def _listed(value: object) -> list[int]:
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, int)]
