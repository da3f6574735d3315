"""One vector for a text from the vectors of its tokens. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["POOLINGS", "pool"]

POOLINGS = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
"""Ways to pool, and the flags of sentence-transformers that ask for them."""


def pool(values: NDArray[np.float32], mask: NDArray[Any], way: str) -> NDArray[np.float32]:
    """Token vectors (n, tokens, dim) to (n, dim), by one of `POOLINGS`; `mask` (n, tokens) is 1 for real tokens."""
    if way == "cls":
        return values[:, 0]
    if way == "lasttoken":
        last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
        return values[np.arange(len(values)), last]
    real = mask[:, :, None].astype(np.float32)
    if way == "max":
        return np.where(real > 0, values, -np.inf).max(axis=1).astype(np.float32)
    return (values * real).sum(axis=1) / np.maximum(real.sum(axis=1), 1e-9)
