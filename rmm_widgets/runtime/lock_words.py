"""In what a registered model differs from a locked one, and how that is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import names
from ..errors import LockMismatchError
from ..lock_records import LockDifference, SyncedModel, SyncReport
from ..registry.lockfile import LockedModel
from ..types import ModelInfo

__all__ = ["between", "lock_trouble", "mismatch"]

NAMED = 5
"""Models and files that an error names; the rest is counted."""


def between(
    model: LockedModel, info: ModelInfo, commit: str | None, config: Mapping[str, Any], *, custom: bool
) -> list[LockDifference]:
    """The differences of a registered model.

    Args:
        commit: The one recorded for it, None where none is.
        config: Its settings without those that are None.
        custom: It is an object of the user's.
    """
    hint = f"Remove it first (%rmm rm {model.model_id}), or register it under another id."
    if custom:
        return [LockDifference(what="repository", message="it is your own object here", hint=hint)]
    if info.repo_id != model.repo_id:
        told = f"it is {info.repo_id} here, and {model.repo_id} in the lock file"
        return [LockDifference(what="repository", message=told, hint=hint)]
    if info.model_type is not model.model_type:
        told = f"it is a {info.model_type.value} here, and a {model.model_type.value} in the lock file"
        return [LockDifference(what="type", message=told, hint=hint)]
    here = commit or (info.version if names.is_commit(info.version) else None)
    found: list[LockDifference] = []
    if here != model.commit:
        told = f"at commit {here}" if here else "not at any commit yet"
        found.append(LockDifference(what="commit", message=f"it is {told}, and locked at {model.commit}"))
    if (info.allow_patterns, info.ignore_patterns) != (model.allow_patterns, model.ignore_patterns):
        found.append(LockDifference(what="choice", message="its files are chosen by other patterns"))
    if config != model.config:
        keys = sorted(key for key in {*config, *model.config} if config.get(key) != model.config.get(key))
        found.append(LockDifference(what="config", message=f"it has other settings: {_named(keys)}"))
    return found


def mismatch(report: SyncReport, advice: str = "") -> LockMismatchError:
    """The error for a machine that is not as its lock file says.

    Args:
        advice: What to do, where no single model tells it better.
    """
    differing = report.differing
    told = "; ".join(f"{model.model_id}: {lock_trouble(model)}" for model in differing[:NAMED])
    more = f"; and {len(differing) - NAMED} more models" if len(differing) > NAMED else ""
    hints = dict.fromkeys(each.hint for model in differing for each in model.differences if each.hint)
    hint = next(iter(hints)) if len(hints) == 1 else advice or "The error's report tells all: error.report.differing."
    return LockMismatchError(
        f"This machine is not as {report.path} says. {told}{more}",
        model_id=differing[0].model_id if len(differing) == 1 else None,
        hint=hint,
        report=report,
    )


def lock_trouble(model: SyncedModel) -> str:
    """In what a model is not as locked, in one line; empty where it is."""
    parts = [f"{each.error}: {each.message}" if each.error else each.message for each in model.differences]
    for what, paths in (("missing", model.missing), ("with other bytes", model.corrupt)):
        if paths:
            count = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
            parts.append(f"{count} {what} ({_named(paths)})")
    return ", ".join(parts)


def _named(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more
