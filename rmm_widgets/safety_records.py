"""Public records about what a model's files might do when they are opened."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Finding", "FindingKind", "SafetyReport"]

FindingKind = Literal["code", "pickle", "archive", "executable", "unknown", "limit", "link", "damaged"]
"""What is wrong with a file: it is Python code or asks for some; a pickle; packed, so that nobody looked inside; a
program; not what its name promises; more than is looked at; a way out of the folder; false about itself."""

_NEVER = frozenset({"link", "damaged"})


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Why a file is refused.

    Attributes:
        path: Its name in the repository, with invisible characters written out; empty where it is about all files.
        reason: What it is, in a few words to follow the name.
    """

    path: str
    kind: FindingKind
    reason: str

    @property
    def allowable(self) -> bool:
        """Whether a user's consent covers it: code and pickles, yes; ways out of the folder and false headers, no."""
        return self.kind not in _NEVER


class SafetyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a model's files found.

    Attributes:
        formats: How many files there are of each format, most first.
        unread: Files of a kind that no loader opens, which nobody looked into.
        source: "disk" where the files themselves were read, "names" where only their names are known.
    """

    findings: tuple[Finding, ...] = ()
    formats: tuple[tuple[str, int], ...] = ()
    unread: tuple[str, ...] = ()
    source: Literal["disk", "names"] = "disk"

    @property
    def safe(self) -> bool:
        """True where nothing was found."""
        return not self.findings

    @property
    def allowable(self) -> bool:
        """True where a user's consent covers all that was found."""
        return all(finding.allowable for finding in self.findings)
