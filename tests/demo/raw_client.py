"""A client that forgives nothing and hides nothing: one request, and what came of it."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What came. `error` is set where the body ended before its declared length or the connection broke."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: Exception | None = None


def request(url: str, *, method: str = "GET", timeout: float = 30, **headers: str) -> Response:
    """One request on a connection of its own; underscores in header names stand for hyphens."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        body, error = bytearray(), None
        try:
            while piece := reply.read1(65536):
                body += piece
        except (OSError, http.client.HTTPException) as broken:
            error = broken
        if error is None and reply.length:
            error = http.client.IncompleteRead(bytes(body), reply.length)
        headers_seen = {name.lower(): value for name, value in reply.getheaders()}
        return Response(status=reply.status, headers=headers_seen, body=bytes(body), error=error)
    finally:
        connection.close()


def cdn_address(hub_url: str, repo: str, file: str, revision: str = "main") -> str:
    """Where the hub sends a client for a file in LFS."""
    return request(f"{hub_url}/{repo}/resolve/{revision}/{file}", method="HEAD").headers["location"]
