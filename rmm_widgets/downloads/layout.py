"""The folders and files of one repository in the Hub's cache, and how they are written.

This is the layout of huggingface_hub 2.4 (`models--owner--name` with `blobs`, `snapshots`, `refs` and
`trees`, lock files beside it), so that every program sees one cache. A download writes in this order:
tree listing, snapshot folder, one link per finished file, and the ref at the very end; a snapshot that
is only half there can therefore be told apart at any moment. Deciding what to write is not done here.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import platform
import secrets
import shutil
import threading
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from .. import names
from .digest import Fingerprint
from .plan import TreeEntry
from .ranges import Ranges

PARTIAL_SUFFIX = ".rmm-part"
SIDECAR_SUFFIX = f"{PARTIAL_SUFFIX}.json"
TEMPORARY_SUFFIX = ".rmm-tmp"
STAGING_SUFFIX = ".rmm-hub"
QUARANTINE_SUFFIX = ".rmm-bad"
_HOST = zlib.crc32(platform.node().encode())
TREE_FORMAT = 1
_NO_LINKS = frozenset([errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
_WINDOWS_NO_PRIVILEGE = 1314
_CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by huggingface_hub.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n"
)


class Sidecar(msgspec.Struct, frozen=True):
    """What is in a partial file; stands beside it. `have` lists half-open byte ranges."""

    v: int
    size: int
    digest: str
    have: tuple[tuple[int, int], ...]


class _TreeFile(msgspec.Struct, frozen=True):
    format_version: int
    files: dict[str, TreeEntry]


class CacheLayout:
    """Paths of one repository in one cache, and the writes that keep the layout valid.

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

    @classmethod
    def of_snapshot(cls, folder: Path) -> CacheLayout:
        """The layout that a snapshot's folder is part of."""
        root = folder.parent.parent
        return cls(root.parent, root.name.removeprefix("models--").replace("--", "/"))

    def blob(self, digest: str) -> Path:
        """Where finished content is."""
        return self.blobs / names.check_digest(digest)

    def partial(self, digest: str) -> Path:
        """Where unfinished content is."""
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
        return self.snapshots / names.check_commit(commit)

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
            stored = msgspec.json.decode(self.tree(commit).read_bytes(), type=_TreeFile)
            for path, entry in stored.files.items():
                names.check_file_path(path)
                names.check_digest(entry.digest)
        except (OSError, ValueError):
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
        self._write(self.tree(commit), msgspec.json.format(msgspec.json.encode(document), indent=1))

    def prepare(self, commit: str, tree: Mapping[str, TreeEntry]) -> None:
        """Make everything that must be there before the first file arrives."""
        self.blobs.mkdir(parents=True, exist_ok=True)
        self.write_tree(commit, tree)
        self.snapshot(commit).mkdir(parents=True, exist_ok=True)
        tag = self.cache_dir / "CACHEDIR.TAG"
        if not tag.exists():
            self._write(tag, _CACHEDIR_TAG.encode())

    def blob_sizes(self) -> dict[str, int]:
        """Size of everything finished or not that is among the blobs, by name; one look at the folder."""
        sizes: dict[str, int] = {}
        with contextlib.suppress(OSError), os.scandir(self.blobs) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # a link that leads nowhere
                    sizes[entry.name] = entry.stat().st_size
        return sizes

    def write_blob(self, digest: str, content: bytes | memoryview) -> Fingerprint:
        """Give verified content its place in one step. Returns what tells it from a later one."""
        blob = self.blob(digest)
        write_atomically(blob, content, scratch=self.blobs)
        self.quarantine(digest).unlink(missing_ok=True)
        return Fingerprint.of(blob.stat())

    def write_quarantine(self, digest: str, content: bytes | memoryview) -> None:
        """Keep bytes that should have been this content and are not."""
        write_atomically(self.quarantine(digest), content, scratch=self.blobs)

    def has_file(self, commit: str, path: str, size: int) -> bool:
        """Whether the snapshot holds this file with this size."""
        return _size_of(self.snapshot(commit) / path) == size

    def add_file(self, commit: str, paths: Sequence[str], digest: str) -> None:
        """Show a finished blob in the snapshot under these paths: as relative links, or as files where
        links do not work (then the first path takes the blob itself).
        """
        targets = [self.snapshot(commit) / path for path in paths]
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
        if not self.blob(digest).exists() or not all(map(self._link, targets, itertools.repeat(digest))):
            self._place_files(targets, digest)

    def write_ref(self, revision: str, commit: str) -> None:
        """Record what the revision stands for; a commit needs no ref."""
        if revision != commit:
            self._write(self.refs / names.check_revision(revision), commit.encode())

    def write_begun(self, revision: str, commit: str) -> None:
        """Record that a download of this revision has begun and of which commit: its ref is not there before the end.

        Only what is shown of an unfinished download depends on it, so trouble is passed over.
        """
        with contextlib.suppress(OSError):
            self._write(self._begun(revision), commit.encode())

    def begun_commit(self, revision: str | None) -> str | None:
        """The commit whose download was begun for a revision and has not ended; None where there is none."""
        return _read_commit(self._begun(revision or "main"))

    def remove_begun(self, revision: str | None) -> None:
        """Forget that a download was begun: it has ended, or was given up with all its bytes."""
        with contextlib.suppress(OSError):
            self._begun(revision or "main").unlink(missing_ok=True)

    def lock(self, digest: str) -> BaseFileLock | None:
        """Take the lock that huggingface_hub uses for this content; None while another holds it.

        Raises:
            OSError: The lock file cannot be made.
        """
        return take_lock(self.locks / f"{names.check_digest(digest)}.lock")

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
        """What a partial file of this content holds; None where there is none or it cannot be trusted."""
        partial = self.partial(digest)
        try:
            sidecar = msgspec.json.decode(partial.with_name(f"{digest}{SIDECAR_SUFFIX}").read_bytes(), type=Sidecar)
            written = partial.stat().st_size
        except (OSError, ValueError):
            return None
        if sidecar.v != 1 or sidecar.digest != digest:
            return None
        limit = min(sidecar.size, written)
        have = Ranges((start, end) for start, end in sidecar.have if 0 <= start < end <= limit)
        return Sidecar(1, sidecar.size, digest, tuple(have))

    def remove_leftovers(self) -> None:
        """Remove what killed processes left: temporary files, and folders of huggingface_hub's downloads."""
        for path in self.blobs.glob(f"*{TEMPORARY_SUFFIX}"):
            if is_leftover(path):
                path.unlink(missing_ok=True)
        for digest in {path.name.partition(".")[0] for path in self.blobs.glob(f"*{STAGING_SUFFIX}")}:
            if _is_digest(digest):
                with self.locked(digest) as ours:
                    if ours:
                        self.remove_staging(digest)

    def remove_partial(self, digest: str) -> None:
        """Remove an unfinished file; hold its lock."""
        partial = self.partial(digest)
        partial.with_name(f"{digest}{SIDECAR_SUFFIX}").unlink(missing_ok=True)
        partial.unlink(missing_ok=True)

    def partials(self) -> list[str]:
        """Digests of all files that are begun and not finished."""
        try:
            found = [path.name.removesuffix(PARTIAL_SUFFIX) for path in self.blobs.iterdir()]
        except OSError:
            return []
        return [name for name in found if _is_digest(name) and self.partial(name).is_file()]

    def _begun(self, revision: str) -> Path:
        return self.begun / names.check_revision(revision).replace("/", "%2F")

    def _link(self, target: Path, digest: str) -> bool:
        """Make or replace a link to a blob; False where this file system has none."""
        if os.environ.get("HF_HUB_DISABLE_SYMLINKS", "").upper() in {"1", "ON", "YES", "TRUE"}:
            return False
        depth = len(target.relative_to(self.root).parts) - 1
        source = Path(*[".."] * depth, "blobs", digest)
        try:
            if target.is_symlink() and target.readlink() == source:
                return True
            with contextlib.suppress(FileExistsError):
                target.symlink_to(source)
                return True
            temporary = self.blobs / _temporary_name("link")
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(source)
            temporary.replace(target)
        except OSError as error:
            if error.errno in _NO_LINKS or getattr(error, "winerror", None) == _WINDOWS_NO_PRIVILEGE:
                return False
            raise
        return True

    def _place_files(self, targets: Sequence[Path], digest: str) -> None:
        blob = self.blob(digest)
        if blob.exists():
            blob.replace(targets[0])
        present = next(target for target in targets if target.is_file())
        for target in targets:
            if not target.is_file():
                temporary = self.blobs / _temporary_name(digest)
                shutil.copyfile(present, temporary)
                temporary.replace(target)

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, scratch=self.blobs)


