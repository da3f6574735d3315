"""The safety gate of one engine: no loader sees the files of a model before this has looked at them.

What files may do is judged by `loading.safety`. Here that meets the user's consent, which is for one exact commit and
is given by `Registrar.allow` only: no configuration, file or message leads there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from .. import names
from ..errors import UnsafeModelError
from ..safety_records import Finding, SafetyReport
from ..types import ModelEventType
from .entry import Entry, Isolation

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Gate", "check_consent"]

NAMED_FILES = 5
"""Files that an error names; the rest is counted."""


class Gate:
    """Looks at files before they are loaded; on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def check(self, entry: Entry, folder: Path, isolation: Isolation) -> bool:
        """Look at a model's files before anything opens them; whether the user allowed all that may be in them.

        Raises:
            UnsafeModelError: They may run code, and the user did not allow this commit; or its isolation is none.
        """
        report = await self._inspect(folder)
        allowed = entry.allowed_commit is not None and entry.allowed_commit == entry.commit == folder.name
        isolated = isolation != "kernel"
        if not report.safe and not (allowed and isolated and report.allowable):
            commit = folder.name if names.is_commit(folder.name) else entry.commit
            raise UnsafeModelError(
                f"Model {entry.info.model_id} is not loaded: {_told(report)}",
                model_id=entry.info.model_id,
                hint=_advice(entry.info.model_id, commit, report, allowed=allowed, isolated=isolated),
            )
        return allowed and isolated

    async def report(self, entry: Entry) -> SafetyReport:
        """What is known of the safety of a model's files: from the files where they are on disk, else from names."""
        from ..loading.safety.policy import forecast

        if entry.custom:
            return SafetyReport(source="names")
        found = await self._engine.in_thread(lambda: self._engine.disk.find(entry), "disk")
        if found is not None:
            return await self._inspect(found.path)
        listing = await self._engine.revisions.list_files(entry.info.model_id, local_only=True)
        return forecast((file.path for file in listing.files if file.chosen), entry.info.tags)

    def follow(self, entry: Entry, commit: str | None) -> None:
        """Note which commit a model's files are of; a consent to another one ends with that."""
        entry.commit = commit
        dropped = entry.allowed_commit
        if dropped in {None, commit}:
            return
        entry.allowed_commit = None
        self.announce(entry, "unsafe_revoked", dropped)

    def announce(self, entry: Entry, action: str, commit: str | None) -> None:
        """Tell the listeners that a consent was given or has ended."""
        self._engine.settle(entry.info.model_id)
        self._engine.publish(ModelEventType.CONFIG_UPDATE, entry.info.model_id, action=action, commit=commit)

    async def _inspect(self, folder: Path) -> SafetyReport:
        from ..loading.safety.folder import inspect_folder

        return await self._engine.in_thread(lambda: inspect_folder(folder), "safety")


def check_consent(entry: Entry, commit: str) -> str:
    """The commit that a consent is for, once it is the one that the model is at.

    Raises:
        UnsafeModelError: It is no full commit, or not that of the model, or no commit is known.
    """
    model_id = entry.info.model_id
    if entry.custom:
        raise UnsafeModelError(
            f"Model {model_id} is your own object: there are no files to allow",
            model_id=model_id,
            hint="Load it; nothing of it is refused.",
        )
    seen = (entry.commit, entry.info.version, entry.info.metadata.get("commit"))
    known = next((each for each in seen if names.is_commit(each)), None)
    if known is None:
        raise UnsafeModelError(
            f"The commit of model {model_id} is not known yet, so nothing was allowed",
            model_id=model_id,
            hint="Download it first, and look at what was downloaded.",
        )
    if not names.is_commit(commit):
        raise UnsafeModelError(
            f"{names.visible(repr(commit))} is no full commit, so nothing was allowed",
            model_id=model_id,
            hint=f"A commit has 40 hex digits. Model {model_id} is at {known}: look at its files before you allow it.",
        )
    if commit != known:
        raise UnsafeModelError(
            f"Model {model_id} is at commit {known}, not at {commit}, so nothing was allowed",
            model_id=model_id,
            hint=f"Look at the files of {known} before you allow it.",
        )
    return commit


def _told(report: SafetyReport) -> str:
    """What was found, in a sentence that names some of the files."""
    found = sorted(report.findings, key=lambda finding: finding.allowable)
    more = f" and {len(found) - NAMED_FILES} more" if len(found) > NAMED_FILES else ""
    return ", ".join(map(_named, found[:NAMED_FILES])) + more


def _named(finding: Finding) -> str:
    return f"{finding.path} ({finding.reason})" if finding.path else finding.reason


def _advice(model_id: str, commit: str | None, report: SafetyReport, *, allowed: bool, isolated: bool) -> str:
    if not report.allowable:
        return "Do not use this repository, and report it to its host; a consent does not cover this."
    if allowed:
        return 'You allowed these files, for a process of their own only: load the model with isolation="process".'
    return (
        "If you have read these files and trust who made them, run this in a cell, then load again: "
        f'manager.allow_unsafe({json.dumps(model_id, ensure_ascii=False)}, commit="{commit}")'
        + ("" if isolated else ' - and load with isolation="process", as such files run in no other place')
    )
