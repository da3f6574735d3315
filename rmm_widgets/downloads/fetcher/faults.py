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
from .proxies import Proxy, ProxyRefusedError

_DISK_FULL = frozenset([errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
_NOBODY_THERE = frozenset([errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL])
_WRONG_NAME = frozenset([62, 63, 64])  # OpenSSL's codes for a host, a mail address, an IP address
_TOO_MANY_FILES = frozenset([errno.EMFILE, errno.ENFILE])
FaultKind = Literal["network", "unreachable", "stalled", "content", "files"]
_AGAIN = "Make a new token and log in again with `hf auth login`, or unset HF_TOKEN."
_CLOSE_SOME = (
    "Close what is not needed, or raise the limit on open files (`ulimit -n`), then download again; it resumes."
)
_LOG_IN = "Log in with `hf auth login`, or give the manager a token."


class Retry(Exception):  # noqa: N818
    """This attempt failed in a way that may pass.

    Attributes:
        reason: What happened; may be shown.
        kind: What it is where it does not pass: the Hub's or the network's fault, nobody at the address, a
            connection that gave next to nothing for too long, content that differs from what was published,
            or this process's limit on open files.
        wait: Seconds the server asked to wait, or None.
        is_first_contact: Nobody has ever answered there, so that a wrong address is likely.
    """

    def __init__(self, reason: str, *, kind: FaultKind = "network", wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind: FaultKind = kind
        self.wait = wait
        self.is_first_contact = False


class ExpiredAddress(Retry):
    """The storage refuses an address that the Hub gave out: ask the Hub for a new one."""


class RangeRefused(Exception):  # noqa: N818
    """The server does not do ranges as asked: fetch this file as one stream from its start."""


def network_fault(error: Exception, host: str) -> Retry | HubUnavailableError:
    """A connection that broke while it was used, told without anything the other side sent."""
    if isinstance(error, http.client.BadStatusLine) and str(error).startswith("\x15\x03"):  # a TLS alert
        return speaks_only_tls(host)
    return Retry(f"{host}: {_describe(error)}", kind=_kind_of(error))


def connect_fault(error: Exception, host: str, proxy: Proxy | None) -> Retry | HubUnavailableError:
    """A connection that was not made.

    Args:
        host: Whom it should have led to.
        proxy: The proxy that was asked, or None.
    """
    asked = f"the proxy {proxy.host_port}" if proxy else host
    match error:
        case ProxyRefusedError(status=407):
            return proxy_wants_login(proxy)
        case ProxyRefusedError(status=status):
            told = f"{asked} does not connect to {host}{f' (HTTP {status})' if status else ''}"
            if status is None or status >= 500:
                return Retry(told)
            return HubUnavailableError(
                f"T{told[1:]}.",
                hint="Ask who runs the proxy, or add the host to NO_PROXY if it can be reached without.",
            )
        case ssl.SSLCertVerificationError():
            return _not_trusted(error, f"{host} or of {asked}" if proxy and proxy.scheme == "https" else host)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ssl.SSLSyscallError():
            pass
        case ssl.SSLError():
            return HubUnavailableError(
                f"{asked} does not speak TLS, or none that this Python does.",
                hint="Check the port; if it is meant to be plain HTTP, give the address as http://.",
            )
        case _:
            pass
    is_empty = isinstance(error, socket.gaierror) or (isinstance(error, OSError) and error.errno in _NOBODY_THERE)
    return Retry(f"{asked}: {_describe(error)}", kind="unreachable" if is_empty else _kind_of(error))


def proxy_wants_login(proxy: Proxy | None) -> HubUnavailableError:
    """The error for status 407, which only a proxy gives."""
    return HubUnavailableError(
        f"The proxy{f' {proxy.host_port}' if proxy else ''} does not accept the login, or wants one (HTTP 407).",
        hint="Set HTTPS_PROXY (or the variable that names the proxy) to http://USER:PASSWORD@HOST:PORT, with "
        "special characters as %XX; then restart the kernel.",
    )


def speaks_only_tls(host: str) -> HubUnavailableError:
    """The error for plain HTTP at a port that wants TLS."""
    return HubUnavailableError(f"{host} speaks TLS, not plain HTTP.", hint="Give the address as https://.")


def _not_trusted(error: ssl.SSLCertVerificationError, whose: str) -> HubUnavailableError:
    if error.verify_code in _WRONG_NAME:
        return HubUnavailableError(
            f"The certificate of {whose} is made out to another name.",
            hint="Check the endpoint: use the name that the certificate has.",
        )
    return HubUnavailableError(
        f"The certificate of {whose} is not trusted: {error.verify_message}.",
        hint="If your network or mirror has a certificate authority of its own, set SSL_CERT_FILE or "
        "REQUESTS_CA_BUNDLE to its file, then restart the kernel.",
    )


def _kind_of(error: Exception) -> FaultKind:
    if isinstance(error, OSError) and error.errno in _TOO_MANY_FILES:
        return "files"
    return "stalled" if isinstance(error, TimeoutError) else "network"


def _describe(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return "the name cannot be resolved"
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
        repo_id: What was asked for; empty for a search.
    """
    host = host_of(endpoint)
    about = f" for {repo_id}" if repo_id else ""
    if code == "GatedRepo":
        hint = f"Visit {endpoint}/{repo_id} and accept the conditions."
        return GatedModelError(
            f"{repo_id} is gated: its authors ask for an agreement before they give the files.",
            hint=f"{hint} Then wait for their consent, if they ask for that." if has_token else f"{hint} {_LOG_IN}",
        )
    if code == "RevisionNotFound":
        return RevisionNotFoundError(
            f"{repo_id} has no branch, tag or commit {revision!r}.",
            hint=f"See {endpoint}/{repo_id}/tree/main for its branches and tags.",
        )
    if status == 401 and not code and has_token:
        return HubUnavailableError(f"{host} does not accept the token.", hint=_AGAIN)
    if code == "RepoNotFound" or (repo_id and status in {401, 404} and not code):
        advice = "Use a token of an account that may see it." if has_token else _LOG_IN
        return RepositoryNotFoundError(
            f"{host} has no repository {repo_id}, or it is private.",
            hint=f"Check the name. If it is private: {advice}",
        )
    match status:
        case 403:
            hint = (
                f"Visit {endpoint}/{repo_id} to see whether the repository is disabled; or the token may not read it."
            )
            return HubUnavailableError(f"{host} refuses access{about} (HTTP 403).", hint=hint)
        case 400:
            hint = "Check the endpoint: a wrong port, or http:// where https:// is wanted, is answered like this."
        case 404:
            hint = "Check the endpoint: it does not seem to be a Hub."
        case _:
            hint = "Try again later, or check the endpoint."
    return HubUnavailableError(f"{host} answered HTTP {status}{about}.", hint=hint)


def no_hub(host: str, what: str) -> HubUnavailableError:
    """The error for an answer that a Hub would not give."""
    return HubUnavailableError(
        f"{host} did not answer with {what}.",
        hint="Check that the endpoint is a Hub, and that no login page of the network stands in between.",
    )


def gave_up(fault: Retry, what: str, tries: int) -> DownloadError:
    """The error for a fault that did not pass."""
    message = f"{what} could not be fetched: {fault.reason}"
    match fault.kind:
        case "stalled":
            return DownloadStalledError(f"{message}.", hint="Check the network, then download again; it resumes.")
        case "content":
            return IntegrityError(f"{message}.", hint="The Hub, a mirror or a proxy serves damaged files: try another.")
        case "unreachable":
            return HubUnavailableError(
                f"{message} ({_times(tries)}).",
                hint="Check the network, the endpoint and the proxy settings (HTTPS_PROXY, NO_PROXY), then try again; "
                "models on disk can be loaded without the Hub.",
            )
        case "files":
            return DownloadError(f"{message}.", hint=_CLOSE_SOME)
        case "network":
            asked = f", which asks to wait {fault.wait:.0f} s" if fault.wait else ""
            return HubUnavailableError(
                f"{message} ({_times(tries)}{asked}).",
                hint="Wait as long as the Hub asks, then try again."
                if fault.wait
                else "Check the network, then try again; a download resumes.",
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
