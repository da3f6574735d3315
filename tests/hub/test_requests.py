"""How long a small request is tried again, and what it does not show. Real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import HubUnavailableError
from rmm_widgets.hub import requests
from rmm_widgets.hub.requests import HubRequests, hub_url


@pytest.fixture
def hub(no_leaks: None, empty_hub: DemoHub) -> Iterator[DemoHub]:
    empty_hub.add("org/a", {"a.txt": b"0123456789"})
    return empty_hub


def test_a_request_that_succeeds_later_is_worth_the_wait(hub: DemoHub) -> None:
    for fault in ({"status": 503}, {"cut_after": 5}, {"reset_after": 0}):
        hub.inject(Fault(path="/api/*", times=1, **fault))
    assert HubRequests(hub.url, False).get_json("api/models", {}, len) == 1
    times = [request.time for request in hub.requests]
    assert len(times) == 4
    assert times[3] - times[0] > 0.5 * 7 * requests.POLICY.first - 0.1, "the pauses grow"


def test_what_makes_no_sense_is_asked_once(hub: DemoHub) -> None:
    def parse(answer: object) -> None:
        raise KeyError("secret")

    with pytest.raises(HubUnavailableError, match="did not answer with what a Hub says") as caught:
        HubRequests(hub.url, False, model_id="mine").get_json("api/models", {}, parse)
    assert caught.value.model_id == "mine"
    assert caught.value.__context__ is caught.value.__cause__ is None
    assert hub.count() == 1


def test_a_file_is_read_to_its_limit_and_no_further(hub: DemoHub) -> None:
    reader = HubRequests(hub.url, False, repo_id="org/a")
    assert reader.get_file("a.txt", "main", limit=10) == b"0123456789"
    assert reader.get_file("a.txt", "main", limit=4) == b"0123"
    hub.update("org/a", {"large.txt": bytes(64 << 20)})
    assert reader.get_file("large.txt", "main", limit=100) == bytes(100)
    assert hub.bytes_sent(path="large.txt") < 32 << 20


def test_D15_an_answer_that_trickles_is_left_after_a_while(hub: DemoHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "LONGEST", 0.3)
    monkeypatch.setattr(requests, "POLICY", msgspec.structs.replace(requests.POLICY, tries=2, first=0.01))
    hub.inject(Fault(path="/api/*", rate=20))
    with pytest.raises(HubUnavailableError, match="too slowly"):
        HubRequests(hub.url, False).get_json("api/models", {}, len)
    assert hub.count() == 2


def test_D17_a_hub_that_is_not_there_is_told_soon(hub: DemoHub) -> None:
    hub.offline = True
    began = time.monotonic()
    with pytest.raises(HubUnavailableError, match=r"the connection was refused \(3 tries\)") as caught:
        HubRequests(hub.url, False, repo_id="org/a").get_json("api/models/org/a", {}, len)
    assert "models on disk" in caught.value.hint
    policy = requests.POLICY
    longest = sum(policy.wait(n, asked=None, chance=1.0, hasty=True) or 0 for n in range(1, 4))
    assert longest <= 2.0
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (None, "huggingface.co"),
        ("https://hub.example/", "hub.example"),
        ("http://user:secret@127.0.0.1:80/sub", "127.0.0.1:80"),
    ],
)
def test_hosts_are_shown_without_credentials(endpoint: str | None, host: str) -> None:
    assert HubRequests(endpoint, False).host == host
    assert not hub_url(endpoint).endswith("/")


@pytest.mark.parametrize("endpoint", ["nonsense", "http://user:secret@127.0.0.1:80", "file:///etc/passwd", "http://["])
def test_S9_an_endpoint_that_cannot_be_used_is_refused_and_not_shown(endpoint: str) -> None:
    with pytest.raises(HubUnavailableError, match="endpoint cannot be used") as caught:
        HubRequests(endpoint, False).get_json("api/models", {}, len)
    assert "secret" not in f"{caught.value} {caught.value.__notes__}"
