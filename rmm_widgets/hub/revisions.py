"""What the Hub has now under a revision: its commit, and the files of one commit.

Plain blocking functions for use in a thread, one request each (more only where the Hub fails for a moment).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from .. import names
from ..downloads.plan import TreeEntry, read_description
from ..errors import HubUnavailableError
from .requests import HubRequests

__all__ = ["commit_of", "tree_of"]


class _Revision(msgspec.Struct, frozen=True):
    sha: str


def commit_of(
    repo_id: str, revision: str | None, *, model_id: str, endpoint: str | None, token: str | bool | None
) -> str:
    """The commit that a branch or tag names now.

    Args:
        revision: None is the default branch.

    Raises:
        DownloadError: The Hub does not answer, or has no such repository or revision.
    """
    hub = _requests(repo_id, revision, model_id, endpoint, token)
    document = hub.get_bytes(_path(repo_id, revision), {"expand": "sha"})
    try:
        return names.check_commit(msgspec.json.decode(document, type=_Revision).sha)
    except ValueError as error:
        raise _untrusted(repo_id, model_id, hub, error) from None


def tree_of(
    repo_id: str, revision: str | None, *, model_id: str, endpoint: str | None, token: str | bool | None
) -> tuple[str, Mapping[str, TreeEntry]]:
    """A revision's commit and all its files, with sizes and hashes.

    Raises:
        DownloadError: The Hub does not answer, or has no such repository or revision.
    """
    hub = _requests(repo_id, revision, model_id, endpoint, token)
    document = hub.get_bytes(_path(repo_id, revision), {"blobs": "true"})
    try:
        described = read_description(document)
    except ValueError as error:
        raise _untrusted(repo_id, model_id, hub, error) from None
    return described.commit, described.tree


def _requests(
    repo_id: str, revision: str | None, model_id: str, endpoint: str | None, token: str | bool | None
) -> HubRequests:
    return HubRequests(endpoint, token, repo_id=repo_id, revision=revision or "main", model_id=model_id)


def _path(repo_id: str, revision: str | None) -> str:
    checked = names.check_revision(revision or "main")
    return f"api/models/{names.check_repo_id(repo_id)}/revision/{quote(checked, safe='')}"


def _untrusted(repo_id: str, model_id: str, hub: HubRequests, error: ValueError) -> HubUnavailableError:
    return HubUnavailableError(
        f"{hub.host} describes {repo_id!r} in a way that cannot be trusted: {error}",
        model_id=model_id,
        hint="Check that the endpoint is a Hub that you trust.",
    )
