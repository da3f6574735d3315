"""What the kernel and a worker core say to each other: requests one way, replies the other.

The records hold live values. In the kernel they are handed over as they are; `wire` turns them into bytes
for a process.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Phase = Literal["load", "call", "probe", "config", "unload"]


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """The first message to a process: which model it is for."""

    loader: str
    model_id: str
    model_type: str
    path: str
    generation: int
    trusted: bool = False


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True, tag="load"):
    """Bring the model into memory."""

    id: int
    config: dict[str, Any]
    device: str | None


class CallRequest(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """Run a method; `callbacks` names the keyword arguments that were callables.

    Attributes:
        steps: The keyword argument that gets a function for the call's steps; "" where they are the items of the
            iterator that the method returns; None where nobody wants steps.
    """

    id: int
    method: str
    args: list[Any]
    kwargs: dict[str, Any]
    callbacks: list[str]
    steps: str | None = None


class ProbeRequest(msgspec.Struct, frozen=True, kw_only=True, tag="probe"):
    """Ask the model whether it is well."""

    id: int


class ConfigRequest(msgspec.Struct, frozen=True, kw_only=True, tag="config"):
    """Use this configuration from now on."""

    id: int
    config: dict[str, Any]


class UnloadRequest(msgspec.Struct, frozen=True, kw_only=True, tag="unload"):
    """Drop the model."""

    id: int


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    """Ask one request to stop, or whatever runs where `target` is None. Has no reply of its own."""

    target: int | None


class TakenRequest(msgspec.Struct, frozen=True, kw_only=True, tag="taken"):
    """So many more steps of a call were taken. Has no reply."""

    target: int
    count: int


WorkRequest = LoadRequest | CallRequest | ProbeRequest | ConfigRequest | UnloadRequest
Request = WorkRequest | CancelRequest | TakenRequest


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An exception as plain text; no exception object ever leaves a worker."""

    type: str
    message: str
    phase: Phase
    traceback: str = ""
    hint: str = ""
    retryable: bool = False
    """True where the same request may succeed later, as after a lack of memory."""


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The request succeeded."""

    id: int
    generation: int
    value: Any


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The request raised."""

    id: int
    generation: int
    error: ErrorRecord


class Busy(msgspec.Struct, frozen=True, kw_only=True, tag="busy"):
    """A probe could not be run, because `operation` has been running for `seconds`."""

    id: int
    generation: int
    operation: Phase
    seconds: float


class CallbackCall(msgspec.Struct, frozen=True, kw_only=True, tag="callback"):
    """The model called the callback `name` of request `id`, or gave a step. Has no reply."""

    id: int
    generation: int
    name: str
    args: list[Any]
    kwargs: dict[str, Any]


Reply = Done | Failed | Busy | CallbackCall
