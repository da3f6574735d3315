"""Unfinished files of one repository: their names, who may write to them, and how one changes hands.

A file that is being written is `partials/DIGEST.TAG.rmm-part`, where the tag names its process (see
`owners`). One that was let go in order rests as `blobs/DIGEST.rmm-part`, free for everybody. Beside each
is its sidecar. The rules hold without any lock, so that locks only save bandwidth:

- Nobody ever writes to a file that another process may have open. Content is therefore still what was
  hashed when its file is renamed to `blobs/DIGEST`.
- A free file, or one whose process has ended, is taken over by renaming it: of two who try, one wins.
- One from elsewhere, whose process cannot be looked at, is copied; one of a running process is left alone.
- Who finds that its own name was taken away still has the open file, and writes its content again.

A sidecar is moved before its file where a file is taken over and where it is let go. A kill between the
two steps leaves a sidecar without a file, which says nothing, and never a file without its sidecar.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from .. import names
from .digest import Fingerprint
from .folders import HAS_DESCRIPTORS, Descriptor, Folder, OpenFolders, write_all
from .owners import Owner, new_tag, owner_of
from .sidecar import Sidecar, read_sidecar

PARTIAL_SUFFIX = ".rmm-part"
SIDECAR_SUFFIX = f"{PARTIAL_SUFFIX}.json"
TEMPORARY_SUFFIX = ".rmm-tmp"
QUARANTINE_SUFFIX = ".rmm-bad"
LEAVING_TIME = 1.0
"""Seconds for a write that is under way to end before a file is left to others."""
_JSON = ".json"
_COPY = 1 << 20
_in_use: set[str] = set()
"""Names of this process's working files."""


class _Found(NamedTuple):
    folder: Path
    name: str
    owner: Owner
    sidecar: Sidecar | None

    @property
    def path(self) -> Path:
        return self.folder / self.name


