"""Public records about the disk: what the models take, what a clean-up removed. Sizes are bytes."""

from __future__ import annotations

import msgspec

__all__ = ["CachedModel", "DiskUsage", "ModelUsage", "PruneReport", "PrunedFile", "RepositoryUsage"]


class PrunedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a clean-up removed. `repo` is the repository's folder in the cache."""

    repo: str
    name: str
    bytes: int


class PruneReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a clean-up of the cache removed.

    Attributes:
        freed_bytes: Sum over the files.
        removed: The files; a partial and its record of ranges are two.
        busy: Old files that stayed because a program works with them.
    """

    freed_bytes: int = 0
    removed: tuple[PrunedFile, ...] = ()
    busy: int = 0


class ModelUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What one registered model takes on disk.

    Attributes:
        bytes: Its finished files; one content under two names counts once.
        shared_bytes: The part of them that other registered models use, too.
        freeable_bytes: What deleting it with its files would free.
        unfinished_bytes: What there is of files that are not finished.
    """

    model_id: str
    repo_id: str
    commit: str | None = None
    bytes: int = 0
    shared_bytes: int = 0
    freeable_bytes: int = 0
    unfinished_bytes: int = 0


class RepositoryUsage(msgspec.Struct, frozen=True, kw_only=True):
    """A repository in the cache that belongs to no registered model. `repo` is its folder's name."""

    repo: str
    bytes: int


class CachedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A repository in the cache that no registered model is of.

    Attributes:
        revision: The branch or tag that the cache has of it; None for the default branch. A commit where it has
            neither.
        commit: What that is here; None where nothing tells.
        size: Bytes of the files that a download would choose, as far as they are there.
        model_type: The value of a `ModelType`, None where nothing on disk tells.
        reason: Why it cannot be adopted as it is; empty where it can.
    """

    repo_id: str
    revision: str | None = None
    commit: str | None = None
    size: int = 0
    model_type: str | None = None
    reason: str = ""


class DiskUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache takes.

    Attributes:
        models: The registered models that have anything on disk.
        unregistered: Repositories that belong to no registered model.
        unfinished_bytes: All files that are not finished, also huggingface_hub's own.
        quarantine_bytes: Files with wrong bytes that were put aside.
        total_bytes: The whole cache; content that repositories share counts once.
        free_bytes: Free space of the disk.
    """

    cache_dir: str
    models: tuple[ModelUsage, ...] = ()
    unregistered: tuple[RepositoryUsage, ...] = ()
    unfinished_bytes: int = 0
    quarantine_bytes: int = 0
    total_bytes: int = 0
    free_bytes: int = 0
