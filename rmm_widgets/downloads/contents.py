"""Which contents the commits of a repository use, and what of them is on disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from ..names import check_digest, is_commit
from .layout import CacheLayout


def linked_digest(path: Path) -> str | None:
    """The hash that a snapshot's link tells by the blob it leads to; None for anything else."""
    try:
        return check_digest(path.readlink().name)
    except (OSError, ValueError):
        return None


def files_below(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder, hidden ones too; nothing where there is no folder."""
    for parent, _, files in os.walk(folder):
        yield from (Path(parent) / name for name in files)


def folders_in(parent: Path) -> list[Path]:
    """The folders in a folder; none where it is not there."""
    try:
        return [path for path in parent.iterdir() if path.is_dir()]
    except OSError:
        return []


def digests_of(layout: CacheLayout, commit: str) -> set[str]:
    """Content that a commit uses, from its listing and from the links that are there."""
    digests = {entry.digest for entry in (layout.read_tree(commit) or {}).values()}
    return digests | set(filter(None, map(linked_digest, files_below(layout.snapshot(commit)))))


def digests_of_others(layout: CacheLayout, gone: Collection[str], keep: Collection[str] = ()) -> set[str]:
    """Content that any commit on disk uses which is not of those that go, or one of `keep`."""
    others = {path.name for path in folders_in(layout.snapshots)} | set(keep)
    found: set[str] = set()
    for other in others - set(gone):
        if is_commit(other):
            found |= digests_of(layout, other)
    return found


def resumable_bytes(layout: CacheLayout, digest: str) -> int:
    """Bytes of an unfinished file that need not be fetched again."""
    sidecar = layout.read_sidecar(digest)
    return sidecar.total if sidecar else 0


def stored_bytes(status: os.stat_result) -> int:
    """Bytes that a file takes; less than its size for a partial with holes."""
    return min(status.st_size, getattr(status, "st_blocks", status.st_size) * 512)
