"""Trying again: the loop around one attempt. How often and how long to wait is `retry`'s matter."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from .faults import ExpiredAddress, Retry, gave_up
from .retry import RetryPolicy

POLICY = RetryPolicy()
_chance = random.Random()  # noqa: S311 (spreads retries; nothing secret)
T = TypeVar("T")


class Pauses(Protocol):
    """Whose time it is: a job that may end while it waits."""

    def check(self) -> None:
        """Raise where the job is ending."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait; raise where the job ends meanwhile."""
        ...

    def alive(self, until: float = 0.0) -> None:
        """A sign of life for the stall watch, good until a time of its clock."""
        ...


def persist(
    control: Pauses,
    what: str,
    attempt: Callable[[], T],
    progress: Callable[[], int] = lambda: 0,
    *,
    policy: RetryPolicy | None = None,
    clock: Callable[[], float] = time.monotonic,
    slow_down: Callable[[float], None] = lambda _seconds: None,
) -> T:
    """Repeat an attempt until it succeeds; attempts that bring `progress` do not count as failures.

    Args:
        what: What is fetched, for the error.
        policy: Other patience than `POLICY`.
        clock: The clock of `control`.
        slow_down: Called where the server asks for a pause, with its seconds.

    Raises:
        DownloadError: It cannot succeed, or the attempts are used up.
        StoppedError: The job ended.
    """
    policy = policy or POLICY
    failures = 0
    while True:
        before = progress()
        try:
            return attempt()
        except Retry as fault:
            control.check()
            came_further = progress() > before
            failures = 0 if came_further else failures + 1
            hasty = fault.kind == "unreachable" and fault.is_first_contact
            wait = policy.wait(failures, asked=fault.wait, chance=_chance.random(), hasty=hasty)
            if wait is None:
                raise gave_up(fault, what, failures) from None
            if fault.wait is not None:
                slow_down(fault.wait)
            if isinstance(fault, ExpiredAddress) and failures == 1:
                wait = 0.0
            if not came_further and fault.kind != "stalled":
                control.alive(clock() + wait)
            control.pause(wait)