class UnfinishedFiles:
    """The unfinished files of one repository.

    Args:
        blobs: The folder of finished content, where unfinished content rests.
        working: The folder of files that are being written.
        folders: Opens the two for writing.
    """

    def __init__(self, blobs: Path, working: Path, folders: OpenFolders) -> None:
        self.blobs = blobs
        self.working = working
        self.folders = folders

    def sidecar(self, digest: str) -> Sidecar | None:
        """What is there of a content, whoever is fetching it; None where there is nothing."""
        sidecars = [found.sidecar for found in self._find(digest) if found.sidecar is not None]
        return max(sidecars, key=lambda sidecar: sidecar.total, default=None)

    def digests(self) -> list[str]:
        """Digests of all files that are begun and not finished."""
        found = [*self._names(self.blobs), *self._names(self.working)]
        return sorted({name.split(".")[0] for name in found})

    def paths(self, digest: str) -> list[Path]:
        """All unfinished files of a content, and their sidecars where there are any."""
        files = [found.path for found in self._find(digest)]
        return [*files, *(side for file in files if (side := file.with_name(file.name + _JSON)).exists())]

    def begin(self, digest: str, size: int) -> WorkingFile:
        """A file for this process alone, with the most that is there of the content.

        Raises:
            OSError: It cannot be made.
        """
        self.folders.get(self.blobs, make=True).check_writable()  # not only after the last byte
        name = f"{digest}.{new_tag()}{PARTIAL_SUFFIX}"
        _in_use.add(name)
        try:
            found = list(self._find(digest))
            file, sidecar = self._take_over(found, size, name) or self._new(name)
        except BaseException:
            _in_use.discard(name)
            raise
        have = sidecar.have if sidecar is not None else ()
        return WorkingFile(self, name, digest, size, file, have, has_rivals=bool(found))

    def remove(self, digest: str) -> None:
        """Remove what is unfinished of a content, except for files of running processes."""
        for found in self._find(digest):
            if found.owner is not Owner.RUNNING:
                self._remove(found)
        with contextlib.suppress(FileNotFoundError):
            blobs = self.folders.get(self.blobs, make=False)
            with contextlib.suppress(OSError):  # a folder with content has that name; it does no harm
                blobs.remove(f"{digest}{PARTIAL_SUFFIX}")
            blobs.remove(f"{digest}{SIDECAR_SUFFIX}")

    def remove_leftovers(self) -> None:
        """Remove what killed processes left and nobody can go on with."""
        for place in (self.blobs, self.working):
            with contextlib.suppress(OSError):  # the folder is missing, or read-only
                folder = self.folders.get(place, make=False)
                for name in folder.names():
                    if name.endswith(TEMPORARY_SUFFIX) and _owner(name, TEMPORARY_SUFFIX) is Owner.ENDED:
                        folder.remove(name)
                    elif place is self.working and name.endswith(SIDECAR_SUFFIX):
                        partial = name.removesuffix(_JSON)
                        if _owner_now(partial) is Owner.ENDED and folder.stat(partial) is None:
                            folder.remove(name)
        for name in self._names(self.working):
            found = self._look(self.working, name, name.split(".")[0])
            is_useless = not (found.sidecar and found.sidecar.have) or os.path.lexists(self.blobs / name.split(".")[0])
            if found.owner is Owner.ENDED and is_useless:
                self._remove(found)

    def temporary(self, stem: str) -> str:
        """A name for a file that is renamed as soon as it is written."""
        return f"{stem}.{new_tag()}{TEMPORARY_SUFFIX}"

    def write_sidecar(self, folder: Folder, name: str, sidecar: Sidecar) -> None:
        """Replace the sidecar of a file."""
        content = msgspec.json.encode(sidecar)
        folder.write(name + _JSON, content, folder, self.temporary(sidecar.digest))

    def _find(self, digest: str) -> Iterator[_Found]:
        resting = f"{digest}{PARTIAL_SUFFIX}"
        for folder, candidates in ((self.blobs, [resting]), (self.working, self._names(self.working))):
            for name in candidates:
                if name.startswith(f"{digest}.") and (folder is self.working or os.path.lexists(folder / name)):
                    yield self._look(folder, name, digest)

    def _look(self, folder: Path, name: str, digest: str) -> _Found:
        owner = Owner.ENDED if folder is self.blobs else _owner_now(name)
        path = folder / name
        return _Found(folder, name, owner, read_sidecar(path, path.with_name(name + _JSON), digest))

    def _names(self, folder: Path) -> list[str]:
        try:
            found = os.listdir(folder)  # noqa: PTH208 (thousands of names, and paths are not needed)
        except OSError:
            return []
        return [name for name in found if name.endswith(PARTIAL_SUFFIX) and names.is_digest(name.split(".")[0])]

    def _remove(self, found: _Found) -> None:
        with contextlib.suppress(OSError):  # gone, or a folder with content: nothing that is ever used
            folder = self.folders.get(found.folder, make=False)
            folder.remove(found.name + _JSON)
            folder.remove(found.name)

    def _new(self, name: str) -> tuple[int, None]:
        return self.folders.get(self.working, make=True).open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL), None

    def _take_over(self, candidates: Iterable[_Found], size: int, name: str) -> tuple[int, Sidecar] | None:
        """The file with the most of the content, under its new name; None where there is none."""
        usable = [(found.sidecar, found) for found in candidates if found.sidecar and found.sidecar.have]
        for sidecar, found in sorted(usable, key=lambda pair: pair[0].total, reverse=True):
            file = None
            if sidecar.size != size:
                continue
            if found.owner is Owner.ENDED:
                file = self._rename(found, name, sidecar)
            elif found.owner is Owner.ELSEWHERE:
                file = self._copy(found, name, sidecar)
            if file is not None:
                return file, sidecar
        return None

    def _rename(self, found: _Found, name: str, sidecar: Sidecar) -> int | None:
        source, working = self.folders.get(found.folder, make=False), self.folders.get(self.working, make=True)
        self.write_sidecar(working, name, sidecar)
        try:
            source.move(found.name, working, name)
            source.remove(found.name + _JSON)
            file = working.open(name, os.O_RDWR)
        except OSError:
            # Another was faster, or it is no file any more.
            with contextlib.suppress(OSError):
                working.remove(name + _JSON)
                working.remove(name)
            return None
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            return file
        os.close(file)
        working.remove(name + _JSON)
        working.remove(name)
        return None

    def _copy(self, found: _Found, name: str, sidecar: Sidecar) -> int | None:
        try:
            source = self.folders.get(found.folder, make=False).open(found.name, os.O_RDONLY)
        except OSError:
            return None
        working = self.folders.get(self.working, make=True)
        try:
            file = working.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            try:
                for start, end in sidecar.have:
                    _copy_range(source, file, start, end, working)
                self.write_sidecar(working, name, sidecar)
            except BaseException:
                os.close(file)
                with contextlib.suppress(OSError):
                    working.remove(name)
                raise
        finally:
            os.close(source)
        return file


