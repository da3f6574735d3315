"""The files of a model beside what a lock file says of them: those that the Hub published, and those on disk.

Reads only. Which files those are is the choice of every download; what follows from a difference, the runtime decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import DownloadCancelledError
from .cache import find_snapshot
from .contents import linked_digest
from .digest import Fingerprint, file_digest
from .layout import CacheLayout
from .plan import PlannedFile, TreeEntry
from .selection import choose_files
from .verified import VerifiedRecord

__all__ = ["FolderCheck", "check_folder", "chosen_files", "is_here", "linked_files", "tell_difference"]

NAMED_FILES = 3
"""Files that a sentence names; the rest is counted."""


class FolderCheck(NamedTuple):
    """What reading files found.

    Attributes:
        missing, corrupt: Paths of those that are not there, or have other bytes.
        read_bytes: Bytes read; one content under two names is read once.
        records: Of those that are right, by absolute path, as `VerifiedFiles` keeps them.
    """

    missing: tuple[str, ...]
    corrupt: tuple[str, ...]
    read_bytes: int
    records: Mapping[str, VerifiedRecord]

    @property
    def ok(self) -> bool:
        """True where all are there and right."""
        return not self.missing and not self.corrupt


def chosen_files(
    tree: Mapping[str, TreeEntry], allow_patterns: Sequence[str] | None, ignore_patterns: Sequence[str] | None
) -> tuple[PlannedFile, ...]:
    """The files of a commit that a download takes, with the hashes that the Hub published."""
    chosen = choose_files(list(tree), allow_patterns, ignore_patterns)
    return tuple(PlannedFile(path, tree[path].size, tree[path].digest) for path in chosen)


def linked_files(
    layout: CacheLayout, commit: str, allow_patterns: Sequence[str] | None, ignore_patterns: Sequence[str] | None
) -> tuple[PlannedFile, ...] | None:
    """The same from the links of a snapshot whose commit nobody listed; None where they do not tell all."""
    repo_id = layout.root.name.removeprefix("models--").replace("--", "/")
    found = find_snapshot(
        layout.cache_dir, repo_id, commit, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
    )
    files: list[PlannedFile] = []
    for path in found.files if found is not None else ():
        digest = linked_digest(found.path / path) if found is not None else None
        if digest is None:
            return None
        files.append(PlannedFile(path, (layout.snapshot(commit) / path).stat().st_size, digest))
    return tuple(files) or None


def tell_difference(
    tree: Mapping[str, TreeEntry], chosen: Collection[PlannedFile], locked: Collection[PlannedFile]
) -> str:
    """In what the files of a commit differ from the locked ones, in a sentence; empty where they do not."""
    gone = [file.path for file in locked if file.path not in tree]
    if gone:
        return f"the commit has no {_named(gone)}"
    other = [file.path for file in locked if (tree[file.path].size, tree[file.path].digest) != (file.size, file.digest)]
    if other:
        return f"the commit has other bytes for {_named(other)}"
    wanted, taken = {file.path for file in locked}, {file.path for file in chosen}
    changes = (("take", sorted(taken - wanted)), ("leave out", sorted(wanted - taken)))
    parts = [f"{verb} {_named(paths)}" for verb, paths in changes if paths]
    return f"a download here would {' and '.join(parts)}" if parts else ""


def is_here(layout: CacheLayout, commit: str, files: Collection[PlannedFile]) -> bool:
    """Whether all of these files are on disk with their size; does not read them."""
    return all(layout.has_file(commit, file.path, file.size) for file in files)


def check_folder(folder: Path, files: Collection[PlannedFile], cancelled: Callable[[], bool]) -> FolderCheck:
    """Read and hash files and compare them with what they should be.

    Args:
        cancelled: Asked between chunks of 1 MiB; True ends the work.

    Raises:
        DownloadCancelledError: `cancelled` said so.
    """
    missing: list[str] = []
    corrupt: list[str] = []
    records: dict[str, VerifiedRecord] = {}
    right: set[tuple[str, Fingerprint]] = set()
    read = 0

    def count(size: int) -> None:
        nonlocal read
        read += size
        if cancelled():
            raise DownloadCancelledError("The comparison with the lock file was cancelled.")

    for file in files:
        place = folder / file.path
        try:
            if not place.is_file():
                missing.append(file.path)
                continue
            fingerprint = Fingerprint.of(place.stat())
            if fingerprint.size != file.size:
                corrupt.append(file.path)
                continue
            if (file.digest, fingerprint) not in right:
                found, fingerprint = file_digest(place, file.digest, count)
                if found != file.digest:
                    corrupt.append(file.path)
                    continue
                right.add((file.digest, fingerprint))
            records[str(place)] = VerifiedRecord(file.digest, *fingerprint)
        except OSError:  # unreadable, or being changed: not the file that was locked
            corrupt.append(file.path)
    return FolderCheck(tuple(missing), tuple(corrupt), read, records)


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - NAMED_FILES} more" if len(paths) > NAMED_FILES else ""
    return ", ".join(paths[:NAMED_FILES]) + more
