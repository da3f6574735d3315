"""What is in the Hub's cache: complete snapshots, what is left of incomplete ones, and unfinished bytes.

Works on what this package fetched and on what huggingface_hub itself wrote. Needs neither the network
nor the fetch process. Fetching is left to `client`, reading the files to `verify`, and freeing space to
`deletion` and `prune`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from .contents import linked_digest, resumable_bytes
from .digest import SHA256_LENGTH
from .layout import CacheLayout
from .plan import TreeEntry
from .selection import choose_files, is_weights


class Snapshot(msgspec.Struct, frozen=True):
    """A commit on disk.

    Attributes:
        path: Folder with the files.
        size: Bytes of the chosen files; one content under two names counts once.
        files: The chosen files, as paths inside the folder.
        weak: Those of them for which no sha256 was published.
    """

    path: Path
    commit: str
    size: int
    files: tuple[str, ...]
    weak: tuple[str, ...] = ()


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
    return Snapshot(folder, commit, _stored_size(folder, chosen), chosen, _weak(folder, tree, chosen))


def find_remains(
    cache_dir: str | Path,
    repo_id: str,
    revision: str | None,
    *,
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
) -> Snapshot | None:
    """Like `find_snapshot`, also where files are missing or have another size; None where not one is there.

    Raises:
        ValueError: `repo_id` or `revision` is malformed.
    """
    layout = CacheLayout(cache_dir, repo_id)
    commit = layout.commit_of(revision)
    if commit is None:
        return None
    folder = layout.snapshot(commit)
    tree, present = layout.read_tree(commit), _present_files(folder)
    chosen = choose_files(list(present if tree is None else tree), allow_patterns, ignore_patterns)
    there = [path for path in chosen if present.get(path, -1) >= 0]
    if not there:
        return None
    return Snapshot(folder, commit, _stored_size(folder, there), chosen, _weak(folder, tree, chosen))


def partial_bytes(cache_dir: str | Path, repo_id: str) -> int:
    """Bytes of unfinished files that the next download of this repository will not fetch again."""
    layout = CacheLayout(cache_dir, repo_id)
    return sum(resumable_bytes(layout, digest) for digest in layout.partials())


def _present_files(folder: Path) -> dict[str, int]:
    """Size by path of everything in a snapshot folder; -1 for a link that leads nowhere."""
    found: dict[str, int] = {}
    for parent, _, files in os.walk(folder):
        for name in files:
            path = Path(parent) / name
            found[path.relative_to(folder).as_posix()] = _size(path)
    return dict(sorted(found.items()))


def _weak(folder: Path, tree: Mapping[str, TreeEntry] | None, paths: Iterable[str]) -> tuple[str, ...]:
    digests = {path: linked_digest(folder / path) if tree is None else tree[path].digest for path in paths}
    return tuple(path for path, digest in digests.items() if digest is None or len(digest) != SHA256_LENGTH)


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
    sizes = {os.path.realpath(folder / path): max(0, _size(folder / path)) for path in paths}
    return sum(sizes.values())


def _size(path: Path) -> int:
    """Bytes of a file; -1 where there is none, as for a link that leads nowhere. It may go at any moment."""
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1
