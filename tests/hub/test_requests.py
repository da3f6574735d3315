"""How long a request is tried again, and the words for what went wrong."""

from __future__ import annotations

import pytest
from huggingface_hub.utils import httpx

from rmm_widgets.errors import HubUnavailableError
from rmm_widgets.hub.failures import hub_error, hub_host, hub_url
from rmm_widgets.hub.requests import with_retries


def test_pauses_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("rmm_widgets.hub.requests.time.sleep", pauses.append)

    def fail() -> None:
        raise httpx.ConnectError("no route to a host with ?Signature=abc")

    for _ in range(10):
        with pytest.raises(HubUnavailableError) as caught:
            with_retries(fail, endpoint="http://127.0.0.1:1")
        assert "Signature" not in f"{caught.value} {caught.value.__notes__}"
    rounds = [pauses[start : start + 3] for start in range(0, len(pauses), 3)]
    assert len(rounds) == 10
    assert len({tuple(each) for each in rounds}) == 10
    assert all(0.1 < first < 0.5 and 0.2 < second < 1 and 0.5 < third < 2 for first, second, third in rounds)


def test_a_request_that_succeeds_later_is_worth_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmm_widgets.hub.requests.time.sleep", lambda _: None)
    outcomes = iter([httpx.ReadTimeout("late"), httpx.RemoteProtocolError("cut"), 42])

    def request() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert with_retries(request) == 42


def test_mistakes_are_not_repeated() -> None:
    calls: list[int] = []

    def request() -> None:
        calls.append(1)
        raise KeyError("id")

    with pytest.raises(HubUnavailableError, match="makes no sense"):
        with_retries(request)
    assert calls == [1]


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (None, "huggingface.co"),
        ("https://hub.example/", "hub.example"),
        ("http://user:secret@127.0.0.1:80/sub", "127.0.0.1:80"),
        ("nonsense", "the Hub"),
    ],
)
def test_hosts_are_shown_without_credentials(endpoint: str | None, host: str) -> None:
    assert hub_host(endpoint) == host
    assert not hub_url(endpoint).endswith("/")
    shown = hub_error(RuntimeError("secret"), endpoint=endpoint)
    assert "secret" not in f"{shown} {shown.__notes__}"


def test_errors_of_ours_stay_what_they_are() -> None:
    error = HubUnavailableError("x")
    assert hub_error(error) is error
