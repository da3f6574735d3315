"""What people see of downloads that wait, have stopped, or are looked at file by file."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import CommandResult, Context, Listing
from rmm_widgets.commands.views import ordinal, progress_text
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InvalidCommandError
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelDownloadProgress

from ..downloads.fetching import MIB, content, wait_until
from ..manager.models import info

Run = Callable[[str], CommandResult]
SIZE = 4 * MIB


@pytest.fixture
def run(context: Context) -> Run:
    return lambda line: execute_line(context, line)


@pytest.fixture
def models(manager: ModelManager, hub: DemoHub) -> list[str]:
    """Three models on a slow hub, one download at a time."""
    manager.max_concurrent_downloads = 1
    names = ["one", "two", "three"]
    for seed, name in enumerate(names):
        hub.add(f"rmm-demo/{name}", {"model.safetensors": content(SIZE, seed), "config.json": b"{}"})
        manager.register_model(info(name, repo_id=f"rmm-demo/{name}"))
    hub.rate = MIB
    return names


def moving(manager: ModelManager, name: str) -> bool:
    progress = manager.get_download_progress(name)
    return progress is not None and progress.downloaded_bytes > MIB // 4


def test_queue_shows_the_order_and_changes_it(run: Run, manager: ModelManager, models: list[str]) -> None:
    assert run("queue").text == "No download runs or waits."
    run("download one two three")
    result = run("queue")
    assert isinstance(result.value, Listing)
    assert [(each.model_id, each.position) for each in result.value] == [("one", 0), ("two", 1), ("three", 2)]
    assert "queued, 2nd" in run("status three").text
    assert "three is 1st now." in run("queue three --to 1").text
    assert [each["model_id"] for each in json.loads(run("queue --json").value)] == ["one", "three", "two"]
    assert "queued, 1st" in run("status").text
    assert "one: it does not wait." in run("queue one --to 1").text
    for line in ("queue three", "queue --to 1", "queue three --to 0"):
        with pytest.raises(InvalidCommandError):
            run(line)
    for name in models:
        manager.cancel_download(name)


def test_cancel_with_discard_says_what_it_freed(run: Run, manager: ModelManager, models: list[str]) -> None:
    assert run("cancel one --discard").text == "one: nothing to discard."
    job = run("download one").value
    wait_until(lambda: moving(manager, "one"))
    assert "kept" in run("cancel one").text
    assert job.exception(30) is not None
    for line in ("ls", "status one", "info one"):
        assert "partial" in run(line).text
    kept = manager.describe("one").partial_bytes
    assert json.loads(run("ls --json").value)[0]["partial_bytes"] == kept
    told = run("cancel one --discard").text
    assert told.startswith("Discarded what was fetched of one, ")
    assert told.endswith(" freed.")
    assert manager.describe("one").partial_bytes == 0
    assert "partial" not in run("status one").text


def test_status_with_files_lists_them(run: Run, manager: ModelManager, models: list[str], hub: DemoHub) -> None:
    assert run("status one --files").text == "Its files are not known before its download has begun."
    with pytest.raises(InvalidCommandError, match="one model"):
        run("status --files")
    job = run("download one").value
    wait_until(lambda: moving(manager, "one"))
    text = run("status one --files").text
    assert "model.safetensors" in text
    assert "downloading" in text
    hub.rate = None
    job.result(60)
    files = json.loads(run("status one --files --json").value)
    assert [(each["path"], each["state"]) for each in files] == [("config.json", "done"), ("model.safetensors", "done")]


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")]
)
def test_places_are_words(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_a_phase_says_what_it_waits_for() -> None:
    waiting = ModelDownloadProgress(
        model_id="m", phase="waiting_for_other", progress=99.9, downloaded_bytes=2000, total_bytes=4000
    )
    assert progress_text(waiting) == "another program is downloading it, 99 %, 2.0 kB of 4.0 kB"
