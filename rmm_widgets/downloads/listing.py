"""The files of a model with what becomes of each: chosen or why not, how it is checked, whether it is on disk.

Owns the three ways to a `FileListing`: the cache's own record of a commit, the Hub's description of one, and
the short summary that a registered model carries. Asking the Hub is left to `hub.revisions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..file_records import FileListing, ListedFile
from ..types import ModelInfo
from .digest import SHA256_LENGTH
from .layout import CacheLayout
from .plan import TreeEntry
from .selection import FileChoice, choose

__all__ = ["SUMMARY_KEY", "SUMMARY_NAMES", "list_on_disk", "list_registered", "list_tree", "summarize"]

SUMMARY_KEY = "file_listing"
"""Where a registered model's metadata holds its summary."""
SUMMARY_NAMES = 50
"""Most names that a summary holds."""
_LONGEST_NAME = 200


class _Summary(msgspec.Struct, frozen=True):
    """`chosen` holds (path, size), `left_out` (path, size, reason)."""

    chosen: tuple[tuple[str, int], ...] = ()
    left_out: tuple[tuple[str, int, str], ...] = ()
    unlisted: int = 0


def list_tree(info: ModelInfo, layout: CacheLayout, commit: str, tree: Mapping[str, TreeEntry]) -> list[ListedFile]:
    """The files of a commit, in the order of their paths; looks which of them are on disk."""
    choice = choose(list(tree), info.allow_patterns, info.ignore_patterns)
    return [
        ListedFile(
            path=path,
            size=entry.size,
            chosen=path not in choice.left_out,
            reason=choice.left_out.get(path, ""),
            digest="sha256" if len(entry.digest) == SHA256_LENGTH else "git-sha1",
            on_disk=layout.has_file(commit, path, entry.size),
        )
        for path, entry in sorted(tree.items())
    ]


def list_on_disk(info: ModelInfo, cache_dir: Path, commits: Sequence[str | None]) -> FileListing | None:
    """The listing of the first of these commits that the cache has a record of; None where it has none.

    A commit given as None stands for the one that the model's revision means in this cache.
    """
    layout = CacheLayout(cache_dir, info.repo_id)
    for commit in (given or layout.commit_of(info.version) for given in commits):
        if commit is not None and (tree := layout.read_tree(commit)) is not None:
            files = tuple(list_tree(info, layout, commit, tree))
            return FileListing(model_id=info.model_id, commit=commit, source="disk", files=files)
    return None


def list_registered(info: ModelInfo) -> FileListing:
    """The listing from what the model's record remembers; empty where that is nothing."""
    try:
        summary = msgspec.convert(info.metadata.get(SUMMARY_KEY, {}), _Summary)
    except msgspec.ValidationError:
        summary = _Summary()  # metadata is the user's own
    files = [ListedFile(path=path, size=size, chosen=True) for path, size in summary.chosen]
    files += [ListedFile(path=path, size=size, chosen=False, reason=reason) for path, size, reason in summary.left_out]
    return FileListing(
        model_id=info.model_id,
        commit=None,
        source="registry",
        files=tuple(sorted(files, key=lambda file: file.path)),
        unlisted=summary.unlisted,
    )


def summarize(sizes: Mapping[str, int], choice: FileChoice) -> dict[str, Any]:
    """A short summary of a choice for a model's record: the largest files first, `SUMMARY_NAMES` at most."""
    largest = sorted(sizes, key=lambda path: (-sizes[path], path))
    named = [path for path in largest if len(path) <= _LONGEST_NAME]
    left_out = [path for path in named if path in choice.left_out][: SUMMARY_NAMES // 2]
    chosen = [path for path in named if path not in choice.left_out][: SUMMARY_NAMES - len(left_out)]
    summary = _Summary(
        chosen=tuple((path, sizes[path]) for path in chosen),
        left_out=tuple((path, sizes[path], choice.left_out[path]) for path in left_out),
        unlisted=len(sizes) - len(chosen) - len(left_out),
    )
    return msgspec.to_builtins(summary)
