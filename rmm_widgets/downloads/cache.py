"""What is in the Hub's cache: complete snapshots, what is left of incomplete ones, and unfinished bytes.

Works on what this package fetched and on what huggingface_hub itself wrote. Needs neither the network
nor the fetch process. Fetching is left to `client`, reading the files to `verify`, and freeing space to
`deletion` and `prune`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from .. import names
from .contents import linked_digest, resumable_bytes
from .digest import SHA256_LENGTH
from .layout import CacheLayout
from .plan import TreeEntry
from .selection import choose_files, is_weights

_MODELS = "models--"
_MAIN = "main"


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


def cached_repositories(cache_dir: str | Path) -> list[str]:
    """The model repositories that the cache has a commit of, whole or not, by name; a short look at folders."""
    found: list[str] = []
    with contextlib.suppress(OSError), os.scandir(cache_dir) as entries:
        for entry in entries:
            if not entry.name.startswith(_MODELS) or not entry.is_dir(follow_symlinks=False):
                continue
            if os.path.isdir(f"{entry.path}/snapshots"):  # noqa: PTH112 - there may be very many
                with contextlib.suppress(ValueError):  # nothing of a Hub
                    found.append(names.check_repo_id(entry.name.removeprefix(_MODELS).replace("--", "/")))
    return sorted(found)


def cached_revisions(cache_dir: str | Path, repo_id: str) -> list[str | None]:
    """The revisions of a repository that the cache knows, the default branch (None) first, then other refs, then
    commits of no ref, the newest first.

    Raises:
        ValueError: `repo_id` is malformed.
    """
    layout = CacheLayout(cache_dir, repo_id)
    refs = [path.relative_to(layout.refs).as_posix() for path in sorted(layout.refs.rglob("*")) if path.is_file()]
    usable = [ref for ref in refs if _is_revision(ref) and layout.commit_of(ref)]
    named = {layout.commit_of(ref) for ref in usable}
    folders = [path for path in _folders(layout.snapshots) if names.is_commit(path.name) and path.name not in named]
    folders.sort(key=lambda path: (-_changed(path), path.name))
    others = [ref for ref in usable if ref != _MAIN]
    return [*([None] if _MAIN in usable else []), *others, *(path.name for path in folders)]


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


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _is_revision(name: str) -> bool:
    try:
        return bool(names.check_revision(name))
    except ValueError:
        return False


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
