"""Which addresses may be asked."""

from __future__ import annotations

import pytest

from rmm_widgets.downloads.fetcher.origins import Origin, check_endpoint, origin_of, refusal, refused_peer

HUB = Origin("https", "hub.example", 443)
PLAIN = Origin("http", "hub.example", 80)
NEAR = Origin("http", "127.0.0.1", 8000)

GOOD_ENDPOINTS = [
    "https://hub.example",
    "http://127.0.0.1:80",
    "http://[::1]:8080",
    "https://hub.example/mirror",
    "http://localhost:1",
    "https://hub.example:8443/a/b",
]
BAD_ENDPOINTS = [
    "",
    "hub.example",
    "//hub.example",
    "file:///etc/passwd",
    "ftp://hub.example",
    "javascript:alert(1)",
    "https://",
    "https://user@hub.example",
    "https://user:secret@hub.example",
    "https://:secret@hub.example",
    "http://hub.example:x",
    "http://hub.example:99999",
    "https://hub.example?x=1",
    "https://hub.example#x",
    "https://hub example",
    "https://hub.example\n",
    "http://[::1",
    "data:text/plain,x",
    "https://h\u00fcb.example",
    "https:///path",
    "HTTPS://",
    "https://hub.example/\x7f",
    "unix:///run/socket",
]


@pytest.mark.parametrize("url", GOOD_ENDPOINTS)
def test_S9_endpoints_that_may_be_used(url: str) -> None:
    assert check_endpoint(url + "/") == url


@pytest.mark.parametrize("url", BAD_ENDPOINTS)
def test_S9_endpoints_that_may_not(url: str) -> None:
    with pytest.raises(ValueError):
        check_endpoint(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/x?Signature=y",
        "https://hub.example/other",
        "https://cdn.example:8443/",
        "https://1.2.3.4/x",
    ],
)
def test_S9_redirects_that_are_followed(url: str) -> None:
    assert refusal(url, came_from=HUB, home=HUB) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example/x",
        "file:///etc/passwd",
        "ftp://cdn.example/x",
        "gopher://cdn.example",
        "data:,x",
        "javascript:x",
        "https://user:pw@cdn.example/",
        "https://user@cdn.example/",
        "https://127.0.0.1/",
        "https://127.8.9.1/",
        "https://localhost/",
        "https://x.localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://0.0.0.0/",
        "https://0/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://017700000001/",
        "https://127.0.0.1./",
        "https://localhost./",
        "https://LOCALHOST/",
        "https://[::]/",
        "https://[::ffff:169.254.169.254]/",
        "ws://cdn.example/",
        "https:cdn.example",
        "https://",
        "https://cdn.example:port/",
        "https://cdn.example/a b",
        "https://cdn.example/\r\nX-Evil: 1",
        "\x00",
        "https://[bad/",
    ],
)
def test_S9_redirects_that_are_refused(url: str) -> None:
    assert refusal(url, came_from=HUB, home=HUB)


def test_S9_a_hub_on_this_machine_may_redirect_on_this_machine() -> None:
    assert refusal("http://127.0.0.1:9000/x", came_from=NEAR, home=NEAR) is None
    assert refusal("http://127.0.0.1:9000/x", came_from=PLAIN, home=PLAIN)


def test_S9_a_name_that_stands_for_this_machine_is_noticed_once_connected() -> None:
    elsewhere = Origin("https", "innocent.example", 443)
    for address in ("127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"):
        assert refused_peer(address, elsewhere, HUB)
        assert refused_peer(address, HUB, HUB) is None, "the user chose this one"
        assert refused_peer(address, elsewhere, NEAR) is None
    assert refused_peer("93.184.216.34", elsewhere, HUB) is None


def test_S11_an_origin_is_scheme_host_and_port() -> None:
    home = origin_of("https://hub.example/a")
    assert home == origin_of("https://HUB.example:443/b?c")
    for other in (
        "http://hub.example/",
        "https://hub.example:444/",
        "https://cdn.hub.example/",
        "https://hub.example.evil/",
    ):
        assert origin_of(other) != home
