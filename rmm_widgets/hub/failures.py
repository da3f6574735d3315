"""What went wrong at the Hub, in this package's errors.

Owns the mapping from the exceptions of huggingface_hub and its HTTP client, and which of them are
worth another try. The texts are made here, of a host, a status and a repository's name: the
originals may carry signed addresses. Retrying itself is `requests.py`'s business.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from ..errors import (
    DownloadError,
    GatedModelError,
    HubUnavailableError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

__all__ = ["hub_error", "hub_host", "hub_url", "is_transient", "retry_after"]

_RETRIED_STATUSES = frozenset([408, 429, 500, 502, 503, 504])


def hub_url(endpoint: str | None) -> str:
    """The Hub's address: the given one, or what huggingface_hub itself would use."""
    if endpoint:
        return endpoint.rstrip("/")
    from huggingface_hub import constants

    return constants.ENDPOINT


def hub_host(endpoint: str | None) -> str:
    """Host and port of the Hub, without anything else that its address may carry."""
    parts = urlsplit(hub_url(endpoint))
    host = parts.hostname or "the Hub"
    return f"{host}:{parts.port}" if parts.port else host


def is_transient(error: Exception) -> bool:
    """True where the same request may succeed in a moment."""
    from huggingface_hub.utils import HfHubHTTPError, httpx

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _RETRIED_STATUSES
    return isinstance(error, httpx.TransportError)


def retry_after(error: Exception) -> float | None:
    """Seconds that the server asked to wait, or None; dates are not understood."""
    from huggingface_hub.utils import HfHubHTTPError

    if not isinstance(error, HfHubHTTPError):
        return None
    value = error.response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def hub_error(
    error: Exception,
    *,
    endpoint: str | None = None,
    repo_id: str | None = None,
    revision: str | None = None,
    model_id: str | None = None,
) -> DownloadError:
    """The error of ours for an exception that huggingface_hub raised; never shows a token or an address.

    Errors of ours are returned as they are.
    """
    from huggingface_hub import errors as theirs
    from huggingface_hub.utils import httpx

    host = hub_host(endpoint)
    if isinstance(error, DownloadError):
        return error
    if isinstance(error, theirs.GatedRepoError):
        return _gated(endpoint, repo_id, model_id)
    if isinstance(error, theirs.RepositoryNotFoundError):
        return RepositoryNotFoundError(
            f"{host} has no repository {repo_id!r}, or it is private",
            model_id=model_id,
            hint="Check the spelling; for a private repository log in with huggingface_hub.login() "
            "and an account that may see it.",
        )
    if isinstance(error, theirs.RevisionNotFoundError):
        return RevisionNotFoundError(
            f"{repo_id!r} has no branch, tag or commit {revision!r}",
            model_id=model_id,
            hint=f"See {_page(endpoint, repo_id)}/commits/main for what there is, or leave the revision out.",
        )
    if isinstance(error, theirs.HfHubHTTPError):
        return _refused(error.response.status_code, host, repo_id, model_id)
    if isinstance(error, theirs.OfflineModeIsEnabled):
        return HubUnavailableError(
            "huggingface_hub is in offline mode", model_id=model_id, hint="Unset HF_HUB_OFFLINE and restart the kernel."
        )
    if isinstance(error, theirs.LocalTokenNotFoundError):
        return HubUnavailableError(
            "a token was asked for and none is stored", model_id=model_id, hint="Run huggingface_hub.login() first."
        )
    if isinstance(error, httpx.TransportError):
        return HubUnavailableError(
            f"{host} cannot be reached: {_cause(error)}",
            model_id=model_id,
            hint="Check the network and the endpoint, then try again; models on disk can be loaded without it.",
        )
    return HubUnavailableError(
        f"{host} gave an answer that makes no sense ({type(error).__name__})",
        model_id=model_id,
        hint="Check that the endpoint is a Hub and that no login page stands in between, then try again.",
    )


def _page(endpoint: str | None, repo_id: str | None) -> str:
    """The repository's page; credentials that the endpoint may carry are left out."""
    return f"{urlsplit(hub_url(endpoint)).scheme}://{hub_host(endpoint)}/{repo_id}"


def _gated(endpoint: str | None, repo_id: str | None, model_id: str | None) -> GatedModelError:
    return GatedModelError(
        f"{repo_id!r} is gated: its owner asks for an agreement before anyone may download it",
        model_id=model_id,
        hint=f"Visit {_page(endpoint, repo_id)} and accept, then log in with huggingface_hub.login().",
    )


def _refused(status: int, host: str, repo_id: str | None, model_id: str | None) -> HubUnavailableError:
    about = f" for {repo_id!r}" if repo_id else ""
    if status == 401:
        hint = "The token is not valid: log in again with huggingface_hub.login(), or unset HF_TOKEN."
    elif status == 403:
        hint = "The token may lack the permission, or the repository is disabled; look at its page."
    elif status == 429:
        hint = "Too many requests: wait a few minutes, or log in for a higher limit."
    else:
        hint = "The Hub has a problem of its own; try again in a few minutes."
    return HubUnavailableError(f"{host} answered with status {status}{about}", model_id=model_id, hint=hint)


def _cause(error: BaseException) -> str:
    """The reason in the system's own words where there is one, else the kind of failure."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None and seen.errno > 0:
            return os.strerror(seen.errno)
        seen = seen.__cause__ or seen.__context__
    name = type(error).__name__
    return "no answer in time" if "Timeout" in name else name
