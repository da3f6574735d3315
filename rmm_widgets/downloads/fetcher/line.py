"""A line to one origin over the standard library's http.client: straight, or through an http:// proxy.

`Line` and `Response` are all that `connection` needs of one; `tunnel` has them for the other proxies.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from .dialing import dial
from .origins import Origin
from .proxies import Proxy, ProxyRefusedError
from .trust import tls_context

CONNECT_TIMEOUT = 10.0
_FILL_TIME = 0.1
"""Seconds: what came in this time is passed on, so that a slow line still shows progress."""


class Response(Protocol):
    """A response whose body has not been read yet."""

    status: int
    headers: Mapping[str, str]

    @property
    def length(self) -> int | None:
        """Bytes of the body still to come, or None where the server did not say."""
        ...

    def fill(self, buffer: memoryview) -> int:
        """Read into the buffer, for no longer than 0.1 s once something has come; 0 is the end of the body."""
        ...

    def close(self) -> bool:
        """Be done with it. True where the line can be asked again."""
        ...


class Line(Protocol):
    """A connection to an origin, or the way to one. Failures are OSError, HTTPException or ValueError."""

    def connect(self) -> None:
        """Connect, where that can be done before the first request."""
        ...

    def peer(self) -> str | None:
        """The address at the other end; None where a proxy stands there."""
        ...

    def ask(self, url: str, headers: Mapping[str, str]) -> Response:
        """Send a GET and wait for the answer."""
        ...

    def abort(self) -> None:
        """End what is being read at once, from any thread."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class HttpLine:
    """A line over http.client.

    Args:
        timeout: Seconds without a byte after which a request fails.
    """

    def __init__(self, origin: Origin, proxy: Proxy | None, timeout: float) -> None:
        self._timeout = timeout
        self._proxy = proxy
        self._asks_proxy = proxy is not None and origin.scheme == "http"
        host, port = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
        if origin.scheme == "http":
            self._connection: http.client.HTTPConnection = _Connection(host, port, timeout=CONNECT_TIMEOUT)
            return
        connection = _TlsConnection(host, port, timeout=CONNECT_TIMEOUT, context=tls_context())
        if proxy:
            connection.set_tunnel(origin.host, origin.port, proxy.headers)
        self._connection = connection

    def connect(self) -> None:
        """Connect, and log in to the proxy."""
        try:
            self._connection.connect()
        except OSError as error:
            raise ProxyRefusedError.of_tunnel(error) or error from None
        self._connection.auto_open = 0  # never by itself: a new connection is checked first
        # http.client forgets its socket when the answer is the last one.
        self._sock = self._connection.sock
        self._sock.settimeout(self._timeout)

    def peer(self) -> str | None:
        """The address at the other end; None where a proxy stands there."""
        return None if self._proxy else self._sock.getpeername()[0]

    def ask(self, url: str, headers: Mapping[str, str]) -> Response:
        """Send a GET and wait for the answer."""
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self._proxy and self._asks_proxy:
            target = url.partition("#")[0]
            headers = {**headers, **self._proxy.headers}
        self._connection.request("GET", target, headers=dict(headers))
        return _HttpResponse(self._connection.getresponse())

    def abort(self) -> None:
        """End what is being read at once, from any thread."""
        with contextlib.suppress(OSError):
            # Not SSLSocket.shutdown: it would take the TLS object away from the thread that reads.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it."""
        self._connection.close()


class _HttpResponse:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers  # type: ignore[assignment]

    @property
    def length(self) -> int | None:
        return self._response.length

    def fill(self, buffer: memoryview) -> int:
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

    def close(self) -> bool:
        response = self._response
        is_read = response.isclosed() or response.length == 0
        response.close()
        return is_read and not response.will_close


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, *, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._create_connection = dial


class _TlsConnection(http.client.HTTPSConnection):
    def __init__(self, host: str, port: int, *, timeout: float, context: object) -> None:
        super().__init__(host, port, timeout=timeout, context=context)  # type: ignore[arg-type]
        self._create_connection = dial
