"""What stands between a client and the demo hub: TLS with an authority of its own, and proxies. All real."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import subprocess
import threading
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

HOST = "127.0.0.1"
Names = Mapping[tuple[str, int], int]
"""What a proxy takes a host and a port for: a port of this machine."""


class Authority(NamedTuple):
    """A certificate authority nobody knows, and a server's certificate by it.

    Attributes:
        file: The authority's certificate.
        folder: The same as a folder, its name made from the hash as OpenSSL wants it.
        other: A certificate that is made out to another name.
    """

    file: Path
    folder: Path
    server: ssl.SSLContext
    other: ssl.SSLContext


def make_authority(folder: Path) -> Authority:
    """Needs the `openssl` program."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = folder / "authority.pem"
    _openssl(
        "req", "-x509", *key, "-keyout", folder / "authority.key", "-out", authority, "-days", "2",
        "-subj", "/CN=Authority of a test", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip

    def server(name: str, *subjects: str) -> ssl.SSLContext:
        request, certificate, extensions = (folder / f"{name}.{end}" for end in ("csr", "pem", "ext"))
        private = folder / f"{name}.key"
        extensions.write_text(f"subjectAltName={','.join(subjects)}\n")
        _openssl("req", *key, "-keyout", private, "-out", request, "-subj", f"/CN={name}")
        _openssl(
            "x509", "-req", "-in", request, "-CA", authority, "-CAkey", folder / "authority.key", "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        return context

    trusted = folder / "trusted"
    trusted.mkdir()
    (trusted / f"{_openssl('x509', '-in', authority, '-hash', '-noout')}.0").write_bytes(authority.read_bytes())
    good = server("good", "IP:127.0.0.1", "DNS:localhost", "DNS:hub.test", "DNS:cdn.test", "DNS:proxy.test")
    return Authority(authority, trusted, good, server("other", "DNS:somebody-else.test"))


def _openssl(*arguments: str | Path) -> str:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class LoopbackServer:
    """A listening socket and a thread for each connection; `close` ends them all.

    Args:
        tls: Speak TLS with this certificate.

    Attributes:
        accepted: How many connections came.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self.accepted = 0
        self._guard = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def handle(self, client: socket.socket) -> None:
        raise NotImplementedError

    def connect(self, port: int) -> socket.socket:
        return self._keep(socket.create_connection((HOST, port)))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        with self._guard:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, sock: socket.socket) -> socket.socket:
        with self._guard:
            self._sockets.add(sock)
        return sock

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        before = self._keep(client)
        try:
            if self._tls is not None:
                client = self._keep(self._tls.wrap_socket(client, server_side=True))
            self.handle(client)
        except OSError:
            pass  # the other side went away
        finally:
            with self._guard:
                self._sockets -= {before, client}
            client.close()

    def _pump(self, client: socket.socket, port: int, early: bytes = b"", seen: bytearray | None = None) -> None:
        """Pass on what comes, both ways, until one side ends."""
        with self.connect(port) as target:
            try:
                target.sendall(early)
                while True:
                    waiting = isinstance(client, ssl.SSLSocket) and client.pending()
                    ready = [client] if waiting else select.select([client, target], [], [])[0]
                    for source in ready:
                        data = source.recv(1 << 16)
                        if not data:
                            return
                        if seen is not None and source is client:
                            seen += data
                        (target if source is client else client).sendall(data)
            finally:
                with self._guard:
                    self._sockets.discard(target)


class TlsFront(LoopbackServer):
    """TLS in front of a plain port."""

    def __init__(self, target_port: int, tls: ssl.SSLContext) -> None:
        self._target_port = target_port
        super().__init__(tls)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def handle(self, client: socket.socket) -> None:
        self._pump(client, self._target_port)


class HttpProxy(LoopbackServer):
    """An HTTP proxy: plain requests, and CONNECT.

    Args:
        names: Hosts that only it knows.
        login: "user:password" that it wants.
        status: Refuse everything with this.

    Attributes:
        heads: The heads of requests it got to see.
        seen: All that went from clients through it, as it saw it.
    """

    def __init__(
        self, names: Names, *, login: str | None = None, status: int | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._names = names
        self._login = login
        self._status = status
        self.heads: list[str] = []
        self.seen = bytearray()
        super().__init__(tls)

    def handle(self, client: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(1 << 16)
            if not more:
                return
            data += more
        self.seen += data
        head = data.decode("latin-1")
        self.heads.append(head)
        match = re.match(r"(CONNECT|GET) (?:http://)?([^/: ]+)(?::(\d+))?(\S*) HTTP/1\.[01]\r\n", head)
        assert match is not None, head
        wanted = f"Proxy-Authorization: Basic {b64encode((self._login or '').encode()).decode()}\r\n"
        status = self._status or (407 if self._login and wanted.lower() not in head.lower() else None)
        port = self._names.get((match[2], int(match[3] or 80)))
        status = status or (None if port else 502)
        if status or port is None:
            client.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsorr".encode())
        elif match[1] == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pump(client, port, seen=self.seen)
        else:
            rest = re.sub(r"(?im)^proxy-authorization:.*\r\n", "", head[match.end() :])
            self._pump(client, port, f"GET {match[4]} HTTP/1.1\r\nConnection: close\r\n{rest}".encode())


class SocksProxy(LoopbackServer):
    """A SOCKS5 proxy.

    Attributes:
        asked: Hosts and ports that were asked for, as they were given.
    """

    def __init__(self, names: Names, *, login: str | None = None, reply: int = 0) -> None:
        self._names = names
        self._login = login
        self._reply = reply
        self.asked: list[tuple[str, int]] = []
        self.seen = bytearray()
        super().__init__()

    def handle(self, client: socket.socket) -> None:
        _, count = _exactly(client, 2)
        methods = _exactly(client, count)
        method = 2 if self._login else 0
        client.sendall(bytes([5, method if method in methods else 0xFF]))
        if method not in methods:
            return
        if self._login:
            user = _exactly(client, _exactly(client, 2)[1])
            password = _exactly(client, _exactly(client, 1)[0])
            is_right = b"%s:%s" % (user, password) == self._login.encode()
            client.sendall(bytes([1, not is_right]))
            if not is_right:
                return
        _, _, _, kind = _exactly(client, 4)
        assert kind == 3, "a name, not an address: the proxy looks it up"
        host = _exactly(client, _exactly(client, 1)[0]).decode()
        (port,) = struct.unpack("!H", _exactly(client, 2))
        self.asked.append((host, port))
        target = self._names.get((host, port))
        reply = self._reply or (0 if target else 4)
        client.sendall(bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if target and not reply:
            self._pump(client, target, seen=self.seen)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionAbortedError
        data += more
    return data
