"""A model manager that lives in the Jupyter kernel.

It registers ML models, downloads them from the Hugging Face Hub, loads them in isolated workers, watches
their health and unloads them so that the memory really comes back. Start with `get_manager()`, or with
`%load_ext rmm_widgets` in a notebook.

Everything is imported on first use: `import rmm_widgets` alone costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base_model import BaseModel
    from .default_manager import get_manager
    from .disk_records import CachedModel, DiskUsage, ModelUsage, PrunedFile, PruneReport, RepositoryUsage
    from .errors import (
        CallError,
        DiskFullError,
        DownloadCancelledError,
        DownloadError,
        DownloadStalledError,
        DownloadTimeoutError,
        FrontEndNotBuiltError,
        GatedModelError,
        HubUnavailableError,
        InsufficientMemoryError,
        IntegrityError,
        InvalidCommandError,
        InvalidConfigError,
        InvalidModelInfoError,
        LoadCancelledError,
        LoadError,
        LoadTimeoutError,
        LockFileError,
        LockMismatchError,
        ManagerClosedError,
        MissingDependencyError,
        ModelAlreadyRegisteredError,
        ModelNotAvailableError,
        ModelNotLoadedError,
        ModelNotRegisteredError,
        NoCapacityError,
        RegistryError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
        RMMError,
        UnsafeModelError,
        UnsupportedModelError,
        WorkerDiedError,
    )
    from .file_records import FileCheck, FileListing, FileProgress, ListedFile, VerifyReport
    from .health import ProbeRecord
    from .loading.config import (
        CaptionGeneratorConfig,
        ClassificationModelConfig,
        DetectionModelConfig,
        DiffusionLMConfig,
        EmbeddingModelConfig,
    )
    from .lock_records import LockDifference, SyncedModel, SyncReport
    from .manager import ModelManager
    from .notebook.widgets import DownloadProgress, HealthBadge, ModelManagerPanel, RegistryTable
    from .runtime.entry import ModelDescription
    from .runtime.job import Job
    from .safety_records import Finding, SafetyReport
    from .story.records import Story, StoryLine
    from .types import (
        HubModel,
        ManagerState,
        ModelCapabilities,
        ModelDownloadProgress,
        ModelEvent,
        ModelEventType,
        ModelHealth,
        ModelInfo,
        ModelInstance,
        ModelStatus,
        ModelType,
        QueueEntry,
        Statistics,
        UpdateOffer,
    )

__version__ = "0.1.0"

__all__ = [
    "BaseModel",
    "CachedModel",
    "CallError",
    "CaptionGeneratorConfig",
    "ClassificationModelConfig",
    "DetectionModelConfig",
    "DiffusionLMConfig",
    "DiskFullError",
    "DiskUsage",
    "DownloadCancelledError",
    "DownloadError",
    "DownloadProgress",
    "DownloadStalledError",
    "DownloadTimeoutError",
    "EmbeddingModelConfig",
    "FileCheck",
    "FileListing",
    "FileProgress",
    "Finding",
    "FrontEndNotBuiltError",
    "GatedModelError",
    "HealthBadge",
    "HubModel",
    "HubUnavailableError",
    "InsufficientMemoryError",
    "IntegrityError",
    "InvalidCommandError",
    "InvalidConfigError",
    "InvalidModelInfoError",
    "Job",
    "ListedFile",
    "LoadCancelledError",
    "LoadError",
    "LoadTimeoutError",
    "LockDifference",
    "LockFileError",
    "LockMismatchError",
    "ManagerClosedError",
    "ManagerState",
    "MissingDependencyError",
    "ModelAlreadyRegisteredError",
    "ModelCapabilities",
    "ModelDescription",
    "ModelDownloadProgress",
    "ModelEvent",
    "ModelEventType",
    "ModelHealth",
    "ModelInfo",
    "ModelInstance",
    "ModelManager",
    "ModelManagerPanel",
    "ModelNotAvailableError",
    "ModelNotLoadedError",
    "ModelNotRegisteredError",
    "ModelStatus",
    "ModelType",
    "ModelUsage",
    "NoCapacityError",
    "ProbeRecord",
    "PruneReport",
    "PrunedFile",
    "QueueEntry",
    "RMMError",
    "RegistryError",
    "RegistryTable",
    "RepositoryNotFoundError",
    "RepositoryUsage",
    "RevisionNotFoundError",
    "SafetyReport",
    "Statistics",
    "Story",
    "StoryLine",
    "SyncReport",
    "SyncedModel",
    "UnsafeModelError",
    "UnsupportedModelError",
    "UpdateOffer",
    "VerifyReport",
    "WorkerDiedError",
    "get_manager",
]

_ELSEWHERE = {
    "BaseModel": ".base_model",
    "CachedModel": ".disk_records",
    "CaptionGeneratorConfig": ".loading.config",
    "ClassificationModelConfig": ".loading.config",
    "DetectionModelConfig": ".loading.config",
    "DiffusionLMConfig": ".loading.config",
    "DiskUsage": ".disk_records",
    "DownloadProgress": ".notebook.widgets",
    "EmbeddingModelConfig": ".loading.config",
    "FileCheck": ".file_records",
    "FileListing": ".file_records",
    "FileProgress": ".file_records",
    "Finding": ".safety_records",
    "ListedFile": ".file_records",
    "LockDifference": ".lock_records",
    "HealthBadge": ".notebook.widgets",
    "Job": ".runtime.job",
    "ModelDescription": ".runtime.entry",
    "ModelManager": ".manager",
    "ModelManagerPanel": ".notebook.widgets",
    "ModelUsage": ".disk_records",
    "ProbeRecord": ".health",
    "PruneReport": ".disk_records",
    "PrunedFile": ".disk_records",
    "Story": ".story.records",
    "StoryLine": ".story.records",
    "RegistryTable": ".notebook.widgets",
    "RepositoryUsage": ".disk_records",
    "SafetyReport": ".safety_records",
    "SyncReport": ".lock_records",
    "SyncedModel": ".lock_records",
    "VerifyReport": ".file_records",
    "get_manager": ".default_manager",
}
_MODULES = frozenset({"demo", "manager"})


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _ELSEWHERE.get(name) or (".errors" if name.endswith("Error") else ".types")
    value = getattr(importlib.import_module(module, __name__), name)
    if name in {"Job", "ModelManager", "get_manager"}:
        _let_notebooks_show_jobs()
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


def _let_notebooks_show_jobs() -> None:
    """A job is displayed by the notebook face, which the runtime below it must not import."""
    from .runtime.job import Job

    def show(job: Job[Any]) -> dict[str, Any] | None:
        from .notebook.display import job_mimebundle

        return job_mimebundle(job)

    Job.show = show


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext rmm_widgets`: the magics `%rmm` and `%%rmm`."""
    from .notebook.magics import register

    _let_notebooks_show_jobs()
    register(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext rmm_widgets`."""
    from .notebook.magics import unregister

    unregister(ipython)


def _jupyter_labextension_paths() -> list[dict[str, str]]:  # pyright: ignore[reportUnusedFunction]
    return [{"src": "labextension", "dest": "rmm-widgets"}]
