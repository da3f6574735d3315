"""Exceptions as plain text, and back as errors of ours.

A worker describes whatever was raised in it; the kernel builds an error of `rmm_widgets.errors` from the
description. No class of the model's process ever reaches the kernel.
"""

from __future__ import annotations

import re
import traceback
from types import TracebackType

import msgspec

from .. import errors
from ..errors import CallError, InsufficientMemoryError, LoadError, ModelNotLoadedError, RMMError
from .messages import ErrorRecord, Phase

__all__ = ["CallCancelledError", "call_error", "clean_text", "describe_error", "load_error"]

MAX_MESSAGE = 8 << 10
MAX_TRACEBACK = 16 << 10
MAX_NAME = 200

_ESCAPES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_CUT = "..."
_TRANSIENT = (MemoryError, ConnectionError, TimeoutError, BlockingIOError, InterruptedError)


class CallCancelledError(BaseException):
    """Raised in the model, out of a callback, once its call was cancelled; passes `except Exception`."""


def clean_text(text: str, limit: int, *, tail: bool = False) -> str:
    """Text without control sequences, of at most `limit` bytes: its start, or with `tail` its end."""
    text = text[-4 * limit :] if tail else text[: 4 * limit]
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return data.decode()
    room = limit - len(_CUT)
    return _CUT + data[-room:].decode(errors="ignore") if tail else data[:room].decode(errors="ignore") + _CUT


def describe_error(error: BaseException, phase: Phase) -> ErrorRecord:
    """What an exception says, whatever its class does when asked."""
    name = clean_text(_class_name(error), MAX_NAME)
    message = _message(error)
    return ErrorRecord(
        type=name,
        message=message,
        phase=phase,
        traceback=_traceback(error, f"{name}: {message}"),
        hint=_hint(error),
        retryable=issubclass(type(error), _TRANSIENT),
    )


def _class_name(error: BaseException) -> str:
    return type.__dict__["__name__"].__get__(type(error))  # whatever a metaclass would say


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as failure:  # noqa: BLE001 - a model's exception may do anything in __str__
        return f"(its text cannot be shown: {type(failure).__name__})"
    return clean_text(text, MAX_MESSAGE)


def _hint(error: BaseException) -> str:
    if not issubclass(type(error), RMMError):  # isinstance would ask the object for its class
        return ""
    try:
        return clean_text(str(getattr(error, "hint", "")), MAX_MESSAGE)
    except BaseException:  # noqa: BLE001 - as in _message
        return ""


def _traceback(error: BaseException, last_line: str) -> str:
    try:
        frames = traceback.format_tb(_outside_this_package(error.__traceback__), limit=-40)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        after = f"\nCaused by {_class_name(cause)}: {_message(cause)[:500]}" if cause else ""
        text = "".join(["Traceback (most recent call last):\n", *frames, last_line, after])
    except BaseException:  # noqa: BLE001 - a traceback is a help, never a reason to fail
        return last_line
    return clean_text(text, MAX_TRACEBACK, tail=True)


def _outside_this_package(frames: TracebackType | None) -> TracebackType | None:
    """The frames after those of the worker itself, which would tell the user nothing."""
    package = __name__.rpartition(".")[0]
    while frames and frames.tb_next and frames.tb_frame.f_globals.get("__name__", "").startswith(package):
        frames = frames.tb_next
    return frames


def load_error(record: ErrorRecord, model_id: str) -> RMMError:
    """The error of ours for a failed load, unload or change of configuration."""
    record = _within_limits(record)
    own = getattr(errors, record.type, None) if record.type in errors.__all__ else None
    if isinstance(own, type) and issubclass(own, RMMError):
        return own(record.message, model_id=model_id, hint=record.hint)
    text = f"{record.type}: {record.message}" if record.message else record.type
    if record.type == "MemoryError":
        hint = "Unload other models, or use a smaller variant of this one."
        return InsufficientMemoryError(f"Memory ran out: {text}", model_id=model_id, hint=hint)
    error = LoadError(text, model_id=model_id, hint="The model's own traceback is below; its configuration may help.")
    error.add_note(f"In the model's worker:\n{record.traceback[-2000:]}")
    return error


def call_error(record: ErrorRecord, model_id: str) -> RMMError:
    """The error of ours for a call in which the model raised."""
    record = _within_limits(record)
    if record.type == ModelNotLoadedError.__name__:  # an unload was faster
        return ModelNotLoadedError(record.message, model_id=model_id, hint="Load the model first.")
    return CallError(
        f"{record.type}: {record.message}" if record.message else record.type,
        model_id=model_id,
        hint=record.hint or "`remote_traceback` of this error shows where it was raised.",
        remote_type=record.type,
        remote_traceback=record.traceback,
    )


def _within_limits(record: ErrorRecord) -> ErrorRecord:
    """The record as an honest worker would have made it."""
    return msgspec.structs.replace(
        record,
        type=clean_text(record.type, MAX_NAME),
        message=clean_text(record.message, MAX_MESSAGE),
        traceback=clean_text(record.traceback, MAX_TRACEBACK, tail=True),
        hint=clean_text(record.hint, MAX_MESSAGE),
    )
