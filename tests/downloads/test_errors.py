"""Every way a Hub can refuse, at both entrances: the right error, what to do next, and nothing secret in it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, STRANGER_TOKEN, DemoHub
from rmm_widgets.errors import (
    DownloadError,
    GatedModelError,
    HubUnavailableError,
    IntegrityError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from rmm_widgets.hub import requests
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelInfo, ModelType

from .fetching import content, wait_until

FILE = "model.safetensors"
API = "/api/models/*"
REVISION = "0" * 39 + "a"
BAD_TOKEN = "hf_nobody0gave0this0token"
PAGE = {"Content-Type": "text/html; charset=utf-8"}
HTML = b"<html><body>Please log in to the network</body></html>"
BOTH = ("register", "download")
Prepare = Callable[[DemoHub], object]


class Case(NamedTuple):
    """What is wrong, and what must be said about it."""

    error: type[DownloadError]
    says: str
    hint: str
    prepare: Prepare = lambda hub: None
    repo: str = "open"
    revision: str | None = None
    token: str | bool = False
    endpoint: Callable[[DemoHub], str] = lambda hub: hub.url
    at: tuple[str, ...] = BOTH
    no_file: bool = True
    """True: it is recognised before the first byte of a file."""
    longest: float = 60.0


def fault(**fields: Any) -> Prepare:
    return lambda hub: hub.inject(Fault(**fields))


def refuse(hub: DemoHub) -> None:
    hub.offline = True


CASES = {
    "gated, no token": Case(GatedModelError, "is gated", "Visit {url}/rmm-demo/gated", repo="gated"),
    "gated, not on the list": Case(
        GatedModelError, "is gated", "Visit {url}/rmm-demo/gated", repo="gated", token=STRANGER_TOKEN
    ),
    "missing": Case(RepositoryNotFoundError, "no repository rmm-demo/missing", "hf auth login", repo="missing"),
    "missing, with a token": Case(
        RepositoryNotFoundError, "no repository rmm-demo/missing", "Check the name", repo="missing", token=MEMBER_TOKEN
    ),
    "private, no token": Case(RepositoryNotFoundError, "or it is private", "hf auth login", repo="private"),
    "private, a stranger": Case(
        RepositoryNotFoundError, "or it is private", "an account that may see it", repo="private", token=STRANGER_TOKEN
    ),
    "bad token": Case(HubUnavailableError, "does not accept the token", "Make a new token", token=BAD_TOKEN),
    "revision": Case(RevisionNotFoundError, "no branch, tag or commit 'v9'", "{url}/rmm-demo/open/tree", revision="v9"),
    "commit": Case(RevisionNotFoundError, REVISION, "{url}/rmm-demo/open/tree", revision=REVISION),
    "file missing": Case(
        HubUnavailableError, f"lists {FILE} but does not have it", "another revision",
        fault(path=FILE, status=404, error_code="EntryNotFound"), at=("download",), no_file=False,
    ),
    "disabled": Case(HubUnavailableError, "refuses access", "Visit {url}/rmm-demo/disabled", repo="disabled"),
    "403": Case(HubUnavailableError, "HTTP 403", "the token may not read it", fault(path=API, status=403)),
    "400": Case(HubUnavailableError, "HTTP 400", "wrong port", fault(path=API, status=400)),
    "418": Case(HubUnavailableError, "HTTP 418", "Try again later", fault(path=API, status=418)),
    "500": Case(HubUnavailableError, "HTTP 500", "try again", fault(path=API, status=500)),
    "503": Case(HubUnavailableError, "HTTP 503", "try again", fault(path=API, status=503)),
    "429": Case(
        HubUnavailableError, "HTTP 429 (1 try, which asks to wait 3600 s)", "Wait as long as the Hub asks",
        fault(path=API, status=429, retry_after=3600), longest=5.0,
    ),
    "429 of a file": Case(
        HubUnavailableError, "HTTP 429 (1 try, which asks to wait 3600 s)", "Wait as long as the Hub asks",
        fault(path=FILE, status=429, retry_after=3600), at=("download",), no_file=False,
    ),
    "refused port": Case(
        HubUnavailableError, "the connection was refused (3 tries)", "models on disk can be loaded", refuse,
        longest=20.0,
    ),
    "unknown name": Case(
        HubUnavailableError, "hub.invalid:80: the name cannot be resolved (3 tries)", "Check the network, the endpoint",
        endpoint=lambda hub: "http://hub.invalid",
    ),
    "TLS at a plain port": Case(
        HubUnavailableError, "does not speak TLS", "http://", endpoint=lambda hub: hub.url.replace("http", "https")
    ),
    "login page": Case(
        HubUnavailableError, "did not answer with", "login page", fault(path=API, body=HTML, headers=PAGE)
    ),
    "login page for a file": Case(
        HubUnavailableError, f"did not answer with {FILE} but with a web page", "login page",
        fault(path=FILE, body=HTML, headers=PAGE),
        at=("download",), no_file=False,
    ),
    "login page in disguise": Case(
        IntegrityError, FILE, "a proxy serves damaged files", fault(path=FILE, body=HTML),
        at=("download",), no_file=False,
    ),
    "JSON of something else": Case(
        HubUnavailableError, "did not answer with", "login page", fault(path=API, json={"hello": ["world"]})
    ),
    "JSON list": Case(HubUnavailableError, "did not answer with", "login page", fault(path=API, json=[1, 2])),
    "redirect to a file": Case(
        HubUnavailableError, "refused: it is not an http", "Check the endpoint", fault(path=API, redirect="file:///etc/passwd")
    ),
    "redirect with a login": Case(
        HubUnavailableError, "user name or password", "Check the endpoint",
        fault(path=API, redirect="http://user:hunter2@127.0.0.1/"),
    ),
    "redirect to a place that knows nothing": Case(
        HubUnavailableError, "to which the Hub redirects, answered HTTP 403", "Check the endpoint",
        lambda hub: hub.inject(Fault(path=API, redirect=f"{hub.cdn_url}/x?Signature=hunter2")),
    ),
    "redirects without end": Case(
        HubUnavailableError, "more than 10 times", "Check the endpoint", fault(path=API, redirect_loop=True)
    ),
    "storage that refuses": Case(
        HubUnavailableError, "refused the address that the Hub gave", "try again",
        fault(path=FILE, origin="cdn", status=403), at=("download",), no_file=False,
    ),
}  # fmt: skip
"""By name. The texts are parts of the message and of the hint."""


@pytest.fixture
def manager(
    no_leaks: None, empty_hub: DemoHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ModelManager]]:
    """Makes managers at a hub with an open, a gated, a private and a disabled repository."""
    quick = msgspec.structs.replace(requests.POLICY, first=0.01)
    monkeypatch.setattr(requests, "POLICY", quick)
    for name in ("open", "gated", "private", "disabled"):
        empty_hub.add(
            name,
            {FILE: content(100_000), "config.json": b"{}"},
            gated=name == "gated",
            private=name == "private",
            disabled=name == "disabled",
        )
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> ModelManager:
            given = {"cache_dir": tmp_path / "cache", "data_dir": tmp_path / "data"} | settings
            return stack.enter_context(ModelManager(**given))

        yield make


def everything_told(error: BaseException) -> str:
    """All that an error could show to somebody, also through what it is chained to."""
    told: list[str] = []
    seen: list[BaseException] = [error]
    for each in seen:
        told += [str(each), repr(each), repr(each.args), *getattr(each, "__notes__", [])]
        told.append(str(getattr(each, "hint", "")))
        told += [str(value) for value in vars(each).values()]
        seen += [link for link in (each.__cause__, each.__context__) if link is not None and link not in seen]
    return "\n".join(told)


def entrance(manager: ModelManager, at: str, case: Case) -> Any:
    """The job that must fail."""
    repo_id = f"rmm-demo/{case.repo}"
    if at == "register":
        # A gated repository can be described; what it is stands in its files only, and those are refused.
        return manager.register_from_hub(repo_id, model_id="mine", revision=case.revision)
    manager.register_model(ModelInfo("mine", ModelType.EMBEDDING_MODEL, repo_id, version=case.revision))
    return manager.download_model("mine")


def each_case() -> Iterator[Any]:
    for name, case in CASES.items():
        for at in case.at:
            is_slow = at == "download" and name in {"500", "503", "login page in disguise", "storage that refuses"}
            yield pytest.param(at, name, marks=[pytest.mark.slow] if is_slow else [], id=f"{at}-{name}")


@pytest.mark.parametrize(("at", "name"), list(each_case()))
def test_what_a_hub_refuses_is_told_well(
    manager: Callable[..., ModelManager], empty_hub: DemoHub, at: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    case = CASES[name]
    url = case.endpoint(empty_hub)
    mine = manager(endpoint=url, token=case.token)
    case.prepare(empty_hub)
    began = time.monotonic()
    error = entrance(mine, at, case).exception(case.longest)
    assert time.monotonic() - began < case.longest
    assert type(error) is case.error, error
    assert isinstance(error, DownloadError)
    assert case.says in error.message
    assert case.hint.format(url=url).lower() in error.hint.lower()
    assert error.model_id == "mine"
    shown = everything_told(error) + caplog.text + repr([repr(event) for event in mine.events(limit=1000)])
    for secret in (MEMBER_TOKEN, STRANGER_TOKEN, BAD_TOKEN, "Signature", "Key-Pair-Id", "hunter2", "<html"):
        assert secret not in shown
    if case.no_file:
        assert empty_hub.bytes_sent(path=FILE) == 0


def test_D17_a_hub_that_goes_away_in_a_download_is_waited_for(
    manager: Callable[..., ModelManager], empty_hub: DemoHub
) -> None:
    mine = manager(endpoint=empty_hub.url, token=False)
    empty_hub.update("open", {FILE: content(4 << 20)})
    empty_hub.rate = 2 << 20
    mine.register_model(ModelInfo("mine", ModelType.EMBEDDING_MODEL, "rmm-demo/open"))
    came = mine.download_model("mine")
    wait_until(lambda: (p := mine.get_download_progress("mine")) is not None and p.downloaded_bytes > 100_000)
    empty_hub.offline = True
    time.sleep(2.5)  # a first contact would be given up by now; that many tries cannot be seen from here
    assert not came.done()
    empty_hub.rate = None
    empty_hub.offline = False
    assert came.result(60).is_dir()
