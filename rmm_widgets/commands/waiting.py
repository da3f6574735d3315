"""Waiting for jobs in the caller's thread: can be interrupted, and never stops the work itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ..runtime.job import Job

__all__ = ["WaitInterrupted", "wait_for", "wait_for_all"]

T = TypeVar("T")


class WaitInterrupted(KeyboardInterrupt):
    """The user stopped waiting; the work goes on. The text says how to stop the work too."""


def wait_for(job: Job[T]) -> T:
    """The job's result.

    Raises:
        WaitInterrupted: The wait was interrupted; the job goes on.
        RMMError: Whatever ended the job.
    """
    try:
        return job.result()
    except KeyboardInterrupt:
        raise WaitInterrupted(_interrupted(job)) from None


def wait_for_all(jobs: Iterable[Job[Any]]) -> None:
    """Wait until every job has ended, then raise the first error there was, if any."""
    failure: Exception | None = None
    for job in jobs:
        try:
            wait_for(job)
        except Exception as error:  # noqa: BLE001 - raised below, once the others have ended too
            failure = failure or error
    if failure is not None:
        raise failure


def _interrupted(job: Job[Any]) -> str:
    how = f" — cancel it with %rmm cancel {job.model_id}" if job.kind in {"download", "load"} else ""
    return f"stopped waiting; the {job.kind} of {job.model_id} goes on{how}"
