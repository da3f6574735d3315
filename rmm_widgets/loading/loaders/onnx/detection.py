"""detection_model: pictures to boxes, for models of the DETR family (DETR, YOLOS, RT-DETR ...) and PicoDet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import UnsupportedModelError
from ...config import DetectionModelConfig
from ...files import read_optional_json
from ..detection import DetectionModel
from ..images import blank_image
from .image_input import ImageInput, image_input_name
from .names import WHOLE
from .picodet import PicoDetector, is_picodet
from .session import Array, Opener, Session, find_file

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["open_model"]

_OUTPUTS = ("logits", "pred_boxes")


class _Detector:
    """The queries for pictures."""

    def __init__(self, session: Session, images: ImageInput) -> None:
        self._session = session
        self._input = images

    def check(self, config: DetectionModelConfig) -> None:
        self._input.resized(config.input_size)

    def queries(self, images: list[Image.Image], config: DetectionModelConfig) -> list[tuple[Array, Array]]:
        recipe = self._input.resized(config.input_size)
        rows: list[tuple[Array, Array]] = []
        for feed in self._input.feeds(images, config.batch_size, recipe):
            logits, boxes = self._session.run(feed, _OUTPUTS)
            rows.extend(zip(logits, boxes, strict=True))
        return rows

    def probe(self) -> list[Array]:
        feed = next(self._input.feeds([blank_image()], 1))
        return self._session.run(feed, _OUTPUTS)


def open_model(folder: Path, open_session: Opener) -> DetectionModel:
    """Open the detector in a folder.

    Raises:
        LoadError: It cannot be opened, or is of another family.
    """
    session = open_session(find_file(folder, *WHOLE))
    name = image_input_name(session)
    config = read_optional_json(folder / "config.json") or {}
    if name is not None and all(output in session.outputs for output in _OUTPUTS):
        return DetectionModel(_Detector(session, ImageInput(session, name, folder)), config)
    if name is not None and is_picodet(session, name):
        names = dict(enumerate(session.metadata.get("character", "").split("\n")))
        labels = config.get("id2label") or {str(number): label for number, label in names.items()}
        source = PicoDetector(session, ImageInput(session, name, folder), name)
        return DetectionModel(source, {**config, "id2label": labels})
    raise UnsupportedModelError(
        f"{session.name} gives {', '.join(session.outputs)}, not {' and '.join(_OUTPUTS)}",
        hint="Choose a detector of the DETR family (DETR, YOLOS, RT-DETR, D-FINE ...), or of the PicoDet family.",
    )
