"""Which proxy stands between this machine and an address, as the environment says."""

from __future__ import annotations

import re
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ...errors import HubUnavailableError
from .origins import Origin, is_loopback

_TUNNEL_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")
_PORTS = {"http": 8080, "https": 443, "socks5": 1080, "socks5h": 1080}


class Proxy(NamedTuple):
    """A proxy. Its login is a secret: show `host_port` only."""

    scheme: str
    host: str
    port: int
    login: tuple[str, str] | None = None

    @property
    def host_port(self) -> str:
        """What may be shown of it."""
        return f"{self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """The header fields that log in."""
        if self.login is None:
            return {}
        return {"Proxy-Authorization": f"Basic {b64encode(':'.join(self.login).encode()).decode()}"}

    def __repr__(self) -> str:
        return f"Proxy({self.scheme}://{self.host_port})"


class ProxyRefusedError(OSError):
    """The proxy does not connect.

    Attributes:
        status: Its HTTP status; 407 also where a SOCKS proxy wants a (better) login; None where it does not say.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__("the proxy refused")
        self.status = status

    @classmethod
    def of_tunnel(cls, error: OSError) -> ProxyRefusedError | None:
        """What http.client's complaint of a tunnel means; None for other errors."""
        match = _TUNNEL_STATUS.match(str(error))
        return cls(int(match[1])) if match else None


def known_proxies() -> Mapping[str, str]:
    """The proxies by scheme: of the environment (`http_proxy`, `HTTPS_PROXY`, `ALL_PROXY`), else of the system."""
    return urllib.request.getproxies()


def proxy_for(origin: Origin, known: Mapping[str, str]) -> Proxy | None:
    """The proxy to ask for an origin; None to ask the origin itself, as for this machine and `NO_PROXY`.

    Raises:
        HubUnavailableError: The setting is no address of a proxy of a known kind.
    """
    given = known.get(origin.scheme) or known.get("all")
    if not given or is_loopback(origin.host) or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    try:
        parts = urlsplit(given if "://" in given else f"http://{given}")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in _PORTS or not host:
        # The value is not shown: it may hold a password.
        raise HubUnavailableError(
            f"The proxy that is set for {origin.scheme} cannot be used: it must be an address that begins with "
            f"{', '.join(f'{scheme}://' for scheme in _PORTS)}.",
            hint=f"Correct {origin.scheme.upper()}_PROXY or ALL_PROXY, then restart the kernel.",
        )
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return Proxy(parts.scheme, host, port or _PORTS[parts.scheme], login)
