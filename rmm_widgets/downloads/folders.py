"""Folders of the cache, opened so that no link can lead a write elsewhere.

Each folder is opened from the one above it and refused where it is a link; afterwards files are named
relative to the open folder. Whoever swaps a folder for a link meanwhile changes nothing for us: the
descriptor stays with the folder that was checked. The topmost folder may be a link, because people put
their cache where they like; it is followed once, when it is opened.

Where a system has no such calls (Windows), the same operations go by path, after a look at each folder
that is opened; there a link that is put in place between the look and the use would be followed.
Reading is left to others: huggingface_hub itself puts links to content into a cache.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import DownloadError

HAS_DESCRIPTORS = (
    hasattr(os, "O_NOFOLLOW")
    and hasattr(os, "O_DIRECTORY")
    and {os.open, os.access, os.mkdir, os.rename, os.rmdir, os.stat, os.symlink, os.readlink, os.unlink}
    <= os.supports_dir_fd
)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FILE = _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
_COPY = 1 << 20
_SYNC_FILE_RANGE_WRITE = 2


class Descriptor:
    """A file descriptor for several threads: `with` gives its number, and it stays open for that long.

    Closing takes effect at once for those who come later, and for the system when the last one is out.
    """

    __slots__ = ("_guard", "_is_closed", "_is_left", "_number", "_users")

    def __init__(self, number: int) -> None:
        self._number = number
        self._users = 0
        self._is_closed = False
        self._guard = threading.Lock()
        self._is_left = threading.Condition(self._guard)

    def __enter__(self) -> int:
        with self._guard:
            if self._is_closed:
                raise OSError(errno.EBADF, "closed by its owner")
            self._users += 1
        return self._number

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._guard:
            self._users -= 1
            is_last = self._is_closed and not self._users
            if is_last:
                self._is_left.notify_all()
        if is_last:
            os.close(self._number)

    def __del__(self) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """True from the first `close` on."""
        return self._is_closed

    def close(self) -> None:
        """Close; safe to call twice and from any thread."""
        with self._guard:
            if self._is_closed:
                return
            self._is_closed = True
            is_unused = not self._users
        if is_unused:
            os.close(self._number)

    def is_left_within(self, seconds: float) -> bool:
        """Whether everybody who uses it is out by then, once it is closed."""
        with self._guard:
            return self._is_left.wait_for(lambda: not self._users, seconds)


class Folder:
    """An open folder. Names given to its methods are single names, never paths.

    Methods raise OSError as the system does. Close it, or use it in a `with` statement.
    """

    def __init__(self, path: Path, descriptor: Descriptor | None, *, is_borrowed: bool = False) -> None:
        self.path = path
        self._descriptor = descriptor
        self._is_borrowed = is_borrowed

    @classmethod
    def at(cls, path: Path, *, make: bool) -> Folder:
        """Open the topmost folder, through links if need be.

        Args:
            make: Make it, and those above it, where it is missing.
        """
        if make:
            path.mkdir(parents=True, exist_ok=True)
        if not HAS_DESCRIPTORS:
            return cls(path, None)
        return cls(path, Descriptor(os.open(path, _FOLDER)))

    def child(self, name: str, *, make: bool) -> Folder:
        """Open a folder in this one.

        Raises:
            DownloadError: It is a link.
        """
        path = self.path / name
        for attempt in (0, 1):
            with self._base() as base:
                try:
                    if base is None:
                        _refuse_link(path, path.lstat())
                        return Folder(path, None)
                    return Folder(path, Descriptor(os.open(name, _FOLDER | _NO_FOLLOW, dir_fd=base)))
                except FileNotFoundError:
                    if attempt or not make:
                        raise
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(self._name(name), dir_fd=base)
                except OSError as error:
                    if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
                        _refuse_link(path, os.lstat(self._name(name), dir_fd=base))
                    raise
        raise AssertionError  # pragma: no cover (the second attempt returns or raises)

    def descend(self, names: Sequence[str], *, make: bool) -> Folder:
        """Open a folder some levels below; without names, this one, which then stays open when that is closed."""
        if not names:
            return Folder(self.path, self._descriptor, is_borrowed=True)
        folder = self.child(names[0], make=make)
        for name in names[1:]:
            with folder:
                folder = folder.child(name, make=make)
        return folder

    def close(self) -> None:
        """Let go of the folder; safe to call twice."""
        if self._descriptor is not None and not self._is_borrowed:
            self._descriptor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_there(self) -> bool:
        """False once it was closed or removed."""
        if self._descriptor is None:
            return self.path.is_dir()
        try:
            with self._descriptor as number:
                return os.fstat(number).st_nlink > 0
        except OSError:
            return False

    def check(self) -> None:
        """Raise OSError where the folder was closed."""
        with self._base():
            pass

    def check_writable(self) -> None:
        """Raise OSError where nothing can be made in it, for example on a read-only file system."""
        with self._base() as base:
            where = str(self.path) if base is None else "."
            if not os.access(where, os.W_OK, dir_fd=base):
                raise PermissionError(errno.EACCES, "it cannot be written to", str(self.path))

    def open(self, name: str, flags: int, mode: int = 0o644) -> int:
        """Open a file; never through a link, and without waiting for the other end of a pipe."""
        with self._base() as base:
            return os.open(self._name(name), flags | _FILE, mode, dir_fd=base)

    def stat(self, name: str, *, follow: bool = False) -> os.stat_result | None:
        """What is known of a file, or None where there is none; `follow`: of what a link leads to."""
        with self._base() as base:
            try:
                return os.stat(self._name(name), dir_fd=base, follow_symlinks=follow)
            except FileNotFoundError:
                return None

    def names(self) -> list[str]:
        """All names in it."""
        with self._base() as base:
            return os.listdir(self.path if base is None else base)  # noqa: PTH208 (pathlib takes no descriptor)

    def read_link(self, name: str) -> str | None:
        """Where a link leads; None where there is no link."""
        with self._base() as base:
            try:
                return os.readlink(self._name(name), dir_fd=base)
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.EINVAL}:
                    return None
                raise

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        with self._base() as base:
            os.symlink(target, self._name(name), dir_fd=base)

    def move(self, name: str, to: Folder, new_name: str) -> None:
        """Rename a file, over what may be there."""
        with self._base() as base, to._base() as new_base:
            os.replace(self._name(name), to._name(new_name), src_dir_fd=base, dst_dir_fd=new_base)

    def take(self, path: Path, name: str) -> None:
        """Move a file from elsewhere on the same disk into this folder, over what may be there."""
        with self._base() as base:
            os.replace(path, self._name(name), dst_dir_fd=base)

    def remove(self, name: str) -> None:
        """Remove a file, a link, or an empty folder; nothing where it is missing."""
        with self._base() as base:
            try:
                os.unlink(self._name(name), dir_fd=base)
            except FileNotFoundError:
                pass
            except (IsADirectoryError, PermissionError):
                # The second is what some systems say for a folder; for a file the same comes again.
                os.rmdir(self._name(name), dir_fd=base)

    def write(self, name: str, content: bytes | memoryview, scratch: Folder, temporary: str) -> None:
        """Replace a file in one step; the old one stays where anything fails.

        The new file is made as `temporary` in `scratch`, where nobody mistakes it for anything, and closed
        before it takes its place: on a full disk the error may come that late.
        """
        with self._filled(scratch, temporary) as file:
            write_all(file, content)
        scratch.move(temporary, self, name)

    def copy(self, name: str, to: Folder, new_name: str, scratch: Folder, temporary: str) -> None:
        """Copy a file, over what may be there, in one step."""
        source = self.open(name, os.O_RDONLY)
        try:
            with self._filled(scratch, temporary) as file:
                while chunk := os.read(source, _COPY):
                    write_all(file, chunk)
        finally:
            os.close(source)
        scratch.move(temporary, to, new_name)

    def sync(self) -> None:
        """Force the names in it to disk, where the system can."""
        if self._descriptor is not None:
            with self._descriptor as number, contextlib.suppress(OSError):
                os.fsync(number)

    @staticmethod
    @contextmanager
    def _filled(scratch: Folder, temporary: str) -> Generator[int]:
        """A new file to fill; removed where that fails."""
        file = scratch.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                yield file
            finally:
                os.close(file)
        except BaseException:
            scratch.remove(temporary)
            raise

    def _name(self, name: str) -> str:
        return name if self._descriptor is not None else str(self.path / name)

    def _base(self) -> Descriptor | contextlib.nullcontext[None]:
        return self._descriptor if self._descriptor is not None else _NO_BASE


class OpenFolders:
    """The folders of one tree that are in use, each opened once. Thread-safe.

    Args:
        top: The topmost folder; the only one that may be a link.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._folders: dict[Path, Folder] = {}
        self._is_closed = False
        self._guard = threading.RLock()

    def get(self, path: Path, *, make: bool) -> Folder:
        """A folder of the tree; do not close it.

        Args:
            make: Make it, and those above it, where it is missing.

        Raises:
            DownloadError: It, or one above it, is a link.
            OSError: It cannot be opened or made, or `close` was called.
        """
        known = self._folders.get(path)  # without the guard: many threads come here for every file
        if known is not None and known.is_there:
            return known
        with self._guard:
            if self._is_closed:
                raise OSError(errno.EBADF, "it is no longer used", str(path))
            folder = self._folders.get(path)
            if folder is None or not folder.is_there:
                if folder is not None:
                    folder.close()
                if path == self._top:
                    folder = Folder.at(path, make=make)
                else:
                    folder = self.get(path.parent, make=make).child(path.name, make=make)
                self._folders[path] = folder
            return folder

    def __len__(self) -> int:
        return len(self._folders)

    def close(self) -> None:
        """Let go of all folders, for good; safe to call twice."""
        with self._guard:
            self._is_closed = True
            for folder in self._folders.values():
                folder.close()
            self._folders.clear()


