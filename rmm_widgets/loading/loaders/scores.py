"""Raw model outputs to probabilities and labels. Pure."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_labels", "label_names", "sigmoid", "softmax"]


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities over the last axis."""
    values = logits.astype(np.float64)
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    """An independent probability for each value."""
    return 0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))


def label_names(config: dict[str, Any], count: int) -> list[str]:
    """The names of `count` classes; those that config.json does not name are numbered."""
    names = config.get("id2label")
    known = cast("dict[str, object]", names) if isinstance(names, dict) else {}
    return [str(known.get(str(index), f"LABEL_{index}")) for index in range(count)]


def best_labels(
    scores: NDArray[np.float64], labels: list[str], *, top_k: int, threshold: float
) -> list[dict[str, Any]]:
    """`{"label", "score"}` of the best classes, best first."""
    order = np.argsort(-scores, kind="stable")[:top_k]
    return [{"label": labels[i], "score": float(scores[i])} for i in order if scores[i] >= threshold]
