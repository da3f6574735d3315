"""What is in the Hub's cache: complete snapshots, unfinished bytes, damage; and how to free it.

Works on what this package fetched and on what huggingface_hub itself wrote. Needs neither the network
nor the fetch process; fetching is left to `client`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import DownloadCancelledError, DownloadError
from ..names import check_digest, is_commit
from .digest import file_matches
from .layout import TEMPORARY_SUFFIX, CacheLayout
from .plan import TreeEntry
from .selection import choose_files, is_weights


class Snapshot(msgspec.Struct, frozen=True):
    """A complete commit on disk.

    Attributes:
        path: Folder with the files.
        size: Bytes of the chosen files; one content under two names counts once.
        files: The chosen files, as paths inside the folder.
    """

    path: Path
    commit: str
    size: int
    files: tuple[str, ...]


class Verification(NamedTuple):
    """What re-hashing found: paths of damaged and of missing files, and the bytes that were read."""

    corrupt: tuple[str, ...]
    missing: tuple[str, ...]
    checked_bytes: int


def default_cache_dir() -> Path:
    """The cache that huggingface_hub would use, without importing it."""
    cache_home = os.environ.get("XDG_CACHE_HOME", str(Path("~") / ".cache"))
    home = os.environ.get("HF_HOME", str(Path(cache_home) / "huggingface"))
    legacy = os.environ.get("HUGGINGFACE_HUB_CACHE", str(Path(home) / "hub"))
    chosen = os.environ.get("HF_HUB_CACHE", legacy)
    return Path(os.path.expandvars(chosen)).expanduser()


def find_snapshot(
    cache_dir: str | Path,
    repo_id: str,
    revision: str | None,
    *,
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
) -> Snapshot | None:
    """The snapshot of a revision, only where every chosen file is there with its published size.

    Where no tree listing tells what the commit holds (a program fetched file by file), the snapshot
    counts as complete when it holds weights, every link in it leads to a file, every shard that an
    index names is there, and nothing of this repository is half fetched.

    Raises:
        ValueError: `repo_id` or `revision` is malformed.
    """
    layout = CacheLayout(cache_dir, repo_id)
    commit = layout.commit_of(revision)
    if commit is None:
        return None
    folder = layout.snapshot(commit)
    tree = layout.read_tree(commit)
    sizes = _present_files(folder) if tree is None else {path: entry.size for path, entry in tree.items()}
    chosen = choose_files(list(sizes), allow_patterns, ignore_patterns)
    if tree is None and not _seems_complete(layout, folder, chosen):
        return None
    if not chosen or not all(layout.has_file(commit, path, sizes[path]) for path in chosen):
        return None
    return Snapshot(folder, commit, _stored_size(folder, chosen), chosen)


def partial_bytes(cache_dir: str | Path, repo_id: str) -> int:
    """Bytes of unfinished files that the next download of this repository will not fetch again."""
    layout = CacheLayout(cache_dir, repo_id)
    return sum(_resumable_bytes(layout, digest) for digest in layout.partials())


def verify_snapshot(
    snapshot: Snapshot,
    on_bytes: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Verification:
    """Read and hash every file of a snapshot.

    A file whose hash nobody recorded (no tree listing and no link to a blob) is checked for presence only.

    Args:
        on_bytes: Called with the number of bytes read since the last call.
        cancelled: Asked between chunks of 1 MiB; True ends the work.

    Raises:
        DownloadCancelledError: `cancelled` said so.
    """
    root = snapshot.path.parent.parent
    layout = CacheLayout(root.parent, root.name.removeprefix("models--").replace("--", "/"))
    tree = layout.read_tree(snapshot.commit) or {}
    corrupt: list[str] = []
    missing: list[str] = []
    checked = 0

    def count(read: int) -> None:
        nonlocal checked
        checked += read
        if on_bytes is not None:
            on_bytes(read)
        if cancelled is not None and cancelled():
            raise DownloadCancelledError("The verification was cancelled.")

    for name in snapshot.files:
        path = snapshot.path / name
        if not path.is_file():
            missing.append(name)
        elif not _is_intact(path, tree.get(name), count):
            corrupt.append(name)
    return Verification(tuple(corrupt), tuple(missing), checked)


def delete_snapshot(cache_dir: str | Path, repo_id: str, commit: str, *, keep: Collection[str] = ()) -> int:
    """Remove one commit: its folder, listing, refs, unfinished files, and what no other commit uses.

    Args:
        keep: Commits whose files stay even where they are not complete yet.

    Returns:
        Bytes freed. Content that huggingface_hub shares between repositories is unlinked, not counted.

    Raises:
        DownloadError: A download of these files is running; nothing was removed.
        ValueError: `repo_id` or `commit` is malformed.
    """
    layout = CacheLayout(cache_dir, repo_id)
    folder = layout.snapshot(commit)
    own = _digests_of(layout, commit)
    if busy := _first_locked(layout, own):
        raise DownloadError(
            f"{repo_id} is being downloaded (content {busy[:12]}), so it was not deleted.",
            hint="Wait for the download or cancel it, then delete again.",
        )
    _remove_refs(layout, commit)
    freed = _remove_folder(folder)
    needed: set[str] = set()
    for other in {path.name for path in _folders(layout.snapshots)} | set(keep):
        if is_commit(other) and other != commit:
            needed |= _digests_of(layout, other)
    freed += sum(_remove_content(layout, digest) for digest in own - needed)
    layout.tree(commit).unlink(missing_ok=True)  # last: a deletion that was interrupted can be repeated
    _remove_if_unused(layout)
    return freed


def _present_files(folder: Path) -> dict[str, int]:
    """Size by path of everything in a snapshot folder; -1 for a link that leads nowhere."""
    found: dict[str, int] = {}
    for parent, _, files in os.walk(folder):
        for name in files:
            path = Path(parent) / name
            found[path.relative_to(folder).as_posix()] = path.stat().st_size if path.is_file() else -1
    return dict(sorted(found.items()))


def _seems_complete(layout: CacheLayout, folder: Path, chosen: Sequence[str]) -> bool:
    if layout.partials() or any(layout.blobs.glob("*.incomplete")):
        return False
    return any(map(is_weights, chosen)) and all(
        _shards(folder / path) <= {p.name for p in (folder / path).parent.iterdir()}
        for path in chosen
        if path.endswith(".index.json")
    )


class _WeightIndex(msgspec.Struct, frozen=True):
    weight_map: dict[str, str] = {}


def _shards(index: Path) -> set[str]:
    """The files that a weight index names; empty for an index of something else."""
    try:
        return set(msgspec.json.decode(index.read_bytes(), type=_WeightIndex).weight_map.values())
    except (OSError, msgspec.DecodeError):
        return set()


def _stored_size(folder: Path, paths: Iterable[str]) -> int:
    sizes = {os.path.realpath(folder / path): (folder / path).stat().st_size for path in paths}
    return sum(sizes.values())


def _is_intact(path: Path, entry: TreeEntry | None, on_bytes: Callable[[int], None]) -> bool:
    digest = entry.digest if entry is not None else _linked_digest(path)
    try:
        if entry is not None and path.stat().st_size != entry.size:
            return False
        return digest is None or file_matches(path, digest, on_bytes)
    except OSError:
        return False


def _linked_digest(path: Path) -> str | None:
    try:
        return check_digest(path.readlink().name)
    except (OSError, ValueError):
        return None


def _digests_of(layout: CacheLayout, commit: str) -> set[str]:
    """Content that a commit uses, from its listing and from the links that are there."""
    digests = {entry.digest for entry in (layout.read_tree(commit) or {}).values()}
    for parent, _, files in os.walk(layout.snapshot(commit)):
        digests |= {digest for name in files if (digest := _linked_digest(Path(parent) / name))}
    return digests


def _first_locked(layout: CacheLayout, digests: Iterable[str]) -> str | None:
    for digest in digests:
        if (layout.locks / f"{digest}.lock").exists():
            with layout.locked(digest) as ours:
                if not ours:
                    return digest
    return None


def _remove_folder(folder: Path) -> int:
    """Remove a snapshot folder; its links count nothing, files that stand for themselves their size."""
    freed = 0
    for parent, _, files in os.walk(folder):
        paths = [Path(parent) / name for name in files]
        freed += sum(path.stat().st_size for path in paths if not path.is_symlink())
    if folder.exists():
        shutil.rmtree(folder)
    return freed


def _remove_refs(layout: CacheLayout, commit: str) -> None:
    for parent, _, files in os.walk(layout.refs):
        for name in files:
            ref = Path(parent) / name
            if ref.read_text(encoding="ascii", errors="replace").strip() == commit:
                ref.unlink()


def _remove_content(layout: CacheLayout, digest: str) -> int:
    """Remove a blob and its unfinished form, unless a download has just begun with it."""
    blob = layout.blob(digest)
    if not (blob.is_symlink() or blob.exists() or layout.unfinished.paths(digest)):
        return 0
    with layout.locked(digest) as ours:
        if not ours:
            return 0
        freed = blob.stat().st_size if blob.exists() and not blob.is_symlink() else 0
        freed += _resumable_bytes(layout, digest)
        blob.unlink(missing_ok=True)
        layout.remove_partial(digest)
    return freed


def _resumable_bytes(layout: CacheLayout, digest: str) -> int:
    sidecar = layout.read_sidecar(digest)
    return sidecar.total if sidecar else 0


def _remove_if_unused(layout: CacheLayout) -> None:
    """Remove the repository's folder once no snapshot and no content is left in it."""
    if any(_folders(layout.snapshots)):
        return
    left = [path for path in layout.blobs.iterdir() if path.suffix != TEMPORARY_SUFFIX] if layout.blobs.exists() else []
    if not left and not layout.partials() and layout.root.exists():
        shutil.rmtree(layout.root)


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()] if parent.exists() else []
