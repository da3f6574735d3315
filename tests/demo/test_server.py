"""The demo hub as a server: addresses, ranges, counting, start and stop."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import threading
from pathlib import Path

import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.demo.messages import UnsatisfiableRangeError, parse_range
from rmm_widgets.demo.server import DemoHub

from .raw_client import cdn_address, request

REPO = "rmm-demo/blob"


def test_resolve_headers_of_a_small_file(hub: DemoHub):
    content = (MODELS_DIR / "vit-digits" / "config.json").read_bytes()
    url = f"{hub.url}/rmm-demo/vit-digits/resolve/main/config.json"
    for method, body in (("GET", content), ("HEAD", b"")):
        got = request(url, method=method)
        assert (got.status, got.body) == (200, body)
        assert got.headers["content-length"] == str(len(content))
        assert got.headers["x-repo-commit"] == hub.commit("vit-digits")
        assert got.headers["accept-ranges"] == "bytes"
        blob = b"blob %d\0" % len(content) + content
        assert got.headers["etag"] == f'"{hashlib.sha1(blob).hexdigest()}"'


def test_resolve_headers_of_a_large_file(hub: DemoHub):
    content = (MODELS_DIR / "vit-digits" / "model.safetensors").read_bytes()
    digest = f'"{hashlib.sha256(content).hexdigest()}"'
    for method in ("GET", "HEAD"):
        sent = request(f"{hub.url}/rmm-demo/vit-digits/resolve/main/model.safetensors", method=method)
        assert (sent.status, sent.body) == (302, b"")
        assert sent.headers["x-repo-commit"] == hub.commit("vit-digits")
        assert sent.headers["x-linked-etag"] == digest
        assert sent.headers["x-linked-size"] == str(len(content))
        assert sent.headers["location"].startswith(hub.cdn_url)
        got = request(sent.headers["location"], method=method)
        assert (got.status, got.headers["etag"]) == (200, digest)
        assert got.headers["content-length"] == str(len(content))


def test_addresses_at_the_cdn_are_signed_and_expire(hub: DemoHub):
    address = cdn_address(hub.url, "rmm-demo/vit-digits", "model.safetensors")
    assert request(address).status == 200
    assert request(address.partition("?")[0]).status == 403
    assert request(address.replace("vit-digits", "yolos-shapes")).status == 403
    assert request(address.replace("Expires=", "Expires=9")).status == 403
    assert request(address.replace("Signature=", "Signature=%C3%A9")).status == 403
    hub.url_lifetime = -10
    assert request(cdn_address(hub.url, "rmm-demo/vit-digits", "model.safetensors")).status == 403


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
    ],
)
def test_ranges(value: str | None, expected: tuple[int, int] | None):
    assert parse_range(value, 100) == expected


@pytest.mark.parametrize(
    ("value", "size"), [("bytes=100-", 100), ("bytes=500-600", 100), ("bytes=0-", 0), ("bytes=-0", 9)]
)
def test_impossible_ranges(value: str, size: int):
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(value, size)


def test_ranges_over_http(empty_hub: DemoHub):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    content = rng.randbytes(200_000)
    empty_hub.add(REPO, {"model.bin": content, "empty.bin": b""})
    address = cdn_address(empty_hub.url, REPO, "model.bin")
    for _ in range(30):
        start = rng.randrange(len(content))
        stop = rng.randrange(start, len(content)) + 1
        got = request(address, Range=f"bytes={start}-{stop - 1}")
        assert (got.status, got.body) == (206, content[start:stop])
        assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(content)}"
    beyond = request(address, Range="bytes=200000-")
    assert (beyond.status, beyond.headers["content-range"], beyond.body) == (416, "bytes */200000", b"")
    etag = request(address, method="HEAD").headers["etag"]
    assert request(address, Range="bytes=5-9", If_Range=etag).status == 206
    assert request(address, Range="bytes=5-9", If_Range='"other"').status == 200
    assert request(cdn_address(empty_hub.url, REPO, "empty.bin")).body == b""


def test_counting_is_exact(hub: DemoHub):
    address = cdn_address(hub.url, "rmm-demo/vit-digits", "model.safetensors")
    hub.reset_log()
    for start in range(0, 5000, 1000):
        request(address, Range=f"bytes={start}-{start + 999}", Authorization="Bearer hf_member")
        # The log must be right the moment the client has its bytes.
        assert hub.bytes_sent("rmm-demo/vit-digits", "model.safetensors") == start + 1000
    request(f"{hub.url}/rmm-demo/vit-digits/resolve/main/config.json", method="HEAD")
    assert [(each.method, each.origin, each.range, each.status) for each in hub.requests[3:]] == [
        ("GET", "cdn", "bytes=3000-3999", 206),
        ("GET", "cdn", "bytes=4000-4999", 206),
        ("HEAD", "hub", None, 200),
    ]
    assert [each.authorized for each in hub.requests] == [True] * 5 + [False]
    assert [each.bytes_sent for each in hub.requests] == [1000] * 5 + [0]
    assert hub.count(method="GET") == 5
    assert hub.count(repo="rmm-demo/vit-digits", path="*.safetensors", origin="cdn", status=206) == 5
    assert hub.bytes_sent() == 5000
    assert hub.bytes_sent("rmm-demo/blip-shapes") == 0


def test_one_connection_serves_many_requests(hub: DemoHub):
    host, port = hub.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    local = set()
    for path in ("/api/models", "/nothing", "/rmm-demo/vit-digits/resolve/main/config.json", "/api/whoami-v2"):
        connection.request("GET", path)
        connection.getresponse().read()
        local.add(connection.sock.getsockname() if connection.sock else None)
    assert len(local) == 1
    connection.close()


def test_large_files_come_from_disk(empty_hub: DemoHub, tmp_path: Path):
    path = tmp_path / "big.safetensors"
    path.write_bytes(random.Random(7).randbytes(1 << 20) * 24)
    empty_hub.add(REPO, {"model.safetensors": path})
    got = request(cdn_address(empty_hub.url, REPO, "model.safetensors"))
    assert hashlib.sha256(got.body).hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert empty_hub.bytes_sent(path="*") == path.stat().st_size


def test_an_update_leaves_the_old_commit_readable(empty_hub: DemoHub):
    first = empty_hub.add(REPO, {"model.bin": b"old weights", "config.json": b"{}"})
    old_address = cdn_address(empty_hub.url, REPO, "model.bin")
    second = empty_hub.update(REPO, {"model.bin": b"new weights"})
    assert first != second == empty_hub.commit(REPO)
    assert request(cdn_address(empty_hub.url, REPO, "model.bin")).body == b"new weights"
    assert request(cdn_address(empty_hub.url, REPO, "model.bin", first)).body == b"old weights"
    assert request(old_address).body == b"old weights"
    empty_hub.remove(REPO)
    assert request(f"{empty_hub.url}/{REPO}/resolve/main/config.json").status == 401


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a\\b", "C:x", "a//b", "nul", ""])
def test_impossible_file_names_are_refused(empty_hub: DemoHub, name: str):
    with pytest.raises(ValueError, match="path"):
        empty_hub.add(REPO, {name: b""})
    assert empty_hub.repo_ids == ()


def test_start_and_stop_leave_nothing_behind(no_leaks: None):
    for _ in range(5):
        hub = DemoHub({"blob": {"model.bin": b"x" * 100_000}}).start()
        clients = [socket.create_connection(("127.0.0.1", int(hub.url.rpartition(":")[2]))) for _ in range(4)]
        assert request(cdn_address(hub.url, REPO, "model.bin")).status == 200
        with pytest.raises(RuntimeError, match="runs already"):
            hub.start()
        hub.stop()
        hub.stop()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("rmm-demo")]
        for client in clients:
            client.close()
        with pytest.raises(RuntimeError, match="does not run"):
            _ = hub.url


def test_stop_ends_a_slow_transfer_and_start_serves_again(no_leaks: None):
    hub = DemoHub({"blob": {"model.bin": bytes(1_000_000)}}).start()
    address = cdn_address(hub.url, REPO, "model.bin")
    hub.rate = 1000
    client = threading.Thread(target=request, args=(address,))
    client.start()
    while not hub.bytes_sent(path="model.bin"):
        client.join(0.01)
    hub.stop()
    client.join(timeout=20)
    assert not client.is_alive()
    hub.rate = None
    with hub:
        assert request(cdn_address(hub.url, REPO, "model.bin")).body == bytes(1_000_000)


def test_a_taken_port_is_an_error(hub: DemoHub, no_leaks: None):
    with pytest.raises(OSError, match="in use"):
        DemoHub(port=int(hub.url.rpartition(":")[2])).start()
