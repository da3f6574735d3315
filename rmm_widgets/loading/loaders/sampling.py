"""The sampler of masked diffusion language models (MDLM, LLaDA): uncover the surest tokens step by step.

Pure numpy: the model is a function, the randomness is given. The same seed gives the same text
whichever library computes the logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scores import softmax

__all__ = ["sample"]

_COLDEST = 1e-3  # below this, dividing by the temperature overflows and nothing else changes


def sample(
    logits: Callable[[NDArray[np.int64]], NDArray[Any]],
    start: NDArray[np.int64],
    *,
    mask: int,
    steps: int,
    temperature: float,
    draw: np.random.RandomState,
    on_step: Callable[[int, NDArray[np.int64]], None] | None = None,
) -> NDArray[np.int64]:
    """Fill the masked places of `start`.

    Args:
        logits: Token ids (length,) to scores (length, vocabulary).
        start: Token ids, `mask` where the model may write.
        mask: The mask token's id.
        steps: In how many steps; fewer where there are fewer places.
        temperature: How freely to draw; near 0 takes the likeliest.
        draw: Source of chance. `RandomState`, because its numbers are the same in every numpy.
        on_step: Told the step's number (from 0) and the tokens after it.
    """
    ids = start.copy()
    for step in range(steps):
        masked = ids == mask
        if not masked.any():
            break
        scores = logits(ids).astype(np.float64)
        scores[:, mask] = -np.inf
        chances = softmax(scores / max(temperature, _COLDEST))
        picked = (chances.cumsum(axis=-1) > draw.random_sample((len(ids), 1))).argmax(axis=-1)
        certainty = np.where(masked, chances[np.arange(len(ids)), picked], -1.0)
        count = max(1, round(masked.sum() / (steps - step)))
        surest = np.argsort(-certainty, kind="stable")[:count]
        ids[surest] = picked[surest]
        if on_step is not None:
            on_step(step, ids)
    return ids
