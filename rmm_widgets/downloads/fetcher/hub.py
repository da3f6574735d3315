"""The few requests a download makes of a Hub, and what their answers mean.

Each call is one attempt; trying again is the caller's part.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

from ...errors import DownloadError, HubUnavailableError
from ..spec import FetchSpec
from .connection import Answer, Connections
from .fallback.decision import PlainHttpRefused, may_be_left_to_hub, says_xet_only
from .faults import ExpiredAddress, RangeRefused, Retry, host_of, hub_refusal, no_hub
from .retry import RETRY_STATUSES, asked_wait

MAX_DOCUMENT = 32 << 20
"""Bytes; no description of a repository is larger."""
_ADDRESS_REFUSED = frozenset([400, 401, 403, 404, 410, 413])
_REFUSALS_BEFORE_ASKING_EACH_TIME = 2


class Source(Protocol):
    """What is asked of a file to fetch it.

    Attributes:
        one_stream: Fetch all of it, from the start.
        address: Where the Hub said the bytes are; a secret.
        refusals: How often such an address was refused.
        is_plain_only: huggingface_hub cannot fetch it either.
    """

    one_stream: bool
    address: str | None
    refusals: int
    is_plain_only: bool

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def commit(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def have(self) -> int: ...  # noqa: D102


class HubReader:
    """Documents of one Hub, about one repository or none, over one thread's connections.

    Args:
        repo_id: The repository that errors name; empty for a search.
        revision: The revision that errors name.
    """

    def __init__(
        self, connections: Connections, endpoint: str, *, has_token: bool, repo_id: str = "", revision: str = "main"
    ) -> None:
        self._connections = connections
        self._endpoint = endpoint
        self._has_token = has_token
        self._repo_id = repo_id
        self._revision = revision
        self._was_answered = False

    def document(
        self, path: str, *, limit: int = MAX_DOCUMENT, is_cut: bool = False, within: float | None = None
    ) -> bytes:
        """The body at a path below the endpoint, with its query.

        Args:
            limit: Most bytes it may have; with `is_cut`, what is beyond is not read.
            within: Seconds for the body, None for no limit.

        Raises:
            Retry: It may work next time.
            DownloadError: It will not.
        """
        with self.ask(path) as answer:
            if answer.status != 200:
                raise self.refusal(answer)
            if _is_packed(answer):
                raise no_hub(host_of(answer.url), "plain bytes, as it was asked to")
            return self._read(answer, limit, is_cut, within)

    def ask(self, path: str) -> Answer:
        """The answer at a path below the endpoint; statuses that may pass raise Retry."""
        try:
            answer = self._connections.get(f"{self._endpoint}/{path}")
        except Retry as fault:
            fault.is_first_contact = not self._was_answered
            raise
        self._was_answered = True
        try:
            check_status(answer)
        except Retry:
            answer.close()
            raise
        return answer

    def refusal(self, answer: Answer) -> DownloadError:
        """The error for a final answer that is not what was asked for."""
        if not self._connections.is_home(answer):
            return HubUnavailableError(
                f"{host_of(answer.url)}, to which the Hub redirects, answered HTTP {answer.status}.",
                hint="Check the endpoint.",
            )
        return hub_refusal(
            answer.status,
            answer.headers.get("X-Error-Code", ""),
            repo_id=self._repo_id,
            revision=self._revision,
            endpoint=self._endpoint,
            has_token=self._has_token,
        )

    def _read(self, answer: Answer, limit: int, is_cut: bool, within: float | None) -> bytes:
        document, buffer = bytearray(), memoryview(bytearray(min(1 << 16, limit + 1)))
        expected, began = answer.length, time.monotonic()
        while count := answer.read_into(buffer):
            document += buffer[:count]
            if within is not None and time.monotonic() - began > within:
                raise Retry(f"{host_of(answer.url)}: the answer comes too slowly", kind="stalled")
            if len(document) > limit:
                if is_cut:
                    return bytes(document[:limit])
                raise HubUnavailableError(
                    f"{host_of(answer.url)} describes {self._repo_id or 'models'} in more than {limit >> 20} MiB.",
                    hint="Check the endpoint.",
                )
        if expected is not None and len(document) < expected:
            raise Retry(f"{host_of(answer.url)}: the answer ended early")
        return bytes(document)


class HubClient:
    """One job's view of the Hub, over one thread's connections."""

    def __init__(self, spec: FetchSpec, connections: Connections) -> None:
        self._spec = spec
        self._connections = connections
        self._revision = spec.revision or "main"
        self._reader = HubReader(
            connections,
            spec.endpoint,
            has_token=spec.token is not None,
            repo_id=spec.repo_id,
            revision=self._revision,
        )

    def describe_repository(self) -> bytes:
        """The JSON about the repository at the revision, with sizes and hashes of all files.

        Raises:
            Retry: It may work next time.
            DownloadError: It will not.
        """
        revision = quote(self._revision, safe="")
        return self._reader.document(f"api/models/{self._spec.repo_id}/revision/{revision}?blobs=true")

    def check_gate(self) -> None:
        """Ask whether this account may read the files of a gated repository.

        Raises:
            Retry: It may work next time.
            DownloadError: It may not read them.
        """
        with self._reader.ask(f"api/models/{self._spec.repo_id}/auth-check") as answer:
            # A mirror may not know this question; then the first file tells.
            if answer.status in {401, 403}:
                raise self._reader.refusal(answer)

    def open_range(self, file: Source, start: int, end: int) -> Answer:
        """The answer with bytes `[start, end)` of a file, or with all of it where it is fetched as one stream.

        Raises:
            Retry: It may work next time.
            RangeRefused: The server gives other bytes than those asked for.
            PlainHttpRefused: The Hub gives this file by the Xet protocol only.
            DownloadError: It will not work.
        """
        is_whole = file.one_stream or (start, end) == (0, file.size)
        url = file.address or self._file_url(file)
        answer = self._connections.get(url, None if is_whole else (start, end))
        try:
            if answer.status == 416 and not is_whole:
                raise RangeRefused
            self._check_file_answer(answer, file, url)
            self._check_body(answer, file, None if is_whole else (start, end))
        except BaseException:
            answer.close()
            raise
        if not self._connections.is_home(answer) and file.refusals < _REFUSALS_BEFORE_ASKING_EACH_TIME:
            file.address = answer.url
        return answer

    def _file_url(self, file: Source) -> str:
        return f"{self._spec.endpoint}/{self._spec.repo_id}/resolve/{file.commit}/{quote(file.path)}"

    def _check_file_answer(self, answer: Answer, file: Source, asked_url: str) -> None:
        check_status(answer)
        if answer.status in {200, 206}:
            return
        host = host_of(answer.url)
        if not self._connections.is_home(answer):
            if answer.status not in _ADDRESS_REFUSED:
                raise Retry(f"{host} answered HTTP {answer.status}")
            if file.address in {None, asked_url}:  # else another thread has a new one already
                file.address = None
                file.refusals += 1
            raise ExpiredAddress(f"{host} refused the address that the Hub gave (HTTP {answer.status})")
        if says_xet_only(answer.status, answer.headers) and may_be_left_to_hub(file):
            raise PlainHttpRefused
        if answer.status == 404 and answer.headers.get("X-Error-Code") in {None, "EntryNotFound"}:
            raise HubUnavailableError(
                f"{host} lists {file.path} but does not have it (HTTP 404).",
                hint="The repository or the mirror is incomplete: try again later, or another revision.",
            )
        raise self._reader.refusal(answer)

    def _check_body(self, answer: Answer, file: Source, wanted: tuple[int, int] | None) -> None:
        """Refuse a body of which can be told beforehand that it is not what was asked for."""
        host = host_of(answer.url)
        if _is_web_page(answer) and not file.path.lower().endswith((".html", ".htm")):
            raise no_hub(host, f"{file.path} but with a web page")
        if _is_packed(answer):
            raise Retry(f"{host} sends {file.path} packed, which was not asked for", kind="content")
        if wanted is None:
            if answer.status != 200:
                raise Retry(f"{host} sends a part of {file.path} instead of all of it", kind="content")
            expected = file.size
        else:
            start, end = wanted
            if answer.status != 206 or not _is_range(answer.headers.get("Content-Range", ""), start, end, file.size):
                raise RangeRefused
            expected = end - start
        if answer.length not in {None, expected}:
            raise Retry(f"{host} sends {answer.length} bytes of {file.path} instead of {expected}", kind="content")


def check_status(answer: Answer) -> None:
    """Raise Retry for a status that may pass."""
    if answer.status in RETRY_STATUSES:
        wait = asked_wait(answer.status, answer.headers, datetime.now(UTC))
        raise Retry(f"{host_of(answer.url)} answered HTTP {answer.status}", wait=wait)


def _is_packed(answer: Answer) -> bool:
    return answer.headers.get("Content-Encoding", "identity").lower() != "identity"


def _is_web_page(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").lower().startswith("text/html")


def _is_range(text: str, start: int, end: int, size: int) -> bool:
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", text.strip())
    return match is not None and [int(group) for group in match.groups()] == [start, end - 1, size]
