"""Which files were hashed and found right, so that they need not be read again before every load.

Kept in the manager's own folder, not in the cache that others can write to: one small file a repository.
Losing it costs another reading of the files, and for files without a published hash the memory of what
they were at first sight.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from .digest import Fingerprint

_log = logging.getLogger("rmm_widgets")


class VerifiedRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that had this digest while it had this fingerprint.

    Attributes:
        first_sight: Nobody published a hash: the digest is the sha256 of what was there at first.
    """

    digest: str
    size: int
    mtime_ns: int
    inode: int
    first_sight: bool = False

    @property
    def fingerprint(self) -> Fingerprint:
        """Which file it was."""
        return Fingerprint(self.size, self.mtime_ns, self.inode)


class _Document(msgspec.Struct, frozen=True):
    v: int
    files: dict[str, VerifiedRecord]


class VerifiedFiles:
    """The memory of one manager. Thread-safe.

    Keys are absolute paths of files in snapshot folders, of whichever cache.

    Args:
        folder: Where it is kept; made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()

    def read(self, repository: str) -> Mapping[str, VerifiedRecord]:
        """What is known of the files of a repository, given by the name of its folder in the cache."""
        try:
            stored = msgspec.json.decode(self._path(repository).read_bytes(), type=_Document)
        except (OSError, ValueError):
            return {}
        return stored.files if stored.v == 1 else {}

    def update(self, repository: str, records: Mapping[str, VerifiedRecord], gone: Collection[str] = ()) -> None:
        """Add records, and forget `gone`; where that cannot be written, files are only read again."""
        with self._guard:
            before = self.read(repository)
            after = {path: record for path, record in {**before, **records}.items() if path not in gone}
            if after == before:
                return
            try:
                self._write(self._path(repository), after)
            except OSError as error:
                _log.warning("which files of %s were verified could not be written: %s", repository, error)

    def forget(self, repository: str, snapshot: Path) -> None:
        """Forget everything below a snapshot folder that was deleted."""
        prefix = f"{snapshot}{os.sep}"
        self.update(repository, {}, [path for path in self.read(repository) if path.startswith(prefix)])

    def _path(self, repository: str) -> Path:
        return self._folder / f"{repository}.json"

    def _write(self, path: Path, files: Mapping[str, VerifiedRecord]) -> None:
        if not files:
            path.unlink(missing_ok=True)
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = msgspec.json.encode(_Document(1, dict(sorted(files.items()))))
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".tmp")  # readable by the user only
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(document)
            Path(temporary).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
