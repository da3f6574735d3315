"""A worker's own folder for temporary files, and those of workers whose kernel was killed.

A folder is locked as long as the kernel that made it lives; one that can be locked belongs to nobody any more.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
import time
from pathlib import Path

__all__ = ["WorkerFolder", "remove_abandoned"]

_PREFIX = "rmm-worker-"
_YOUNG = 60.0
"""Seconds in which a folder may not be locked yet by whoever has just made it."""


class WorkerFolder:
    """A new empty folder that only this user can enter. Raises OSError."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix=_PREFIX)
        self._lock = _lock(self.path)

    def remove(self) -> None:
        """Remove the folder with all that is in it, as far as possible."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


@functools.cache
def remove_abandoned(root: str) -> None:
    """Remove the worker folders in `root` that a dead kernel of this user left; looks once in a kernel's life."""
    with contextlib.suppress(OSError):
        for folder in Path(root).glob(f"{_PREFIX}*"):
            _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    with contextlib.suppress(OSError):
        facts = folder.lstat()
        if facts.st_uid != os.getuid() or time.time() - facts.st_mtime < _YOUNG:
            return
        lock = _lock(str(folder))
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(path: str) -> int | None:
    """An open descriptor that holds the folder's lock, or None where somebody else holds it or nobody can."""
    import fcntl  # not on every system; nor are worker processes

    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
