"""Small requests to the Hub: huggingface_hub's session, with the deadlines and retries it lacks.

Blocking, for use in a thread. What the answers mean is `catalogue.py`'s business; large files are
fetched elsewhere.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .failures import hub_error, hub_url, is_transient, retry_after

if TYPE_CHECKING:
    from huggingface_hub.utils import httpx

__all__ = ["TIMEOUT", "get_bytes", "get_file", "get_json", "with_retries"]

TIMEOUT = 15.0
"""Seconds without an answer, after which a request has failed."""

_TRIES = 4
_FIRST_DELAY = 0.3
_LONGEST_DELAY = 10.0
_LONGEST_TRYING = 30.0
_CHUNK = 1 << 16

_T = TypeVar("_T")


def with_retries(
    request: Callable[[], _T],
    *,
    endpoint: str | None = None,
    repo_id: str | None = None,
    revision: str | None = None,
    model_id: str | None = None,
) -> _T:
    """What `request` returns; tried again, with growing and jittered pauses, where that may help.

    Raises:
        DownloadError: It failed for good.
    """
    started = time.monotonic()
    for attempt in range(_TRIES):
        try:
            return request()
        except Exception as error:  # noqa: BLE001 - whatever the client raises becomes one of our errors
            delay = _delay(attempt, error)
            over = time.monotonic() - started + delay > _LONGEST_TRYING
            if attempt + 1 == _TRIES or over or not is_transient(error):
                # `from None`: the original's text may hold a signed address, and tracebacks are shown.
                raise hub_error(
                    error, endpoint=endpoint, repo_id=repo_id, revision=revision, model_id=model_id
                ) from None
            time.sleep(delay)
    raise AssertionError("the last attempt returns or raises")


def get_json(path: str, params: Mapping[str, Any], *, endpoint: str | None, token: str | bool | None) -> Any:
    """The JSON answer of one GET below the endpoint, decoded; no retry. Raises what the client raises."""
    return _get(path, params, endpoint, token).json()


def get_bytes(path: str, params: Mapping[str, Any], *, endpoint: str | None, token: str | bool | None) -> bytes:
    """The body of one GET below the endpoint; no retry. Raises what the client raises."""
    return _get(path, params, endpoint, token).content


def _get(path: str, params: Mapping[str, Any], endpoint: str | None, token: str | bool | None) -> httpx.Response:
    from huggingface_hub import get_session, hf_raise_for_status

    response = get_session().get(
        f"{hub_url(endpoint)}/{path}", params=dict(params), headers=_headers(token), timeout=TIMEOUT
    )
    hf_raise_for_status(response)
    return response


def get_file(
    repo_id: str, path: str, commit: str, *, limit: int, endpoint: str | None, token: str | bool | None
) -> bytes:
    """A small file of a repository, at most its first `limit` bytes; no retry. Raises what the client raises."""
    from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status

    url = hf_hub_url(repo_id, path, revision=commit, endpoint=hub_url(endpoint))
    with get_session().stream("GET", url, headers=_headers(token), timeout=TIMEOUT) as response:
        hf_raise_for_status(response)
        content = bytearray()
        for chunk in response.iter_bytes(_CHUNK):
            content += chunk
            if len(content) >= limit:
                break
    return bytes(content[:limit])


def _headers(token: str | bool | None) -> dict[str, str]:
    from huggingface_hub.utils import build_hf_headers  # pyright: ignore[reportUnknownVariableType]

    return build_hf_headers(token=token)


def _delay(attempt: int, error: Exception) -> float:
    asked = retry_after(error)
    if asked is not None:
        return min(asked, _LONGEST_DELAY)
    return _FIRST_DELAY * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
