"""The stages of a model, the table of allowed moves, and what outsiders see of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from ..types import ModelStatus

__all__ = ["TRANSITIONS", "Failure", "FailurePhase", "ModelState", "Stage", "public_status"]


class Stage(StrEnum):
    """Where a model stands, finely. The first and the last of each group are resting stages."""

    REGISTERED = "registered"
    QUEUED = "queued"
    RESOLVING = "resolving"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    """The transfer was told to stop (to be cancelled or paused) and has not answered yet."""

    DISCARDING = "discarding"
    """Nothing is fetched any more, and what was fetched is being removed."""

    DOWNLOADED = "downloaded"
    WAITING = "waiting"
    LOADING = "loading"
    ABORTING = "aborting"
    """The load was told to stop and its worker is not gone yet."""

    LOADED = "loaded"
    UNLOADING = "unloading"
    ERROR = "error"


S = Stage

TRANSITIONS: dict[Stage, frozenset[Stage]] = {
    S.REGISTERED: frozenset({S.QUEUED, S.DOWNLOADED, S.DISCARDING}),
    S.QUEUED: frozenset({S.RESOLVING, S.PAUSED, S.REGISTERED}),
    S.RESOLVING: frozenset({S.DOWNLOADING, S.VERIFYING, S.DOWNLOADED, S.CANCELLING, S.ERROR}),
    S.DOWNLOADING: frozenset({S.VERIFYING, S.DOWNLOADED, S.CANCELLING, S.ERROR}),
    S.VERIFYING: frozenset({S.DOWNLOADING, S.DOWNLOADED, S.CANCELLING, S.ERROR}),
    S.PAUSED: frozenset({S.QUEUED, S.REGISTERED}),
    S.CANCELLING: frozenset({S.REGISTERED, S.PAUSED, S.QUEUED, S.DOWNLOADED, S.DISCARDING, S.ERROR}),
    S.DISCARDING: frozenset({S.REGISTERED, S.QUEUED}),
    S.DOWNLOADED: frozenset({S.WAITING, S.REGISTERED, S.ERROR}),
    S.WAITING: frozenset({S.LOADING, S.DOWNLOADED}),
    S.LOADING: frozenset({S.LOADED, S.ABORTING, S.ERROR}),
    S.ABORTING: frozenset({S.DOWNLOADED, S.WAITING, S.ERROR}),
    S.LOADED: frozenset({S.UNLOADING, S.ERROR}),
    S.UNLOADING: frozenset({S.DOWNLOADED, S.WAITING, S.ERROR}),
    S.ERROR: frozenset({S.QUEUED, S.WAITING, S.UNLOADING, S.REGISTERED, S.DOWNLOADED}),
}

TRANSFERRING = frozenset({S.RESOLVING, S.DOWNLOADING, S.VERIFYING, S.CANCELLING})
"""Stages that hold one of the download slots."""

FETCHING = frozenset({S.QUEUED, S.RESOLVING, S.DOWNLOADING, S.VERIFYING})
"""Stages in which a download is wanted and not yet done."""

LOADING = frozenset({S.LOADING, S.ABORTING})
"""Stages that hold one of the load slots."""

WITH_WORKER = frozenset({S.LOADING, S.ABORTING, S.LOADED, S.UNLOADING, S.ERROR})
"""Stages in which a worker may be alive."""

RESTARTING = frozenset({S.ERROR, S.WAITING, S.LOADING})
"""Stages in which a reload after a crash may be waited for or under way."""

RESTING = frozenset({S.REGISTERED, S.PAUSED, S.DOWNLOADED, S.LOADED, S.ERROR})
"""Stages that last until somebody asks for something."""

_STATUS: dict[Stage, ModelStatus] = {
    S.REGISTERED: ModelStatus.NOT_DOWNLOADED,
    S.QUEUED: ModelStatus.DOWNLOADING,
    S.RESOLVING: ModelStatus.DOWNLOADING,
    S.DOWNLOADING: ModelStatus.DOWNLOADING,
    S.VERIFYING: ModelStatus.DOWNLOADING,
    S.PAUSED: ModelStatus.NOT_DOWNLOADED,
    S.CANCELLING: ModelStatus.DOWNLOADING,
    S.DISCARDING: ModelStatus.NOT_DOWNLOADED,
    S.DOWNLOADED: ModelStatus.DOWNLOADED,
    S.WAITING: ModelStatus.LOADING,
    S.LOADING: ModelStatus.LOADING,
    S.ABORTING: ModelStatus.LOADING,
    S.LOADED: ModelStatus.LOADED,
    S.UNLOADING: ModelStatus.DOWNLOADED,
    S.ERROR: ModelStatus.ERROR,
}


def public_status(stage: Stage) -> ModelStatus:
    """The public status of a stage. Paused or being discarded, it is not on disk and nothing comes: not downloaded."""
    return _STATUS[stage]


FailurePhase = Literal["download", "load", "unload", "crash", "crash_loop"]
"""`crash_loop`: it crashed again after every reload that it was granted, and is not loaded again by itself."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a model is in `Stage.ERROR`. `error` names the class of the error that the user gets."""

    phase: FailurePhase
    reason: str
    hint: str = ""
    error: str = ""
    retryable: bool = True
    attempts: int = 1


class ModelState(msgspec.Struct, frozen=True):
    """The whole state of one model.

    Attributes:
        on_disk: Every file is there and verified.
        run: Number of the latest transfer or discard; reports of older ones are ignored.
        generation: Number of the latest worker; reports of older ones are ignored.
        worker: Generation of the live worker, 0 while there is none.
        percent: Progress of the running or last transfer, 0 to 100.
        download, load, unload, remove, discard: Tickets of the open jobs, 0 where there is none.
        next_download: Ticket of a download asked for while the former one is being cancelled or discarded.
        next_load: Ticket of a load asked for while the former one is being aborted.
        pausing: The transfer was told to stop because of a pause, not of a cancel.
        for_load_only: The download was started by a load and nobody else asked for it.
        restart: Attempt of the reload after a crash that is waited for (in `Stage.ERROR`) or under way; else 0.
    """

    stage: Stage = Stage.REGISTERED
    on_disk: bool = False
    failure: Failure | None = None
    run: int = 0
    generation: int = 0
    worker: int = 0
    percent: float = 0.0
    download: int = 0
    load: int = 0
    unload: int = 0
    remove: int = 0
    discard: int = 0
    next_download: int = 0
    next_load: int = 0
    pausing: bool = False
    for_load_only: bool = False
    restart: int = 0

    def tickets(self) -> tuple[int, ...]:
        """The open jobs of this model."""
        return tuple(
            ticket
            for ticket in (
                self.download,
                self.load,
                self.unload,
                self.remove,
                self.discard,
                self.next_download,
                self.next_load,
            )
            if ticket
        )