def _find_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    function.restype = ctypes.c_int
    return function


_sync_file_range = _find_sync_file_range()
_NO_BASE: contextlib.nullcontext[None] = contextlib.nullcontext()


def start_write_back(file: int) -> None:
    """Have the system begin to write an open file to disk, without waiting for it; only Linux knows how."""
    if _sync_file_range is not None:
        _sync_file_range(file, 0, 0, _SYNC_FILE_RANGE_WRITE)


def write_all(file: int, content: bytes | memoryview) -> None:
    """Write all of it, however little the system takes at a time."""
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def read_file(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises:
        OSError: It cannot be read, is too large, or is something else, such as a pipe.
    """
    flags = os.O_RDONLY | (_FILE & ~_NO_FOLLOW if follow else _FILE)
    file = os.open(path, flags)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise OSError(errno.EINVAL, "not a regular file, or too large", str(path))
        parts: list[bytes] = []
        left = limit + 1
        while left and (chunk := os.read(file, min(left, _COPY))):
            parts.append(chunk)
            left -= len(chunk)
        if not left:
            raise OSError(errno.EINVAL, "too large", str(path))
        return b"".join(parts)
    finally:
        os.close(file)


def _refuse_link(path: Path, status: os.stat_result) -> None:
    is_junction = getattr(status, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
    if stat.S_ISLNK(status.st_mode) or is_junction:
        raise DownloadError(
            f"{path} is a link; nothing is written through links inside the cache.",
            hint="Remove the link, or point cache_dir at the real folder (cache_dir itself may be a link).",
        )
