"""Where a token goes, and who is warned about it. Real hubs; the other host listens on another name of this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, DemoHub
from rmm_widgets.downloads import precautions
from rmm_widgets.errors import DownloadError, HubUnavailableError
from rmm_widgets.hub.catalogue import inspect
from rmm_widgets.manager import ModelManager

from .fetching import REPO, content, run, spec
from .fronts import Authority, TlsFront

FILE = "model.safetensors"


@pytest.fixture
def other(no_leaks: None) -> Iterator[DemoHub]:
    """A hub that would like to have the token."""
    with DemoHub() as other:
        other.add(REPO, {FILE: content(1000, 2)})
        yield other


@pytest.fixture(params=["plain", "tls"])
def hubs(
    request: pytest.FixtureRequest,
    empty_hub: DemoHub,
    other: DemoHub,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[str, str]]:
    """The addresses of the hub and of the other one."""
    empty_hub.add(REPO, {FILE: content(1000)})
    if request.param == "plain":
        yield empty_hub.url, other.url
        return
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    ports = [int(hub.url.rpartition(":")[2]) for hub in (empty_hub, other)]
    with TlsFront(ports[0], authority.server) as front, TlsFront(ports[1], authority.server) as other_front:
        yield front.url, other_front.url


ENTRANCES: dict[str, Callable[..., Any]] = {
    "inspect": lambda hub, cache, endpoint: inspect(
        REPO, model_type="embedding_model", endpoint=endpoint, token=MEMBER_TOKEN
    ),
    "download": lambda hub, cache, endpoint: run(spec(hub, cache, endpoint=endpoint, token=MEMBER_TOKEN)),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["port", "host"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_S11_a_redirect_to_another_origin_takes_no_token_along(
    empty_hub: DemoHub, other: DemoHub, hubs: tuple[str, str], cache: Path, entrance: str, host: str, status: int
) -> None:
    target = hubs[1].replace("127.0.0.1", host)
    for path, where in (("/api/*", f"{target}/api/models/{REPO}"), (FILE, f"{target}/{REPO}/resolve/main/{FILE}")):
        empty_hub.clear_faults()
        empty_hub.inject(Fault(path=path, origin="hub", redirect=where, status=status))
        try:
            ENTRANCES[entrance](empty_hub, cache, hubs[0])
        except DownloadError:
            pass  # what the other one gives may or may not be believed
    assert other.requests
    assert not any(request.authorized for request in other.requests)
    assert all(request.authorized for request in empty_hub.requests if request.origin == "hub")


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_S11_nobody_is_asked_for_a_token_elsewhere(
    empty_hub: DemoHub, other: DemoHub, hubs: tuple[str, str], cache: Path, entrance: str
) -> None:
    for scheme in ("Bearer", "Basic", "Digest"):
        challenge = f'{scheme} realm="{hubs[1]}/token",service="hub",scope="repository:x:pull"'
        headers = {"WWW-Authenticate": challenge, "Link": f'<{hubs[1]}/api/models>; rel="next"'}
        empty_hub.clear_faults()
        empty_hub.inject(Fault(path="/api/*", status=401, headers=headers))
        with pytest.raises(HubUnavailableError, match="does not accept the token"):
            ENTRANCES[entrance](empty_hub, cache, hubs[0])
    assert other.requests == []


# -- warnings ----------------------------------------------------------------------------------------


@pytest.fixture
def warnings(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> Callable[[], list[str]]:
    """What was warned about, in a process that has not warned yet and whose login lies in `tmp_path`."""
    monkeypatch.setattr(precautions, "_warned", set())
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "stored_tokens"))
    caplog.set_level(logging.WARNING, "rmm_widgets")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "rmm_widgets"]


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
@pytest.mark.parametrize("name", ["token", "stored_tokens"])
def test_S12_a_login_that_others_can_read_is_warned_about_once(
    hub: DemoHub, tmp_path: Path, warnings: Callable[[], list[str]], name: str, mode: int, is_open: bool
) -> None:
    (tmp_path / "token").write_text("hf_anything")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / name).write_text("hf_anything")
    (tmp_path / name).chmod(mode)
    hub.tokens["hf_anything"] = True
    for _ in range(3):
        inspect("rmm-demo/vit-digits", endpoint=hub.url, token=True)
    expected = f"Other users can read your Hub token. Run: chmod 600 '{tmp_path / name}'"
    assert warnings() == ([expected] if is_open else [])


def test_S12_a_login_that_is_not_used_is_not_looked_at(
    hub: DemoHub, tmp_path: Path, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("hf_anything")
    (tmp_path / "token").chmod(0o644)
    inspect("rmm-demo/vit-digits", endpoint=hub.url, token=False)
    monkeypatch.setenv("HF_TOKEN", MEMBER_TOKEN)
    inspect("rmm-demo/vit-digits", endpoint=hub.url, token=True)
    assert warnings() == []


def test_S12_a_download_warns_too(
    no_leaks: None, hub: DemoHub, tmp_path: Path, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(MEMBER_TOKEN)
    (tmp_path / "token").chmod(0o644)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with ModelManager(
        endpoint=hub.url, cache_dir=tmp_path / "cache", data_dir=tmp_path / "data", token=True
    ) as manager:
        manager.register_from_hub("rmm-demo/vit-digits").result(60)
        manager.download_model("vit-digits").result(60)
    (tmp_path / "token").unlink()
    assert [text for text in warnings() if "chmod 600" in text] == warnings() != []
    assert len(warnings()) == 1


@pytest.mark.parametrize(
    ("endpoint", "is_open"),
    [
        ("http://hub.invalid", True),
        ("http://192.0.2.1:8080", True),
        ("http://localhost.hub.invalid", True),
        ("https://hub.invalid", False),
        ("http://127.0.0.1:9", False),
        ("http://localhost:9", False),
        ("http://[::1]:9", False),
    ],
)
def test_S9_plain_http_is_warned_about_once(endpoint: str, is_open: bool, warnings: Callable[[], list[str]]) -> None:
    for _ in range(3):
        precautions.before_asking(endpoint, has_token=True)
    told = warnings()
    assert len(told) == int(is_open)
    assert all("plain http" in text and "the token too" in text for text in told)
