"""Every fault does what it says, seen by a raw client."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub

from .raw_client import Response, cdn_address, request

REPO = "rmm-demo/blob"
CONTENT = hashlib.shake_256(b"content").digest(300_000)
SMALL = b'{"small": true}'


@pytest.fixture
def loaded(empty_hub: DemoHub) -> DemoHub:
    empty_hub.add(REPO, {"model.bin": CONTENT, "config.json": SMALL, "README.md": b"# blob"})
    return empty_hub


def get(hub: DemoHub, **headers: str) -> Response:
    return request(cdn_address(hub.url, REPO, "model.bin"), **headers)


def everything(url: str) -> tuple[int, bytes]:
    """The declared length of an answer, and what really came until the server closed."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.lower().partition(b"content-length:")[2].split()[0]), body


def test_without_faults_the_content_comes(loaded: DemoHub):
    whole = get(loaded)
    assert (whole.status, whole.body, whole.error) == (200, CONTENT, None)
    part = get(loaded, Range="bytes=1000-1999")
    assert (part.status, part.body) == (206, CONTENT[1000:2000])
    assert part.headers["content-range"] == "bytes 1000-1999/300000"


def test_latency(loaded: DemoHub):
    loaded.inject(Fault(path="config.json", latency=0.3))
    began = time.monotonic()
    assert request(f"{loaded.url}/{REPO}/resolve/main/config.json").body == SMALL
    assert time.monotonic() - began >= 0.3


