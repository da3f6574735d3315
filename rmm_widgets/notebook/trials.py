"""Trying a model from a view: its input checked, the model called, what it gave made into plain records.

An input is data: texts of limited length, or the bytes of a picture that is known to be small before anybody decodes
it. A text is never given to a model that may take it for a path.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec

from ..errors import CallError, InvalidCommandError, ManagerClosedError, ModelNotLoadedError
from ..types import ModelInstance, ModelType
from .arguments import Model, Trial
from .picture_size import picture_size
from .protocol import TrialResult
from .scope import Later, Scope
from .stoppable import StoppedEarlyError
from .trial_results import boxes, labels, similarity, text, thinned

__all__ = ["LIMIT", "MOST_PIXELS", "stop", "try_model"]

LIMIT = 120.0
"""Seconds that a call may take."""
MOST_PIXELS = 16_000_000
"""Pixels of a picture, counted before it is decoded."""
MOST_STEPS = 4096
"""Steps of one call that are kept."""
_STEP = 4000
"""Characters of a step."""

_PICTURE, _ONE, _TWO = (0, True), (1, False), (2, False)
"""How many texts, and whether a picture."""

_TAKES = {
    ModelType.CAPTION_GENERATOR: ({_PICTURE}, "a picture"),
    ModelType.DETECTION_MODEL: ({_PICTURE}, "a picture"),
    ModelType.CLASSIFICATION_MODEL: ({_PICTURE, _ONE}, "a picture or a text"),
    ModelType.EMBEDDING_MODEL: ({_TWO}, "two texts"),
    ModelType.DIFFUSION_LM: ({_ONE}, "a text"),
}


def try_model(scope: Scope, arguments: Trial, picture: bytes | None = None) -> Later:
    """Call a loaded model with the input and give what came of it, as a TrialResult.

    Raises:
        InvalidCommandError: Its type takes another input, or the picture is none or too large.
        ModelNotLoadedError: It is not in memory.
    """
    model_id = arguments.model_id
    scope.check(model_id)
    info = scope.manager.describe(model_id).info
    accepted, words = _TAKES[info.model_type]
    if (len(arguments.texts), picture is not None) not in accepted:
        raise InvalidCommandError(
            f"a {info.model_type.value} is tried with {words}", hint="Give it just that.", model_id=model_id
        )
    if picture is not None:
        _check_picture(picture, model_id)
    if scope.manager.closed:
        raise ManagerClosedError("This manager is closed.", hint="Make a new one, or call rmm_widgets.get_manager().")
    instance = scope.manager.get_model_instance(model_id)
    if instance is None:
        raise ModelNotLoadedError(
            f"Model {model_id} is not loaded", model_id=model_id, hint="Load it, then try it again."
        )
    call = _call_of(instance, info.model_type, arguments.texts, picture)

    def work() -> TrialResult:
        try:
            return scope.trial.run(model_id, lambda: _timed(model_id, call))
        except StoppedEarlyError:
            return TrialResult(kind="stopped")

    return Later(work, "model")


def stop(scope: Scope, arguments: Model) -> dict[str, bool]:
    """End the call that `try` made; the answer says whether there was one."""
    scope.check(arguments.model_id)
    return {"stopped": scope.trial.stop(arguments.model_id)}


def _check_picture(picture: bytes, model_id: str) -> None:
    size = picture_size(picture)
    if size is None:
        raise InvalidCommandError(
            "this is no picture that is understood", hint="Give a PNG, JPEG, WebP or GIF file.", model_id=model_id
        )
    if size[0] * size[1] > MOST_PIXELS:
        raise InvalidCommandError(
            f"the picture has {size[0]} x {size[1]} pixels",
            hint=f"Make it smaller: {MOST_PIXELS // 1_000_000} million pixels at most.",
            model_id=model_id,
        )


_Call = Callable[[], Coroutine[Any, Any, TrialResult]]


async def _timed(model_id: str, call: _Call) -> TrialResult:
    begun = time.monotonic()
    try:
        result = await call()
    except TimeoutError:
        raise CallError(
            f"The call of {model_id!r} took longer than {LIMIT:g} s and was ended.",
            model_id=model_id,
            hint="Call it in a cell, where it may take its time.",
        ) from None
    return msgspec.structs.replace(result, seconds=round(time.monotonic() - begun, 3))


def _call_of(instance: ModelInstance, model_type: ModelType, texts: list[str], picture: bytes | None) -> _Call:
    async def whole(value: object) -> Any:
        return await instance.acall("__call__", value, timeout=LIMIT)

    async def caption() -> TrialResult:
        return text(instance.model_id, await whole(picture))

    async def detect() -> TrialResult:
        return boxes(instance.model_id, await whole(picture))

    async def classify() -> TrialResult:
        if picture is None:
            await _expect_text(instance)
        return labels(instance.model_id, await whole(texts[0] if picture is None else picture))

    async def compare() -> TrialResult:
        return similarity(instance.model_id, await whole(texts))

    async def write() -> TrialResult:
        stream = instance.stream("__call__", texts[0], timeout=LIMIT)
        steps: list[str] = []
        async for step in stream:
            if len(steps) < MOST_STEPS:
                steps.append(_text_of(step)[:_STEP])
        return thinned(text(instance.model_id, await stream.aresult()), steps)

    return {
        ModelType.CAPTION_GENERATOR: caption,
        ModelType.DETECTION_MODEL: detect,
        ModelType.CLASSIFICATION_MODEL: classify,
        ModelType.EMBEDDING_MODEL: compare,
        ModelType.DIFFUSION_LM: write,
    }[model_type]


def _text_of(step: object) -> str:
    """Of a step's number and text the text."""
    if isinstance(step, tuple) and step:
        return str(cast("tuple[object, ...]", step)[-1])
    return str(cast("object", step))


async def _expect_text(instance: ModelInstance) -> None:
    """Make sure that a classifier reads texts: one for pictures would take a text for a path, and open that file.

    Raises:
        InvalidCommandError: It does not, or does not say.
    """
    try:
        takes = await instance.acall("takes", timeout=LIMIT)
    except CallError:
        takes = "something unknown"
    if takes != "text":
        wanted = {"picture": "a picture", "pair": "a pair of texts", "sound": "a sound"}.get(takes, "something unknown")
        hint = "Give it a picture." if takes == "picture" else "Call it in a cell."
        raise InvalidCommandError(
            f"{instance.model_id} takes {wanted}, not a text", hint=hint, model_id=instance.model_id
        )
