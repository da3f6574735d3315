"""Downloads through proxies. They are real; the hub has names that only the proxy knows, so nothing goes around it."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, DemoHub
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.errors import (
    DownloadCancelledError,
    DownloadStalledError,
    HubUnavailableError,
    RevisionNotFoundError,
)
from rmm_widgets.hub.catalogue import inspect

from .fetching import MIB, REPO, assert_intact, content, run, spec, wait_until
from .fronts import Authority, HttpProxy, LoopbackServer, Names, SocksProxy, TlsFront

pytestmark = pytest.mark.usefixtures("quick_retries")
SIZE = 300_000
FILE = "model.safetensors"
LOGIN = "us er:p@ss"
QUOTED_LOGIN = "us%20er:p%40ss"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle")


class Hubs(NamedTuple):
    """One hub under two addresses that only proxies know."""

    names: Names
    http: str = "http://hub.test"
    https: str = "https://hub.test"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


@pytest.fixture
def hubs(no_leaks: None, empty_hub: DemoHub, authority: Authority) -> Iterator[Hubs]:
    empty_hub.add(REPO, {FILE: content(SIZE), "config.json": b"{}"})
    hub, cdn = (int(url.rpartition(":")[2]) for url in (empty_hub.url, empty_hub.cdn_url))
    with TlsFront(hub, authority.server) as tls_hub, TlsFront(cdn, authority.server) as tls_cdn:
        yield Hubs(
            {
                ("hub.test", 80): hub,
                ("cdn.test", 80): cdn,
                ("hub.test", 443): tls_hub.port,
                ("cdn.test", 443): tls_cdn.port,
            }
        )


class Kind(NamedTuple):
    """A kind of proxy: how it is named, and how it is made."""

    scheme: str
    make: Callable[..., HttpProxy | SocksProxy]
    needs: str = ""

    def address(self, proxy: LoopbackServer, login: str = "") -> str:
        return f"{self.scheme}://{login}{'@' if login else ''}127.0.0.1:{proxy.port}"


KINDS = {
    "http": Kind("http", lambda names, authority, **options: HttpProxy(names, **options)),
    "https": Kind("https", lambda names, authority, **options: HttpProxy(names, tls=authority.server, **options)),
    "socks5": Kind("socks5", lambda names, authority, **options: SocksProxy(names, **options), "socksio"),
    "socks5h": Kind("socks5h", lambda names, authority, **options: SocksProxy(names, **options), "socksio"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    kind = KINDS[request.param]
    if kind.needs:
        pytest.importorskip(kind.needs)
    return kind


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest, hubs: Hubs, empty_hub: DemoHub) -> str:
    """Of the hub's address."""
    empty_hub.announce(f"{request.param}://hub.test", f"{request.param}://cdn.test")
    return request.param


@contextlib.contextmanager
def proxied(
    kind: Kind, hubs: Hubs, authority: Authority, monkeypatch: pytest.MonkeyPatch, given: str = "", **options: object
) -> Iterator[HttpProxy | SocksProxy]:
    with kind.make(hubs.names, authority, **options) as proxy:
        for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(variable, kind.address(proxy, given))
        yield proxy


@pytest.mark.parametrize("login", ["", LOGIN])
def test_everything_goes_through_the_proxy(
    kind: Kind,
    scheme: str,
    hubs: Hubs,
    empty_hub: DemoHub,
    authority: Authority,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    login: str,
) -> None:
    endpoint = f"{scheme}://hub.test"
    with proxied(kind, hubs, authority, monkeypatch, QUOTED_LOGIN if login else "", login=login) as proxy:
        assert inspect(REPO, model_type="embedding_model", endpoint=endpoint, token=MEMBER_TOKEN).model_id == "model"
        run(spec(empty_hub, cache, endpoint=endpoint, token=MEMBER_TOKEN))
        assert_intact(cache)
    assert {r.authorized for r in empty_hub.requests if r.origin == "hub"} == {True}
    assert {r.authorized for r in empty_hub.requests if r.origin == "cdn"} == {False}
    assert (MEMBER_TOKEN.encode() in proxy.seen) is (scheme == "http"), "TLS keeps the token from the proxy"
    if isinstance(proxy, SocksProxy):
        port = {"http": 80, "https": 443}[scheme]
        assert set(proxy.asked) == {("hub.test", port), ("cdn.test", port)}
    else:
        method = "CONNECT hub.test:443" if scheme == "https" else "GET http://hub.test/api/models/"
        assert any(head.startswith(method) for head in proxy.heads)
        secret = b64encode(LOGIN.encode()).decode()
        assert all((f"Basic {secret}" in head) is bool(login) for head in proxy.heads)
    assert b"Proxy-Authorization" not in proxy.seen or login, "and only to the proxy"


