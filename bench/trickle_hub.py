"""A Hub whose files come slowly and evenly, on many connections at once, at next to no cost to the machine.

One timer sends every connection its next few bytes. nginx would send a second's worth at a time, and the demo hub has
a thread for each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rmm_widgets.demo.repositories import RepositoryFile

from .static_hub import described, documents_of, resolved

TICKS = 10
"""Sendings a second on each connection."""

_RANGE = re.compile(rb"(?im)^range: bytes=(\d+)-(\d*)\r?$")


class _Answer:
    """The part of a file that a connection waits for."""

    def __init__(self, path: Path, start: int, end: int) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._left = end - start

    def take(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        part = self._file.read(min(size, self._left))
        self._left -= len(part)
        return part

    def close(self) -> None:
        self._file.close()


class _Hub:
    """What there is to serve, and the connections that wait for more."""

    def __init__(self, repositories: Mapping[str, Mapping[str, Path]], rate: int) -> None:
        self._share = max(1, rate // TICKS)
        self._sending: dict[asyncio.Transport, _Answer] = {}
        self._documents: dict[str, bytes] = {}
        self._files: dict[str, tuple[RepositoryFile, str]] = {}
        for repo_id, files in repositories.items():
            repository, commit = described(repo_id, files)
            for url, document in documents_of(repository, commit).items():
                self._documents[url] = json.dumps(document).encode()
            for path, file in commit.files.items():
                self._files[resolved(repo_id, commit, path)] = (file, commit.oid)

    def answer(self, transport: asyncio.Transport, request: bytes) -> None:
        """Answer one request; a file's bytes follow by and by."""
        method, target = request.split(b" ", 2)[:2]
        path = unquote(urlsplit(target.decode()).path)
        if path in self._documents:
            document = self._documents[path]
            self._reply(transport, 200, ["Content-Type: application/json", f"Content-Length: {len(document)}"])
            transport.write(document)
        elif path in self._files:
            self._send_file(transport, method, request, *self._files[path])
        else:
            self._reply(transport, 404, ["Content-Length: 0"])

    def _send_file(
        self, transport: asyncio.Transport, method: bytes, request: bytes, file: RepositoryFile, commit: str
    ) -> None:
        assert isinstance(file.source, Path)
        start, end, status = 0, file.size, 200
        lines = [f"X-Repo-Commit: {commit}", f'ETag: "{file.etag}"', "Accept-Ranges: bytes"]
        if found := _RANGE.search(request):
            start, end, status = int(found[1]), min(file.size, int(found[2] or file.size) + 1), 206
            lines.append(f"Content-Range: bytes {start}-{end - 1}/{file.size}")
        self._reply(transport, status, [*lines, f"Content-Length: {end - start}"])
        if method != b"HEAD":
            self._sending[transport] = _Answer(file.source, start, end)

    def forget(self, transport: asyncio.Transport) -> None:
        """The connection is gone, or has all it asked for."""
        if answer := self._sending.pop(transport, None):
            answer.close()

    def _reply(self, transport: asyncio.Transport, status: int, lines: list[str]) -> None:
        transport.write("\r\n".join([f"HTTP/1.1 {status} Bench", *lines, "", ""]).encode())

    async def trickle(self) -> None:
        """Give every connection its share, for ever."""
        while True:
            await asyncio.sleep(1 / TICKS)
            for transport, answer in list(self._sending.items()):
                if part := answer.take(self._share):
                    transport.write(part)
                else:
                    self.forget(transport)


class _Connection(asyncio.Protocol):
    def __init__(self, hub: _Hub) -> None:
        self._hub = hub
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, _, self._received = self._received.partition(b"\r\n\r\n")
            self._hub.answer(self._transport, request)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._hub.forget(self._transport)


@contextlib.contextmanager
def trickle_hub(repositories: Mapping[str, Mapping[str, Path]], *, rate: int) -> Iterator[str]:
    """Serve repositories, `rate` bytes a second on each connection; gives the endpoint."""
    hub = _Hub(repositories, rate)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: _Connection(hub), "127.0.0.1", 0, backlog=512))
    trickling = loop.create_task(hub.trickle())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        trickling.cancel()
        loop.run_until_complete(asyncio.wait([trickling]))
        server.close()
        loop.close()
