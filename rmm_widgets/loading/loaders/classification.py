"""classification_model: what came of pictures, texts or sounds, as labels. Which library computes it is all one."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol

from numpy.typing import NDArray

from ..config import ClassificationModelConfig
from .scores import best_labels, label_names, sigmoid, softmax

__all__ = ["ClassificationModel", "Classifier", "Input"]

Input = Literal["picture", "text", "pair", "sound"]
"""What a classifier takes; a pair is of two texts."""


class Classifier(Protocol):
    """Computes the raw outputs for one kind of input."""

    takes: ClassVar[Input]

    def logits(self, value: object, config: ClassificationModelConfig) -> tuple[list[NDArray[Any]], bool]:
        """A row of logits for each input, and whether `value` was a single one.

        Raises:
            TypeError, ValueError: `value` is not what the model takes.
        """
        ...

    def probe(self) -> list[NDArray[Any]]:
        """The same for a tiny input."""
        ...


class ClassificationModel:
    """Labels a picture, text or sound, whichever the model was trained on."""

    methods: ClassVar[tuple[str, ...]] = ("__call__", "takes")

    def __init__(self, source: Classifier, config: dict[str, Any]) -> None:
        """`config` is the repository's config.json."""
        self._source = source
        self._hub_config = config
        self._config = ClassificationModelConfig()

    def configure(self, config: ClassificationModelConfig) -> None:
        """Use these settings from the next call on."""
        self._config = config

    def __call__(self, data: object) -> list[Any]:
        """`{"label", "score"}` for an input, best first; for a list, a list of those."""
        config = self._config
        rows, single = self._source.logits(data, config)
        answers = [self._answer(row, config) for row in rows]
        return answers[0] if single else answers

    def takes(self) -> Input:
        """What it was trained on; to one for pictures a text would be a path."""
        return self._source.takes

    def probe(self) -> list[NDArray[Any]]:
        """Raw outputs for a tiny input."""
        return self._source.probe()

    def _answer(self, logits: NDArray[Any], config: ClassificationModelConfig) -> list[dict[str, Any]]:
        row = logits.reshape(-1)
        many = self._hub_config.get("problem_type") == "multi_label_classification" or len(row) == 1
        scores = sigmoid(row) if many else softmax(row)
        names = label_names(self._hub_config, len(row))
        return best_labels(scores, names, top_k=config.top_k, threshold=config.threshold)
