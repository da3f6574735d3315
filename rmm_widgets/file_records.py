"""Public records about single files: how far they are, what was found in them, which are chosen. Sizes are bytes."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["CheckMethod", "FileCheck", "FileListing", "FileProgress", "FileState", "ListedFile", "VerifyReport"]

FileState = Literal["waiting", "downloading", "waiting_for_other", "verifying", "done"]


class FileProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one file of a download is.

    Attributes:
        path: Its name in the repository.
        size, downloaded_bytes: Bytes. A content that stands under two names is fetched once and shown twice.
        state: What happens to it; at rest "done" or "waiting".
        connections: How many connections bring it at this moment.
    """

    path: str
    size: int
    downloaded_bytes: int = 0
    state: FileState = "waiting"
    connections: int = 0


CheckMethod = Literal["sha256", "git-sha1", "recorded", "size"]
"""How a file on disk is checked, strongest first: against the sha256 that the Hub published; against git's sha1,
all that it publishes for small files; against what the file was when it was first seen; not at all but for its size."""


class FileCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What reading one file found. `path` is inside the repository, `size` in bytes."""

    path: str
    size: int
    checked_by: CheckMethod
    state: Literal["intact", "corrupt", "missing"] = "intact"

    @property
    def weak(self) -> bool:
        """True where no sha256 was published for it."""
        return self.checked_by != "sha256"


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What re-hashing a model's files found.

    Attributes:
        corrupt, missing: Paths inside the repository.
        checked_bytes: Bytes that were read.
        files: Every file, and how strongly it was checked.
        loaded: The model is in memory and stays there; damage ends its being downloaded when it is unloaded.
    """

    model_id: str
    corrupt: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    checked_bytes: int = 0
    checked_files: int = 0
    files: tuple[FileCheck, ...] = ()
    loaded: bool = False

    @property
    def ok(self) -> bool:
        """True when every file is there and as it was published."""
        return not self.corrupt and not self.missing

    @property
    def weak(self) -> tuple[str, ...]:
        """Paths of the files for which no sha256 was published."""
        return tuple(file.path for file in self.files if file.weak)


class ListedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a repository.

    Attributes:
        size: Bytes.
        chosen: Whether a download of the model takes it.
        reason: Why it is left out, in a few words; empty for a chosen one.
        digest: What its content is checked against; "" where nobody published that.
        on_disk: Whether it is in the cache with this size.
    """

    path: str
    size: int
    chosen: bool
    reason: str = ""
    digest: Literal["sha256", "git-sha1", ""] = ""
    on_disk: bool = False


class FileListing(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a model's repository.

    Attributes:
        commit: The commit that was looked at, None where nothing is known yet.
        source: "disk" or "hub"; "registry" for what was seen at registration, which may be cut short.
        files: In the order of their paths.
        unlisted: Files that a listing cut short does not name.
    """

    model_id: str
    commit: str | None
    source: Literal["disk", "hub", "registry"]
    files: tuple[ListedFile, ...]
    unlisted: int = 0
