"""A Hub that is never the bottleneck: nginx serves the repositories as static files on the loopback address.

It answers what huggingface_hub and the fetcher ask (description, tree, `resolve` with the Hub's headers);
curl gets the same addresses. nginx cannot wait, so latency is added by a small asyncio server of our own,
which keeps its (small) files in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from rmm_widgets.demo import documents
from rmm_widgets.demo.repositories import Commit, Repositories, Repository

_CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    etag off;
    map_hash_max_size 16384;
    map_hash_bucket_size 256;
    map $uri $content_hash {{
{hashes}
    }}
    server {{
        listen 127.0.0.1:{port};
        {limit}
        root {folder}/root;
        location /api/ {{ default_type application/json; }}
        location / {{
            default_type application/octet-stream;
            add_header X-Repo-Commit {commit};
            add_header ETag "\\"$content_hash\\"";
        }}
    }}
}}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def described(repo_id: str, files: Mapping[str, Path]) -> tuple[Repository, Commit]:
    """A repository of these files, and its only commit."""
    repositories = Repositories()
    oid = repositories.put(repo_id, files)
    repository = repositories.get(repo_id)
    assert repository is not None
    return repository, repository.commits[oid]


@contextlib.contextmanager
def nginx_hub(repo_id: str, files: Mapping[str, Path], *, rate: str = "") -> Iterator[str]:
    """Serve one repository; gives the endpoint.

    Args:
        rate: nginx's `limit_rate` for each connection, for example "20m"; empty for none.
    """
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        raise SystemExit("This measurement needs nginx: apt-get install nginx-light")
    repository, commit = described(repo_id, files)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), _free_port()
        folder.chmod(0o755)
        _lay_out(folder / "root", repository, commit)
        hashes = "\n".join(f'        "{resolved(repo_id, commit, path)}" {f.etag};' for path, f in commit.files.items())
        configuration = _CONFIGURATION.format(
            folder=folder, port=port, commit=commit.oid, hashes=hashes, limit=f"limit_rate {rate};" if rate else ""
        )
        (folder / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + configuration)
        process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def resolved(repo_id: str, commit: Commit, path: str) -> str:
    """Where a file is, below the endpoint."""
    return f"/{repo_id}/resolve/{commit.oid}/{path}"


def _lay_out(root: Path, repository: Repository, commit: Commit) -> None:
    for url, document in documents_of(repository, commit).items():
        target = root / url.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document))
    for path, file in commit.files.items():
        target = root / resolved(repository.repo_id, commit, path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(file.source if isinstance(file.source, Path) else "/dev/null")


def documents_of(repository: Repository, commit: Commit) -> dict[str, object]:
    """What the endpoint says about a repository, by path."""
    api = f"/api/models/{repository.repo_id}"
    description = documents.model_document(repository, commit, blobs=True)
    listing = documents.tree_document(commit, "", recursive=True, expand=False)
    found: dict[str, object] = {f"{api}/revision/{revision}": description for revision in ("main", commit.oid)}
    return found | {f"{api}/tree/{revision}": listing for revision in ("main", commit.oid)}


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit("nginx did not start")


@contextlib.contextmanager
def slow_hub(repo_id: str, files: Mapping[str, Path], *, latency: float) -> Iterator[str]:
    """Serve one repository of small files from memory, each answer `latency` seconds late; gives the endpoint."""
    repository, commit = described(repo_id, files)
    bodies = {url: (json.dumps(document).encode(), "") for url, document in documents_of(repository, commit).items()}
    for path, file in commit.files.items():
        bodies[quote(resolved(repo_id, commit, path))] = (file.read(), file.etag)
    heads = {
        url: (
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nX-Repo-Commit: {commit.oid}\r\n"
            f'ETag: "{etag}"\r\nContent-Type: application/json\r\n\r\n'
        ).encode()
        for url, (body, etag) in bodies.items()
    }
    loop = asyncio.new_event_loop()

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self._transport = transport
            self._received = b""

        def data_received(self, data: bytes) -> None:
            self._received += data
            while b"\r\n\r\n" in self._received:
                head, _, self._received = self._received.partition(b"\r\n\r\n")
                method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
                loop.call_later(latency, self._answer, method, urlsplit(target).path)

        def _answer(self, method: str, path: str) -> None:
            if path not in bodies:
                self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return
            self._transport.write(heads[path] + (b"" if method == "HEAD" else bodies[path][0]))

    server = loop.run_until_complete(loop.create_server(Connection, "127.0.0.1", 0, backlog=512))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
