"""Deleting one commit from the cache, without what other commits and other repositories still use."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ..errors import DownloadError
from .contents import digests_of, digests_of_others, files_below, folders_in, resumable_bytes
from .layout import QUARANTINE_SUFFIX, TEMPORARY_SUFFIX, CacheLayout
from .shared import SharedStore


def delete_snapshot(cache_dir: str | Path, repo_id: str, commit: str, *, keep: Collection[str] = ()) -> int:
    """Remove one commit: its folder, listing, refs, unfinished and quarantined files, and what no other commit uses.

    Args:
        keep: Commits whose files stay even where they are not complete yet.

    Returns:
        Bytes freed. Content that huggingface_hub shares between repositories is freed, and counted, only
        where no other repository links to it.

    Raises:
        DownloadError: A download of these files is running; nothing was removed.
        ValueError: `repo_id` or `commit` is malformed.
    """
    with CacheLayout(cache_dir, repo_id) as layout:
        return _delete(layout, repo_id, commit, keep)


def _delete(layout: CacheLayout, repo_id: str, commit: str, keep: Collection[str]) -> int:
    folder = layout.snapshot(commit)
    own = digests_of(layout, commit)
    if busy := _first_locked(layout, own):
        raise DownloadError(
            f"{repo_id} is being downloaded (content {busy[:12]}), so it was not deleted.",
            hint="Wait for the download or cancel it, then delete again.",
        )
    _remove_refs(layout, commit)
    freed = _own_bytes(folder)
    if folder.exists():
        shutil.rmtree(folder)
    shared = SharedStore(layout.cache_dir)
    unused: set[Path] = set()
    for digest in own - digests_of_others(layout, [commit], keep):
        target = shared.target(layout.blob(digest))
        removed = _remove_content(layout, digest)
        if removed is not None:
            freed += removed
            unused |= {target} if target is not None else set()
    freed += shared.release(unused)
    layout.remove_leftovers()
    layout.tree(commit).unlink(missing_ok=True)  # last: a deletion that was interrupted can be repeated
    return freed + _remove_if_unused(layout)


def deletion_frees(cache_dir: str | Path, repo_id: str, commit: str, *, keep: Collection[str] = ()) -> int:
    """What `delete_snapshot` would return, in bytes, as long as nothing is being downloaded; changes nothing.

    Raises:
        ValueError: `repo_id` or `commit` is malformed.
    """
    return deletions_free(cache_dir, {repo_id: [commit]}, keep={repo_id: keep})


def deletions_free(
    cache_dir: str | Path, commits: Mapping[str, Collection[str]], *, keep: Mapping[str, Collection[str]]
) -> int:
    """The same for several commits, one after another: also what only these share with each other.

    Args:
        commits: By repository those that go.
        keep: By repository the others whose files stay even where they are not complete yet.
    """
    freed, blobs = 0, list[Path]()
    for repo_id, gone in commits.items():
        layout = CacheLayout(cache_dir, repo_id)
        own = set[str]().union(*(digests_of(layout, commit) for commit in gone))
        unused = own - digests_of_others(layout, gone, keep.get(repo_id, ()))
        freed += sum(_own_bytes(layout.snapshot(commit)) for commit in gone)
        freed += sum(_content_bytes(layout, digest) for digest in unused)
        blobs += [layout.blob(digest) for digest in unused]
    return freed + SharedStore(Path(cache_dir)).freed_without(blobs)


def _own_bytes(folder: Path) -> int:
    """Bytes of the files of a snapshot that stand for themselves; its links count nothing."""
    return sum(path.lstat().st_size for path in files_below(folder) if not path.is_symlink())


def _content_bytes(layout: CacheLayout, digest: str) -> int:
    """Bytes of a content in this repository: finished, unfinished, and in quarantine."""
    places = [layout.blob(digest), layout.quarantine(digest)]
    finished = sum(path.lstat().st_size for path in places if path.is_file() and not path.is_symlink())
    return finished + resumable_bytes(layout, digest)


def _remove_content(layout: CacheLayout, digest: str) -> int | None:
    """Remove a content in all its forms; None where a download has just begun with it."""
    blob, bad = layout.blob(digest), layout.quarantine(digest)
    if not any(path.is_symlink() or path.exists() for path in (blob, bad, *layout.unfinished.paths(digest))):
        return 0
    with layout.locked(digest) as ours:
        if not ours:
            return None
        freed = _content_bytes(layout, digest)
        blob.unlink(missing_ok=True)
        bad.unlink(missing_ok=True)
        layout.remove_partial(digest)
    return freed


def _first_locked(layout: CacheLayout, digests: Iterable[str]) -> str | None:
    for digest in digests:
        if (layout.locks / f"{digest}.lock").exists():
            with layout.locked(digest) as ours:
                if not ours:
                    return digest
    return None


def _remove_refs(layout: CacheLayout, commit: str) -> None:
    for ref in files_below(layout.refs):
        if ref.read_text(encoding="ascii", errors="replace").strip() == commit:
            ref.unlink()


def _remove_if_unused(layout: CacheLayout) -> int:
    """Remove the repository's folder once no snapshot and no content is left in it; returns the bytes freed."""
    blobs = list(files_below(layout.blobs))
    is_used = any(blob.suffix not in {TEMPORARY_SUFFIX, QUARANTINE_SUFFIX} for blob in blobs) or layout.partials()
    if folders_in(layout.snapshots) or is_used:
        return 0
    freed = sum(blob.lstat().st_size for blob in blobs)
    if layout.root.exists():
        shutil.rmtree(layout.root)
    return freed
