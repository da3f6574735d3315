"""What a cell shows for jobs: a bar while a kernel can draw one, a line otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmm_widgets.commands.render import Message
from rmm_widgets.commands.spec import JobListing
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import display
from rmm_widgets.notebook.display import job_mimebundle, jobs_mimebundle
from rmm_widgets.notebook.publishers import publisher_of

from ..commands.custom import Echo, info
from .conftest import LONG, RecordingComm

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, front_end: object) -> None:
    """As in a Jupyter kernel."""
    monkeypatch.setattr(display, "has_front_end", lambda: True)


def test_a_running_job_is_one_widget_however_often_it_is_shown(
    kernel: None, manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    echo.gate.clear()
    job = manager.download_model("echo")
    first, again = job_mimebundle(job), job_mimebundle(job)
    assert first[VIEW] == again[VIEW]
    assert len(comms) == 1
    assert jobs_mimebundle(JobListing([job, job], Message("")))[VIEW]
    echo.gate.set()
    job.result(LONG)
    assert VIEW not in job_mimebundle(job)
    assert job_mimebundle(job)["text/plain"].startswith("echo: downloaded")


def test_without_a_front_end_build_it_is_a_line(
    kernel: None, manager: ModelManager, echo: Echo, front_end: object, comms: list[RecordingComm]
) -> None:
    from rmm_widgets.notebook import bundles

    assert isinstance(front_end, Path)
    (front_end / "progress.js").unlink()
    bundles.read_bundle.cache_clear()
    echo.gate.clear()
    job = manager.download_model("echo")
    shown = job_mimebundle(job)
    echo.gate.set()
    job.result(LONG)
    assert set(shown) == {"text/plain", "text/html"}
    assert comms == []
    assert not publisher_of(manager).running


def test_an_error_is_a_line_with_its_hint(manager: ModelManager, echo: Echo) -> None:
    echo.fails_with = "<b>bad</b> weights"
    job = manager.load_model("echo")
    job.exception(LONG)
    shown = job_mimebundle(job)
    assert "<b>bad</b> weights" in shown["text/plain"]
    assert "<b>" not in shown["text/html"]


def test_results_of_searches_and_checks_are_shown(manager: ModelManager) -> None:
    search = manager.search_hub("minilm")
    search.result(LONG)
    assert "rmm-demo/minilm-toy" in job_mimebundle(search)["text/plain"]
    added = manager.register_from_hub("rmm-demo/minilm-toy")
    added.result(LONG)
    assert job_mimebundle(added)["text/plain"].startswith("minilm-toy: registered, embedding_model")
    manager.download_model("minilm-toy").result(LONG)
    check = manager.verify_model("minilm-toy")
    check.result(LONG)
    assert "are as published" in job_mimebundle(check)["text/plain"]


def test_a_job_shows_the_manager_that_started_it(
    kernel: None, manager: ModelManager, tmp_path: Path, comms: list[RecordingComm]
) -> None:
    with ModelManager(data_dir=tmp_path / "other") as other:
        echo = Echo(info("only-here"))
        other.register_model(info("only-here"), model=echo)
        echo.gate.clear()
        job = other.download_model("only-here")
        assert job.owner is other
        assert VIEW in job_mimebundle(job)
        assert [row["id"] for row in comms[0].state()["_rows"]] == ["only-here"]
        echo.gate.set()
        job.result(LONG)
