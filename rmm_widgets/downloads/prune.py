"""Removing what interrupted downloads and damage left in the cache, in every repository, once it is old.

That is: partials and their sidecars, files in quarantine, temporary files, and the `.incomplete` files that
huggingface_hub never takes up again. All but temporary files are removed only under the content's lock.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ..disk_records import PrunedFile, PruneReport
from .contents import stored_bytes
from .layout import PARTIAL_SUFFIX, QUARANTINE_SUFFIX, SIDECAR_SUFFIX, TEMPORARY_SUFFIX
from .locks import take_lock_at
from .owners import Owner, owner_of

INCOMPLETE_SUFFIX = ".incomplete"
FOREIGN_PATIENCE = 3600.0
"""Seconds for which a temporary file of another machine is taken for one that is being written."""

_SUFFIXES = (PARTIAL_SUFFIX, SIDECAR_SUFFIX, QUARANTINE_SUFFIX, TEMPORARY_SUFFIX, INCOMPLETE_SUFFIX)


def prune_cache(cache_dir: str | Path, *, older_than: float, downloading: Collection[str] = ()) -> PruneReport:
    """Remove the leftovers of a cache that have not been written to for a while and that nobody works with.

    Args:
        older_than: Seconds since the last change. A partial and its sidecar are as old as the younger one.
        downloading: Folders of repositories that are being downloaded: their partials stay, locked or not.
    """
    before = time.time() - older_than
    removed: list[PrunedFile] = []
    busy = 0
    for repository in repositories_of(Path(cache_dir)):
        for content, files in _things(repository):
            if not _are_old(files, before):
                continue
            if any(map(_is_partial, files)) and (repository.name in downloading or _owner(files[0]) is Owner.RUNNING):
                gone: list[tuple[Path, int]] = []
            elif content is None:
                gone = _removed(path for path in files if not _may_be_in_use(path))
            else:
                gone = _removed_under_lock(repository, content, files, before)
            removed.extend(PrunedFile(repo=repository.name, name=path.name, bytes=size) for path, size in gone)
            busy += len(files) - len(gone)
    removed.sort(key=lambda file: (file.repo, file.name))
    return PruneReport(freed_bytes=sum(file.bytes for file in removed), removed=tuple(removed), busy=busy)


def repositories_of(cache_dir: Path) -> list[Path]:
    """The folders of all repositories in a cache: models, datasets and spaces; links are not followed."""
    try:
        return sorted(path for path in cache_dir.iterdir() if "--" in path.name and _is_folder(path))
    except OSError:
        return []


def leftovers_of(repository: Path) -> list[Path]:
    """Every unfinished, temporary or quarantined file of a repository."""
    return [*_leftovers_in(repository / "blobs"), *_leftovers_in(repository / "partials")]


def _leftovers_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in found if name.endswith(_SUFFIXES)] if _is_folder(folder) else []


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _is_partial(path: Path) -> bool:
    return path.name.endswith((PARTIAL_SUFFIX, SIDECAR_SUFFIX))


def _things(repository: Path) -> list[tuple[str | None, list[Path]]]:
    """The files that may go, with the content whose lock protects them, None for temporary files.

    A partial and its sidecar go together or not at all; every other file is a thing of its own.
    """
    pairs: dict[Path, tuple[str, list[Path]]] = {}
    single: list[tuple[str | None, list[Path]]] = []
    for path in leftovers_of(repository):
        content = path.name.partition(".")[0]
        if _is_partial(path):
            partial = path.with_name(path.name.removesuffix(".json"))
            pairs.setdefault(partial, (content, []))[1].append(path)
        else:
            single.append((None if path.name.endswith(TEMPORARY_SUFFIX) else content, [path]))
    return [*pairs.values(), *single]


def _are_old(files: Iterable[Path], before: float) -> bool:
    try:
        return max(path.lstat().st_mtime for path in files) <= before
    except FileNotFoundError:
        return False  # somebody is at work with them


def _may_be_in_use(temporary: Path) -> bool:
    """True for a temporary file whose process lives, or may live on another machine."""
    owner = _owner(temporary)
    is_foreign = owner is Owner.ELSEWHERE and not _are_old([temporary], time.time() - FOREIGN_PATIENCE)
    return owner in {Owner.OURS, Owner.RUNNING} or is_foreign


def _owner(path: Path) -> Owner:
    """Whose a file with a tag in its name is, see `owners`."""
    name = path.name
    for suffix in (SIDECAR_SUFFIX, PARTIAL_SUFFIX, TEMPORARY_SUFFIX):
        name = name.removesuffix(suffix)
    return owner_of(name.rpartition(".")[2])


def _removed_under_lock(repository: Path, content: str, files: Sequence[Path], before: float) -> list[tuple[Path, int]]:
    try:
        lock = take_lock_at(repository.parent / ".locks" / repository.name / f"{content}.lock")
    except OSError:
        return []  # a cache that may only be read
    if lock is None:
        return []
    try:
        return _removed(files) if _are_old(files, before) else []
    finally:
        lock.release()


def _removed(files: Iterable[Path]) -> list[tuple[Path, int]]:
    """Remove files; returns those that are gone, with the bytes that they took."""
    gone: list[tuple[Path, int]] = []
    for path in files:
        with contextlib.suppress(OSError):
            size = stored_bytes(path.lstat())
            path.unlink()
            gone.append((path, size))
    return gone
