"""What the machine asks the shell to do, and what it answers to a request. Plain records."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..types import ModelEventType
from .states import Failure

__all__ = [
    "Announce",
    "AwaitRestart",
    "Decision",
    "Effect",
    "Finish",
    "Refusal",
    "Removed",
    "StartDiscard",
    "StartLoad",
    "StartTransfer",
    "StartUnload",
    "StopLoad",
    "StopTransfer",
]


class StartTransfer(msgspec.Struct, frozen=True):
    """Fetch the files; report with this `run`."""

    model_id: str
    run: int


class StopTransfer(msgspec.Struct, frozen=True):
    """Stop fetching and keep what is there; report `transfer_stopped`."""

    model_id: str
    run: int


class StartDiscard(msgspec.Struct, frozen=True):
    """Remove what was fetched of an unfinished download; report `discarded` with this `run`."""

    model_id: str
    run: int


class StartLoad(msgspec.Struct, frozen=True):
    """Start a worker and load the model into it; report with this `generation`."""

    model_id: str
    generation: int


class StopLoad(msgspec.Struct, frozen=True):
    """End the loading worker; report `load_stopped` when it is gone."""

    model_id: str
    generation: int


class StartUnload(msgspec.Struct, frozen=True):
    """Unload and end the worker; with `force`, end it even where unloading raises."""

    model_id: str
    generation: int
    force: bool = False


class AwaitRestart(msgspec.Struct, frozen=True):
    """Report `restart_due` after the wait of this attempt."""

    model_id: str
    generation: int
    attempt: int


class Finish(msgspec.Struct, frozen=True):
    """A job ended. Exactly one `Finish` or `Removed` comes for every ticket."""

    model_id: str
    ticket: int
    outcome: Literal["done", "cancelled", "failed"]
    failure: Failure | None = None


class Removed(msgspec.Struct, frozen=True):
    """The model left the machine; forget it, then end the job of this ticket."""

    model_id: str
    ticket: int


class Announce(msgspec.Struct, frozen=True):
    """Tell the listeners."""

    type: ModelEventType
    model_id: str
    action: str
    failure: Failure | None = None


Effect = (
    StartTransfer
    | StopTransfer
    | StartDiscard
    | StartLoad
    | StopLoad
    | StartUnload
    | AwaitRestart
    | Finish
    | Removed
    | Announce
)

Refusal = Literal["removing", "not_available"]


class Decision(msgspec.Struct, frozen=True):
    """The answer to a request.

    Attributes:
        ticket: The job that will end when the request is fulfilled, 0 where it already is.
        refused: Why nothing will happen, or None.
    """

    ticket: int = 0
    refused: Refusal | None = None
