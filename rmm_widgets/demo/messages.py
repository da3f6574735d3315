"""Requests and answers of the demo hub as plain records, and how a byte range is read.

Knows HTTP's meaning, not its wire: `origin` reads and sends, `routes` decides, `faults` spoils.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from .repositories import RepositoryFile

OriginName = Literal["hub", "cdn"]
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked. `target` is the path as sent, still quoted; `range` and `if_range` are header values."""

    origin: OriginName
    method: str
    target: str
    query: str = ""
    token: str | None = None
    range: str | None = None
    if_range: str | None = None

    @property
    def path(self) -> str:
        """The path, unquoted."""
        return unquote(self.target)


class FileSlice(msgspec.Struct, frozen=True):
    """Bytes `start` to `stop` (not included) of a file."""

    file: RepositoryFile
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub says. `body` is what a GET gets; Content-Length is left to the sender."""

    status: int = 200
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    body: bytes | FileSlice = b""
    repo: str | None = None
    file: str | None = None


class UnsatisfiableRangeError(Exception):
    """The range asked for begins behind the end of the file."""


def json_answer(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON."""
    return Answer(
        status=status,
        headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
        body=json.dumps(data).encode(),
    )


def error_answer(status: int, code: str, message: str) -> Answer:
    """An error as the Hub words it: in two headers and in JSON."""
    headers = {"X-Error-Message": message}
    if code:
        headers["X-Error-Code"] = code
    return json_answer({"error": message}, status=status, headers=headers)


def parse_range(value: str | None, size: int) -> tuple[int, int] | None:
    """First and last-plus-one byte that a Range header asks of a file, or None for the whole.

    Several ranges at once and malformed ones count as none, as HTTP allows.

    Raises:
        UnsatisfiableRangeError: No byte of the file is in the range.
    """
    match = _RANGE.fullmatch(value.strip()) if value else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and first and int(last) < start:
        return None
    if start >= size:
        raise UnsatisfiableRangeError
    return start, stop
