"""What a model gave when it was tried, as records: of limited size, in finite numbers. A model may give anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from ..errors import CallError
from .lengths import NAME, cut
from .protocol import LabelledBox, ScoredLabel, TrialResult

__all__ = ["MOST_BOXES", "MOST_LABELS", "MOST_STEPS", "boxes", "labels", "similarity", "text", "thinned"]

MOST_LABELS = 50
MOST_BOXES = 200
MOST_STEPS = 120
MOST_TEXT = 20_000
"""Characters of a text that a model wrote."""


class _Scored(msgspec.Struct):
    label: str
    score: float


class _Corners(msgspec.Struct):
    xmin: float
    ymin: float
    xmax: float
    ymax: float


class _Found(msgspec.Struct):
    label: str
    score: float
    box: _Corners


class _Written(msgspec.Struct):
    generated_text: str


T = TypeVar("T")


def labels(model_id: str, answer: object) -> TrialResult:
    """Labels, the best first."""
    found = sorted(_read(model_id, answer, list[_Scored]), key=lambda each: -_finite(model_id, each.score))
    shown = tuple(ScoredLabel(label=cut(each.label, NAME), score=each.score) for each in found[:MOST_LABELS])
    return TrialResult(kind="labels", labels=shown, more=len(found) - len(shown))


def boxes(model_id: str, answer: object) -> TrialResult:
    """What was found, the most certain first."""
    found = sorted(_read(model_id, answer, list[_Found]), key=lambda each: -_finite(model_id, each.score))
    shown = tuple(
        LabelledBox(
            label=cut(each.label, NAME),
            score=each.score,
            **{side: _finite(model_id, getattr(each.box, side)) for side in ("xmin", "ymin", "xmax", "ymax")},
        )
        for each in found[:MOST_BOXES]
    )
    return TrialResult(kind="boxes", boxes=shown, more=len(found) - len(shown))


def text(model_id: str, answer: object) -> TrialResult:
    """A text, or the captions of a picture, a line each."""
    if isinstance(answer, str):
        written = answer
    else:
        written = "\n".join(each.generated_text for each in _read(model_id, answer, list[_Written]))
    return TrialResult(kind="text", text=cut(written, MOST_TEXT))


def similarity(model_id: str, answer: object) -> TrialResult:
    """How alike two vectors are; 0 where one of them has no direction."""
    to_list: Any = getattr(answer, "tolist", None)  # of an array
    vectors = _read(model_id, to_list() if callable(to_list) else answer, list[list[float]])
    if len(vectors) != 2 or len(vectors[0]) != len(vectors[1]):
        raise _not_understood(model_id, "not two vectors of one length")
    first, second = (_direction(model_id, each) for each in vectors)
    cosine = math.fsum(one * other for one, other in zip(first, second, strict=True))
    return TrialResult(kind="similarity", similarity=max(-1.0, min(1.0, cosine)))


def _direction(model_id: str, vector: Sequence[float]) -> list[float]:
    """The vector with length 1, or all zeros; its squares cannot overflow on the way."""
    largest = max((abs(_finite(model_id, each)) for each in vector), default=0.0)
    scaled = [each / largest if largest else 0.0 for each in vector]
    length = math.hypot(*scaled)
    return [each / length if length else 0.0 for each in scaled]


def thinned(result: TrialResult, steps: Sequence[str]) -> TrialResult:
    """The result with its steps; where they are many, some at even distances, the first and the last among them."""
    shown = list(steps)
    if len(steps) > MOST_STEPS:
        shown = [steps[at * (len(steps) - 1) // (MOST_STEPS - 1)] for at in range(MOST_STEPS)]
    told = tuple(cut(each, MOST_TEXT) for each in shown)
    return msgspec.structs.replace(result, steps=told, more=len(steps) - len(told))


def _read(model_id: str, answer: object, form: type[T]) -> T:
    try:
        return msgspec.convert(answer, form, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise _not_understood(model_id, str(error)) from None


def _finite(model_id: str, number: float) -> float:
    if not math.isfinite(number):
        raise _not_understood(model_id, "a number that is not finite")
    return number


def _not_understood(model_id: str, why: Any) -> CallError:
    return CallError(
        f"What {model_id!r} gave is not what its type promises: {cut(str(why), NAME)}.",
        model_id=model_id,
        hint="Call it in a cell to see what it gives.",
    )
