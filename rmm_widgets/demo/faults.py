"""What can go wrong on the way from the demo hub to a client, as records to inject.

Decides which fault an answer gets and how it changes it; sending the spoiled bytes is `origin`'s part.
"""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import chain, islice, repeat
from typing import Any, Literal

import msgspec

from .messages import Answer, FileSlice, OriginName, Request, error_answer, json_answer

PIECE = 64 * 1024
_CLOSED_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way to spoil answers. Fields may be combined.

    Which answers:
        path: Pattern for the unquoted URL path, `*` matches `/` too. Without a leading `*` or `/` it
            matches the end of the path: "model.onnx" is "*/model.onnx".
        method, origin: None is any.
        times: How many answers to spoil; None is all until the fault is removed.
        skip: How many matching answers to leave alone first.

    A fault of the body (`rate`, `cut_after`, `reset_after`, `stall_after`, `flip_at`, `truncate_to`,
    `extra_bytes`, `gzip`) passes over answers without one (redirects, errors, HEAD) unless `method` is given;
    `flip_at` also passes over ranges that do not hold its byte, and the three `_after` over shorter bodies.

    Attributes:
        latency: Seconds before the first byte.
        rate: Bytes per second on this connection.
        cut_after: Close the connection in good order after so many bytes of the body.
        reset_after: The same with a TCP reset.
        stall_after: Send so many bytes of the body, then nothing, and keep the connection open.
        flip_at: Position in the file (not in the answer) of a byte to invert.
        truncate_to: Send only so many bytes of the body.
        extra_bytes: Send so many zero bytes after the body.
        gzip: Compress the body, whether or not the client can read that.
        content_length: "actual": what is really sent; "original": what an unspoiled answer would say
            (a lie beside `truncate_to` and `extra_bytes`); "absent": none, the body ends with the connection.
        ignore_range: Answer 200 with the whole file.
        shift_range: Answer with a range moved by so many bytes, and say so in Content-Range.
        status: Answer with this status and an error body.
        error_code: X-Error-Code of that answer, for example "GatedRepo".
        retry_after: Retry-After of that answer, seconds.
        redirect: Answer 302 (or `status`) with this Location.
        redirect_loop: Answer 302 with the request's own address, for ever.
        body: Other content, of any length.
        json: Other JSON: a value, or a function from the right one to a wrong one.
        headers: Headers to set; None removes one.
    """

    path: str = "*"
    method: str | None = None
    origin: OriginName | None = None
    times: int | None = None
    skip: int = 0

    latency: float = 0.0
    rate: float | None = None
    cut_after: int | None = None
    reset_after: int | None = None
    stall_after: int | None = None
    flip_at: int | None = None
    truncate_to: int | None = None
    extra_bytes: int = 0
    gzip: bool = False
    content_length: Literal["actual", "original", "absent"] = "actual"
    ignore_range: bool = False
    shift_range: int = 0
    status: int | None = None
    error_code: str = ""
    retry_after: float | None = None
    redirect: str | None = None
    redirect_loop: bool = False
    body: bytes | None = None
    json: Any = msgspec.UNSET
    headers: Mapping[str, str | None] = msgspec.field(default_factory=dict[str, "str | None"])

    @property
    def ends_after(self) -> int | None:
        """Bytes of the body after which the connection is cut, reset or stalled."""
        given = [limit for limit in (self.cut_after, self.reset_after, self.stall_after) if limit is not None]
        return min(given, default=None)

    @property
    def changes_bytes(self) -> bool:
        """True where the body differs from the answer's own, so that it cannot be sent as it lies on disk."""
        return self.flip_at is not None or self.truncate_to is not None or self.extra_bytes > 0 or self.gzip

    def matches(self, request: Request, answer: Answer) -> bool:
        """True where this fault is about this answer; does not look at `times` and `skip`."""
        pattern = self.path if self.path[:1] in {"*", "/"} else f"*/{self.path}"
        if not fnmatchcase(request.path, pattern):
            return False
        if self.origin not in {None, request.origin} or self.method not in {None, request.method}:
            return False
        if self.flip_at is not None and _offset(answer, self.flip_at) is None:
            return False
        if self.method is not None or not self._is_of_body():
            return True
        length = self.length(answer)
        return _has_content(request, answer) and (self.ends_after or 0) <= (
            len(answer.body) if length is None else length
        )

    def reread(self, request: Request) -> Request:
        """The request as the hub misunderstands it: another range, or none."""
        if self.ignore_range:
            return msgspec.structs.replace(request, range=None)
        match = _CLOSED_RANGE.fullmatch(request.range or "")
        if not self.shift_range or match is None:
            return request
        first, last = int(match[1]) + self.shift_range, int(match[2]) + self.shift_range if match[2] else ""
        return msgspec.structs.replace(request, range=f"bytes={first}-{last}")

    def edit(self, answer: Answer, own_url: str) -> Answer:
        """The answer with another status, body or headers."""
        edited = self._edit_status(answer, own_url)
        if self.json is not msgspec.UNSET:
            data = self.json(json.loads(_content(answer))) if callable(self.json) else self.json
            edited = msgspec.structs.replace(json_answer(data), headers=edited.headers, status=edited.status)
        if self.body is not None:
            edited = msgspec.structs.replace(edited, body=self.body)
        headers = {name: value for name, value in edited.headers.items() if name.lower() not in self._named()}
        headers |= {name: value for name, value in self.headers.items() if value is not None}
        return msgspec.structs.replace(edited, headers=headers, repo=answer.repo, file=answer.file)

    def pieces(self, answer: Answer) -> Iterator[bytes]:
        """The body as it is sent, in pieces."""
        pieces = read_pieces(answer.body)
        if self.flip_at is not None and (offset := _offset(answer, self.flip_at)) is not None:
            pieces = _flipped(pieces, offset)
        if self.truncate_to is not None:
            pieces = _first(pieces, self.truncate_to)
        if self.extra_bytes:
            pieces = chain(pieces, _zeros(self.extra_bytes))
        return _gzipped(pieces) if self.gzip else pieces

    def length(self, answer: Answer) -> int | None:
        """Bytes that `pieces` gives, or None where nobody knows."""
        if self.gzip:
            return None
        length = len(answer.body)
        return (length if self.truncate_to is None else min(length, self.truncate_to)) + self.extra_bytes

    def _is_of_body(self) -> bool:
        return self.ends_after is not None or self.changes_bytes or self.rate is not None

    def _named(self) -> set[str]:
        return {name.lower() for name in self.headers}

    def _edit_status(self, answer: Answer, own_url: str) -> Answer:
        location = own_url if self.redirect_loop else self.redirect
        if location is not None:
            headers = {**answer.headers, "Location": location}
            return msgspec.structs.replace(answer, status=self.status or 302, headers=headers, body=b"")
        if self.status is None:
            return answer
        if self.status < 400:
            return msgspec.structs.replace(answer, status=self.status)
        error = error_answer(self.status, self.error_code, f"Injected {self.status}")
        if self.retry_after is None:
            return error
        return msgspec.structs.replace(error, headers={**error.headers, "Retry-After": f"{self.retry_after:g}"})


