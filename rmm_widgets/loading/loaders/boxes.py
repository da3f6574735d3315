"""Boxes of a detector: from the model's form to pixels, and which to keep. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["to_corners", "without_duplicates"]


def to_corners(boxes: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """Centre, width and height as fractions (n, 4) to xmin, ymin, xmax, ymax in pixels."""
    centre_x, centre_y, across, down = boxes.astype(np.float64).T
    corners = np.stack([centre_x - across / 2, centre_y - down / 2, centre_x + across / 2, centre_y + down / 2], axis=1)
    return corners * (width, height, width, height)


def without_duplicates(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], labels: NDArray[np.intp], overlap: float
) -> NDArray[np.intp]:
    """Non-maximum suppression: indices of the boxes that no surer box of their label covers.

    Args:
        boxes: Corners, (n, 4).
        scores: How sure, (n,).
        labels: Class numbers, (n,).
        overlap: Intersection over union above which two boxes are one thing.
    """
    todo = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while todo.size:
        best, rest = int(todo[0]), todo[1:]
        kept.append(best)
        same = (labels[rest] == labels[best]) & (_iou(boxes[best], boxes[rest]) > overlap)
        todo = rest[~same]
    return np.array(sorted(kept), np.intp)


def _iou(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    total = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
