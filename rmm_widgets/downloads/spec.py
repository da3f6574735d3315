"""What a download is asked to do, how far it is, and what it delivered.

Plain records: they travel to the fetch process and back as JSON. Limits on the fields are checked
by `FetchClient.fetch` before anything is sent.
"""

from __future__ import annotations

import msgspec

from ..types import DownloadPhase

PLAIN_HTTP_LIMIT = 50_000_000_000
"""Bytes. The Hub does not serve larger files by plain HTTP, only by the Xet protocol; the number is that of
`huggingface_hub.constants.MAX_HTTP_DOWNLOAD_SIZE` in version 2.4."""
MAX_FILES = 10_000
"""Files of one download that are told of one by one; larger repositories are shown in part."""


class FetchSpec(msgspec.Struct, frozen=True):
    """One model to fetch into a cache.

    Attributes:
        model_id: The name that errors carry.
        repo_id, revision: What to fetch; None is the default branch.
        endpoint: Address of the Hub, for example `https://hub.example`.
        cache_dir: Folder of the Hub cache.
        token: Sent to the endpoint's own origin only.
        allow_patterns: Only files that match one of these globs; None is the automatic choice
            of `selection.choose`.
        ignore_patterns: Never files that match one of these globs.
        stall_timeout: Seconds without bytes after which the download fails.
        deadline: Seconds for the whole download, None for no limit.
        connections: Most files and ranges that are fetched at the same time; how many it is, is found out.
        plain_http_limit: Bytes above which a file that the Hub offers by Xet is fetched through
            huggingface_hub.
    """

    model_id: str
    repo_id: str
    revision: str | None
    endpoint: str
    cache_dir: str
    token: str | None
    allow_patterns: tuple[str, ...] | None = None
    ignore_patterns: tuple[str, ...] | None = None
    stall_timeout: float = 60.0
    deadline: float | None = None
    connections: int = 64
    plain_http_limit: int = PLAIN_HTTP_LIMIT

    def __repr__(self) -> str:
        return f"FetchSpec({self.model_id!r}, {self.repo_id!r}, revision={self.revision!r})"


class FetchProgress(msgspec.Struct, frozen=True):
    """How far a download is.

    Attributes:
        downloaded_bytes: Bytes on disk, those of earlier tries included; never falls.
        total_bytes: Bytes wanted; 0 until the plan is known. A file stored under two names counts once.
        bytes_per_second: Smoothed rate of the network.
        eta: Seconds left, None where it cannot be told.
        note: What is special about the file that is fetched now, for people; mostly empty.
    """

    phase: DownloadPhase
    downloaded_bytes: int = 0
    total_bytes: int = 0
    current_file: str | None = None
    files_done: int = 0
    files_total: int = 0
    bytes_per_second: float = 0.0
    eta: float | None = None
    note: str = ""


class VerifiedFile(msgspec.Struct, frozen=True):
    """A content that was hashed while it was fetched, as it lay on disk when it got its place.

    Attributes:
        paths: Its names inside the snapshot.
        digest: The published hash, which it has.
        size, mtime_ns, inode: See `digest.Fingerprint`.
    """

    paths: tuple[str, ...]
    digest: str
    size: int
    mtime_ns: int
    inode: int


class FetchResult(msgspec.Struct, frozen=True):
    """What a finished download left on disk.

    Attributes:
        snapshot: Folder with the files.
        commit: The commit that the revision stood for.
        total_bytes: Bytes of all files; a file stored under two names counts once.
        files: Paths inside the snapshot.
        fetched_bytes: Bytes that came over the network, repeated ones included.
        verified: The contents that this download verified; the others were there before.
    """

    snapshot: str
    commit: str
    total_bytes: int
    files: tuple[str, ...]
    fetched_bytes: int
    verified: tuple[VerifiedFile, ...] = ()