class Injected:
    """A fault in force. `used` counts the answers it spoiled."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.used = 0
        self._skipped = 0

    def take(self) -> bool:
        """True where the fault has its turn at one more matching answer."""
        if self._skipped < self.fault.skip:
            self._skipped += 1
            return False
        if self.fault.times is not None and self.used >= self.fault.times:
            return False
        self.used += 1
        return True

    def __repr__(self) -> str:
        return f"<Injected {self.fault!r}, used {self.used} times>"


class FaultList:
    """The faults in force, in the order they were injected. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._injected: list[Injected] = []

    def inject(self, fault: Fault) -> Injected:
        """Put a fault in force, behind those that are."""
        injected = Injected(fault)
        with self._lock:
            self._injected.append(injected)
        return injected

    def clear(self) -> None:
        """Take all faults away."""
        with self._lock:
            self._injected.clear()

    def take(self, request: Request, answer: Answer) -> Fault | None:
        """The first fault whose turn it is at this answer, counted as used; None where there is none."""
        with self._lock:
            matching = (each for each in self._injected if each.fault.matches(request, answer))
            return next((each.fault for each in matching if each.take()), None)


def read_pieces(body: bytes | FileSlice) -> Iterator[bytes]:
    """A body in pieces of at most `PIECE` bytes."""
    if isinstance(body, bytes):
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]
        return
    with body.file.open() as file:
        file.seek(body.start)
        left = len(body)
        while left and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece


def _has_content(request: Request, answer: Answer) -> bool:
    return request.method == "GET" and answer.status in {200, 206} and len(answer.body) > 0


def _content(answer: Answer) -> bytes:
    return b"".join(read_pieces(answer.body))


def _offset(answer: Answer, position: int) -> int | None:
    """Where in the answer a byte of the file is, or None where it is not in it."""
    start = answer.body.start if isinstance(answer.body, FileSlice) else 0
    offset = position - start
    return offset if 0 <= offset < len(answer.body) else None


def _flipped(pieces: Iterator[bytes], offset: int) -> Iterator[bytes]:
    for piece in pieces:
        if 0 <= offset < len(piece):
            yield piece[:offset] + bytes([piece[offset] ^ 0xFF]) + piece[offset + 1 :]
        else:
            yield piece
        offset -= len(piece)


def _first(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    for piece in pieces:
        if count <= 0:
            return
        yield piece[:count]
        count -= len(piece)


def _zeros(count: int) -> Iterator[bytes]:
    whole, rest = divmod(count, PIECE)
    return chain(islice(repeat(bytes(PIECE)), whole), [bytes(rest)] if rest else [])


def _gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
