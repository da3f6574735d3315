"""detection_model: pictures to the queries of a detector, by transformers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ....errors import InvalidConfigError, UnsupportedModelError
from ...config import DetectionModelConfig
from ...files import read_optional_json
from ..detection import DetectionModel
from ..images import blank_image
from .inputs import PictureFeeder, to_numpy
from .opening import Opening

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["open_model"]


class _Detector:
    """The queries for pictures."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._input = PictureFeeder(processor, model)

    def check(self, config: DetectionModelConfig) -> None:
        """Try another size with an empty picture: which sizes a model takes is nowhere written down."""
        if config.input_size is None:
            return
        try:
            self.queries([blank_image()], config)
        except Exception as error:
            height, width = config.input_size
            raise InvalidConfigError(
                f"input_size is {height}x{width}, and the model cannot take that: {str(error)[:200]}",
                hint="Leave input_size out, or give the size that the model was trained with.",
            ) from error

    def queries(
        self, images: list[Image.Image], config: DetectionModelConfig
    ) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        options = {"size": dict(zip(("height", "width"), config.input_size, strict=True))} if config.input_size else {}
        rows: list[tuple[NDArray[Any], NDArray[Any]]] = []
        with importlib.import_module("torch").inference_mode():
            for feed in self._input.feeds(images, config.batch_size, **options):
                found = self._model(**feed)
                rows.extend(zip(to_numpy(found.logits), to_numpy(found.pred_boxes), strict=True))
        return rows

    def probe(self) -> list[NDArray[Any]]:
        return [each for pair in self.queries([blank_image()], DetectionModelConfig()) for each in pair]


def open_model(opening: Opening) -> DetectionModel:
    """Open the detector in a folder.

    Raises:
        LoadError: It cannot be opened, or needs more than a picture.
    """
    transformers: Any = importlib.import_module("transformers")
    config = opening.part(transformers.AutoConfig)
    if type(config) in transformers.MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING:
        raise UnsupportedModelError(
            f"A {type(config).__name__} needs words for what it shall find, and there is no setting for them",
            hint="Choose a detector with classes of its own (DETR, YOLOS, RT-DETR, D-FINE ...).",
        )
    model = opening.model(transformers.AutoModelForObjectDetection)
    processor = opening.part(transformers.AutoImageProcessor)
    return DetectionModel(_Detector(model, processor), read_optional_json(opening.folder / "config.json") or {})
