"""A download that has not ended, as it lies on disk: how much of it, file by file, and how to be rid of it.

Everything is read from what a download writes before its first byte (its mark and the tree listing) and
from the files themselves, so this needs neither the network nor the fetch process. Going on with a download
is the fetcher's business; files of whole commits are `cache`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..file_records import FileProgress
from ..names import is_commit
from .cache import find_snapshot
from .deletion import delete_snapshot
from .layout import CacheLayout
from .plan import TreeEntry
from .selection import choose_files
from .spec import MAX_FILES

__all__ = ["Choice", "Unfinished", "discard_unfinished", "files_on_disk", "find_unfinished", "missing_files"]


class Unfinished(msgspec.Struct, frozen=True):
    """What there is of a commit that is not complete.

    Attributes:
        downloaded_bytes: Bytes that the next download will not fetch again; one content under two names
            counts once, as in `total_bytes`.
        files_done, files_total: Of the chosen files.
    """

    commit: str
    downloaded_bytes: int
    total_bytes: int
    files_done: int
    files_total: int


class Choice(NamedTuple):
    """The patterns that choose a model's files, see `selection.choose_files`."""

    allow_patterns: Sequence[str] | None = None
    ignore_patterns: Sequence[str] | None = None


_AUTOMATIC = Choice()


def find_unfinished(
    cache_dir: str | Path, repo_id: str, revision: str | None, choice: Choice = _AUTOMATIC
) -> Unfinished | None:
    """The unfinished download of a revision; None where none was begun, nothing of it is there, or all of it.

    Raises:
        ValueError: `repo_id` or `revision` is malformed.
    """
    layout = CacheLayout(cache_dir, repo_id)
    commit = _begun(layout, revision, choice)
    if commit is None:
        return None
    chosen = _chosen(layout, commit, choice)
    kept = {entry.digest: _kept(layout, commit, path, entry) for path, entry in chosen.items()}
    total = sum({entry.digest: entry.size for entry in chosen.values()}.values())
    done = sum(kept[entry.digest] == entry.size for entry in chosen.values())
    return Unfinished(commit, sum(kept.values()), total, done, len(chosen)) if any(kept.values()) else None


def files_on_disk(
    cache_dir: str | Path, repo_id: str, revision: str | None, choice: Choice = _AUTOMATIC
) -> list[FileProgress]:
    """What is there of each chosen file, the first MAX_FILES by name; empty where nothing tells of any.

    Raises:
        ValueError: `repo_id` or `revision` is malformed.
    """
    layout = CacheLayout(cache_dir, repo_id)
    for commit in _commits(layout, revision):
        if chosen := _chosen(layout, commit, choice):
            return [_file(layout, commit, path, chosen[path]) for path in sorted(chosen)[:MAX_FILES]]
    # As another program left it, without a listing.
    found = find_snapshot(
        cache_dir,
        repo_id,
        revision,
        allow_patterns=choice.allow_patterns,
        ignore_patterns=choice.ignore_patterns,
    )
    return [_whole_file(found.path, path) for path in sorted(found.files)[:MAX_FILES]] if found else []


def missing_files(cache_dir: str | Path, repo_id: str, revision: str | None, choice: Choice = _AUTOMATIC) -> list[str]:
    """The chosen files that are not on disk, by name; empty where nothing tells which files there are.

    Raises:
        ValueError: `repo_id` or `revision` is malformed.
    """
    layout = CacheLayout(cache_dir, repo_id)
    for commit in _commits(layout, revision):
        if chosen := _chosen(layout, commit, choice):
            return sorted(path for path, entry in chosen.items() if not layout.has_file(commit, path, entry.size))
    return []


def discard_unfinished(
    cache_dir: str | Path,
    repo_id: str,
    revision: str | None,
    choice: Choice = _AUTOMATIC,
    *,
    keep: Collection[str] = (),
) -> int:
    """Remove what was fetched of an unfinished download, but nothing that another commit needs.

    Its finished files go too where the download itself put the commit there. Where a ref names the commit,
    another program has fetched of it, and only what is half fetched goes.

    Args:
        keep: Commits of other models, whose files stay. A model of the same commit shares the download.

    Returns:
        Bytes freed.

    Raises:
        DownloadError: A download of these files is running; nothing was removed.
        ValueError: `repo_id` or `revision` is malformed.
    """
    layout = CacheLayout(cache_dir, repo_id)
    commit = _begun(layout, revision, choice)
    if commit is None:
        return 0
    keep = set(keep) - {commit}
    if layout.begun_commit(revision) == commit and not _is_named(layout, commit):
        freed = delete_snapshot(cache_dir, repo_id, commit, keep=keep)
    else:
        needed = {entry.digest for other in keep for entry in (layout.read_tree(other) or {}).values()}
        own = {entry.digest for entry in _chosen(layout, commit, choice).values()}
        freed = sum(_remove_partial(layout, digest) for digest in own - needed)
    layout.remove_begun(revision)
    return freed


def _commits(layout: CacheLayout, revision: str | None) -> list[str]:
    """The commits that a revision may stand for, the one under way first."""
    if is_commit(revision):
        return [revision] if revision is not None else []
    return [commit for commit in (layout.begun_commit(revision), layout.commit_of(revision)) if commit is not None]


def _begun(layout: CacheLayout, revision: str | None, choice: Choice) -> str | None:
    """The commit of a download that was begun and is not complete, however little of it is there."""
    begun = set(layout.partials())
    for commit in _commits(layout, revision):
        chosen = _chosen(layout, commit, choice)
        is_complete = all(layout.has_file(commit, path, entry.size) for path, entry in chosen.items())
        if is_complete:
            continue
        marked = layout.begun_commit(revision) == commit
        if marked or begun.intersection(entry.digest for entry in chosen.values()):
            return commit
    return None


def _chosen(layout: CacheLayout, commit: str, choice: Choice) -> Mapping[str, TreeEntry]:
    tree = layout.read_tree(commit) or {}
    return {path: tree[path] for path in choose_files(list(tree), *choice)}


def _kept(layout: CacheLayout, commit: str, path: str, entry: TreeEntry) -> int:
    """Bytes of a content that are there, finished or not."""
    try:
        if layout.blob(entry.digest).stat().st_size == entry.size:
            return entry.size
    except OSError:
        pass
    if layout.has_file(commit, path, entry.size):
        return entry.size
    sidecar = layout.read_sidecar(entry.digest)
    if sidecar is None or sidecar.size != entry.size:
        return 0
    return sidecar.total


def _file(layout: CacheLayout, commit: str, path: str, entry: TreeEntry) -> FileProgress:
    kept = _kept(layout, commit, path, entry)
    is_done = layout.has_file(commit, path, entry.size)
    return FileProgress(path=path, size=entry.size, downloaded_bytes=kept, state="done" if is_done else "waiting")


def _whole_file(folder: Path, path: str) -> FileProgress:
    size = (folder / path).stat().st_size
    return FileProgress(path=path, size=size, downloaded_bytes=size, state="done")


def _is_named(layout: CacheLayout, commit: str) -> bool:
    paths = layout.refs.rglob("*") if layout.refs.exists() else ()
    return any(path.is_file() and path.read_bytes().strip() == commit.encode() for path in paths)


def _remove_partial(layout: CacheLayout, digest: str) -> int:
    """Remove one half fetched file, unless another program is fetching it."""
    if not layout.unfinished.paths(digest):
        return 0
    with layout.locked(digest) as ours:
        if not ours:
            return 0
        sidecar = layout.read_sidecar(digest)
        layout.remove_partial(digest)
    return sidecar.total if sidecar else 0
