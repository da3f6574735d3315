"""What an answer or a broken connection means for a job: try again, or give up with which error.

Texts made here reach the user. They name hosts, files and statuses, and nothing a server said or an
address holds: a signed address, or a token, must never be shown. When to try again is `retry`'s matter.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from typing import Literal
from urllib.parse import urlsplit

from ...errors import (
    DiskFullError,
    DownloadError,
    DownloadStalledError,
    GatedModelError,
    HubUnavailableError,
    IntegrityError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

_DISK_FULL = frozenset([errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
_TOO_MANY_FILES = frozenset([errno.EMFILE, errno.ENFILE])
FaultKind = Literal["network", "stalled", "content", "files"]
_CLOSE_SOME = (
    "Close what is not needed, or raise the limit on open files (`ulimit -n`), then download again; it resumes."
)
_LOG_IN = "Log in with `hf auth login`, or give the manager a token."


class Retry(Exception):  # noqa: N818
    """This attempt failed in a way that may pass.

    Attributes:
        reason: What happened; may be shown.
        kind: What it is where it does not pass: the Hub's or the network's fault, a connection that gave
            next to nothing for too long, content that differs from what was published, or this process's
            limit on open files.
        wait: Seconds the server asked to wait, or None.
    """

    def __init__(self, reason: str, *, kind: FaultKind = "network", wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind: FaultKind = kind
        self.wait = wait


class ExpiredAddress(Retry):
    """The storage refuses an address that the Hub gave out: ask the Hub for a new one."""


class RangeRefused(Exception):  # noqa: N818
    """The server does not do ranges as asked: fetch this file as one stream from its start."""


def network_fault(error: Exception, host: str) -> Retry:
    """A broken connection, told without anything the other side sent."""
    kind: FaultKind = "stalled" if isinstance(error, TimeoutError) else "network"
    if isinstance(error, OSError) and error.errno in _TOO_MANY_FILES:
        kind = "files"
    return Retry(f"{host}: {_describe(error)}", kind=kind)


def _describe(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return "the name cannot be resolved"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return "the TLS connection failed"
        case ConnectionRefusedError():
            return "the connection was refused"
        case ConnectionError():
            return "the connection broke"
        case http.client.HTTPException():
            return "the answer was not valid HTTP"
        case OSError() if error.strerror:
            return error.strerror
        case _:
            return type(error).__name__


def hub_refusal(
    status: int, code: str, *, repo_id: str, revision: str, endpoint: str, has_token: bool
) -> DownloadError:
    """The error for a final answer of the Hub itself.

    Args:
        code: The Hub's `X-Error-Code`; only known ones are looked at.
    """
    host = host_of(endpoint)
    if code == "GatedRepo":
        return GatedModelError(
            f"{repo_id} is gated: its authors ask for an agreement before they give the files.",
            hint=f"Visit {endpoint}/{repo_id} and accept the conditions. {'' if has_token else _LOG_IN}".strip(),
        )
    if code == "RevisionNotFound":
        return RevisionNotFoundError(
            f"{repo_id} has no revision {revision!r}.",
            hint=f"See {endpoint}/{repo_id}/tree/main for its branches and tags.",
        )
    if code == "RepoNotFound" or (status in {401, 404} and not code):
        if status == 401 and not code and has_token:
            return RepositoryNotFoundError(
                f"{host} does not accept the token.", hint="Make a new token, or log in again with `hf auth login`."
            )
        return RepositoryNotFoundError(
            f"{host} has no repository {repo_id}, or it is private.",
            hint="Check the name." + ("" if has_token else f" If it is private: {_LOG_IN}"),
        )
    if status == 403:
        return HubUnavailableError(
            f"{host} refuses access to {repo_id} (HTTP 403).",
            hint=f"Visit {endpoint}/{repo_id} to see whether the repository is disabled.",
        )
    return HubUnavailableError(f"{host} answered HTTP {status} for {repo_id}.", hint="Try again later.")


def gave_up(fault: Retry, what: str, tries: int) -> DownloadError:
    """The error for a fault that did not pass."""
    message = f"{what} could not be fetched: {fault.reason}"
    match fault.kind:
        case "stalled":
            return DownloadStalledError(f"{message}.", hint="Check the network, then download again; it resumes.")
        case "content":
            return IntegrityError(f"{message}.", hint="The Hub, a mirror or a proxy serves damaged files: try another.")
        case "files":
            return DownloadError(f"{message}.", hint=_CLOSE_SOME)
        case "network":
            asked = f", which asks to wait {fault.wait:.0f} s" if fault.wait else ""
            return HubUnavailableError(
                f"{message} ({_times(tries)}{asked}).", hint="Check the network, then download again; it resumes."
            )


def disk_error(error: OSError, folder: str, *, need: int, free: int) -> DownloadError:
    """The error for a failed write. `need` and `free` are bytes."""
    if error.errno == errno.ENOSPC and free > need:
        return DiskFullError(
            f"The disk of {folder} has {_readable(free)} free, but takes no more files.",
            hint="Remove files there (it counts how many they are), or choose another cache_dir, then download again; "
            "what was fetched is kept.",
        )
    if error.errno in _DISK_FULL:
        return disk_full(folder, need=need, free=free)
    hint = "Check the folder's permissions, or choose another cache_dir."
    if error.errno in _TOO_MANY_FILES:
        hint = _CLOSE_SOME
    elif error.errno == errno.ENAMETOOLONG:
        hint = "Choose a cache_dir with a shorter path."
    return DownloadError(f"Cannot write to {folder}: {error.strerror or type(error).__name__}.", hint=hint)


def disk_full(folder: str, *, need: int, free: int) -> DiskFullError:
    """Not enough space. `need` and `free` are bytes."""
    return DiskFullError(
        f"The disk of {folder} is too full: needs {_readable(need)}, has {_readable(free)}.",
        hint="Free some space (see `hf cache ls`) or choose another cache_dir, then download again; "
        "what was fetched is kept.",
    )


def host_of(url: str) -> str:
    """Host and port of an address, which may be shown."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _times(tries: int) -> str:
    return "1 try" if tries == 1 else f"{tries} tries"


def _readable(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"
