"""What the jobs of one fetch process share: connections, and the space on each disk."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

MOST_CONNECTIONS = 64
"""Connections of all jobs together."""


class Limits:
    """Shared by all jobs of a process. Thread-safe."""

    def __init__(self, most_connections: int = MOST_CONNECTIONS) -> None:
        self._guard = threading.Lock()
        self._free = most_connections
        self._planned: dict[object, tuple[int, Callable[[], int]]] = {}

    def claim_connection(self, *, is_first: bool) -> bool:
        """Take a connection; False where the jobs have all there are. A job's first is never refused."""
        with self._guard:
            if self._free <= 0 and not is_first:
                return False
            self._free -= 1
            return True

    def return_connection(self) -> None:
        """Give a connection back."""
        with self._guard:
            self._free += 1

    def plan_space(self, job: object, folder: Path, remaining: Callable[[], int]) -> int:
        """Note that a job will write below a folder; `remaining` tells how many bytes more, at any time.

        Returns:
            Bytes free there that no other job will fill.
        """
        folder = _existing(folder)
        device = folder.stat().st_dev
        with self._guard:
            others = [left for key, (where, left) in self._planned.items() if where == device and key is not job]
            self._planned[job] = (device, remaining)
        return max(0, shutil.disk_usage(folder).free - sum(left() for left in others))

    def forget_space(self, job: object) -> None:
        """The job writes no more."""
        with self._guard:
            self._planned.pop(job, None)


def _existing(folder: Path) -> Path:
    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError):  # not there yet, or a name that is too long
            if place.exists():
                return place
    return Path(folder.anchor or ".")
