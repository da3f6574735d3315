"""Models that are in the cache and not registered: what they are, from their files alone, and registering them.

Reads the disk and asks nobody. What a model's files mean is `hub.identify`'s judgement, what is complete that
of `downloads.cache`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..disk_records import CachedModel
from ..errors import LoadError, ModelNotAvailableError, UnsupportedModelError
from ..types import ModelInfo, ModelType

if TYPE_CHECKING:
    from ..downloads.cache import Snapshot
    from ..hub.identify import Identity

__all__ = ["described", "find_cached"]

_NAMED_FILES = 3
"""Missing files that a reason names; the rest is counted."""
_CARD_LIMIT = 1 << 16


class _Found(NamedTuple):
    """What the cache has of a repository at one revision."""

    revision: str | None
    commit: str | None
    snapshot: Snapshot | None
    reason: str = ""
    size: int = 0


def find_cached(cache: Path, registered: Sequence[str]) -> list[CachedModel]:
    """Every model repository of the cache that is not among the registered ones; reads the disk."""
    from ..downloads.cache import cached_repositories

    known = set(registered)
    return [_cached(cache, repo_id) for repo_id in cached_repositories(cache) if repo_id not in known]


def described(
    cache: Path, repo_id: str, *, revision: str | None, model_id: str | None, model_type: ModelType | None
) -> ModelInfo:
    """The record of a complete model in the cache; reads the disk.

    Raises:
        ModelNotAvailableError: The cache has none of it, or not all.
        UnsupportedModelError: Nothing on disk tells its type.
    """
    from ..downloads.listing import SUMMARY_KEY, summarize
    from ..downloads.selection import choose
    from ..hub.card import first_sentence, parse_card
    from ..loading.files import list_files, read_text

    model_id = repo_id.rpartition("/")[2] if model_id is None else model_id
    found = _found(cache, repo_id, revision)
    if found.snapshot is None:
        raise ModelNotAvailableError(
            f"{repo_id} cannot be adopted: {found.reason}",
            model_id=model_id,
            hint=f"`%rmm add {repo_id}` registers it by asking the Hub; a download then fetches what is missing.",
        )
    folder = found.snapshot.path
    if model_type is None:
        model_type, reason = _type(folder)
        if model_type is None:
            raise UnsupportedModelError(
                f"{repo_id} cannot be adopted: {reason}",
                model_id=model_id,
                hint=f"Give its type with model_type=... or --type, one of: {', '.join(t.value for t in ModelType)}.",
            )
    text = read_text(folder / "README.md", _CARD_LIMIT)
    card = parse_card(text)
    sizes = {path: (folder / path).stat().st_size for path in list_files(folder) if (folder / path).is_file()}
    return ModelInfo(
        model_id=model_id,
        model_type=model_type,
        repo_id=repo_id,
        description=first_sentence(text) or card.pipeline_tag or "",
        total_size_estimate=sum(sizes.get(path, 0) for path in found.snapshot.files),
        file_count_estimate=len(found.snapshot.files),
        version=found.revision,
        tags=card.tags,
        metadata={
            "commit": found.commit,
            "licence": card.licence,
            "pipeline_tag": card.pipeline_tag,
            "library": card.library,
            SUMMARY_KEY: summarize(sizes, choose(list(sizes))),
        },
    )


def _cached(cache: Path, repo_id: str) -> CachedModel:
    try:
        found = _found(cache, repo_id, None)
    except OSError as error:
        return CachedModel(repo_id=repo_id, reason=f"it cannot be read: {error.strerror}")
    model_type, reason = (None, found.reason) if found.snapshot is None else _type(found.snapshot.path)
    return CachedModel(
        repo_id=repo_id,
        revision=found.revision,
        commit=found.commit,
        size=found.size,
        model_type=model_type.value if model_type else None,
        reason=reason,
    )


def _found(cache: Path, repo_id: str, revision: str | None) -> _Found:
    """The first revision that is complete, and where none is, why the first one is not."""
    from ..downloads.cache import cached_revisions, find_snapshot

    revisions = [revision] if revision is not None else cached_revisions(cache, repo_id)
    for each in revisions:
        snapshot = find_snapshot(cache, repo_id, each)
        if snapshot is not None:
            return _Found(each, snapshot.commit, snapshot, size=snapshot.size)
    return _incomplete(cache, repo_id, revisions[0] if revisions else None, known=bool(revisions))


def _incomplete(cache: Path, repo_id: str, revision: str | None, *, known: bool) -> _Found:
    from ..downloads.cache import find_remains, partial_bytes
    from ..downloads.resumable import missing_files
    from ..downloads.selection import is_weights

    remains = find_remains(cache, repo_id, revision) if known else None
    if remains is None:
        reason = "its download has not ended" if partial_bytes(cache, repo_id) else "none of its files is in the cache"
        return _Found(revision, None, None, reason)
    missing = missing_files(cache, repo_id, revision)
    if missing:
        more = len(missing) - _NAMED_FILES
        named = ", ".join(missing[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
        reason = f"incomplete, without {named}"
    elif not any(map(is_weights, remains.files)):
        reason = "no weights among its files"
    else:
        reason = "incomplete: not all of its files are there"
    return _Found(revision, remains.commit, None, reason, remains.size)


def _type(folder: Path) -> tuple[ModelType | None, str]:
    """The type of a complete model, and where it has none of ours, why."""
    from ..hub.identify import identify
    from ..loading.detect import read_evidence

    try:
        identity = identify(read_evidence(folder))
    except LoadError as error:
        return None, error.message
    return (identity.model_type, "") if identity.model_type else (None, _no_type(identity))


def _no_type(identity: Identity) -> str:
    told = f" ({identity.reason})" if identity.reason else ""
    if identity.none_of_ours:
        return f"none of the types that can be loaded{told}"
    return f"nothing in its files tells which type of model it is{told}"
