"""The folders and files of one repository in the Hub's cache, and how they are written.

This is the layout of huggingface_hub 2.4 (`models--owner--name` with `blobs`, `snapshots`, `refs` and
`trees`, lock files beside it), so that every program sees one cache. A download writes in this order:
tree listing, snapshot folder, one link per finished file, and the ref at the very end; a snapshot that
is only half there can therefore be told apart at any moment. Deciding what to write is not done here.

Names and reading are by path, as liberal as huggingface_hub. Everything that writes goes through folders
that are opened once and never through a link (see `folders`); unfinished files are `unfinished`'s.

A power loss may cost a small file that was finished in the last seconds: only large ones are forced to
disk one by one, and the folders before the ref is written. Such a file has the wrong size or the wrong
hash, so it is found when the model is looked up or verified.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from .. import names
from .digest import Fingerprint
from .folders import Folder, OpenFolders, read_file
from .locks import ContentLock, take_lock
from .plan import TreeEntry
from .sidecar import Sidecar
from .unfinished import PARTIAL_SUFFIX, QUARANTINE_SUFFIX, SIDECAR_SUFFIX, TEMPORARY_SUFFIX, UnfinishedFiles

__all__ = [
    "PARTIAL_SUFFIX",
    "QUARANTINE_SUFFIX",
    "SIDECAR_SUFFIX",
    "STAGING_SUFFIX",
    "TEMPORARY_SUFFIX",
    "CacheLayout",
    "Sidecar",
]

STAGING_SUFFIX = ".rmm-hub"

TREE_FORMAT = 1
_MOST_FOLDERS = 64
"""Folders that are kept open; those of a repository with more are opened for each file."""
_MAX_TREE = 256 << 20
_MAX_REF = 1 << 10
_NO_LINKS = frozenset([errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
_WINDOWS_NO_PRIVILEGE = 1314
_CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by huggingface_hub.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n"
)


class _TreeFile(msgspec.Struct, frozen=True):
    format_version: int
    files: dict[str, TreeEntry]


class CacheLayout:
    """Paths of one repository in one cache, and the writes that keep the layout valid. Thread-safe.

    Reading opens nothing for long. Writing keeps some folders open until `close`, or until the layout is
    no longer used; it can be a context manager.

    Args:
        cache_dir: The Hub cache.
        repo_id: The repository.

    Raises:
        ValueError: `repo_id` is not the name of a repository.
    """

    def __init__(self, cache_dir: str | Path, repo_id: str) -> None:
        folder = "models--" + names.check_repo_id(repo_id).replace("/", "--")
        self.cache_dir = Path(cache_dir).expanduser().absolute()
        self.root = self.cache_dir / folder
        self.blobs = self.root / "blobs"
        self.snapshots = self.root / "snapshots"
        self.refs = self.root / "refs"
        self.trees = self.root / "trees"
        self.begun = self.root / "begun"
        self.locks = self.cache_dir / ".locks" / folder
        self._snapshots: dict[str, Path] = {}
        self._folders = OpenFolders(self.cache_dir)
        self.unfinished = UnfinishedFiles(self.blobs, self.root / "partials", self._folders)

    @classmethod
    def of_snapshot(cls, folder: Path) -> CacheLayout:
        """The layout that a snapshot's folder is part of."""
        root = folder.parent.parent
        return cls(root.parent, root.name.removeprefix("models--").replace("--", "/"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all folders; whatever would still write fails with OSError."""
        self._folders.close()

    def blob(self, digest: str) -> Path:
        """Where finished content is."""
        return self.blobs / names.check_digest(digest)

    def partial(self, digest: str) -> Path:
        """Where unfinished content rests; while it is written it has another name, see `unfinished`."""
        return self.blobs / f"{names.check_digest(digest)}{PARTIAL_SUFFIX}"

    def new_staging(self, digest: str) -> Path:
        """A folder, not made yet, in which huggingface_hub may fetch content that is not verified."""
        return self.blobs / f"{names.check_digest(digest)}.{secrets.token_hex(4)}{STAGING_SUFFIX}"

    def remove_staging(self, digest: str) -> None:
        """Remove what processes that were killed left in such folders; hold the content's lock."""
        for path in self.blobs.glob(f"{names.check_digest(digest)}.*{STAGING_SUFFIX}"):
            shutil.rmtree(path, ignore_errors=True)

    def quarantine(self, digest: str) -> Path:
        """Where bytes are kept that should have been this content and are not."""
        return self.blobs / f"{names.check_digest(digest)}{QUARANTINE_SUFFIX}"

    def snapshot(self, commit: str) -> Path:
        """Where a commit's files are seen under their names."""
        path = self._snapshots.get(commit)
        if path is None:
            path = self._snapshots[commit] = self.snapshots / names.check_commit(commit)
        return path

    def tree(self, commit: str) -> Path:
        """Where a commit's listing is."""
        return self.trees / f"{names.check_commit(commit)}.json"

    def commit_of(self, revision: str | None) -> str | None:
        """The commit a revision stands for in this cache; None where it was never resolved."""
        revision = names.check_revision(revision or "main")
        if names.is_commit(revision):
            return revision
        return _read_commit(self.refs / revision)

    def read_tree(self, commit: str) -> dict[str, TreeEntry] | None:
        """The commit's listing; None where there is none or it cannot be trusted."""
        try:
            stored = msgspec.json.decode(read_file(self.tree(commit), _MAX_TREE), type=_TreeFile)
            for path, entry in stored.files.items():
                names.check_file_path(path)
                names.check_digest(entry.digest)
        except (OSError, ValueError, RecursionError):
            return None
        return stored.files if stored.format_version == TREE_FORMAT else None

    def write_tree(self, commit: str, tree: Mapping[str, TreeEntry]) -> None:
        """Store the listing, unless the same one is there (perhaps with details that only others know)."""
        stored = self.read_tree(commit)
        if stored is not None and {p: (e.size, e.digest) for p, e in stored.items()} == {
            p: (e.size, e.digest) for p, e in tree.items()
        }:
            return
        document = _TreeFile(TREE_FORMAT, dict(sorted(tree.items())))
        content = msgspec.json.format(msgspec.json.encode(document), indent=1)
        self._write(self._opened(self.trees), f"{commit}.json", content)

    def prepare(self, commit: str, tree: Mapping[str, TreeEntry]) -> None:
        """Make everything that must be there before the first file arrives; nothing where all of it is.

        Raises:
            DownloadError: A folder of the cache is a link.
            OSError: The cache cannot be written.
        """
        self._opened(self.blobs)
        self.write_tree(commit, tree)
        self._opened(self.snapshot(commit))
        cache = self._opened(self.cache_dir)
        if cache.stat("CACHEDIR.TAG") is None:
            self._write(cache, "CACHEDIR.TAG", _CACHEDIR_TAG.encode())

    def blob_sizes(self) -> dict[str, int]:
        """Size of everything, finished or not, among the blobs, by name; one look at the folder."""
        sizes: dict[str, int] = {}
        with contextlib.suppress(OSError), os.scandir(self.blobs) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # a link that leads nowhere
                    sizes[entry.name] = entry.stat().st_size
        return sizes

    def has_snapshot(self, commit: str) -> bool:
        """Whether anything is shown of the commit."""
        with contextlib.suppress(OSError), os.scandir(self.snapshot(commit)) as entries:
            return next(entries, None) is not None
        return False

    def has_file(self, commit: str, path: str, size: int) -> bool:
        """Whether the snapshot holds this file with this size."""
        return _size_of(self.snapshot(commit) / path) == size

    def is_shown(self, commit: str, paths: Sequence[str], digest: str, size: int) -> bool:
        """Whether the snapshot holds this content under all these paths, so that there is nothing to write."""
        folder = str(self.snapshot(commit))  # text: there may be thousands of files
        try:
            for path in paths:
                file = f"{folder}/{path}"
                is_link = stat.S_ISLNK(os.lstat(file).st_mode)
                if is_link and os.readlink(file) != _link_target(path, digest):  # noqa: PTH115
                    return False
                if os.stat(file).st_size != size:  # noqa: PTH116
                    return False
        except OSError:
            return False
        return True

    def check_writable(self) -> None:
        """Raise OSError where no content can be stored, for example on a read-only file system."""
        self._opened(self.blobs).check_writable()

    def write_blob(self, digest: str, content: bytes | memoryview) -> Fingerprint:
        """Store finished content whose hash was compared; for files that are small enough to hold in memory.

        Returns what tells it from a later one.

        Raises:
            OSError: The disk refused; nothing is left of it.
        """
        names.check_digest(digest)
        blobs = self._opened(self.blobs)
        blobs.write(digest, content, blobs, self.unfinished.temporary(digest))
        there = blobs.stat(digest)
        if there is None:
            raise FileNotFoundError(errno.ENOENT, "it was removed at once", digest)
        return Fingerprint.of(there)

    def adopt_blob(self, digest: str, path: Path) -> None:
        """Give finished content that lies elsewhere on this disk its place."""
        names.check_digest(digest)
        self._opened(self.blobs).take(path, digest)

    def write_quarantine(self, digest: str, content: bytes | memoryview) -> None:
        """Keep bytes that should have been this content and are not."""
        self._write(self._opened(self.blobs), self.quarantine(digest).name, content)

    def remove_quarantine(self, digest: str) -> None:
        """Forget wrong bytes: the right ones are there."""
        self._opened(self.blobs).remove(self.quarantine(digest).name)

    def add_file(self, commit: str, paths: Sequence[str], digest: str) -> None:
        """Show a finished blob in the snapshot under these paths: as relative links, or as files where
        links do not work (then the first path takes the blob itself).

        Raises:
            DownloadError: A folder of the cache is a link.
            OSError: The cache cannot be written.
        """
        names.check_digest(digest)
        there = self._opened(self.blobs).stat(digest, follow=True)
        if there is None or not all(self._link(commit, path, digest) for path in paths):
            self._place_files(commit, paths, digest)

    def write_ref(self, revision: str, commit: str) -> None:
        """Record what the revision stands for, after all else is on disk; a commit needs no ref."""
        if revision == commit or self.commit_of(revision) == commit:
            return
        for path in (self.blobs, self.snapshot(commit)):
            self._opened(path).sync()
        *folders, name = names.check_revision(revision).split("/")
        self._write(self._opened(self.refs.joinpath(*folders)), name, commit.encode())

    def write_begun(self, revision: str, commit: str) -> None:
        """Record that a download of this revision has begun and of which commit: its ref is not there before the end.

        Only what is shown of an unfinished download depends on it, so trouble is passed over.
        """
        if self.begun_commit(revision) != commit:
            with contextlib.suppress(OSError):
                self._write(self._opened(self.begun), _begun_name(revision), commit.encode())

    def begun_commit(self, revision: str | None) -> str | None:
        """The commit whose download was begun for a revision and has not ended; None where there is none."""
        return _read_commit(self.begun / _begun_name(revision or "main"))

    def remove_begun(self, revision: str | None) -> None:
        """Forget that a download was begun: it has ended, or was given up with all its bytes."""
        with contextlib.suppress(OSError):
            self._folders.get(self.begun, make=False).remove(_begun_name(revision or "main"))

    def lock(self, digest: str) -> ContentLock | None:
        """Take the lock that huggingface_hub uses for this content; None while another holds it.

        Raises:
            DownloadError: The lock file, or a folder on the way to it, is a link.
            OSError: The lock file cannot be made.
        """
        name = f"{names.check_digest(digest)}.lock"  # before the folder is made
        return take_lock(self._opened(self.locks), name)

    @contextmanager
    def locked(self, digest: str) -> Generator[bool]:
        """Hold the content's lock for a block; gives False, and holds nothing, while another has it."""
        lock = self.lock(digest)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def read_sidecar(self, digest: str) -> Sidecar | None:
        """What is there of an unfinished content, whoever fetches it; None where there is nothing to trust."""
        return self.unfinished.sidecar(names.check_digest(digest))

    def remove_leftovers(self) -> None:
        """Remove what killed processes left and nobody can go on with."""
        self.unfinished.remove_leftovers()
        for digest in {path.name.partition(".")[0] for path in self.blobs.glob(f"*{STAGING_SUFFIX}")}:
            if names.is_digest(digest):
                with self.locked(digest) as ours:
                    if ours:
                        self.remove_staging(digest)

    def remove_partial(self, digest: str) -> None:
        """Remove an unfinished content, except for what a running process is writing; hold its lock."""
        self.unfinished.remove(names.check_digest(digest))

    def partials(self) -> list[str]:
        """Digests of all contents that are begun and not finished."""
        return self.unfinished.digests()

    def _opened(self, path: Path) -> Folder:
        return self._folders.get(path, make=True)

    def _place(self, commit: str, path: str) -> tuple[Folder, str]:
        """The folder, made where it is missing, and the name of a file in a snapshot. Close the folder."""
        *folders, name = path.split("/")
        if {"", ".", ".."}.intersection((*folders, name)):
            raise ValueError(f"{path!r} would leave its folder")
        place = self.snapshot(commit)
        if not folders or len(self._folders) < _MOST_FOLDERS:
            return self._opened(place.joinpath(*folders)).descend((), make=True), name
        return self._opened(place).descend(folders, make=True), name

    def _link(self, commit: str, path: str, digest: str) -> bool:
        """Make or replace a link to a blob; False where this file system has none."""
        if os.environ.get("HF_HUB_DISABLE_SYMLINKS", "").upper() in {"1", "ON", "YES", "TRUE"}:
            return False
        target = _link_target(path, digest)
        try:
            folder, name = self._place(commit, path)
            with folder:
                try:
                    folder.link(name, target)
                except FileExistsError:
                    if folder.read_link(name) != target:
                        scratch, temporary = self._scratch(), self.unfinished.temporary("link")
                        scratch.link(temporary, target)
                        scratch.move(temporary, folder, name)
        except OSError as error:
            if error.errno in _NO_LINKS or getattr(error, "winerror", None) == _WINDOWS_NO_PRIVILEGE:
                return False
            raise
        return True

    def _place_files(self, commit: str, paths: Sequence[str], digest: str) -> None:
        blobs = self._opened(self.blobs)
        if blobs.stat(digest) is not None:
            folder, name = self._place(commit, paths[0])
            with folder:
                blobs.move(digest, folder, name)
        present = next(path for path in paths if self._is_file(commit, path))
        for path in paths:
            if not self._is_file(commit, path):
                source, name = self._place(commit, present)
                folder, new_name = self._place(commit, path)
                with source, folder:
                    source.copy(name, folder, new_name, self._scratch(), self.unfinished.temporary(digest))

    def _is_file(self, commit: str, path: str) -> bool:
        folder, name = self._place(commit, path)
        with folder:
            there = folder.stat(name, follow=True)
        return there is not None and stat.S_ISREG(there.st_mode)

    def _scratch(self) -> Folder:
        """Where new files are made that are not content; on the same file system as where they go."""
        return self._opened(self.unfinished.working)

    def _write(self, folder: Folder, name: str, content: bytes | memoryview) -> None:
        folder.write(name, content, self._scratch(), self.unfinished.temporary("new"))


def _link_target(path: str, digest: str) -> str:
    """What a link in a snapshot holds: the way up from it, and down to the blob."""
    return os.path.join(*[".."] * (path.count("/") + 2), "blobs", digest)  # noqa: PTH118 (thousands of them)


def _begun_name(revision: str) -> str:
    return names.check_revision(revision).replace("/", "%2F")


def _read_commit(path: Path) -> str | None:
    try:
        commit = read_file(path, _MAX_REF).decode("ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if names.is_commit(commit) else None


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
