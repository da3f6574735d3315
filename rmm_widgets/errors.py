"""The error tree: every error a user can meet is one of these.

An error says what happened (`str(error)`), to which model (`.model_id`) and what to do
next (`.hint`). The hint is also attached as an exception note, so that a traceback in a
notebook shows it without any code of ours; a second note says where the error is explained.
"""

from __future__ import annotations

from .error_links import pointer_here
from .lock_records import SyncReport
from .memory_records import MemoryHolder

__all__ = [
    "CallError",
    "DiskFullError",
    "DownloadCancelledError",
    "DownloadError",
    "DownloadStalledError",
    "DownloadTimeoutError",
    "FrontEndNotBuiltError",
    "GatedModelError",
    "HubUnavailableError",
    "InsufficientMemoryError",
    "IntegrityError",
    "InvalidCommandError",
    "InvalidConfigError",
    "InvalidModelInfoError",
    "LoadCancelledError",
    "LoadError",
    "LoadTimeoutError",
    "LockFileError",
    "LockMismatchError",
    "ManagerClosedError",
    "MissingDependencyError",
    "ModelAlreadyRegisteredError",
    "ModelNotAvailableError",
    "ModelNotLoadedError",
    "ModelNotRegisteredError",
    "NoCapacityError",
    "RMMError",
    "RegistryError",
    "RepositoryNotFoundError",
    "RevisionNotFoundError",
    "UnsafeModelError",
    "UnsupportedModelError",
    "WorkerDiedError",
]


class RMMError(Exception):
    """Base of all errors of this package.

    Attributes:
        model_id: The model concerned, or None where the error concerns no single model.
        hint: What to do next, one sentence; empty where there is nothing to advise.
    """

    def __init__(self, message: str, *, model_id: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.model_id = model_id
        self.hint = ""
        self.add_note(pointer_here(self.guide_name))
        self.add_hint(hint)

    @property
    def message(self) -> str:
        """What happened, without the hint."""
        return str(self.args[0])

    @property
    def guide_name(self) -> str:
        """The name under which `%rmm help` explains it: of its class, or of the first of ours that it derives from."""
        return next(kind.__name__ for kind in type(self).__mro__ if kind.__module__ == __name__)

    def add_hint(self, more: str) -> None:
        """Tell more of what to do next, also in tracebacks; nothing for an empty text."""
        if not more:
            return
        told = [f"Hint: {self.hint}"] if self.hint else []
        self.hint = f"{self.hint} {more}" if self.hint else more
        self.__notes__[: len(told)] = [f"Hint: {self.hint}"]

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # The default recreates an exception from `args` alone; its notes come with `__dict__`, in place of new ones.
        return (type(self), (self.message,), self.__dict__)


class ModelNotRegisteredError(RMMError):
    """The id is not in the registry."""


class ModelAlreadyRegisteredError(RMMError):
    """The id is taken by another repository, version or type."""


class InvalidModelInfoError(RMMError, ValueError):
    """A ModelInfo field is missing or malformed."""


class ModelNotAvailableError(RMMError):
    """The model's files are not (all) on disk."""


class ModelNotLoadedError(ModelNotAvailableError):
    """The model is not in memory, so it cannot be called."""


class InvalidConfigError(RMMError, ValueError):
    """A configuration key is unknown or its value is wrong."""


class InvalidCommandError(RMMError, ValueError):
    """A command line or a message from a view is not understood; nothing was done."""


class FrontEndNotBuiltError(RMMError):
    """The widgets' JavaScript is not there, as in a source checkout before its first build."""


class ManagerClosedError(RMMError):
    """The manager was closed; make a new one."""


class RegistryError(RMMError):
    """The registry on disk cannot be read or written."""


class LockFileError(RMMError):
    """A lock file cannot be read or written, or is none; nothing was changed."""


class LockMismatchError(RMMError):
    """What is here is not what a lock file says.

    Attributes:
        report: How every model of the lock file compares, and what was done.
    """

    def __init__(
        self, message: str, *, model_id: str | None = None, hint: str = "", report: SyncReport | None = None
    ) -> None:
        super().__init__(message, model_id=model_id, hint=hint)
        self.report = report or SyncReport(path="")


class DownloadError(RMMError):
    """A download did not deliver the model."""


class RepositoryNotFoundError(DownloadError):
    """The Hub has no such repository, or it is private and the token cannot see it."""


class RevisionNotFoundError(DownloadError):
    """The repository has no such branch, tag or commit."""


class GatedModelError(DownloadError):
    """The repository asks for an agreement that this account has not given."""


class IntegrityError(DownloadError):
    """Bytes differ from what the Hub published."""


class DiskFullError(DownloadError):
    """There is not enough free space for the download."""


class DownloadStalledError(DownloadError):
    """No bytes came for longer than `stall_timeout`."""


class DownloadTimeoutError(DownloadError):
    """The download took longer than `download_timeout`."""


class HubUnavailableError(DownloadError):
    """The Hub could not be reached or keeps answering with errors."""


class DownloadCancelledError(DownloadError):
    """The download was cancelled; what was fetched is kept for the next try."""


class LoadError(RMMError):
    """The model could not be loaded or unloaded."""


class LoadTimeoutError(LoadError):
    """The load took longer than `load_timeout` and was ended."""


class LoadCancelledError(LoadError):
    """The load was cancelled."""


class InsufficientMemoryError(LoadError):
    """The model does not fit into the memory that is free.

    Attributes:
        need: Bytes that the load needs, 0 where memory ran out without a warning.
        free: Bytes that it could have had.
        device: Whose memory is short: "ram", or a GPU such as "cuda:0".
        budget: The manager's `memory_budget`, None where it has none.
        holders: The models that are in memory, the largest first.
    """

    def __init__(
        self,
        message: str,
        *,
        model_id: str | None = None,
        hint: str = "",
        need: int = 0,
        free: int = 0,
        device: str = "ram",
        budget: int | None = None,
        holders: tuple[MemoryHolder, ...] = (),
    ) -> None:
        super().__init__(message, model_id=model_id, hint=hint)
        self.need = need
        self.free = free
        self.device = device
        self.budget = budget
        self.holders = holders


class UnsafeModelError(LoadError):
    """The repository contains code or pickles that were not allowed."""


class UnsupportedModelError(LoadError):
    """No loader knows what to do with this repository."""


class MissingDependencyError(LoadError):
    """A library that the loader needs is not installed."""


class WorkerDiedError(LoadError):
    """The process that held the model ended.

    Attributes:
        signal: Number of the signal that killed it, or None.
        exitcode: Exit code where it ended by itself, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        model_id: str | None = None,
        hint: str = "",
        signal: int | None = None,
        exitcode: int | None = None,
    ) -> None:
        super().__init__(message, model_id=model_id, hint=hint)
        self.signal = signal
        self.exitcode = exitcode


class NoCapacityError(LoadError):
    """No machine can ever give what the model asks for."""


class CallError(RMMError):
    """The model raised while it was being used.

    Attributes:
        remote_type: Class name of the exception where the model lives.
        remote_traceback: Its traceback as text.
    """

    def __init__(
        self,
        message: str,
        *,
        model_id: str | None = None,
        hint: str = "",
        remote_type: str = "",
        remote_traceback: str = "",
    ) -> None:
        super().__init__(message, model_id=model_id, hint=hint)
        self.remote_type = remote_type
        self.remote_traceback = remote_traceback
