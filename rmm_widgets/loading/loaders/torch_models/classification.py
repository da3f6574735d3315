"""classification_model: pictures, texts or sounds to logits, by transformers."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....errors import UnsupportedModelError
from ...config import ClassificationModelConfig
from ...files import read_optional_json
from ..classification import ClassificationModel, Classifier, Input
from ..images import blank_image, read_images
from ..sounds import sounds_of
from ..texts import texts_of
from .inputs import PictureFeeder, TextFeeder, batches, to_numpy
from .opening import Opening

__all__ = ["open_model"]


class _Pictures:
    """Logits for pictures."""

    takes: ClassVar[Input] = "picture"

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._input = PictureFeeder(processor, model)

    def logits(self, value: object, config: ClassificationModelConfig) -> tuple[list[NDArray[Any]], bool]:
        images, single = read_images(value)
        rows: list[NDArray[Any]] = []
        for feed in self._input.feeds(images, config.batch_size):
            rows.extend(_run(self._model, feed))
        return rows, single

    def probe(self) -> list[NDArray[Any]]:
        return self.logits(blank_image(), ClassificationModelConfig())[0]


class _Texts:
    """Logits for texts."""

    takes: ClassVar[Input] = "text"

    def __init__(self, model: Any, feeder: TextFeeder) -> None:
        self._model = model
        self._input = feeder

    def logits(self, value: object, config: ClassificationModelConfig) -> tuple[list[NDArray[Any]], bool]:
        texts, single = texts_of(value)
        rows: list[NDArray[Any]] = []
        for start in range(0, len(texts), config.batch_size):
            feed = self._input.feed(texts[start : start + config.batch_size], config.max_sequence_length)
            rows.extend(_run(self._model, feed))
        return rows, single

    def probe(self) -> list[NDArray[Any]]:
        return self.logits("probe", ClassificationModelConfig())[0]


class _Sounds:
    """Logits for sounds: samples at the model's own rate."""

    takes: ClassVar[Input] = "sound"

    def __init__(self, model: Any, extractor: Any) -> None:
        self._model = model
        self._extractor = extractor
        self._rate: int = extractor.sampling_rate

    def logits(self, value: object, config: ClassificationModelConfig) -> tuple[list[NDArray[Any]], bool]:
        sounds, single = sounds_of(value, self._rate)
        prepared = (self._extractor(sound, sampling_rate=self._rate, return_tensors="pt").data for sound in sounds)
        rows: list[NDArray[Any]] = []
        for feed in batches(prepared, config.batch_size, self._model):
            rows.extend(_run(self._model, feed))
        return rows, single

    def probe(self) -> list[NDArray[Any]]:
        return self.logits(np.zeros(self._rate, np.float32), ClassificationModelConfig())[0]


def open_model(opening: Opening) -> ClassificationModel:
    """Open the classifier in a folder.

    Raises:
        LoadError: It cannot be opened, or takes something else.
    """
    transformers: Any = importlib.import_module("transformers")
    config = opening.part(transformers.AutoConfig)
    source: Classifier
    if _fits(config, transformers, "Image"):
        model = opening.model(transformers.AutoModelForImageClassification)
        source = _Pictures(model, opening.part(transformers.AutoImageProcessor))
    elif _fits(config, transformers, "Sequence"):
        model = opening.model(transformers.AutoModelForSequenceClassification)
        source = _Texts(model, TextFeeder(opening.part(transformers.AutoTokenizer), model, opening.folder))
    elif _fits(config, transformers, "Audio"):
        model = opening.model(transformers.AutoModelForAudioClassification)
        source = _Sounds(model, opening.part(transformers.AutoFeatureExtractor))
    else:
        raise UnsupportedModelError(
            f"A {type(config).__name__} is no classifier of pictures, texts or sounds",
            hint="Give the model's right type, or choose a classifier for pictures, texts or sounds.",
        )
    return ClassificationModel(source, read_optional_json(opening.folder / "config.json") or {})


def _fits(config: Any, transformers: Any, kind: str) -> bool:
    """Whether there is a classifier of that kind of input for a model with this configuration."""
    own: dict[str, Any] = getattr(config, "auto_map", None) or {}
    known = getattr(transformers, f"MODEL_FOR_{kind.upper()}_CLASSIFICATION_MAPPING")
    return type(config) in known or f"AutoModelFor{kind}Classification" in own


def _run(model: Any, feed: dict[str, Any]) -> NDArray[Any]:
    with importlib.import_module("torch").inference_mode():
        return to_numpy(model(**feed).logits)
