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
from .failures import hub_host
from .requests import get_bytes, with_retries

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
    document = _ask(repo_id, revision, {"expand": "sha"}, model_id, endpoint, token)
    try:
        return names.check_commit(msgspec.json.decode(document, type=_Revision).sha)
    except ValueError as error:
        raise _untrusted(repo_id, model_id, endpoint, error) from None


def tree_of(
    repo_id: str, revision: str | None, *, model_id: str, endpoint: str | None, token: str | bool | None
) -> tuple[str, Mapping[str, TreeEntry]]:
    """A revision's commit and all its files, with sizes and hashes.

    Raises:
        DownloadError: The Hub does not answer, or has no such repository or revision.
    """
    document = _ask(repo_id, revision, {"blobs": "true"}, model_id, endpoint, token)
    try:
        described = read_description(document)
    except ValueError as error:
        raise _untrusted(repo_id, model_id, endpoint, error) from None
    return described.commit, described.tree


def _ask(
    repo_id: str,
    revision: str | None,
    params: Mapping[str, str],
    model_id: str,
    endpoint: str | None,
    token: str | bool | None,
) -> bytes:
    path = (
        f"api/models/{names.check_repo_id(repo_id)}/revision/{quote(names.check_revision(revision or 'main'), safe='')}"
    )
    return with_retries(
        lambda: get_bytes(path, params, endpoint=endpoint, token=token),
        endpoint=endpoint,
        repo_id=repo_id,
        revision=revision or "main",
        model_id=model_id,
    )


def _untrusted(repo_id: str, model_id: str, endpoint: str | None, error: ValueError) -> HubUnavailableError:
    return HubUnavailableError(
        f"{hub_host(endpoint)} describes {repo_id!r} in a way that cannot be trusted: {error}",
        model_id=model_id,
        hint="Check that the endpoint is a Hub that you trust.",
    )
