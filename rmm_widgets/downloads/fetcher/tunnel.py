"""A line through a proxy that http.client cannot use: https:// and socks5:// ones.

The work is done by httpcore2, the engine of the HTTP client that huggingface_hub brings; import this module
only where it is needed. A name is always looked up by the proxy, for socks5:// as for socks5h://.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Generator, Iterable, Mapping
from email.message import Message
from importlib.util import find_spec

import httpcore2

from ...errors import HubUnavailableError
from .line import CONNECT_TIMEOUT, Response
from .origins import DEFAULT_PORTS, Origin
from .proxies import Proxy, ProxyRefusedError
from .trust import tls_context


class TunnelLine:
    """A line over httpcore2.

    Args:
        timeout: Seconds without a byte after which a request fails.

    Raises:
        HubUnavailableError: A library is missing.
    """

    def __init__(self, origin: Origin, proxy: Proxy, timeout: float) -> None:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        self._host = host if origin.port == DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"
        self._extensions = {
            "timeout": {"connect": CONNECT_TIMEOUT, "read": timeout, "write": timeout, "pool": CONNECT_TIMEOUT}
        }
        self._stream: httpcore2.NetworkStream | None = None
        self._is_aborted = False
        self._pool = _pool(proxy, _Backend(self._note))

    def connect(self) -> None:
        """Nothing: httpcore2 connects for the first request."""

    def peer(self) -> None:
        """Not known: it is the proxy that connects."""

    def ask(self, url: str, headers: Mapping[str, str]) -> Response:
        """Send a GET and wait for the answer."""
        with _told_plainly():
            fields = [("Host", self._host), *headers.items()]
            request = httpcore2.Request("GET", url.partition("#")[0], headers=fields, extensions=self._extensions)
            return _CoreResponse(self._pool.handle_request(request))

    def abort(self) -> None:
        """End what is being read at once, from any thread; what connects only later ends too."""
        self._is_aborted = True
        self._shut_down()

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(RuntimeError):  # it complains of an answer that is still being read
            self._pool.close()
        if self._stream is not None:
            self._stream.close()

    def _note(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        if self._is_aborted:
            self._shut_down()

    def _shut_down(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: it would take the TLS object away from the thread that reads.
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)


class _CoreResponse:
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response
        self._pieces = response.iter_stream()
        self._piece = memoryview(b"")
        self.status = response.status
        fields = Message()  # compares names without case, as http.client's does
        for name, value in response.headers:
            fields[name.decode("latin-1")] = value.decode("latin-1")
        self.headers: Mapping[str, str] = fields  # type: ignore[assignment]
        declared = "" if "Transfer-Encoding" in fields else fields.get("Content-Length", "")
        self.length = int(declared) if declared.isdecimal() else None
        self._is_read = self.length == 0

    def fill(self, buffer: memoryview) -> int:
        if not self._piece and not self._is_read:
            self._piece = self._next()
        count = min(len(buffer), len(self._piece))
        buffer[:count], self._piece = self._piece[:count], self._piece[count:]
        if self.length is None:
            self._is_read = not count
        else:
            self.length -= count
            self._is_read = self.length == 0
        return count

    def close(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException), _told_plainly():
            if self._is_read:
                self._next()  # nothing comes any more, but httpcore2 wants to see that
            self._response.close()
            return self._is_read and self.headers.get("Connection", "").lower() != "close"
        return False

    def _next(self) -> memoryview:
        with _told_plainly():
            return memoryview(next(self._pieces, b""))


class _Stream(httpcore2.NetworkStream):
    """A stream of the library's that tells which one it has become by now, so that it can be aborted."""

    def __init__(self, inner: httpcore2.NetworkStream, note: Callable[[httpcore2.NetworkStream], None]) -> None:
        self._note = note
        self._inner = inner
        self.read, self.write, self.close = inner.read, inner.write, inner.close
        self.get_extra_info = inner.get_extra_info
        note(inner)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._note)


class _Backend(httpcore2.SyncBackend):
    def __init__(self, note: Callable[[httpcore2.NetworkStream], None]) -> None:
        self._note = note

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options), self._note)


def _pool(proxy: Proxy, backend: _Backend) -> httpcore2.ConnectionPool:
    if proxy.scheme == "https":
        return httpcore2.HTTPProxy(
            f"https://{proxy.host_port}",
            proxy_headers=[*proxy.headers.items()],
            ssl_context=tls_context(),
            proxy_ssl_context=tls_context(),
            network_backend=backend,
        )
    if find_spec("socksio") is None:
        raise HubUnavailableError(
            f"{proxy.host_port} is a SOCKS proxy, for which the library socksio is missing.",
            hint="pip install socksio, then restart the kernel.",
        )
    login = proxy.login and (proxy.login[0].encode(), proxy.login[1].encode())
    return httpcore2.SOCKSProxy(
        f"socks5://{proxy.host_port}", proxy_auth=login, ssl_context=tls_context(), network_backend=backend
    )


@contextlib.contextmanager
def _told_plainly() -> Generator[None]:
    """Raise what http.client would: the system's own error, or HTTPException."""
    try:
        yield
    except httpcore2.ProxyError as error:
        status = re.match(r"\d{3}\b", str(error))
        # Of a SOCKS proxy only the text tells what it minds.
        wants_login = "password" in str(error) or str(error).startswith("Requested")
        raise ProxyRefusedError(407 if wants_login else int(status[0]) if status else None) from None
    except httpcore2.TimeoutException:
        raise TimeoutError from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        cause = error.args[0] if error.args else None  # httpcore2 keeps it there, but not as __cause__
        raise cause if isinstance(cause, OSError) else ConnectionError() from None
