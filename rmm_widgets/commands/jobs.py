"""What a command gives when it has started jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .render import Message
from .spec import CommandResult, JobListing

if TYPE_CHECKING:
    from ..runtime.job import Job

__all__ = ["jobs_result"]


def jobs_result(jobs: Sequence[Job[Any]], doing: str, *, one: bool | None = None) -> CommandResult:
    """One job as itself, several as a listing; `doing` is the sentence's verb.

    Args:
        one: Whether one was asked for; by default whether there is one.
    """
    message = Message(f"{doing} {', '.join(str(job.model_id) for job in jobs)}.")
    one = len(jobs) == 1 if one is None else one
    return CommandResult(jobs[0] if one else JobListing(list(jobs), message), message)
