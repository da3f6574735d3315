"""The token goes to the hub and nowhere else; what is written is for the user only."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import RMMError
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelEvent

from ..canary import CANARY
from ..downloads.fetching import wait_until
from .models import PROCESSES, info


@pytest.fixture
def endpoint(no_leaks: None, hub: DemoHub) -> str:
    hub.tokens[CANARY] = True
    folder = MODELS_DIR / "vit-digits"
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    hub.add("rmm-demo/secret", files, private=True)
    return hub.url


def digits(model_id: str, repo_id: str) -> Any:
    return msgspec.structs.replace(info(model_id, repo_id=repo_id), model_type="classification_model")


def files_with(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def processes_with(text: str) -> list[str]:
    """Command lines and environments of this process's children that hold a text."""
    found: list[str] = []
    for child in psutil.Process().children(recursive=True):
        found += [f"argv of {child.cmdline()}"] if text in str(child.cmdline()) else []
        found += [f"environment of {child.cmdline()}"] if text in str(child.environ()) else []
    return found


@pytest.mark.parametrize("given", ["setting", "environment"])
def test_S10_the_token_is_nowhere_but_at_the_hub(
    make_manager: Callable[..., ModelManager],
    hub: DemoHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    given: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    before = psutil.Process().children(recursive=True)
    monkeypatch.setenv("HF_TOKEN", CANARY)
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", CANARY)
    manager = make_manager(token=CANARY if given == "setting" else True)
    events: list[ModelEvent] = []
    said: list[str] = []
    manager.add_event_listener(events.append)

    jobs: list[Any] = [manager.register_from_hub("rmm-demo/secret", model_type="classification_model")]
    said.append(repr(jobs[0].result(60)))
    jobs.append(manager.download_model("secret", lambda progress: said.append(repr(progress))))
    jobs[-1].result(60)
    jobs.append(manager.load_model("secret"))
    instance = jobs[-1].result(60)
    assert len(set(psutil.Process().children(recursive=True)) - set(before)) == PROCESSES
    assert processes_with(CANARY) == []

    manager.register_model(info("gone", repo_id="rmm-demo/gone"))
    for failing in (manager.download_model("gone"), manager.register_from_hub("rmm-demo/gone", model_id="other")):
        jobs.append(failing)
        error = failing.exception(60)
        assert isinstance(error, RMMError)
        said += [repr(error), str(error), error.hint, *getattr(error, "__notes__", [])]

    said += [repr(manager), repr(instance), repr(manager.get_state()), repr(manager.describe_all()), repr(jobs)]
    said += [repr(event) for event in events + manager.events(limit=1000)]
    said += [repr(manager._engine.settings), caplog.text]
    asked = [request for request in hub.requests if request.origin == "hub" and request.repo == "rmm-demo/secret"]
    assert asked
    assert all(request.authorized for request in asked)
    assert not any(request.authorized for request in hub.requests if request.origin == "cdn")
    manager.close()
    assert [text for text in said if CANARY in text] == []
    assert files_with(tmp_path, CANARY.encode()) == []


def test_an_endpoint_of_ones_own_gets_no_ambient_token(
    make_manager: Callable[..., ModelManager], hub: DemoHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", CANARY)
    manager = make_manager(token=None)
    manager.register_from_hub("rmm-demo/vit-digits").result(60)
    manager.download_model("vit-digits").result(60)
    assert hub.requests
    assert not any(request.authorized for request in hub.requests)


def test_S12_what_is_written_is_for_the_user_only(make_manager: Callable[..., ModelManager], tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        manager = make_manager()
        manager.register_model(digits("digits", "rmm-demo/vit-digits"))
        manager.load_model("digits").result(60)
        wait_until(lambda: len(list((tmp_path / "data" / "logs").iterdir())) == 1)
        manager.close()
    finally:
        os.umask(before)
    data = tmp_path / "data"
    modes = {path: path.stat().st_mode & 0o777 for path in [data, *data.rglob("*")]}
    assert len(modes) > 3
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
