"""What a command gives when it has started jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .render import Message
from .spec import CommandResult, JobListing

if TYPE_CHECKING:
    from ..runtime.job import Job

__all__ = ["jobs_result"]


def jobs_result(jobs: Sequence[Job[Any]], doing: str) -> CommandResult:
    """One job as itself, several as a listing; `doing` is the sentence's verb."""
    message = Message(f"{doing} {', '.join(str(job.model_id) for job in jobs)}.")
    return CommandResult(jobs[0] if len(jobs) == 1 else JobListing(list(jobs), message), message)
