"""detection_model: pictures to labelled boxes, for models of the DETR family (DETR, YOLOS, RT-DETR ...)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ....errors import UnsupportedModelError
from ...config import DetectionModelConfig
from ...files import read_optional_json
from ..boxes import to_corners, without_duplicates
from ..images import blank_image, read_images
from ..scores import label_names, sigmoid, softmax
from .image_input import ImageInput, image_input_name
from .model import Opener
from .names import WHOLE
from .session import Array, Session, find_file

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["DetectionModel", "open_model"]

_OUTPUTS = ("logits", "pred_boxes")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


class DetectionModel:
    """Finds things in pictures."""

    methods: ClassVar[tuple[str, ...]] = ("__call__",)

    def __init__(self, session: Session, images: ImageInput, config: dict[str, Any]) -> None:
        self._session = session
        self._input = images
        self._hub_config = config
        self._config = DetectionModelConfig()

    def configure(self, config: DetectionModelConfig) -> None:
        """Use these settings from the next call on; see `OnnxModel.configure`."""
        self._input.resized(config.input_size)
        self._config = config

    def __call__(self, image: object) -> list[Any]:
        """`{"label", "score", "box": {xmin, ymin, xmax, ymax}}` in pixels of the picture as given, in the model's
        own order; for a list of pictures, a list of those.
        """
        config = self._config
        recipe = self._input.resized(config.input_size)
        images, single = read_images(image)
        rows: list[tuple[Array, Array]] = []
        for feed in self._input.feeds(images, config.batch_size, recipe):
            logits, boxes = self._session.run(feed, _OUTPUTS)
            rows.extend(zip(logits, boxes, strict=True))
        answers = [
            self._answer(logits, boxes, picture, config) for (logits, boxes), picture in zip(rows, images, strict=True)
        ]
        return answers[0] if single else answers

    def probe(self) -> list[Array]:
        """Raw outputs for a tiny input."""
        feed = next(self._input.feeds([blank_image()], 1))
        return self._session.run(feed, _OUTPUTS)

    def _answer(
        self, logits: Array, boxes: Array, image: Image.Image, config: DetectionModelConfig
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

    def _scores(self, logits: Array) -> tuple[list[str], Array]:
        """Names of the classes, and how sure each query is of each."""
        count = logits.shape[-1]
        known = self._hub_config.get("id2label")
        if known and len(known) == count:
            return label_names(self._hub_config, count), sigmoid(logits)
        # One class more than there are names: the last means "nothing here".
        return label_names(self._hub_config, count - 1), softmax(logits)[:, :-1]


def open_model(folder: Path, open_session: Opener) -> DetectionModel:
    """Open the detector in a folder.

    Raises:
        LoadError: It cannot be opened, or is of another family.
    """
    session = open_session(find_file(folder, *WHOLE))
    name = image_input_name(session)
    missing = [output for output in _OUTPUTS if output not in session.outputs]
    if name is None or missing:
        raise UnsupportedModelError(
            f"{session.name} gives {', '.join(session.outputs)}, not {' and '.join(_OUTPUTS)}",
            hint="Choose a detector of the DETR family (DETR, YOLOS, RT-DETR, D-FINE ...).",
        )
    return DetectionModel(session, ImageInput(session, name, folder), read_optional_json(folder / "config.json") or {})
