"""Where people can look at a repository: its page on the Hub."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

__all__ = ["page_of"]

_HOST = re.compile(r"[\w.:-]+")


def page_of(endpoint: str, repo_id: str) -> str:
    """The address of a repository's page; empty where the endpoint is none of the web.

    A name and password in the endpoint are left out: the address is for showing.
    """
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host or not _HOST.fullmatch(host):
        return ""
    place = f"[{host}]" if ":" in host else host
    path = quote(f"{parts.path.rstrip('/')}/{repo_id}", safe="/%")
    return f"{parts.scheme}://{place}{f':{port}' if port else ''}{path}"