def take_lock(path: Path) -> BaseFileLock | None:
    """Take a lock file at once; None while another holds it.

    Raises:
        OSError: The lock file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _acquire(FileLock(path, timeout=0, mode=0o664, thread_local=False))
    except NotImplementedError:  # the file system has no flock
        return _acquire(SoftFileLock(path, timeout=0, thread_local=False))


def write_atomically(path: Path, content: bytes | memoryview, *, scratch: Path) -> None:
    """Replace a file in one step; the old one stays where anything fails.

    The new file is made in `scratch`, where nobody mistakes it for anything, and closed before it takes
    its place: on a full disk the error may come that late.
    """
    temporary = scratch / _temporary_name(path.name)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _temporary_name(stem: str) -> str:
    """A name of this thread's own, from which others can tell whether its process still lives."""
    return f"{stem}.{threading.get_ident():x}-{_HOST:x}-{os.getpid():x}{TEMPORARY_SUFFIX}"


def is_leftover(path: Path) -> bool:
    """True for a temporary file of a process of this machine that has ended."""
    import psutil  # rarely needed, and the fetch process should start fast

    try:
        _, host, process = path.name.removesuffix(TEMPORARY_SUFFIX).rsplit("-", 2)
        return int(host, 16) == _HOST and not psutil.pid_exists(int(process, 16))
    except ValueError:
        return False


def _read_commit(path: Path) -> str | None:
    try:
        commit = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if names.is_commit(commit) else None


def _acquire(lock: BaseFileLock) -> BaseFileLock | None:
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _is_digest(name: str) -> bool:
    try:
        names.check_digest(name)
    except ValueError:
        return False
    return True
