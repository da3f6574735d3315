"""Detectors of the PicoDet family, as PaddleDetection exports them: for each scale the scores of all cells and, as
distributions, the distances from a cell's centre to the four sides of its box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...config import DetectionModelConfig
from ..boxes import without_duplicates
from ..images import blank_image
from ..scores import softmax
from .image_input import ImageInput
from .session import Array, Session

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PicoDetector", "is_picodet"]

_STRIDES = (8, 16, 32, 64)
_OVERLAP = 0.5
"""Boxes of neighbouring cells that overlap more are one thing: the model leaves this to its user."""
_CANDIDATES = 1000
_LEAST = 0.025
"""No box is looked at below this score, as in the model's own library."""


def is_picodet(session: Session, input_name: str) -> bool:
    """Whether the outputs have the shapes that the size of the input asks for."""
    height, width = session.size(input_name, 2), session.size(input_name, 3)
    half = len(_STRIDES)
    if not height or not width or len(session.outputs) != 2 * half:
        return False
    cells = [-(-height // stride) * -(-width // stride) for stride in _STRIDES]
    sides = [session.output_size(name, -1) or 0 for name in session.outputs[half:]]
    return [session.output_size(name, 1) for name in session.outputs] == cells * 2 and all(
        side > 4 and side % 4 == 0 for side in sides
    )


class PicoDetector:
    """Boxes for pictures; see `detection.Detector`."""

    def __init__(self, session: Session, images: ImageInput, input_name: str) -> None:
        self._session = session
        self._input = images
        self._size = (session.size(input_name, 2) or 0, session.size(input_name, 3) or 0)

    def check(self, config: DetectionModelConfig) -> None:
        """See `detection.Detector.check`."""
        self._input.resized(config.input_size)

    def queries(self, images: list[Image.Image], config: DetectionModelConfig) -> list[tuple[Array, Array]]:
        """See `detection.Detector.queries`; of boxes for the same thing, only the surest is among them."""
        found: list[tuple[Array, Array]] = []
        for feed in self._input.feeds(images, config.batch_size):
            outputs = self._session.run(feed)
            found.extend(self._boxes([each[row] for each in outputs], config) for row in range(len(outputs[0])))
        return found

    def probe(self) -> list[Array]:
        """See `detection.Detector.probe`."""
        return self._session.run(next(self._input.feeds([blank_image()], 1)))

    def _boxes(self, outputs: Sequence[Array], config: DetectionModelConfig) -> tuple[Array, Array]:
        half = len(_STRIDES)
        scores = np.concatenate(outputs[:half]).astype(np.float64)
        sure = scores.max(axis=1)
        likely = np.argsort(-sure, kind="stable")[:_CANDIDATES]
        likely = likely[sure[likely] >= max(config.confidence, _LEAST)]
        scores = scores[likely]
        corners = np.concatenate([self._corners(*each) for each in zip(outputs[half:], _STRIDES, strict=True)])[likely]
        kept = without_duplicates(corners, scores.max(axis=1), scores.argmax(axis=1), _OVERLAP)
        certain = np.clip(scores[kept], 1e-9, 1 - 1e-9)
        return np.log(certain / (1 - certain)), self._fractions(corners[kept])

    def _corners(self, sides: NDArray[Any], stride: int) -> NDArray[np.float64]:
        """Boxes (cells, 4) of one scale as xmin, ymin, xmax, ymax in pixels of the input."""
        height, width = (-(-length // stride) for length in self._size)
        down, across = np.mgrid[:height, :width] + 0.5
        centres = np.stack([across.ravel(), down.ravel()] * 2, axis=1) * stride
        chances = softmax(sides.reshape(len(sides), 4, -1))
        numbers = np.arange(chances.shape[-1], dtype=np.float64)
        distances = np.einsum("csn,n->cs", chances, numbers) * stride
        return centres + distances * np.array([-1, -1, 1, 1])

    def _fractions(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        """Corners in pixels of the input, cut to it, as centre, width and height in fractions of it."""
        height, width = self._size
        corners = np.clip(corners / (width, height, width, height), 0, 1)
        low, high = corners[:, :2], corners[:, 2:]
        return np.concatenate([(low + high) / 2, high - low], axis=1)
