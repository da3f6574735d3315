"""What the demo hub holds: repositories, their commits and files, with the hashes the real Hub publishes.

Files stay where they are (a path or bytes) and are hashed once. Who may see them and how they are
described to a client is left to `documents` and `routes`.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

import msgspec

from .. import names

LFS_SUFFIXES = frozenset(
    [
        *(".bin", ".ckpt", ".gguf", ".h5", ".joblib", ".msgpack", ".npz", ".onnx", ".ot", ".pickle", ".pkl", ".pt"),
        *(".pth", ".safetensors", ".tar", ".tflite", ".zip"),
    ]
)
LFS_THRESHOLD = 10 * 1024 * 1024
"""Bytes from which a file is kept in LFS whatever its name."""

_FIRST_COMMIT = datetime(2026, 1, 1, tzinfo=UTC)

Gate = Literal["auto", "manual"] | bool
Source = Path | bytes
"""Where a file's bytes are."""


class RepositoryFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a commit.

    Attributes:
        oid: Git hash of what git stores: the file, or the pointer where it is in LFS.
        sha256: Hash of the content, for files in LFS only.
        pointer_size: Bytes of the LFS pointer, 0 where there is none.
    """

    path: str
    size: int
    oid: str
    sha256: str | None
    pointer_size: int
    source: Source

    @property
    def etag(self) -> str:
        """What `resolve` gives as the ETag: sha256 in LFS, else the git hash."""
        return self.sha256 or self.oid

    def open(self) -> BinaryIO:
        """The content as a file to close after use."""
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")

    def read(self) -> bytes:
        """The whole content."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a repository; `files` is sorted by path."""

    oid: str
    date: datetime
    title: str
    files: Mapping[str, RepositoryFile]


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository at one moment. Changing it makes a new record."""

    repo_id: str
    gated: Literal["auto", "manual", False] = False
    private: bool = False
    disabled: bool = False
    downloads: int = 0
    likes: int = 0
    tags: tuple[str, ...] = ()
    commits: Mapping[str, Commit]
    branches: Mapping[str, str]
    git_tags: Mapping[str, str]

    def resolve(self, revision: str) -> Commit | None:
        """The commit that a branch, tag or full hash names, or None."""
        oid = self.branches.get(revision) or self.git_tags.get(revision) or revision
        return self.commits.get(oid)


class Repositories:
    """All repositories of a hub. Thread-safe: readers get whole records, never half a change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Repository] = {}

    def get(self, repo_id: str) -> Repository | None:
        """A repository as it is now, or None."""
        return self._by_id.get(repo_id)

    def __iter__(self) -> Iterator[Repository]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def put(
        self,
        repo_id: str,
        sources: Mapping[str, Source],
        *,
        revision: str = "main",
        gated: Gate = False,
        private: bool = False,
        disabled: bool = False,
        downloads: int = 0,
        likes: int = 0,
        tags: tuple[str, ...] = (),
    ) -> str:
        """Make `sources` the whole content of a branch, creating repository and branch where needed.

        Returns:
            The new commit.

        Raises:
            ValueError: The repository id, the branch or a path could not exist on the Hub.
        """
        names.check_repo_id(repo_id)
        names.check_revision(revision)
        files = describe_files(sources)
        with self._lock:
            old = self._by_id.get(repo_id)
            commits = dict(old.commits) if old else {}
            branches = dict(old.branches) if old else {}
            parent = branches.get(revision) or branches.get("main")
            title = f"Update {repo_id}" if old else "initial commit"
            commit = _make_commit(repo_id, files, parent=parent, number=len(commits), title=title)
            commits[commit.oid] = commit
            branches[revision] = commit.oid
            self._by_id[repo_id] = Repository(
                repo_id=repo_id,
                gated="manual" if gated is True else gated,
                private=private,
                disabled=disabled,
                downloads=downloads,
                likes=likes,
                tags=tags,
                commits=commits,
                branches=branches,
                git_tags=old.git_tags if old else {},
            )
            return commit.oid

    def update(self, repo_id: str, changes: Mapping[str, Source | None], *, revision: str = "main") -> str:
        """Commit changed files on top of a branch; None deletes a file. Returns the new commit.

        Raises:
            KeyError: There is no such repository or branch.
        """
        with self._lock:
            old = self._by_id[repo_id]
            parent = old.commits[old.branches[revision]]
            files = {path: file for path, file in parent.files.items() if path not in changes}
            files |= describe_files({path: source for path, source in changes.items() if source is not None})
            commit = _make_commit(
                repo_id, files, parent=parent.oid, number=len(old.commits), title=f"Update {', '.join(changes)}"
            )
            self._by_id[repo_id] = msgspec.structs.replace(
                old,
                commits={**old.commits, commit.oid: commit},
                branches={**old.branches, revision: commit.oid},
            )
            return commit.oid

    def tag(self, repo_id: str, name: str, *, revision: str = "main") -> str:
        """Give a commit a git tag. Returns the commit.

        Raises:
            KeyError: There is no such repository or revision.
        """
        names.check_revision(name)
        with self._lock:
            old = self._by_id[repo_id]
            commit = old.resolve(revision)
            if commit is None:
                raise KeyError(revision)
            self._by_id[repo_id] = msgspec.structs.replace(old, git_tags={**old.git_tags, name: commit.oid})
            return commit.oid

    def remove(self, repo_id: str) -> None:
        """Forget a repository; KeyError where there is none."""
        with self._lock:
            del self._by_id[repo_id]


