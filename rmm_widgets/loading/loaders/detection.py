"""detection_model: the queries of a detector of the DETR family (DETR, YOLOS, RT-DETR ...) as labelled boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..config import DetectionModelConfig
from .boxes import to_corners, without_duplicates
from .images import read_images
from .scores import label_names, sigmoid, softmax

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["DetectionModel", "Detector"]

_SIDES = ("xmin", "ymin", "xmax", "ymax")


class Detector(Protocol):
    """Computes the raw outputs."""

    def check(self, config: DetectionModelConfig) -> None:
        """See `LoadedModel.configure`."""
        ...

    def queries(
        self, images: list[Image.Image], config: DetectionModelConfig
    ) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """For each picture the logits (queries, classes), and the boxes (queries, 4) as centre, width and height in
        fractions of the picture.
        """
        ...

    def probe(self) -> list[NDArray[Any]]:
        """The same for a tiny input."""
        ...


class DetectionModel:
    """Finds things in pictures."""

    methods: ClassVar[tuple[str, ...]] = ("__call__",)

    def __init__(self, source: Detector, config: dict[str, Any]) -> None:
        """`config` is the repository's config.json."""
        self._source = source
        self._hub_config = config
        self._config = DetectionModelConfig()

    def configure(self, config: DetectionModelConfig) -> None:
        """Use these settings from the next call on; see `LoadedModel.configure`."""
        self._source.check(config)
        self._config = config

    def __call__(self, image: object) -> list[Any]:
        """`{"label", "score", "box": {xmin, ymin, xmax, ymax}}` in pixels of the picture as given, in the model's
        own order; for a list of pictures, a list of those.
        """
        config = self._config
        images, single = read_images(image)
        answers = [
            self._answer(logits, boxes, picture, config)
            for (logits, boxes), picture in zip(self._source.queries(images, config), images, strict=True)
        ]
        return answers[0] if single else answers

    def probe(self) -> list[NDArray[Any]]:
        """Raw outputs for a tiny input."""
        return self._source.probe()

    def _answer(
        self, logits: NDArray[Any], boxes: NDArray[Any], image: Image.Image, config: DetectionModelConfig
    ) -> list[dict[str, Any]]:
        names, scores = self._scores(logits)
        labels, sure = scores.argmax(axis=1), scores.max(axis=1)
        corners = to_corners(boxes, image.height, image.width)
        found = np.flatnonzero(sure > config.confidence)
        if config.nms_threshold is not None:
            kept = without_duplicates(corners[found], sure[found], labels[found], config.nms_threshold)
            found = found[kept]
        surest = np.argsort(-sure[found], kind="stable")[: config.max_detections]
        return [
            {
                "label": names[labels[i]],
                "score": float(sure[i]),
                "box": dict(zip(_SIDES, corners[i].tolist(), strict=True)),
            }
            for i in found[np.sort(surest)]
        ]

    def _scores(self, logits: NDArray[Any]) -> tuple[list[str], NDArray[Any]]:
        """Names of the classes, and how sure each query is of each."""
        count = logits.shape[-1]
        known = self._hub_config.get("id2label")
        if known and len(known) == count:
            return label_names(self._hub_config, count), sigmoid(logits)
        # One class more than there are names: the last means "nothing here".
        return label_names(self._hub_config, count - 1), softmax(logits)[:, :-1]
