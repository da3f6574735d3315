"""Downloads and inspection over TLS, with an authority that only the test knows. Real TLS on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, DemoHub
from rmm_widgets.errors import HubUnavailableError
from rmm_widgets.hub.catalogue import inspect

from .fetching import REPO, assert_intact, content, fetch_once, run, spec
from .fronts import Authority, TlsFront

FILES = {"model.safetensors": content(300_000), "config.json": b"{}"}
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
Ask = Callable[[str], Any]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fronts(no_leaks: None, empty_hub: DemoHub, authority: Authority) -> Iterator[tuple[TlsFront, TlsFront]]:
    """TLS in front of the hub and of its CDN."""
    empty_hub.add(REPO, FILES)
    ports = port_of(empty_hub.url), port_of(empty_hub.cdn_url)
    with TlsFront(ports[0], authority.server) as hub, TlsFront(ports[1], authority.server) as cdn:
        empty_hub.announce(hub.url, cdn.url)
        yield hub, cdn


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.fixture(params=["download", "inspect"])
def ask(request: pytest.FixtureRequest, no_leaks: None, empty_hub: DemoHub, cache: Path) -> Ask:
    """Either entrance, given an endpoint."""
    if request.param == "download":
        return lambda endpoint: run(spec(empty_hub, cache, endpoint=endpoint))
    return lambda endpoint: inspect(REPO, model_type="embedding_model", endpoint=endpoint, token=False)


def test_an_unknown_authority_is_refused_at_once(ask: Ask, fronts: tuple[TlsFront, TlsFront]) -> None:
    hub, _ = fronts
    with pytest.raises(HubUnavailableError, match=rf"certificate of 127\.0\.0\.1:{hub.port} is not trusted") as caught:
        ask(hub.url)
    assert "SSL_CERT_FILE" in caught.value.hint
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint
    assert hub.accepted == 1, "it would be refused every time"


@pytest.mark.parametrize(
    ("variable", "form"), [*[(name, "file") for name in VARIABLES[:3]], *[(name, "folder") for name in VARIABLES]]
)
def test_the_authority_may_be_named_by_any_variable(
    ask: Ask,
    fronts: tuple[TlsFront, TlsFront],
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    form: str,
) -> None:
    monkeypatch.setenv(variable, str(authority.file if form == "file" else authority.folder))
    assert ask(fronts[0].url)


@pytest.mark.parametrize("variable", VARIABLES[:3])
@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "nonsense"])
def test_a_bundle_that_cannot_be_used_is_named(
    ask: Ask,
    fronts: tuple[TlsFront, TlsFront],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    content: bytes | None,
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv(variable, str(bundle))
    with pytest.raises(HubUnavailableError, match=rf"{variable} names cannot be read: .*bundle\.pem"):
        ask(fronts[0].url)


def test_a_certificate_for_another_name_is_refused(
    ask: Ask, empty_hub: DemoHub, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with TlsFront(port_of(empty_hub.url), authority.other) as front:
        with pytest.raises(HubUnavailableError, match=r"certificate of 127\.0\.0\.1:\d+ is made out to another name"):
            ask(front.url)
        assert front.accepted == 1


def test_tls_at_a_plain_port_is_told_at_once(ask: Ask, empty_hub: DemoHub) -> None:
    with pytest.raises(HubUnavailableError, match=r"127\.0\.0\.1:\d+ does not speak TLS") as caught:
        ask(empty_hub.url.replace("http:", "https:"))
    assert "http://" in caught.value.hint
    assert empty_hub.requests == []


def test_plain_http_at_a_tls_port_is_told_at_once(ask: Ask, fronts: tuple[TlsFront, TlsFront]) -> None:
    hub, _ = fronts
    with pytest.raises(HubUnavailableError, match=rf"127\.0\.0\.1:{hub.port} speaks TLS, not plain HTTP") as caught:
        ask(hub.url.replace("https:", "http:"))
    assert "https://" in caught.value.hint
    assert hub.accepted == 2, "one request, and one look"


def test_S11_over_tls_the_token_goes_to_the_hub_and_nowhere_else(
    empty_hub: DemoHub,
    fronts: tuple[TlsFront, TlsFront],
    authority: Authority,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    asyncio.run(fetch_once(spec(empty_hub, cache, endpoint=fronts[0].url, token=MEMBER_TOKEN)))
    assert_intact(cache)
    assert {r.authorized for r in empty_hub.requests if r.origin == "hub"} == {True}
    assert {r.authorized for r in empty_hub.requests if r.origin == "cdn"} == {False}
    assert all(front.accepted for front in fronts), "both were asked over TLS"


def test_S9_a_hub_with_tls_may_not_lead_away_from_it(
    empty_hub: DemoHub,
    fronts: tuple[TlsFront, TlsFront],
    authority: Authority,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    empty_hub.announce(fronts[0].url, empty_hub.cdn_url)
    with pytest.raises(HubUnavailableError, match="from https to http"):
        run(spec(empty_hub, cache, endpoint=fronts[0].url))
    assert not [r for r in empty_hub.requests if r.origin == "cdn"]


@pytest.mark.usefixtures("quick_retries")
def test_D11_cuts_are_survived_over_tls_too(
    empty_hub: DemoHub,
    fronts: tuple[TlsFront, TlsFront],
    authority: Authority,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    empty_hub.inject(Fault(path="*.safetensors", origin="cdn", cut_after=50_000, times=3))
    empty_hub.inject(Fault(path="*.safetensors", origin="cdn", reset_after=50_000, times=1))
    assert run(spec(empty_hub, cache, endpoint=fronts[0].url)).fetched_bytes <= 300_002 + 50_000
    assert_intact(cache)


def test_a_name_tries_first_the_kind_of_address_that_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` has two addresses; the hub listens on one of them."""
    import socket

    from rmm_widgets.downloads.fetcher import dialing

    kinds = [socket.AF_INET6, socket.AF_INET]
    tried: list[int] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        addresses = {socket.AF_INET6: ("::1", port, 0, 0), socket.AF_INET: ("127.0.0.1", port)}
        return [(kind, socket.SOCK_STREAM, 6, "", addresses[kind]) for kind in kinds]

    class Socket(socket.socket):
        def connect(self, address: Any) -> None:
            tried.append(self.family)
            super().connect(address)

    monkeypatch.setattr(dialing, "_last_family", None)
    monkeypatch.setattr(dialing.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(dialing.socket, "socket", Socket)
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(2):
            began = time.monotonic()
            dialing.dial(("localhost", server.getsockname()[1]), 5.0).close()
            assert time.monotonic() - began < 5
    assert tried == [socket.AF_INET6, socket.AF_INET, socket.AF_INET]
