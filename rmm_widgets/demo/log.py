"""What the demo hub was asked and how much it sent, for tests that count."""

from __future__ import annotations

import threading
import time
from fnmatch import fnmatchcase

import msgspec

from .messages import Answer, OriginName, Request


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        time: When it was read, seconds since the epoch.
        path: The unquoted URL path.
        repo, file: What it was about; None where that cannot be told (a search, an error).
        authorized: True where the request carried a token, right or wrong.
        status: 0 until it is answered.
        bytes_sent: Bytes of the body given to the network.
    """

    time: float
    origin: OriginName
    method: str
    path: str
    query: str
    repo: str | None
    file: str | None
    range: str | None
    authorized: bool
    status: int
    bytes_sent: int


class Exchange:
    """A request while it is answered. Its thread writes, others read."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.time = time.time()
        self.answer: Answer | None = None
        self.bytes_sent = 0

    def snapshot(self) -> LoggedRequest:
        """The state at this moment."""
        answer = self.answer
        return LoggedRequest(
            time=self.time,
            origin=self.request.origin,
            method=self.request.method,
            path=self.request.path,
            query=self.request.query,
            repo=answer.repo if answer else None,
            file=answer.file if answer else None,
            range=self.request.range,
            authorized=self.request.token is not None,
            status=answer.status if answer else 0,
            bytes_sent=self.bytes_sent,
        )


class RequestLog:
    """Requests in the order they came. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []

    def begin(self, request: Request) -> Exchange:
        """Log a request that is about to be answered."""
        exchange = Exchange(request)
        with self._lock:
            self._exchanges.append(exchange)
        return exchange

    def clear(self) -> None:
        """Forget everything so far."""
        with self._lock:
            self._exchanges.clear()

    def snapshot(self) -> list[LoggedRequest]:
        """All requests at this moment."""
        with self._lock:
            exchanges = list(self._exchanges)
        return [exchange.snapshot() for exchange in exchanges]

    def select(
        self,
        *,
        repo: str | None = None,
        path: str | None = None,
        method: str | None = None,
        origin: OriginName | None = None,
        status: int | None = None,
    ) -> list[LoggedRequest]:
        """Requests that have all of these; `path` is a pattern for the file inside the repository."""
        return [
            each
            for each in self.snapshot()
            if (repo is None or each.repo == repo)
            and (path is None or (each.file is not None and fnmatchcase(each.file, path)))
            and (method is None or each.method == method)
            and (origin is None or each.origin == origin)
            and (status is None or each.status == status)
        ]
