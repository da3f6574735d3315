"""The lock of one content: the same file, taken in the same way, as huggingface_hub's.

It is flock on `.locks/REPOSITORY/DIGEST.lock`. Taken here rather than by filelock, because that only knows
paths, through which a link could lead elsewhere, and takes ten times as long. Where the system has no
flock, filelock does it by path, with the same results as for huggingface_hub: on Windows with the
system's own lock, on file systems without locks with a file whose presence is the lock. There, a link
that replaces the folder at the right moment could place an empty lock file elsewhere.

A lock saves bandwidth. Nothing is damaged where it does not work; see `unfinished`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import DownloadError
from .folders import HAS_DESCRIPTORS, Folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

MODE = 0o664
"""As huggingface_hub makes them, so that the members of a group can share a cache."""
_IS_TAKEN = frozenset([errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK])
_HAS_NO_LOCKS = frozenset([errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK])
_TRIES = 10


class ContentLock(Protocol):
    """A lock that is held."""

    def release(self) -> object:
        """Let others have it; safe to call twice."""
        ...


def take_lock_at(path: Path) -> ContentLock | None:
    """Take a lock by the path of its file, making its folder where it is missing; see `take_lock`."""
    with Folder.at(path.parent, make=True) as folder:
        return take_lock(folder, path.name)


class _Flock:
    def __init__(self, file: int) -> None:
        self._file: int | None = file

    def release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)  # nobody inherits it, so this is the end of the lock


def take_lock(folder: Folder, name: str) -> ContentLock | None:
    """Take a lock without waiting; None while another holds it.

    Raises:
        DownloadError: A link is in the place of the lock file.
        OSError: The lock file cannot be made.
    """
    if fcntl is None or not HAS_DESCRIPTORS:
        from filelock import FileLock

        return _acquired(FileLock(folder.path / name, timeout=0, mode=MODE, thread_local=False))
    for _ in range(_TRIES):
        try:
            file, is_new = _open(folder, name)
        except FileNotFoundError:
            continue  # removed by another between a look and the next
        is_ours = False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Others may have removed the file between the two steps: then a new one counts.
            there = folder.stat(name)
            if is_ours := there is not None and os.path.samestat(there, os.fstat(file)):
                return _Flock(file)
        except OSError as error:
            if error.errno in _IS_TAKEN:
                return None
            if error.errno not in _HAS_NO_LOCKS:
                raise
            if is_new:
                folder.remove(name)  # for the other kind of lock its presence would mean "taken"
            return _take_softly(folder, name)
        finally:
            if not is_ours:
                os.close(file)
    return None


def _open(folder: Folder, name: str) -> tuple[int, bool]:
    """The lock file, and whether it was made just now."""
    try:
        file = folder.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        return _open_existing(folder, name), False
    with contextlib.suppress(OSError):
        os.fchmod(file, MODE)
    return file, True


def _open_existing(folder: Folder, name: str) -> int:
    try:
        try:
            file = folder.open(name, os.O_RDWR)
        except PermissionError:  # another user's; reading is enough to lock it
            file = folder.open(name, os.O_RDONLY)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise DownloadError(f"The lock file {folder.path / name} is a link.", hint="Remove the link.") from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise FileExistsError(errno.EEXIST, "something else is in the place of a lock file", str(folder.path / name))
    return file


def _take_softly(folder: Folder, name: str) -> ContentLock | None:
    from filelock import SoftFileLock

    return _acquired(SoftFileLock(folder.path / name, timeout=0, thread_local=False))


def _acquired(lock: BaseFileLock) -> ContentLock | None:
    from filelock import Timeout

    try:
        lock.acquire()
    except Timeout:
        return None
    return lock
