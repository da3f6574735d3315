"""What lies between the kernel's handle on a worker and the worker's core: the contract of a placement.

A new placement implements `Link`; everything else about a worker is in `handle` and `core`.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from .api import Exit
from .messages import Reply, Request

__all__ = ["Inbox", "Link", "Unsent"]


class Unsent(msgspec.Struct, frozen=True):
    """A request that never left the kernel, and why."""

    id: int
    error: Exception


class Inbox(Protocol):
    """Where a link puts what comes from the worker; both may be called from any thread."""

    def deliver(self, reply: Reply | Unsent, size: int = 0) -> None:
        """Take a reply that came in `size` bytes."""
        ...

    def ended(self, exit_: Exit) -> None:
        """Take the news of the worker's end, after all its replies."""
        ...


class Link(Protocol):
    """Carries requests to one worker core and ends it. None of its methods waits."""

    @property
    def placement(self) -> Literal["process", "kernel"]:
        """Where the core runs."""
        ...

    @property
    def pid(self) -> int | None:
        """The core's own process, or None."""
        ...

    @property
    def model(self) -> Any:
        """The loaded object itself where it is in this process, else None."""
        ...

    def send(self, request: Request) -> None:
        """Send a request; failures are delivered as `Unsent`."""
        ...

    def close(self) -> None:
        """Let the worker end by itself; nothing more is sent."""
        ...

    def kill(self, why: str) -> None:
        """End the worker as hard as the placement can; `Inbox.ended` follows."""
        ...

    def memory_bytes(self) -> int:
        """Bytes that the core's own process takes, or 0."""
        ...

    def cpu_seconds(self) -> float | None:
        """Processor time of the core's own process, or None."""
        ...