def test_rate_of_one_connection(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", origin="cdn", rate=500_000))
    began = time.monotonic()
    assert get(loaded, Range="bytes=0-199999").body == CONTENT[:200_000]
    assert time.monotonic() - began >= 0.4


def test_rate_of_the_whole_hub_is_shared(loaded: DemoHub):
    address = cdn_address(loaded.url, REPO, "model.bin")
    loaded.rate = 1_000_000
    bodies: list[bytes] = []
    threads = [threading.Thread(target=lambda: bodies.append(request(address).body)) for _ in range(2)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [CONTENT, CONTENT]
    assert time.monotonic() - began >= 0.55


def test_cut(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", cut_after=123_456, times=1))
    cut = get(loaded)
    assert cut.headers["content-length"] == "300000"
    assert cut.body == CONTENT[:123_456]
    assert isinstance(cut.error, http.client.IncompleteRead)
    assert loaded.bytes_sent(path="model.bin") == 123_456
    assert get(loaded).body == CONTENT


def test_reset(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", reset_after=100_000, times=1))
    broken = get(loaded)
    assert broken.body == CONTENT[:100_000]
    assert isinstance(broken.error, ConnectionResetError)
    loaded.inject(Fault(path="config.json", method="HEAD", reset_after=0, times=1))
    assert request(f"{loaded.url}/{REPO}/resolve/main/config.json", method="HEAD").status == 200


def test_stall_ends_with_the_client_or_the_hub(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", stall_after=50_000))
    for _ in range(2):
        connection = http.client.HTTPConnection(loaded.cdn_url.removeprefix("http://"), timeout=30)
        connection.request("GET", cdn_address(loaded.url, REPO, "model.bin").removeprefix(loaded.cdn_url))
        reply = connection.getresponse()
        assert reply.read(50_000) == CONTENT[:50_000]
        connection.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            reply.read(1)
        reply.close()
        connection.close()
    waiting = threading.Thread(target=get, args=(loaded,))
    waiting.start()
    while loaded.count(origin="cdn", status=200) < 3:
        time.sleep(0.005)
    loaded.stop()
    waiting.join(timeout=20)
    assert not waiting.is_alive()


@pytest.mark.parametrize("position", [0, 65_535, 65_536, 299_999])
def test_flipped_byte(loaded: DemoHub, position: int):
    loaded.inject(Fault(path="model.bin", flip_at=position, times=1))
    assert get(loaded, Range=f"bytes={position + 1}-{position + 9}").body == CONTENT[position + 1 : position + 10]
    wrong = get(loaded, Range=f"bytes={max(0, position - 10)}-")
    expected = bytearray(CONTENT)
    expected[position] ^= 0xFF
    assert wrong.body == bytes(expected[max(0, position - 10) :])
    assert wrong.error is None
    assert get(loaded).body == CONTENT


def test_short_body(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", truncate_to=70_000, times=1))
    honest = get(loaded)
    assert (honest.headers["content-length"], honest.body, honest.error) == ("70000", CONTENT[:70_000], None)
    loaded.inject(Fault(path="model.bin", truncate_to=70_000, content_length="original", times=1))
    lying = get(loaded)
    assert (lying.headers["content-length"], lying.body) == ("300000", CONTENT[:70_000])
    assert isinstance(lying.error, http.client.IncompleteRead)


def test_long_body(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", extra_bytes=100_000, times=1))
    honest = get(loaded)
    assert honest.headers["content-length"] == "400000"
    assert honest.body == CONTENT + bytes(100_000)
    loaded.inject(Fault(path="model.bin", extra_bytes=1000, content_length="absent", times=1))
    open_ended = get(loaded)
    assert "content-length" not in open_ended.headers
    assert open_ended.body == CONTENT + bytes(1000)
    loaded.inject(Fault(path="model.bin", extra_bytes=1000, content_length="original", times=1))
    declared, body = everything(cdn_address(loaded.url, REPO, "model.bin"))
    assert declared == len(CONTENT)
    assert body == CONTENT + bytes(1000)


def test_endless_body_ends_when_the_client_goes(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", extra_bytes=1 << 50, content_length="absent"))
    connection = http.client.HTTPConnection(loaded.cdn_url.removeprefix("http://"), timeout=30)
    connection.request("GET", cdn_address(loaded.url, REPO, "model.bin").removeprefix(loaded.cdn_url))
    reply = connection.getresponse()
    assert reply.read(2_000_000)[-1_000_000:] == bytes(1_000_000)
    reply.close()
    connection.close()


def test_gzip_body_and_bomb(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", gzip=True, times=1))
    packed = get(loaded)
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == CONTENT
    loaded.inject(Fault(path="config.json", gzip=True, extra_bytes=50_000_000, times=1))
    bomb = request(f"{loaded.url}/{REPO}/resolve/main/config.json")
    assert len(bomb.body) < 100_000
    assert len(gzip.decompress(bomb.body)) == len(SMALL) + 50_000_000


def test_ignored_moved_and_refused_ranges(loaded: DemoHub):
    loaded.inject(Fault(path="model.bin", origin="cdn", ignore_range=True, times=1))
    ignored = get(loaded, Range="bytes=1000-")
    assert (ignored.status, ignored.body) == (200, CONTENT)
    loaded.inject(Fault(path="model.bin", origin="cdn", shift_range=-10, times=1))
    moved = get(loaded, Range="bytes=1000-1999")
    assert (moved.status, moved.body) == (206, CONTENT[990:1990])
    assert moved.headers["content-range"] == "bytes 990-1989/300000"
    loaded.inject(Fault(path="model.bin", origin="cdn", headers={"Content-Range": "bytes 0-9/10"}, times=1))
    lying = get(loaded, Range="bytes=1000-1999")
    assert (lying.headers["content-range"], lying.body) == ("bytes 0-9/10", CONTENT[1000:2000])
    loaded.inject(Fault(path="model.bin", origin="cdn", status=416, times=1))
    assert get(loaded, Range="bytes=1000-1999").status == 416


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_status_with_headers(loaded: DemoHub, status: int):
    loaded.inject(Fault(path="config.json", status=status, error_code="GatedRepo", retry_after=7, times=1))
    refused = request(f"{loaded.url}/{REPO}/resolve/main/config.json")
    assert refused.status == status
    assert refused.headers["retry-after"] == "7"
    assert refused.headers["x-error-code"] == "GatedRepo"
    assert json.loads(refused.body)["error"]
    assert request(f"{loaded.url}/{REPO}/resolve/main/config.json").body == SMALL


def test_redirects(loaded: DemoHub):
    url = f"{loaded.url}/{REPO}/resolve/main/config.json"
    for target in ("http://169.254.169.254/latest", "file:///etc/passwd", "//other.example/x"):
        loaded.inject(Fault(path="config.json", redirect=target, times=1))
        sent = request(url)
        assert (sent.status, sent.headers["location"], sent.body) == (302, target, b"")
    loaded.inject(Fault(path="config.json", redirect="/moved", status=307, times=1))
    assert request(url).status == 307
    loaded.inject(Fault(path="config.json", redirect_loop=True, times=20))
    for _ in range(20):
        sent = request(url)
        assert sent.headers["location"] == url
    assert request(url).body == SMALL
    address = cdn_address(loaded.url, REPO, "model.bin")
    loaded.inject(Fault(origin="cdn", redirect_loop=True, times=1))
    assert request(address).headers["location"] == address


def test_hostile_headers_json_and_bodies(loaded: DemoHub):
    loaded.inject(
        Fault(path="model.bin", origin="hub", headers={"X-Linked-Etag": '"../../../x"', "Accept-Ranges": None})
    )
    head = request(f"{loaded.url}/{REPO}/resolve/main/model.bin", method="HEAD")
    assert head.headers["x-linked-etag"] == '"../../../x"'
    assert "accept-ranges" not in head.headers

    def climb(document: dict[str, object]) -> dict[str, object]:
        return {**document, "siblings": [{"rfilename": "../../etc/passwd"}]}

    api = f"{loaded.url}/api/models/{REPO}"
    loaded.inject(Fault(path="/api/*", json=climb, times=1))
    assert json.loads(request(api).body)["siblings"] == [{"rfilename": "../../etc/passwd"}]
    loaded.inject(Fault(path="/api/*", json=["not", "a", "model"], times=1))
    assert json.loads(request(api).body) == ["not", "a", "model"]
    loaded.inject(Fault(path="/api/*", json=None, times=1))
    assert json.loads(request(api).body) is None
    loaded.inject(Fault(path="/api/*", body=b"<html>Please log in to the hotel's network</html>", times=1))
    assert b"hotel" in request(api).body
    assert json.loads(request(api).body)["id"] == REPO


def test_which_answers_a_fault_takes(loaded: DemoHub):
    url = f"{loaded.url}/{REPO}/resolve/main/config.json"
    late = loaded.inject(Fault(path="config.json", status=500, skip=2, times=1))
    early = loaded.inject(Fault(path="*/resolve/*", method="GET", status=503, times=1))
    assert [request(url).status for _ in range(4)] == [503, 200, 500, 200]
    assert (late.used, early.used) == (1, 1)
    body = loaded.inject(Fault(cut_after=10))
    assert request(url, method="HEAD").status == 200
    assert cdn_address(loaded.url, REPO, "model.bin")
    assert request(f"{loaded.url}/{REPO}/resolve/main/nothing").error is None
    assert get(loaded, Range="bytes=0-8").error is None
    assert body.used == 0
    loaded.clear_faults()
    assert request(url).error is None


def test_hub_down_and_offline(loaded: DemoHub):
    url = f"{loaded.url}/{REPO}/resolve/main/config.json"
    loaded.down = True
    assert request(url).status == 503
    loaded.down = False
    assert request(url).body == SMALL
    for _ in range(3):
        loaded.offline = True
        assert loaded.offline
        with pytest.raises(ConnectionRefusedError):
            request(url)
        loaded.offline = False
        assert request(url).body == SMALL


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_impossible_speeds_are_refused(loaded: DemoHub, value: float):
    with pytest.raises(ValueError, match="rate is"):
        loaded.rate = value
    assert loaded.rate is None
    if value != 0:
        with pytest.raises(ValueError, match="latency is"):
            loaded.latency = value
    assert loaded.latency == 0
