"""Small requests to the Hub, with the connections, the care and the errors of downloads.

Blocking, for use in a thread. What the answers mean is `catalogue.py`'s business; large files are
fetched elsewhere. huggingface_hub gives its login and the address of its Hub; it asks nothing here, because
its requests have no deadline, and follow redirects and proxies in ways of their own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from ..downloads.fetcher.connection import Connections
from ..downloads.fetcher.faults import host_of, no_hub
from ..downloads.fetcher.hub import MAX_DOCUMENT, HubReader
from ..downloads.fetcher.persistence import persist
from ..downloads.fetcher.retry import RetryPolicy
from ..downloads.precautions import before_asking, usable_endpoint
from ..errors import DownloadError, DownloadStalledError, HubUnavailableError

__all__ = ["TIMEOUT", "HubRequests", "hub_url"]

TIMEOUT = 15.0
"""Seconds without an answer, after which a request has failed."""
LONGEST = 60.0
"""Seconds for one answer, however busily it trickles."""
POLICY = RetryPolicy(tries=4, first=0.4, longest=10.0, longest_asked=10.0, hopeless=30.0)

_T = TypeVar("_T")


def hub_url(endpoint: str | None) -> str:
    """The Hub's address: the given one, or what huggingface_hub itself would use."""
    if endpoint:
        return endpoint.rstrip("/")
    from huggingface_hub import constants

    return constants.ENDPOINT


class HubRequests:
    """What one caller asks of a Hub, about one repository or none. Each call uses connections of its own.

    Args:
        endpoint: Address of the Hub; None for huggingface_hub's own.
        token: None for the stored one, False for none.
        repo_id, revision, model_id: What errors name.
    """

    def __init__(
        self,
        endpoint: str | None,
        token: str | bool | None,
        *,
        repo_id: str = "",
        revision: str | None = None,
        model_id: str | None = None,
    ) -> None:
        self._endpoint = hub_url(endpoint)
        self._token = token
        self._repo_id = repo_id
        self._revision = revision or "main"
        self._model_id = model_id

    @property
    def host(self) -> str:
        """Host and port of the Hub, which may be shown."""
        return host_of(self._endpoint)

    def get_json(self, path: str, params: Mapping[str, Any], parse: Callable[[Any], _T]) -> _T:
        """What `parse` makes of the JSON at a path below the endpoint.

        Raises:
            DownloadError: There is none, or `parse` does not know what to do with it.
        """
        document = self.get_bytes(path, params)
        try:
            return parse(msgspec.json.decode(document))
        except Exception:  # noqa: BLE001 - huggingface_hub's records raise what comes
            failure = self._named(no_hub(self.host, "what a Hub says there"))
        # Out here, so that the error is not chained to one that may show what the server said.
        raise failure

    def get_bytes(self, path: str, params: Mapping[str, Any]) -> bytes:
        """The body at a path below the endpoint.

        Raises:
            DownloadError: There is none.
        """
        return self._fetch(f"{path}?{urlencode(params, doseq=True)}", None)

    def get_file(self, path: str, commit: str, *, limit: int) -> bytes:
        """A small file of the repository, at most its first `limit` bytes.

        Raises:
            DownloadError: It cannot be had.
        """
        return self._fetch(f"{self._repo_id}/resolve/{commit}/{quote(path)}", limit)

    def _fetch(self, path: str, limit: int | None) -> bytes:
        try:
            endpoint = usable_endpoint(self._endpoint)
            token = _token_to_send(self._token)
            before_asking(endpoint, has_token=token is not None)
            with contextlib.closing(Connections(endpoint, token, TIMEOUT)) as connections:
                reader = HubReader(
                    connections, endpoint, has_token=token is not None, repo_id=self._repo_id, revision=self._revision
                )
                return persist(
                    _Waiter(),
                    self._repo_id or "The list of models",
                    lambda: reader.document(
                        path, limit=limit or MAX_DOCUMENT, is_cut=limit is not None, within=LONGEST
                    ),
                    policy=POLICY,
                )
        except DownloadError as error:
            failure = self._named(error)
        raise failure

    def _named(self, error: DownloadError) -> DownloadError:
        """The error with the model's id. A silent Hub is no stalled download here: there is nothing to resume."""
        if isinstance(error, DownloadStalledError):
            return HubUnavailableError(
                error.message, model_id=self._model_id, hint="Check the network, then try again."
            )
        return type(error)(error.message, model_id=self._model_id, hint=error.hint)


class _Waiter:
    """Waits for as long as it takes; there is nobody who could end it."""

    def check(self) -> None:
        pass

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def alive(self, until: float = 0.0) -> None:
        pass


def _token_to_send(token: str | bool | None) -> str | None:
    if isinstance(token, str) or token is False:
        return token or None
    from huggingface_hub.errors import LocalTokenNotFoundError
    from huggingface_hub.utils import build_hf_headers  # pyright: ignore[reportUnknownVariableType]

    try:
        return build_hf_headers(token=token).get("authorization", "").removeprefix("Bearer ") or None
    except LocalTokenNotFoundError:
        raise HubUnavailableError(
            "A token was asked for and none is stored.", hint="Log in with `hf auth login` first."
        ) from None
