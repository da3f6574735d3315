"""One listening address of the demo hub: sockets, threads, HTTP/1.1 framing, pacing.

What to answer comes from outside (`server`); this module sends it, spoiled as a fault says.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol, cast

from .faults import PIECE, Fault
from .log import Exchange
from .messages import Answer, FileSlice, OriginName, Request

HOST = "127.0.0.1"
_SENDFILE_STEP = 1 << 20
_NO_FAULT = Fault()


def check_link(*, rate: float | None, latency: float) -> None:
    """Refuse a rate that is not above 0 and a latency below 0 with ValueError."""
    if rate is not None and not rate > 0:
        raise ValueError(f"rate is {rate}; it must be above 0 bytes per second, or None for no limit")
    if not latency >= 0:
        raise ValueError(f"latency is {latency}; it must be 0 seconds or more")


class Link:
    """The line between the hub and everybody: latency and a rate that all connections share.

    Attributes:
        latency: Seconds before every answer.
        rate: Bytes per second over all connections, None for no limit.
        closed: Set when the hub stops; ends every wait.
    """

    def __init__(self) -> None:
        self.latency = 0.0
        self.rate: float | None = None
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._free_at = 0.0

    def pace(self, size: int) -> None:
        """Wait until `size` more bytes fit through the line."""
        rate = self.rate
        if rate is None:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size / rate
            delay = self._free_at - time.monotonic()
        self.closed.wait(max(0.0, delay))


class Responder(Protocol):
    """Decides about one request: what to answer and which fault spoils it."""

    def __call__(self, request: Request, /) -> tuple[Exchange, Answer, Fault | None]: ...  # noqa: D102


class Origin:
    """A listening socket on the loopback address, with a thread for it and one for each connection.

    Args:
        name: "hub" or "cdn".
        port: 0 for any free one.
    """

    def __init__(self, name: OriginName, port: int, respond: Responder, link: Link) -> None:
        self.name: OriginName = name
        self.respond = respond
        self.link = link
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._listener = _bound(port)
        self._acceptor: threading.Thread | None = None
        self.port = int(self._listener.getsockname()[1])
        self._accept_from_now()

    @property
    def url(self) -> str:
        """Its address, without a trailing slash."""
        return f"http://{HOST}:{self.port}"

    @property
    def is_listening(self) -> bool:
        """False while connections are refused."""
        return self._acceptor is not None

    def refuse(self) -> None:
        """Refuse new connections and drop the open ones; the port stays ours."""
        self._end_listening()
        self._listener = _bound(self.port)
        self._drop_connections()  # their threads end when they next try to send

    def accept_again(self) -> None:
        """Undo `refuse`."""
        self._accept_from_now()

    def close(self) -> None:
        """Close all sockets and wait for all threads."""
        self._end_listening()
        for thread in self._drop_connections():
            thread.join()

    def _accept_from_now(self) -> None:
        self._listener.listen(128)
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name=f"rmm-demo-{self.name}", daemon=True
        )
        self._acceptor.start()

    def _end_listening(self) -> None:
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            try:
                self._listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                # Only Linux ends an accept() in another thread this way; elsewhere a last caller does.
                with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=5):
                    pass
            acceptor.join()
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while self._acceptor is threading.current_thread():
            try:
                connection, _ = listener.accept()
            except OSError:
                self.link.closed.wait(0.05)  # out of file descriptors, or shut down
                continue
            thread = threading.Thread(
                target=self._serve, args=(connection,), name=f"rmm-demo-{self.name}-connection", daemon=True
            )
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                _Handler(connection, self)
        finally:
            # First out of the table, then closed: else its number could be another's when we drop it.
            with self._lock:
                self._connections.pop(connection, None)
            connection.close()

    def _drop_connections(self) -> list[threading.Thread]:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            return list(self._connections.values())


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection until it ends."""

    protocol_version = "HTTP/1.1"
    server_version = "rmm-demo-hub"
    disable_nagle_algorithm = True

    def __init__(self, connection: socket.socket, origin: Origin) -> None:
        self._origin = origin
        self._link = origin.link
        super().__init__(connection, connection.getpeername(), cast("Any", None))

    def do_GET(self) -> None:
        self._exchange_one()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: requests are in the hub's own log."""

    def _exchange_one(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target, _, query = self.path.partition("?")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        request = Request(
            origin=self._origin.name,
            method=self.command,
            target=target,
            query=query,
            token=token.strip() if scheme else None,
            range=self.headers.get("Range"),
            if_range=self.headers.get("If-Range"),
        )
        exchange, answer, fault = self._origin.respond(request)
        fault = fault or _NO_FAULT
        if self._link.closed.wait(self._link.latency + fault.latency):
            self.close_connection = True
            return
        self._send(exchange, answer, fault)

    def _send(self, exchange: Exchange, answer: Answer, fault: Fault) -> None:
        length, declared = fault.length(answer), _declared_length(answer, fault)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if fault.gzip:
            self.send_header("Content-Encoding", "gzip")
        if declared is None:
            self.send_header("Connection", "close")
        elif "content-length" in {name.lower() for name in answer.headers}:
            declared = None  # somebody else's word, not to be relied on for the next answer
        else:
            self.send_header("Content-Length", str(declared))
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(exchange, answer, fault)
            self.close_connection = self.close_connection or declared != length
        if self.command != "HEAD" or fault.method == "HEAD":
            self._end_as(fault, exchange.bytes_sent)

    def _send_body(self, exchange: Exchange, answer: Answer, fault: Fault) -> None:
        limit, began = fault.ends_after, time.monotonic()
        if isinstance(answer.body, FileSlice) and isinstance(answer.body.file.source, Path) and not fault.changes_bytes:
            self._send_file(exchange, answer.body, fault, began)
            return
        for piece in fault.pieces(answer):
            left = memoryview(piece)
            if limit is not None:
                left = left[: limit - exchange.bytes_sent]
            while left:
                part = left[: self._step(fault, PIECE)]
                self._pace(fault, exchange.bytes_sent + len(part), len(part), began)
                self._send_part(exchange, part)
                left = left[len(part) :]

    def _send_part(self, exchange: Exchange, part: memoryview) -> None:
        while part:
            # Counted before it is sent: a client that has its bytes finds them in the log.
            exchange.bytes_sent += len(part)
            sent = 0
            try:
                sent = self.connection.send(part)
            finally:
                exchange.bytes_sent -= len(part) - sent
            part = part[sent:]

    def _send_file(self, exchange: Exchange, body: FileSlice, fault: Fault, began: float) -> None:
        length = len(body) if fault.ends_after is None else min(fault.ends_after, len(body))
        with body.file.open() as file:
            start, stop = body.start, body.start + length
            while start < stop:
                step = min(self._step(fault, _SENDFILE_STEP), stop - start)
                self._pace(fault, start - body.start + step, step, began)
                file.seek(start)
                exchange.bytes_sent += step
                try:
                    self.connection.sendfile(file, start, step)
                finally:
                    exchange.bytes_sent -= step - (file.tell() - start)
                if file.tell() == start:
                    raise ConnectionAbortedError("the file became shorter")
                start = file.tell()

    def _step(self, fault: Fault, most: int) -> int:
        """How much to send at once: no more than a twentieth of a second's worth."""
        rates = [rate for rate in (fault.rate, self._link.rate) if rate is not None]
        return most if not rates else max(1, min(most, int(min(rates) / 20)))

    def _pace(self, fault: Fault, until: int, size: int, began: float) -> None:
        """Wait until it is time for the next `size` bytes, which make `until` bytes of this answer."""
        self._link.pace(size)
        if fault.rate is not None:
            self._link.closed.wait(max(0.0, began + until / fault.rate - time.monotonic()))
        if self._link.closed.is_set():
            raise ConnectionAbortedError("the hub is stopping")

    def _end_as(self, fault: Fault, sent: int) -> None:
        """Cut, reset or stall the connection where the fault says so and its bytes are out."""
        if fault.ends_after is None or (sent < fault.ends_after and self.command != "HEAD"):
            return
        self.close_connection = True
        if fault.stall_after == fault.ends_after:
            self._wait_for_the_end()
        elif fault.reset_after == fault.ends_after:
            _wait_until_received(self.connection)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _wait_for_the_end(self) -> None:
        while self.connection.recv(PIECE):
            pass


def _bound(port: int) -> socket.socket:
    """A socket that holds a port without listening, so that connections are refused."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound


def _declared_length(answer: Answer, fault: Fault) -> int | None:
    if fault.content_length == "absent":
        return None
    return len(answer.body) if fault.content_length == "original" else fault.length(answer)


def _wait_until_received(connection: socket.socket) -> None:
    """A reset throws away what the client's side has not taken yet: let that be nothing, where it can be seen."""
    if sys.platform != "linux":
        return
    from fcntl import ioctl
    from termios import TIOCOUTQ

    waiting = bytearray(4)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        ioctl(connection, TIOCOUTQ, waiting)
        if not any(waiting):
            return
        time.sleep(0.001)
