"""What went wrong, in the user's words: errors of the disk and of SQLite as `RegistryError`."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from ..errors import RegistryError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
_SQLITE_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


@contextmanager
def translated(action: str, folder: Path | None) -> Generator[None]:
    """Raise `RegistryError` for what the disk, the lock or SQLite raise inside; `action` completes "could not be"."""
    try:
        yield
    except (OSError, sqlite3.Error, NotImplementedError) as error:
        where = f"in {folder}" if folder else "in memory"
        raise RegistryError(
            f"The model registry {where} could not be {action}: {error}", hint=_hint(error, folder)
        ) from error


def _hint(error: Exception, folder: Path | None) -> str:
    if isinstance(error, Timeout) or _sqlite_code(error) in _SQLITE_BUSY:
        return "Another kernel has held the registry for a long time; try again, or end that kernel."
    code = error.errno if isinstance(error, OSError) else None
    if code in _FULL or _sqlite_code(error) == sqlite3.SQLITE_FULL:
        return f"Free some space on the disk of {folder} and try again; what was registered before is safe."
    if code in _FORBIDDEN or _sqlite_code(error) in _SQLITE_FORBIDDEN:
        return f"Make {folder} a folder that you can write to, or set RMM_DATA_DIR to another one."
    return f"Look at the disk of {folder}, or set RMM_DATA_DIR to a folder on another disk."


def _sqlite_code(error: Exception) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
