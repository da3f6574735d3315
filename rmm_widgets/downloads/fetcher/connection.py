"""HTTP as the fetcher needs it: kept connections, proxies, and redirects followed with care.

One `Connections` belongs to one thread; only `abort` may be called from another. What an answer
means is not decided here, except that a redirect is followed or refused.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

from ... import __version__
from ...errors import HubUnavailableError
from .faults import Retry, connect_fault, host_of, network_fault, proxy_wants_login, speaks_only_tls
from .line import HttpLine, Line, Response
from .origins import Origin, origin_of, refusal, refused_peer
from .proxies import Proxy, known_proxies, proxy_for
from .trust import speaks_tls

MAX_REDIRECTS = 10
_REDIRECTS = frozenset([301, 302, 303, 307, 308])
_DRAIN_LIMIT = 64 * 1024
_LOOK_TIME = 3.0
"""Seconds to find out whether a server that hangs up on plain HTTP speaks TLS."""


class Answer:
    """A response whose body has not been read yet.

    Attributes:
        url: The address that answered, after redirects; it may be a secret.
        origin: The origin of it.
    """

    def __init__(self, response: Response, url: str, origin: Origin, owner: Connections) -> None:
        self._response = response
        self._owner = owner
        self.url = url
        self.origin = origin
        self.status = response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields; names are compared without case."""
        return self._response.headers

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
            return self._response.fill(buffer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise network_fault(error, host_of(self.url)) from None

    def close(self) -> None:
        """Keep the connection where the body was read to its end, else drop it."""
        if not self._response.close():
            self._owner.drop(self.origin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


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
        self._proxies = known_proxies()
        self._pool: dict[Origin, Line] = {}
        self._answered: set[Origin] = set()
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

    def is_home(self, answer: Answer) -> bool:
        """True where the Hub itself answered, False where it sent us elsewhere."""
        return answer.origin == self._home

    def abort(self) -> None:
        """End what is being read at once, from any thread; nothing can be asked afterwards."""
        with self._guard:
            self._aborted = True
            for line in self._pool.values():
                line.abort()

    def drop(self, origin: Origin) -> None:
        """Close a connection that cannot be used again."""
        with self._guard:
            line = self._pool.pop(origin, None)
            if line is not None:
                line.close()

    def close(self) -> None:
        """Close all connections."""
        for origin in list(self._pool):
            self.drop(origin)

    def _ask(self, url: str, headers: Mapping[str, str]) -> Answer:
        origin = origin_of(url)
        own = {"Authorization": f"Bearer {self._token}"} if self._token and origin == self._home else {}
        proxy = proxy_for(origin, self._proxies)
        while True:
            kept = self._pool.get(origin)
            line = kept or self._add_line(origin, proxy)
            try:
                answer = Answer(line.ask(url, {**headers, **own}), url, origin, self)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.drop(origin)
                # The server may have closed a kept connection meanwhile: that is no failure.
                if kept is None or isinstance(error, TimeoutError):
                    raise self._fault(error, origin, proxy) from None
            else:
                break
        self._answered.add(origin)
        if answer.status == 407:
            answer.close()
            raise proxy_wants_login(proxy)
        return answer

    def _fault(self, error: Exception, origin: Origin, proxy: Proxy | None) -> Retry | HubUnavailableError:
        """What it means that there is no answer."""
        host = f"{origin.host}:{origin.port}"
        if proxy is not None and proxy.scheme != "http":  # it connects only now
            return connect_fault(error, host, proxy)
        is_new = proxy is None and origin not in self._answered and not self._aborted
        is_odd = is_new and origin.scheme == "http" and isinstance(error, ConnectionError)
        if is_odd and speaks_tls(origin.host, origin.port, _LOOK_TIME):
            return speaks_only_tls(host)
        return network_fault(error, host)

    def _add_line(self, origin: Origin, proxy: Proxy | None) -> Line:
        line = self._connect(origin, proxy)
        with self._guard:
            if self._aborted:
                line.close()
                raise Retry("the download ended")
            self._pool[origin] = line
        return line

    def _connect(self, origin: Origin, proxy: Proxy | None) -> Line:
        line = self._new_line(origin, proxy)
        try:
            line.connect()
        except (OSError, http.client.HTTPException, ValueError) as error:
            line.close()
            raise connect_fault(error, f"{origin.host}:{origin.port}", proxy) from None
        peer = line.peer()
        reason = refused_peer(peer, origin, self._home) if peer else None
        if reason:
            line.close()
            raise HubUnavailableError(f"A redirect of the Hub was refused: {reason}.", hint="Check the endpoint.")
        return line

    def _new_line(self, origin: Origin, proxy: Proxy | None) -> Line:
        if proxy is None or proxy.scheme == "http":
            return HttpLine(origin, proxy, self._timeout)
        from .tunnel import TunnelLine

        return TunnelLine(origin, proxy, self._timeout)

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
