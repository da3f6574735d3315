"""Files for what workers print: kept while a worker lives and after a crash, gone after a proper end."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["WorkerLogs"]

KEPT_FOR = 7 * 24 * 3600.0
"""Seconds that the log of a crashed worker stays."""


class WorkerLogs:
    """The log files of one manager's workers, in a folder that managers may share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, generation: int) -> str | None:
        """Where a worker may write, None where the disk does not let us; drops files that are too old."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._drop_old()
        except OSError:
            return None
        return str(self._folder / f"worker-{os.getpid()}-{generation}.log")

    def drop(self, path: str | None) -> None:
        """Remove the log of a worker that ended as it should."""
        if path is not None:
            try:
                Path(path).unlink(missing_ok=True)
            except OSError:
                pass  # it will be dropped for its age

    def _drop_old(self) -> None:
        oldest = time.time() - KEPT_FOR
        for log in self._folder.glob("worker-*.log"):
            if log.stat().st_mtime < oldest:
                log.unlink(missing_ok=True)
