"""Documents about jobs and errors: what is said of work under way, and of how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..disk_records import CachedModel, DiskUsage, PruneReport
from ..error_links import in_one_line
from ..errors import RMMError
from ..file_records import VerifyReport
from ..lock_records import SyncReport
from ..types import HubModel, ModelInfo
from .disk_views import prune_message, usage_table, verified, verify_document
from .find_views import cached_table, search_table
from .lock_views import sync_table
from .render import Document, Message, size
from .views import progress_text

if TYPE_CHECKING:
    from ..runtime.job import Job

__all__ = ["error_line", "job_document", "job_line"]

_DONE: Mapping[str, str] = {
    "download": "downloaded",
    "load": "loaded",
    "unload": "unloaded",
    "delete": "removed",
    "repair": "all files are as published",
}


def job_document(job: Job[Any]) -> Document:
    """A job in one line, or as its result where that is worth a table."""
    if job.done() and job.exception() is None:
        result: object = job.result()
        if isinstance(result, VerifyReport):
            return verify_document(result)
        if isinstance(result, PruneReport):
            return prune_message(result)
        if isinstance(result, DiskUsage):
            return usage_table(result)
        if isinstance(result, SyncReport):
            return sync_table(result)
        if job.kind == "search":
            return search_table(cast("list[HubModel]", result))
        if job.kind == "cached":
            return cached_table(cast("list[CachedModel]", result))
    return Message(job_line(job))


def job_line(job: Job[Any]) -> str:
    """A job in one line: how far it is, or how it ended."""
    name = job.model_id or job.kind
    if not job.done():
        told = progress_text(job.progress)
        doing = f"{job.model_id}: {job.kind}" if job.model_id else job.kind
        return f"{name}: {told}" if told else f"{doing} under way"
    error = job.exception()
    if error is not None:
        return f"{name}: {error_line(error)}"
    return f"{name}: {_outcome(job)}"


def _outcome(job: Job[Any]) -> str:
    if job.kind == "download" and job.progress is not None:
        return f"downloaded, {size(job.progress.total_bytes)}"
    result: object = job.result()
    if isinstance(result, VerifyReport):
        return verified(result)
    if isinstance(result, ModelInfo):
        return f"registered, {result.model_type.value}, {size(result.total_size_estimate)}"
    return _DONE.get(job.kind) or str(result)


def error_line(error: BaseException) -> str:
    """An error in one line: what happened, what to do, and where more is said."""
    if isinstance(error, RMMError):
        return in_one_line(error.message, error.hint, error.guide_name)
    return f"{type(error).__name__}: {error}"
