"""Public records about lock files: what a machine has of what a lock file names, and what was done about it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["LockAction", "LockDifference", "LockSubject", "SyncReport", "SyncedModel"]

LockAction = Literal["registered", "moved", "configured", "downloaded", "repaired"]
"""What was done for a model: registered; given the locked commit or choice of files, or the locked settings; its
files fetched; damaged ones fetched again."""

LockSubject = Literal["registration", "repository", "type", "commit", "choice", "config", "published", "refused"]
"""What differs: there is no such model here; it is of another repository or type; at another commit; with another
choice of files; with other settings; the commit has other files than the lock file names; or something is in the way,
which the message tells."""


class LockDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in which a model is not as the lock file says.

    Attributes:
        message, hint: What, and what to do about it, for people.
        error: The class of the error that was in the way, such as "GatedModelError"; empty where none was.
    """

    what: LockSubject
    message: str
    hint: str = ""
    error: str = ""


class SyncedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model of a lock file.

    Attributes:
        done: What was changed here, in order; empty where nothing had to be, and for a mere check.
        differences: In what it is still not as locked, its files left aside.
        missing, corrupt: Files that are not there, or whose bytes are not the locked ones.
        checked_files, checked_bytes: What the lock file names of it, and what was read to compare it.
    """

    model_id: str
    done: tuple[LockAction, ...] = ()
    differences: tuple[LockDifference, ...] = ()
    missing: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()
    checked_files: int = 0
    checked_bytes: int = 0

    @property
    def ok(self) -> bool:
        """True where it is here exactly as the lock file says."""
        return not (self.differences or self.missing or self.corrupt)


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """How this machine compares with a lock file.

    Attributes:
        path: The lock file, as it was given.
        models: In the order of the lock file.
        not_locked: Models that are registered here and not in the lock file; they stay, and are no difference.
    """

    path: str
    models: tuple[SyncedModel, ...] = ()
    not_locked: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True where every model is here exactly as the lock file says."""
        return all(model.ok for model in self.models)

    @property
    def differing(self) -> tuple[SyncedModel, ...]:
        """The models that are not."""
        return tuple(model for model in self.models if not model.ok)
