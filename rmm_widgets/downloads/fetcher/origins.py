"""Which addresses may be asked, and what counts as one origin. Pure."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port: a token given to one origin is not sent to another."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin:
    """The origin of an address.

    Raises:
        ValueError: It is not an absolute http or https address.
    """
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError("not an http or https address")
    return Origin(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])


def check_endpoint(endpoint: str) -> str:
    """The address of a Hub, without a trailing slash.

    Raises:
        ValueError: It is no such address; the sentence says why.
    """
    if any(ord(char) <= 0x20 or ord(char) >= 0x7F for char in endpoint):
        raise ValueError("it holds blanks or invisible characters")
    reason = _unfit(endpoint)
    if reason is None and (urlsplit(endpoint).query or urlsplit(endpoint).fragment):
        reason = "it has a query"
    if reason:
        raise ValueError(reason)
    return endpoint.rstrip("/")


def refusal(target: str, *, came_from: Origin, home: Origin) -> str | None:
    """Why a redirect must not be followed; None where it may be.

    Args:
        came_from: Who sent the redirect.
        home: The endpoint the user configured.
    """
    if any(ord(char) <= 0x20 or ord(char) >= 0x7F for char in target):
        return "the address holds blanks or invisible characters"
    if reason := _unfit(target):
        return reason
    origin = origin_of(target)
    if came_from.scheme == "https" and origin.scheme == "http":
        return "it leads from https to http"
    if _is_near(origin.host) and not _is_near(home.host):
        return "it leads to this machine or its own network link"
    return None


def refused_peer(address: str, origin: Origin, home: Origin) -> str | None:
    """Why a connection must not be used, now that its peer is known: a name may stand for any address."""
    if origin != home and _is_near(address) and not _is_near(home.host):
        return "the name it leads to stands for this machine or its own network link"
    return None


def is_loopback(host: str) -> bool:
    """True for `localhost` and loopback addresses."""
    address = _address(host)
    return host.rstrip(".") == "localhost" if address is None else address.is_loopback


def _is_near(host: str) -> bool:
    address = _address(host)
    if address is None:
        name = host.rstrip(".")
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    host = host.partition("%")[0].rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))  # "127.1", "0x7f000001": the system takes them
        except (OSError, ValueError):
            return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _unfit(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        origin_of(url)
    except ValueError:
        return "it is not an http or https address"
    if parts.username is not None or parts.password is not None:
        return "the address holds a user name or password"
    return None
