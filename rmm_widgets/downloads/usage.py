"""What the cache takes on disk, by model, and what of it is shared, unfinished or damaged."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..disk_records import DiskUsage, ModelUsage, RepositoryUsage
from .cache import partial_bytes
from .contents import digests_of, files_below, resumable_bytes, stored_bytes
from .deletion import deletion_frees
from .layout import PARTIAL_SUFFIX, QUARANTINE_SUFFIX, TEMPORARY_SUFFIX, CacheLayout
from .prune import leftovers_of, repositories_of

_Inode = tuple[int, int]
"""Device and number: one content, under however many names."""


class RegisteredModel(NamedTuple):
    """A model to look for. `commit` is None where none was ever on disk."""

    model_id: str
    repo_id: str
    commit: str | None


def disk_usage(cache_dir: str | Path, models: Sequence[RegisteredModel]) -> DiskUsage:
    """Measure a cache. Reads no file's content.

    Raises:
        ValueError: A repository or commit is malformed.
    """
    cache = Path(cache_dir)
    layouts = {model.model_id: CacheLayout(cache, model.repo_id) for model in models}
    contents = {model.model_id: _contents(layouts[model.model_id], model.commit) for model in models}
    registered = {layout.root.name for layout in layouts.values()}
    quarantined = unfinished = 0
    unregistered: list[RepositoryUsage] = []
    for repository in repositories_of(cache):
        for path, status in _with_status(leftovers_of(repository)):
            if path.name.endswith(QUARANTINE_SUFFIX):
                quarantined += stored_bytes(status)
            elif not path.name.endswith(TEMPORARY_SUFFIX):
                unfinished += stored_bytes(status)
        if repository.name not in registered:
            size = sum(_sizes(files_below(repository), follow=True).values())
            unregistered.append(RepositoryUsage(repo=repository.name, bytes=size))
    return DiskUsage(
        cache_dir=str(cache),
        models=tuple(_model(model, layouts[model.model_id], contents, models) for model in models),
        unregistered=tuple(unregistered),
        unfinished_bytes=unfinished,
        quarantine_bytes=quarantined,
        total_bytes=sum(_sizes(files_below(cache)).values()),
        free_bytes=_free_bytes(cache),
    )


def _model(
    model: RegisteredModel,
    layout: CacheLayout,
    contents: dict[str, dict[_Inode, int]],
    models: Sequence[RegisteredModel],
) -> ModelUsage:
    own = contents[model.model_id]
    others = {inode for other, sizes in contents.items() if other != model.model_id for inode in sizes}
    keep = {m.commit for m in models if m is not model and m.repo_id == model.repo_id and m.commit}
    freeable = 0
    if model.commit is not None and model.commit not in keep:
        freeable = deletion_frees(layout.cache_dir, model.repo_id, model.commit, keep=keep)
    return ModelUsage(
        model_id=model.model_id,
        repo_id=model.repo_id,
        commit=model.commit,
        bytes=sum(own.values()),
        shared_bytes=sum(size for inode, size in own.items() if inode in others),
        freeable_bytes=freeable,
        unfinished_bytes=_unfinished(layout, model),
    )


def _contents(layout: CacheLayout, commit: str | None) -> dict[_Inode, int]:
    return {} if commit is None else _sizes(files_below(layout.snapshot(commit)), follow=True)


def _unfinished(layout: CacheLayout, model: RegisteredModel) -> int:
    if model.commit is None:  # a first download that has not come to its end
        return partial_bytes(layout.cache_dir, model.repo_id)
    return sum(resumable_bytes(layout, digest) for digest in digests_of(layout, model.commit))


def _sizes(paths: Iterable[Path], *, follow: bool = False) -> dict[_Inode, int]:
    """Bytes by content of regular files; with `follow` also of those that links lead to."""
    return {
        (status.st_dev, status.st_ino): stored_bytes(status) if path.name.endswith(PARTIAL_SUFFIX) else status.st_size
        for path, status in _with_status(paths, follow=follow)
        if stat.S_ISREG(status.st_mode)
    }


def _with_status(paths: Iterable[Path], *, follow: bool = False) -> Iterable[tuple[Path, os.stat_result]]:
    for path in paths:
        try:
            yield path, path.stat(follow_symlinks=follow)
        except OSError:
            continue  # it was removed meanwhile, or leads nowhere


def _free_bytes(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
