"""From the Hub's description of a repository to the list of files to fetch. Pure.

Everything the Hub says is checked here, before any of it becomes a path: the commit, the digests,
the sizes and the names of all files, wanted or not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from .. import names
from .digest import SHA256_LENGTH
from .selection import choose_files

__all__ = ["Description", "DownloadPlan", "PlannedFile", "TreeEntry", "plan_download", "read_description"]

MAX_FILE_SIZE = 1 << 53
"""Bytes; larger sizes are a lie or a slip."""


class TreeEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file as the cache's tree listing holds it; the field names are those of that format."""

    size: int
    blob_id: str
    lfs_sha256: str | None = None
    lfs_size: int | None = None
    xet_hash: str | None = None

    @property
    def digest(self) -> str:
        """What the content is checked against; also the blob's file name."""
        return self.lfs_sha256 or self.blob_id


class PlannedFile(msgspec.Struct, frozen=True):
    """A file to fetch. `digest` is a sha256, or git's sha1 where it is 40 digits long."""

    path: str
    size: int
    digest: str


class DownloadPlan(msgspec.Struct, frozen=True):
    """What one download will do.

    Attributes:
        files: The files to fetch.
        tree: All files of the commit, fetched or not.
        total_bytes: Bytes of `files`; one content under two names counts once.
        gated: The Hub asks for an agreement before it gives the files.
    """

    repo_id: str
    revision: str
    commit: str
    files: tuple[PlannedFile, ...]
    tree: Mapping[str, TreeEntry]
    total_bytes: int
    gated: bool = False


class Description(msgspec.Struct, frozen=True):
    """What the Hub says of a repository at one commit, once it was checked."""

    commit: str
    tree: Mapping[str, TreeEntry]
    gated: bool


class _Lfs(msgspec.Struct, frozen=True):
    sha256: str
    size: int


class _Sibling(msgspec.Struct, frozen=True, rename={"blob_id": "blobId"}):
    rfilename: str
    size: int | None = None
    blob_id: str | None = None
    lfs: _Lfs | None = None


class _RepositoryInfo(msgspec.Struct, frozen=True):
    sha: str
    siblings: list[_Sibling]
    gated: bool | str = False


_decode = msgspec.json.Decoder(_RepositoryInfo).decode


def read_description(document: bytes) -> Description:
    """Check the body of `GET /api/models/REPO/revision/REV?blobs=true`.

    Raises:
        msgspec.DecodeError: The document is not a description of a repository.
        ValueError: It is one that cannot be trusted; the sentence says why.
    """
    info = _decode(document)
    commit = names.check_commit(info.sha)
    _refuse_collisions([sibling.rfilename for sibling in info.siblings])
    tree = {sibling.rfilename: _checked_entry(sibling) for sibling in info.siblings}
    return Description(commit, tree, bool(info.gated))


def plan_download(
    document: bytes,
    *,
    repo_id: str,
    revision: str,
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
) -> DownloadPlan:
    """Plan from the body of `GET /api/models/REPO/revision/REV?blobs=true`.

    Raises:
        msgspec.DecodeError: The document is not a description of a repository.
        ValueError: It is one, but no safe download can be made of it; the sentence says why.
    """
    described = read_description(document)
    commit, tree = described.commit, described.tree
    if names.is_commit(revision) and commit != revision:
        raise ValueError(f"the Hub answered with commit {commit} instead of {revision}")
    chosen = choose_files(list(tree), allow_patterns, ignore_patterns)
    if not chosen:
        raise ValueError("the repository has no file to fetch" if not tree else "no file matches the patterns")
    files = tuple(PlannedFile(path, tree[path].size, tree[path].digest) for path in chosen)
    return DownloadPlan(
        repo_id=repo_id,
        revision=revision,
        commit=commit,
        files=files,
        tree=tree,
        total_bytes=sum(_sizes_by_digest(files).values()),
        gated=described.gated,
    )


def _checked_entry(sibling: _Sibling) -> TreeEntry:
    path = names.check_file_path(sibling.rfilename)
    if sibling.blob_id is None or (size := sibling.lfs.size if sibling.lfs else sibling.size) is None:
        raise ValueError(f"the Hub published no hash or size for {path!r}, so its bytes could not be checked")
    if not 0 <= size <= MAX_FILE_SIZE:
        raise ValueError(f"the Hub published an impossible size for {path!r}: {size}")
    blob_id = names.check_digest(sibling.blob_id)
    if sibling.lfs is None:
        return TreeEntry(size=size, blob_id=blob_id)
    sha256 = names.check_digest(sibling.lfs.sha256)
    if len(sha256) != SHA256_LENGTH:
        raise ValueError(f"{sha256!r} is not a sha256")
    return TreeEntry(size=size, blob_id=blob_id, lfs_sha256=sha256, lfs_size=size)


def _refuse_collisions(paths: Iterable[str]) -> None:
    """Refuse names that some file system would take for the same file, or for a file and a folder."""
    seen: dict[str, str] = {}
    for path in paths:
        folded = _folded(path)
        if folded in seen:
            raise ValueError(f"{path!r} and {seen[folded]!r} would be the same file on some systems")
        seen[folded] = path
    for path in seen.values():
        for end in (i for i, char in enumerate(path) if char == "/"):
            if other := seen.get(_folded(path[:end])):
                raise ValueError(f"{other!r} would be both a file and the folder of {path!r}")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _sizes_by_digest(files: Iterable[PlannedFile]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for file in files:
        if sizes.setdefault(file.digest, file.size) != file.size:
            raise ValueError(f"the Hub published two sizes for the content of {file.path!r}")
    return sizes