def folder_sources(folder: Path) -> dict[str, Source]:
    """The files under a folder, by their path inside the repository."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def describe_files(sources: Mapping[str, Source]) -> dict[str, RepositoryFile]:
    """Size and hashes of every file.

    Raises:
        ValueError: A path could not exist in a repository.
    """
    return {path: _describe_file(names.check_file_path(path), source) for path, source in sorted(sources.items())}


def git_oid(kind: str, content: bytes) -> str:
    """The hash git gives an object."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(content)) + content, usedforsecurity=False).hexdigest()


def _describe_file(path: str, source: Source) -> RepositoryFile:
    if isinstance(source, bytes):
        size = len(source)
        oid, sha256 = git_oid("blob", source), hashlib.sha256(source).hexdigest()
    else:
        stat = source.stat()
        size = stat.st_size
        oid, sha256 = _digests(source.resolve(), size, stat.st_mtime_ns, stat.st_ino)
    if PurePosixPath(path).suffix.lower() not in LFS_SUFFIXES and size < LFS_THRESHOLD:
        return RepositoryFile(path=path, size=size, oid=oid, sha256=None, pointer_size=0, source=source)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    return RepositoryFile(
        path=path,
        size=size,
        oid=git_oid("blob", pointer),
        sha256=sha256,
        pointer_size=len(pointer),
        source=source,
    )


@lru_cache(maxsize=4096)
def _digests(path: Path, size: int, _mtime_ns: int, _inode: int) -> tuple[str, str]:
    """Git hash and sha256 of a file in one pass; the last two arguments notice that it was changed."""
    git, sha256 = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            git.update(chunk)
            sha256.update(chunk)
    return git.hexdigest(), sha256.hexdigest()


def _make_commit(
    repo_id: str, files: Mapping[str, RepositoryFile], *, parent: str | None, number: int, title: str
) -> Commit:
    # The date follows from the number of commits, so that equal content has equal commits on every machine.
    date = _FIRST_COMMIT + timedelta(hours=number)
    listing = "\n".join(f"{file.oid} {path}" for path, file in sorted(files.items()))
    text = f"{repo_id}\nparent {parent or 'none'}\ndate {date.isoformat()}\n{listing}"
    ordered = dict(sorted(files.items()))
    return Commit(oid=git_oid("commit", text.encode()), date=date, title=title, files=ordered)
