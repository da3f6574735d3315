"""Sounds as samples: reading what a user gives."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["sounds_of"]


def sounds_of(value: object, rate: int) -> tuple[list[NDArray[np.float32]], bool]:
    """The sounds that a user gave, one or a list of them, and whether it was one.

    Args:
        value: Mono samples (n,) from -1 to 1, `rate` of them a second; or a list of such.
        rate: For messages.

    Raises:
        TypeError: It is neither.
        ValueError: An array is not one row of numbers.
    """
    if isinstance(value, list | tuple):
        return [_sound(each, rate) for each in cast("list[object]", value)], False
    return [_sound(value, rate)], True


def _sound(value: object, rate: int) -> NDArray[np.float32]:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a sound must be a float array of {rate} samples a second, not {type(value).__name__}")
    samples = cast("NDArray[Any]", value)
    if samples.ndim != 1 or not samples.size or samples.dtype.kind != "f":
        raise ValueError(
            f"a sound must be a float array of shape (n,), mono, {rate} samples a second, "
            f"not {samples.dtype} {samples.shape}"
        )
    return samples.astype(np.float32)