def test_a_proxy_that_wants_another_login_is_told_at_once(
    kind: Kind, scheme: str, hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for login in ("", "us%20er:wrong"):
        with proxied(kind, hubs, authority, monkeypatch, login, login=LOGIN) as proxy:
            with pytest.raises(HubUnavailableError, match=rf"127\.0\.0\.1:{proxy.port} does not accept") as caught:
                run(spec(empty_hub, cache, endpoint=f"{scheme}://hub.test"))
            assert "USER:PASSWORD" in caught.value.hint
            assert "wrong" not in f"{caught.value} {caught.value.hint} {caught.value.__context__}"
            assert proxy.accepted == 1
    assert empty_hub.requests == []


@pytest.mark.parametrize("status", [403, 502])
def test_a_proxy_that_does_not_connect_is_named(
    hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    for kind in (KINDS["http"], KINDS["https"]):
        with proxied(kind, hubs, authority, monkeypatch, status=status) as proxy:
            told = rf"he proxy 127\.0\.0\.1:{proxy.port} does not connect to hub\.test:443 \(HTTP {status}\)"
            with pytest.raises(HubUnavailableError, match=told) as caught:
                run(spec(empty_hub, cache, endpoint=hubs.https))
            assert caught.value.hint
            assert proxy.accepted == (1 if status == 403 else 6), "what may pass is tried again"


def test_a_socks_proxy_that_does_not_connect_is_named(
    hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("socksio")
    with proxied(KINDS["socks5"], hubs, authority, monkeypatch, reply=5) as proxy:
        told = rf"proxy 127\.0\.0\.1:{proxy.port} does not connect to hub\.test:443"
        with pytest.raises(HubUnavailableError, match=told):
            run(spec(empty_hub, cache, endpoint=hubs.https))


def test_D16_a_proxy_that_fails_now_and_then_is_survived(
    hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_hub.announce(hubs.http, "http://cdn.test")
    empty_hub.inject(Fault(status=502, times=3))
    empty_hub.inject(Fault(path=FILE, origin="cdn", cut_after=100_000, times=2))
    with proxied(KINDS["http"], hubs, authority, monkeypatch):
        run(spec(empty_hub, cache, endpoint=hubs.http))
    assert_intact(cache)


def test_a_proxy_that_is_down_is_told_soon(
    kind: Kind, scheme: str, hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with proxied(kind, hubs, authority, monkeypatch) as proxy:
        pass
    told = rf"the proxy 127\.0\.0\.1:{proxy.port}: the connection was refused \(3 tries\)"
    with pytest.raises(HubUnavailableError, match=told) as caught:
        run(spec(empty_hub, cache, endpoint=f"{scheme}://hub.test"))
    assert "NO_PROXY" in caught.value.hint


def test_no_proxy_is_honoured(
    hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org,hub.test")
    with proxied(KINDS["http"], hubs, authority, monkeypatch) as proxy:
        with pytest.raises(HubUnavailableError, match=r"hub\.test:80: the name cannot be resolved"):
            run(spec(empty_hub, cache, endpoint=hubs.http))
        assert proxy.accepted == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_asked_without_a_proxy(
    hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    endpoint = empty_hub.url.replace("127.0.0.1", host)
    with proxied(KINDS["http"], hubs, authority, monkeypatch) as proxy:
        assert inspect(REPO, model_type="embedding_model", endpoint=endpoint, token=False)
        run(spec(empty_hub, cache, endpoint=endpoint))
        assert proxy.accepted == 0


def test_one_variable_for_all(
    hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_hub.announce(hubs.https, "https://cdn.test")
    with HttpProxy(hubs.names) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{proxy.port}")  # as curl takes it, without http://
        run(spec(empty_hub, cache, endpoint=hubs.https))
        assert proxy.accepted
    assert_intact(cache)


@pytest.mark.parametrize("value", ["ftp://u:secret@proxy.test:1", "http://", "http://u:secret@proxy.test:port", "://"])
def test_a_setting_that_names_no_proxy_is_refused_and_not_shown(
    empty_hub: DemoHub, cache: Path, monkeypatch: pytest.MonkeyPatch, no_leaks: None, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(HubUnavailableError, match="The proxy that is set for https cannot be used") as caught:
        run(spec(empty_hub, cache, endpoint="https://hub.test"))
    assert "HTTPS_PROXY" in caught.value.hint
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_without_the_library_for_socks_the_line_to_install_it_is_told(
    empty_hub: DemoHub, cache: Path, monkeypatch: pytest.MonkeyPatch, no_leaks: None
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(HubUnavailableError, match="socksio is missing") as caught:
        run(spec(empty_hub, cache, endpoint="https://hub.test"))
    assert "pip install socksio" in caught.value.hint


# -- the same care, whatever carries the bytes -------------------------------------------------------


@pytest.fixture
def carried(
    kind: Kind, hubs: Hubs, empty_hub: DemoHub, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of a hub with TLS, to be had through each kind of proxy."""
    empty_hub.announce(hubs.https, "https://cdn.test")
    with proxied(kind, hubs, authority, monkeypatch):
        yield hubs.https


def test_D2_ranges_and_cuts_through_a_proxy(carried: str, empty_hub: DemoHub, cache: Path) -> None:
    size = 70 * MIB
    empty_hub.update(REPO, {FILE: content(size)})
    empty_hub.inject(Fault(path=FILE, origin="cdn", cut_after=MIB, times=3))
    run(spec(empty_hub, cache, endpoint=carried))
    assert_intact(cache)
    asked = [r for r in empty_hub.requests if r.origin == "cdn" and r.file == FILE]
    assert len([r for r in asked if r.range]) == len(asked) > 3


def test_D15_stalls_through_a_proxy_end_in_time(carried: str, empty_hub: DemoHub, cache: Path) -> None:
    for fault in (Fault(path=FILE, origin="cdn", stall_after=0), Fault(path=FILE, origin="cdn", rate=50)):
        empty_hub.clear_faults()
        empty_hub.inject(fault)
        began = time.monotonic()
        with pytest.raises(DownloadStalledError):
            run(spec(empty_hub, cache, endpoint=carried, stall_timeout=1.0))
        assert time.monotonic() - began < 20


def test_D18_a_download_through_a_proxy_can_be_cancelled_while_it_waits(
    carried: str, empty_hub: DemoHub, cache: Path
) -> None:
    empty_hub.inject(Fault(path=FILE, origin="cdn", stall_after=1000))
    transfer = Transfer(spec(empty_hub, cache, endpoint=carried), lambda _: None)
    ended: list[BaseException] = []

    def go() -> None:
        try:
            transfer.run()
        except DownloadCancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    wait_until(lambda: empty_hub.bytes_sent(path=FILE) == 1000)
    transfer.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert ended
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("rmm-demo-cdn-connection")])


def test_S9_redirects_through_a_proxy_are_looked_at(carried: str, empty_hub: DemoHub, cache: Path) -> None:
    for target, reason in (
        ("http://cdn.test/x", "from https to http"),
        ("https://127.0.0.1/x", "to this machine"),
        ("file:///etc/passwd", "not an http"),
    ):
        empty_hub.clear_faults()
        empty_hub.inject(Fault(path="/api/*", redirect=target))
        with pytest.raises(HubUnavailableError, match=reason):
            run(spec(empty_hub, cache, endpoint=carried))


def test_answers_without_a_body_keep_the_connection(carried: str, empty_hub: DemoHub, cache: Path) -> None:
    with pytest.raises(RevisionNotFoundError):
        run(spec(empty_hub, cache, endpoint=carried, revision="v9"))
    run(spec(empty_hub, cache, endpoint=carried, connections=1))
    assert_intact(cache)


def test_a_certificate_nobody_knows_is_refused_behind_a_proxy(
    kind: Kind, hubs: Hubs, empty_hub: DemoHub, authority: Authority, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with proxied(kind, hubs, authority, monkeypatch) as proxy:
        with pytest.raises(HubUnavailableError, match=r"certificate of hub\.test:443 .*is not trusted"):
            run(spec(empty_hub, cache, endpoint=hubs.https))
        assert proxy.accepted == 1
