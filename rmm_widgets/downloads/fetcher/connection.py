"""HTTP as the fetcher needs it: kept connections, proxies, and redirects followed with care.

One `Connections` belongs to one thread; only `abort` may be called from another. What an answer
means is not decided here, except that a redirect is followed or refused.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from ... import __version__
from ...errors import HubUnavailableError
from .faults import Retry, host_of, network_fault
from .origins import Origin, is_loopback, origin_of, refusal, refused_peer
from .trust import tls_context

MAX_REDIRECTS = 10
CONNECT_TIMEOUT = 10.0
_REDIRECTS = frozenset([301, 302, 303, 307, 308])
_DRAIN_LIMIT = 64 * 1024
_FILL_TIME = 0.1
"""Seconds: what came in this time is passed on, so that a slow line still shows progress."""


class Answer:
    """A response whose body has not been read yet.

    Attributes:
        url: The address that answered, after redirects; it may be a secret.
        length: Bytes of the body still to come, or None where the server did not say.
    """

    def __init__(self, response: http.client.HTTPResponse, url: str, owner: Connections) -> None:
        self._response = response
        self._owner = owner
        self.url = url
        self.status = response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields; names are compared without case."""
        return self._response.headers  # type: ignore[return-value]

    @property
    def length(self) -> int | None:
        """Bytes of the body still to come, or None where the server did not say."""
        return self._response.length

    def read_into(self, buffer: memoryview) -> int:
        """Fill the buffer for at most 0.1 s once something has come; 0 is the end of the body.

        Raises:
            Retry: The connection broke or gave nothing in time.
        """
        try:
            return self._fill(buffer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise network_fault(error, host_of(self.url)) from None

    def close(self) -> None:
        """Keep the connection where the body was read to its end, else drop it."""
        response = self._response
        is_read = response.isclosed() or response.length == 0
        response.close()
        if response.will_close or not is_read:
            self._owner.drop(origin_of(self.url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self, buffer: memoryview) -> int:
        response = self._response
        if response.length is None:  # chunked, or until the connection closes
            data = response.read1(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        wanted, filled, enough_at = min(len(buffer), response.length), 0, time.monotonic() + _FILL_TIME
        try:
            # `HTTPResponse.readinto` would wait until the whole buffer is full, however slow the line is.
            while filled < wanted and (count := response.fp.readinto1(buffer[filled:wanted])):
                filled += count
                if time.monotonic() > enough_at:
                    break
        except OSError:
            if not filled:
                raise  # else keep what came; the next read fails again
        response.length -= filled
        return filled


class _Line(NamedTuple):
    """A connection and its socket, which http.client forgets when the answer is the last one."""

    connection: http.client.HTTPConnection
    sock: socket.socket


class Connections:
    """The open connections of one thread, by origin.

    Args:
        endpoint: The Hub's address.
        token: Sent to the endpoint's own origin only.
        timeout: Seconds without a byte after which a connection is given up.
    """

    def __init__(self, endpoint: str, token: str | None, timeout: float) -> None:
        self._home = origin_of(endpoint)
        self._token = token
        self._timeout = timeout
        self._proxies = urllib.request.getproxies()
        self._pool: dict[Origin, _Line] = {}
        self._guard = threading.Lock()
        self._aborted = False

    def get(self, url: str, byte_range: tuple[int, int] | None = None) -> Answer:
        """Ask for an address, or for a half-open range of it, and follow redirects.

        Raises:
            Retry: There was no answer.
            HubUnavailableError: A redirect leads where it must not.
        """
        headers = {"User-Agent": f"rmm_widgets/{__version__}", "Accept-Encoding": "identity"}
        if byte_range is not None:
            headers["Range"] = f"bytes={byte_range[0]}-{byte_range[1] - 1}"
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(url, headers)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            self._drain(answer)
            url = self._redirected(url, location)
        raise HubUnavailableError(
            f"{host_of(url)} redirects more than {MAX_REDIRECTS} times.", hint="Check the endpoint address."
        )

    def is_home(self, url: str) -> bool:
        """True for an address of the Hub itself, False for one it sends clients to."""
        return origin_of(url) == self._home

    def abort(self) -> None:
        """End what is being read at once, from any thread; nothing can be asked afterwards."""
        with self._guard:
            self._aborted = True
            for line in self._pool.values():
                with contextlib.suppress(OSError):
                    # Not SSLSocket.shutdown: it would take the TLS object away from the thread that reads.
                    socket.socket.shutdown(line.sock, socket.SHUT_RDWR)

    def drop(self, origin: Origin) -> None:
        """Close a connection that cannot be used again."""
        with self._guard:
            line = self._pool.pop(origin, None)
            if line is not None:
                line.connection.close()

    def close(self) -> None:
        """Close all connections."""
        for origin in list(self._pool):
            self.drop(origin)

    def _ask(self, url: str, headers: Mapping[str, str]) -> Answer:
        origin = origin_of(url)
        own = {"Authorization": f"Bearer {self._token}"} if self._token and origin == self._home else {}
        while True:
            kept = self._pool.get(origin)
            connection = kept.connection if kept else self._add_line(origin)
            try:
                connection.request("GET", _target(url, connection), headers={**headers, **own})
                return Answer(connection.getresponse(), url, self)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.drop(origin)
                # The server may have closed a kept connection meanwhile: that is no failure.
                if kept is None or isinstance(error, TimeoutError):
                    raise network_fault(error, host_of(url)) from None

    def _add_line(self, origin: Origin) -> http.client.HTTPConnection:
        connection = self._connect(origin)
        with self._guard:
            if self._aborted:
                connection.close()
                raise Retry("the download ended")
            self._pool[origin] = _Line(connection, connection.sock)
        return connection

    def _connect(self, origin: Origin) -> http.client.HTTPConnection:
        proxy = self._proxy_for(origin)
        connection = _new_connection(origin, proxy)
        try:
            connection.connect()
            connection.auto_open = 0  # never by itself: a new connection is checked first
            connection.sock.settimeout(self._timeout)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise network_fault(error, proxy.hostname or "proxy" if proxy else f"{origin.host}:{origin.port}") from None
        reason = None if proxy else refused_peer(connection.sock.getpeername()[0], origin, self._home)
        if reason:
            connection.close()
            raise HubUnavailableError(f"A redirect of the Hub was refused: {reason}.", hint="Check the endpoint.")
        return connection

    def _proxy_for(self, origin: Origin) -> SplitResult | None:
        proxy = self._proxies.get(origin.scheme)
        if not proxy or is_loopback(origin.host) or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
            return None
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if parts.scheme != "http" or not parts.hostname:
            raise HubUnavailableError(
                f"The proxy set for {origin.scheme} cannot be used: only http:// proxies can.",
                hint=f"Set {origin.scheme}_proxy to an http:// address.",
            )
        return parts

    def _redirected(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        reason = refusal(target, came_from=origin_of(url), home=self._home)
        if reason:
            raise HubUnavailableError(
                f"A redirect of {host_of(url)} was refused: {reason}.", hint="Check the endpoint and the network."
            )
        return target

    def _drain(self, answer: Answer) -> None:
        """Read a short body to its end, so that the connection can be kept."""
        if answer.length is not None and answer.length <= _DRAIN_LIMIT:
            buffer = memoryview(bytearray(_DRAIN_LIMIT))
            with contextlib.suppress(Retry):
                while answer.length and answer.read_into(buffer):
                    pass
        answer.close()


class _ProxiedConnection(http.client.HTTPConnection):
    """A plain connection to a proxy, which wants whole addresses."""

    def __init__(self, host: str, port: int, headers: Mapping[str, str]) -> None:
        super().__init__(host, port, timeout=CONNECT_TIMEOUT)
        self._headers = headers

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        super().putrequest(method, url, skip_host, skip_accept_encoding)
        for name, value in self._headers.items():
            self.putheader(name, value)


def _new_connection(origin: Origin, proxy: SplitResult | None) -> http.client.HTTPConnection:
    if proxy is None:
        if origin.scheme == "http":
            return http.client.HTTPConnection(origin.host, origin.port, timeout=CONNECT_TIMEOUT)
        return http.client.HTTPSConnection(origin.host, origin.port, timeout=CONNECT_TIMEOUT, context=tls_context())
    host, port, login = proxy.hostname or "", proxy.port or 8080, _proxy_login(proxy)
    if origin.scheme == "http":
        return _ProxiedConnection(host, port, login)
    connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT, context=tls_context())
    connection.set_tunnel(origin.host, origin.port, login)
    return connection


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def _target(url: str, connection: http.client.HTTPConnection) -> str:
    if isinstance(connection, _ProxiedConnection):
        return url.partition("#")[0]
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