class WorkingFile:
    """A file that this process alone writes to. Not thread-safe, except for reading through `file`.

    Attributes:
        file: The open file.
        have: The ranges that it held from the start.
    """

    def __init__(
        self,
        files: UnfinishedFiles,
        name: str,
        digest: str,
        size: int,
        file: int,
        have: tuple[tuple[int, int], ...],
        *,
        has_rivals: bool,
    ) -> None:
        self._files = files
        self._name = name
        self._digest = digest
        self._size = size
        self.file = Descriptor(file)
        self.have = have
        self._has_sidecar = bool(have)
        self._has_rivals = has_rivals

    def save(self, have: tuple[tuple[int, int], ...]) -> None:
        """Record what has arrived.

        Raises:
            OSError: It cannot be written; the former record is as it was.
        """
        self._files.write_sidecar(self._working(), self._name, self._sidecar(have))
        self._has_sidecar = True

    def rest(self, have: tuple[tuple[int, int], ...]) -> None:
        """Let go of the file and leave it to whoever comes next, once nobody here writes to it any more."""
        self.file.close()
        try:
            if not self.file.is_left_within(LEAVING_TIME):
                return  # found under its present name once this process has ended
            with contextlib.suppress(OSError):  # what was saved last holds, and is found under this name too
                if have:
                    blobs, working = self._files.folders.get(self._files.blobs, make=True), self._working()
                    resting = f"{self._digest}{PARTIAL_SUFFIX}"
                    self._files.write_sidecar(blobs, resting, self._sidecar(have))
                    working.move(self._name, blobs, resting)
                    working.remove(self._name + _JSON)
                else:
                    self._remove()
        finally:
            _in_use.discard(self._name)

    def discard(self, *, aside: bool = False) -> None:
        """Let go of the file and remove it, and whatever else is unfinished of this content.

        Args:
            aside: Keep the file in quarantine.
        """
        self.file.close()
        try:
            if aside:
                blobs = self._files.folders.get(self._files.blobs, make=True)
                self._working().move(self._name, blobs, f"{self._digest}{QUARANTINE_SUFFIX}")
            self._remove()
            self._files.remove(self._digest)
        finally:
            _in_use.discard(self._name)

    def publish(self, blob: str, *, sync: bool) -> Fingerprint:
        """Give the finished, verified file its place in `blobs`, and let go. Returns what tells it from a later one.

        Args:
            sync: Force the content to disk first.

        Raises:
            OSError: The disk refused.
        """
        if sync:
            with self.file as file:
                os.fsync(file)
        blobs = self._files.folders.get(self._files.blobs, make=True)
        if not self._move(blobs, blob) and not self._is_published(blobs, blob):
            self._write_again(blobs, blob)
        there = blobs.stat(blob, follow=True)
        if there is None:
            raise FileNotFoundError(errno.ENOENT, "it was removed at once", blob)
        self.file.close()
        _in_use.discard(self._name)
        if self._has_sidecar:
            self._working().remove(self._name + _JSON)
        if self._has_rivals:
            self._files.remove(self._digest)
        return Fingerprint.of(there)

    def _move(self, blobs: Folder, blob: str) -> bool:
        """Rename; False where something else, or nothing, has the file's name."""
        working = self._working()
        there = working.stat(self._name)
        with self.file as file:
            if there is None or not os.path.samestat(there, os.fstat(file)):
                return False
        if not HAS_DESCRIPTORS:
            self.file.close()  # Windows renames no open file
        try:
            working.move(self._name, blobs, blob)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            working.copy(self._name, blobs, blob, blobs, self._files.temporary(blob))
            working.remove(self._name)
        return True

    def _is_published(self, blobs: Folder, blob: str) -> bool:
        """Whether another process has finished the same content."""
        there = blobs.stat(blob, follow=True)
        return there is not None and there.st_size == self._size

    def _write_again(self, blobs: Folder, blob: str) -> None:
        temporary = self._files.temporary(blob)
        with self.file as file:
            target = blobs.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                _copy_range(file, target, 0, self._size, blobs)
            except BaseException:
                blobs.remove(temporary)
                raise
            finally:
                os.close(target)
        blobs.move(temporary, blobs, blob)

    def _remove(self) -> None:
        working = self._working()
        with contextlib.suppress(OSError):
            working.remove(self._name + _JSON)
            working.remove(self._name)

    def _sidecar(self, have: tuple[tuple[int, int], ...]) -> Sidecar:
        return Sidecar(v=1, size=self._size, digest=self._digest, have=have)

    def _working(self) -> Folder:
        return self._files.folders.get(self._files.working, make=True)


def _copy_range(source: int, target: int, start: int, end: int, folder: Folder) -> None:
    """Copy as much of a range as there is; ends with OSError once `folder` is closed."""
    os.lseek(source, start, os.SEEK_SET)
    os.lseek(target, start, os.SEEK_SET)
    while start < end and (chunk := os.read(source, min(_COPY, end - start))):
        folder.check()
        write_all(target, chunk)
        start += len(chunk)


def _owner(name: str, suffix: str) -> Owner:
    return owner_of(name.removesuffix(suffix).rpartition(".")[2])


def _owner_now(name: str) -> Owner:
    """Who a working file belongs to; what this process has let go of belongs to nobody."""
    owner = _owner(name, PARTIAL_SUFFIX)
    if owner is not Owner.OURS:
        return owner
    return Owner.RUNNING if name in _in_use else Owner.ENDED
