"""`freeze` and `sync` against a real hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import LockFileError, LockMismatchError
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook.display import DOCUMENTS, job_document

from .custom import Echo

DIGITS = "rmm-demo/vit-digits"


@pytest.fixture
def other(manager: ModelManager, hub: DemoHub, tmp_path: Path) -> Iterator[Context]:
    """Another machine."""
    with ModelManager(endpoint=hub.url, cache_dir=tmp_path / "cache-2", data_dir=tmp_path / "data-2") as second:
        yield Context(manager=second, table=TABLE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    place = tmp_path / "my class"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def test_freeze_here_and_sync_there(context: Context, other: Context, folder: Path, echo: Echo) -> None:
    execute_line(context, f"add {DIGITS}")
    result = execute_line(context, "freeze")
    assert result.text == "Wrote rmm.lock: 1 model. Not in it, because they are your own objects: echo."
    assert result.value == Path("rmm.lock")
    with pytest.raises(LockMismatchError) as caught:
        execute_line(other, "sync --check")
    assert "vit-digits: it is not registered" in str(caught.value)
    assert "%rmm sync rmm.lock" in caught.value.hint
    assert not caught.value.report.ok
    result = execute_line(other, "sync --wait")
    assert "registered, downloaded" in result.text
    assert "1 model as rmm.lock says." in result.text
    assert DOCUMENTS[type(result.value)](result.value) == result.document, "notebooks show the value"
    assert execute_line(other, "sync --check").value.ok
    assert "as locked" in execute_line(other, "sync --check").html


def test_a_path_may_be_given(context: Context, other: Context, folder: Path) -> None:
    execute_line(context, f"add {DIGITS}")
    execute_line(context, "freeze 'week 1.lock'")
    assert (folder / "week 1.lock").exists()
    job = execute_line(other, "sync 'week 1.lock'").value
    assert job.kind == "sync"
    assert job.result(60).ok
    assert "as week 1.lock says" in job_document(job).caption
    with pytest.raises(LockFileError, match=r"rmm\.lock cannot be read"):
        execute_line(other, "sync --check")
    with pytest.raises(LockFileError, match="cannot be written"):
        execute_line(context, "freeze no/such/folder.lock")


def test_a_check_names_each_model_and_what_differs(
    context: Context, other: Context, folder: Path, hub: DemoHub
) -> None:
    for name in ("vit-digits", "minilm-toy"):
        execute_line(context, f"add rmm-demo/{name}")
    execute_line(context, "freeze")
    execute_line(other, "sync --wait")
    path = other.manager.download_model("minilm-toy").result(60)
    (path / "config.json").unlink()
    execute_line(other, "config vit-digits top_k=2")
    with pytest.raises(LockMismatchError) as caught:
        execute_line(other, "sync --check")
    assert "minilm-toy: 1 file is missing (config.json)" in str(caught.value)
    assert "vit-digits: it has other settings: top_k" in str(caught.value)
    hub.remove("rmm-demo/minilm-toy")
    with pytest.raises(LockMismatchError) as caught:
        execute_line(other, "sync --wait")
    assert "RepositoryNotFoundError" in str(caught.value)
    assert "vit-digits" not in str(caught.value), "it is as locked now"
    job = execute_line(other, "sync").value
    assert job.exception(60) is not None
    assert "RepositoryNotFoundError" in job_document(job).text


def test_views_do_not_wait(context: Context, other: Context, folder: Path) -> None:
    execute_line(context, f"add {DIGITS}")
    execute_line(context, "freeze")
    view = Context(manager=other.manager, table=TABLE, may_wait=False)
    assert not execute_line(view, "sync --check").value.result(60).ok
    assert execute_line(view, "sync --wait").value.result(60).ok
