"""Every command, run against a real manager."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from rmm_widgets import errors
from rmm_widgets.commands.dispatch import execute, execute_line, parse_cell
from rmm_widgets.commands.job_views import job_document
from rmm_widgets.commands.render import to_text
from rmm_widgets.commands.spec import CommandResult, Context, JobListing, Listing
from rmm_widgets.commands.table import TABLE
from rmm_widgets.disk_records import DiskUsage, PruneReport
from rmm_widgets.errors import InvalidCommandError, LoadError, ModelNotRegisteredError, RMMError
from rmm_widgets.file_records import VerifyReport
from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime.job import Job
from rmm_widgets.types import ModelHealth, ModelInfo, ModelInstance, ModelStatus, Statistics

from .custom import Echo, info

LONG = 60.0


@pytest.fixture
def run(context: Context) -> Callable[[str], CommandResult]:
    return lambda line: execute_line(context, line)


def interrupt_when_waiting() -> None:
    """Interrupt the main thread once it is deep inside `wait_for`."""

    def is_waiting() -> bool:
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        names = [each.f_code.co_name for each, _ in traceback.walk_stack(frame)]
        return "wait_for" in names and names[0] == "wait"

    eventually(is_waiting)
    os.kill(os.getpid(), signal.SIGINT)


Run = Callable[[str], CommandResult]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ls_lists_descriptions(run: Run, echo: Echo) -> None:
    result = run("ls")
    assert isinstance(result.value, Listing)
    assert [each.info.model_id for each in result.value] == ["echo"]
    assert "classification_model" in result.text
    assert "<table" in result.html


def test_an_empty_registry_says_what_to_do(run: Run) -> None:
    result = run("ls")
    assert result.value == []
    assert "%rmm add" in result.text


def test_json_is_what_it_says(run: Run, echo: Echo) -> None:
    result = run("ls --json")
    (model,) = json.loads(result.value)
    assert model["info"]["model_id"] == "echo"
    assert repr(result.value) == str(result.value) == result.text
    assert json.loads(run("stats --json").value)["total_models"] == 1
    assert json.loads(run("info echo --json").value)["status"] == "not_downloaded"
    assert json.loads(run("events --json").value)[0]["model_id"] == "echo"


def test_info_shows_what_is_known(run: Run, echo: Echo) -> None:
    result = run("info echo")
    assert result.value.info.description == "says it again"
    assert "custom/echo" in result.text


def test_load_with_wait_gives_the_instance_and_binds_it(run: Run, echo: Echo, context: Context) -> None:
    instance = run("load echo --wait --as model").value
    assert isinstance(instance, ModelInstance)
    assert instance("hello") == "hello"
    assert context.namespace is not None
    assert context.namespace["model"] is instance


def test_load_without_wait_gives_the_job_and_binds_when_it_ends(run: Run, echo: Echo, context: Context) -> None:
    echo.gate.clear()
    job = run("load echo --as model").value
    assert isinstance(job, Job)
    assert context.namespace == {}
    echo.gate.set()
    instance = job.result(LONG)
    eventually(lambda: context.namespace == {"model": instance})


def test_a_load_that_fails_binds_nothing(run: Run, echo: Echo, context: Context) -> None:
    echo.fails_with = "no such weights"
    with pytest.raises(LoadError, match="no such weights"):
        run("load echo --wait --as model")
    assert context.namespace == {}
    assert "no such weights" in run("status echo").text


def test_a_bad_name_or_setting_changes_nothing(run: Run, echo: Echo, manager: ModelManager) -> None:
    for line in ("load echo --as not-a-name", "load echo novalue", "load echo a=1 a=2", "config echo novalue"):
        with pytest.raises(InvalidCommandError):
            run(line)
    assert manager.get_model_status("echo") is ModelStatus.NOT_DOWNLOADED


def test_as_without_a_namespace_is_refused(manager: ModelManager, echo: Echo) -> None:
    with pytest.raises(InvalidCommandError, match="--as"):
        execute_line(Context(manager=manager, table=TABLE), "load echo --as model")
    assert manager.get_model_status("echo") is ModelStatus.NOT_DOWNLOADED


def test_unload_by_name_or_all(run: Run, echo: Echo, manager: ModelManager) -> None:
    run("load echo --wait")
    run("unload echo --wait")
    assert not manager.is_model_loaded("echo")
    run("load echo --wait")
    run("unload --all --wait")
    assert not manager.is_model_loaded("echo")
    for line in ("unload", "unload echo --all"):
        with pytest.raises(InvalidCommandError):
            run(line)


def test_unload_all_with_nothing_loaded_is_no_error(run: Run, manager: ModelManager) -> None:
    assert run("unload --all").text == "No model is loaded."


def test_download_several_gives_a_listing_of_jobs(run: Run, echo: Echo, manager: ModelManager) -> None:
    manager.register_model(info("other"), model=Echo(info("other")))
    jobs = run("download echo other echo").value
    assert isinstance(jobs, JobListing)
    assert [job.model_id for job in jobs] == ["echo", "other"]
    for job in jobs:
        job.result(LONG)
    assert isinstance(run("download echo --wait").value, Job)


def test_pause_resume_cancel_say_what_they_did(run: Run, echo: Echo, manager: ModelManager) -> None:
    assert "nothing to pause" in run("pause echo").text
    assert "nothing to cancel" in run("cancel echo").text
    echo.gate.clear()
    run("download echo")
    assert run("cancel echo").text.startswith("Cancelled echo")
    echo.gate.set()
    eventually(lambda: manager.get_model_status("echo") is ModelStatus.NOT_DOWNLOADED)
    run("resume echo").value.result(LONG)
    assert manager.is_model_available("echo")


def test_cancel_ends_a_load_too(run: Run, echo: Echo, manager: ModelManager) -> None:
    run("download echo --wait")
    echo.gate.clear()
    job = run("load echo").value
    assert run("cancel echo").text.startswith("Cancelled echo")
    echo.gate.set()
    assert isinstance(job.exception(LONG), RMMError)


def test_pin_and_config(run: Run, echo: Echo, manager: ModelManager) -> None:
    run("pin echo")
    assert manager.describe("echo").pinned
    run("unpin echo")
    assert not manager.describe("echo").pinned
    assert run("config echo threshold=0.5 name=x").value == {"threshold": 0.5, "name": "x"}
    assert "threshold" in run("config echo").text
    assert run("config echo").value == dict(manager.describe("echo").config)


def test_health_of_one_and_of_all(run: Run, echo: Echo) -> None:
    assert run("health").text == "No model is loaded."
    run("load echo --wait")
    assert run("health echo").value is ModelHealth.HEALTHY
    assert [each.info.model_id for each in run("health").value] == ["echo"]


def test_status_stats_events(run: Run, echo: Echo) -> None:
    run("load echo --wait")
    assert "1 loaded" in run("status").text
    assert isinstance(run("stats").value, Statistics)
    assert [event.model_id for event in run("events echo --limit 2").value] == ["echo", "echo"]


def test_add_download_verify_and_rm_with_a_hub(run: Run, manager: ModelManager, tmp_path: Path) -> None:
    searched = run("search minilm --limit 5")
    assert "fits" in searched.text
    found = searched.value
    assert found
    repo_id = found[0].repo_id
    added = run(f"add {repo_id} --as tiny").value
    assert isinstance(added, ModelInfo)
    assert "Registered tiny" in run(f"add {repo_id} --as tiny").text
    folder = run("download tiny --wait").value.result(LONG)
    assert folder.is_dir()
    report = run("verify tiny --wait").value
    assert isinstance(report, VerifyReport)
    assert report.ok
    assert "freed" in run("rm tiny --files").text
    assert manager.get_model_info("tiny") is None


def test_verify_repair_du_and_prune(run: Run, manager: ModelManager, tmp_path: Path) -> None:
    run("add rmm-demo/minilm-toy --as tiny")
    assert run("du").text.splitlines()[0].split() == [
        "what",
        "on",
        "disk",
        "shared",
        "rm",
        "--files",
        "frees",
        "unfinished",
    ]
    folder = run("download tiny --wait").value.result(LONG)
    shown = run("verify tiny --wait").text
    assert "git-sha1 (weak)" in shown
    assert "are as published" in shown
    assert "no sha256 is published for" in run("info tiny").text
    blob = (folder / "config.json").resolve()
    blob.write_bytes(blob.read_bytes().replace(b"{", b"[", 1))
    shown = run("verify tiny --wait")
    assert "config.json" in shown.text
    assert "1 file of" in shown.text
    assert "--repair fetches only these" in shown.text
    assert "corrupt" in shown.html
    assert "only the damaged file is fetched." in " ".join(run("status").text.split())
    assert "quarantine" in run("du").text
    assert "repair" in run("verify tiny --repair --wait").text
    assert run("verify tiny --wait").value.ok
    usage = run("du").value
    assert isinstance(usage, DiskUsage)
    assert [model.model_id for model in usage.models] == ["tiny"]
    assert json.loads(run("du --json").text)["models"][0]["freeable_bytes"] == usage.models[0].bytes
    part = folder.parent.parent / "blobs" / f"{'a' * 64}.rmm-part"
    part.write_bytes(b"x" * 2000)
    assert run("prune").text == "Nothing to remove."
    then = time.time() - 3 * 24 * 3600
    os.utime(part, (then, then))
    assert run("prune").text == "Nothing to remove."
    assert run("prune --days 2").text.splitlines() == [
        "1 file removed, 2.0 kB freed.",
        f"  models--rmm-demo--minilm-toy: {part.name} (2.0 kB)",
    ]
    assert json.loads(run("prune --json").text)["removed"] == []
    for line in ("prune --days 0", "prune --days x", "du tiny"):
        with pytest.raises(InvalidCommandError):
            run(line)


def test_views_get_jobs_for_du_and_prune(manager: ModelManager) -> None:
    context = Context(manager=manager, table=TABLE, may_wait=False)
    for line, kind in (("du", DiskUsage), ("prune", PruneReport)):
        assert isinstance(execute_line(context, line).value.result(LONG), kind)


def test_add_refuses_what_is_no_repository(run: Run, manager: ModelManager) -> None:
    for line in ("add a/b/c", "add ../x", "add o/n@", "add 'o/n@a b'", "add o/n --as ' x'"):
        with pytest.raises(InvalidCommandError):
            run(line)
    with pytest.raises(RMMError):
        run("add rmm-demo/no-such-repository")
    assert manager.get_all_models() == {}


def test_a_wait_can_be_interrupted_and_the_work_goes_on(run: Run, echo: Echo, manager: ModelManager) -> None:
    echo.gate.clear()
    thread = threading.Thread(target=interrupt_when_waiting)
    thread.start()
    with pytest.raises(KeyboardInterrupt, match="goes on — cancel it with %rmm cancel echo"):
        run("download echo --wait")
    thread.join()
    echo.gate.set()
    eventually(lambda: manager.is_model_available("echo"))


def test_unknown_models_are_refused_before_anything_runs(run: Run, echo: Echo, manager: ModelManager) -> None:
    with pytest.raises(ModelNotRegisteredError) as caught:
        run("download echo ecko")
    assert caught.value.hint == "Did you mean echo?"
    assert manager.get_model_status("echo") is ModelStatus.NOT_DOWNLOADED


def test_help_lists_every_command_and_explains_each(run: Run) -> None:
    text = run("help").text
    for name, command in TABLE.items():
        assert name in text
        assert run(f"help {name}").text == run(f"{name} --help").text
        assert command.help in run(f"help {name}").text
    with pytest.raises(InvalidCommandError, match="no command and no error 'nonsense'") as caught:
        run("help nonsense")
    assert caught.value.hint == "`%rmm help` lists the commands, `%rmm help errors` the errors."


def test_help_explains_each_error_and_lists_them(run: Run) -> None:
    listed = run("help errors").text
    for name in errors.__all__:
        assert name in listed
        assert run(f"help {name}").text == run(f"help {name.lower()}").text
        assert run(f"help {name}").text.startswith(f"{name}\n")
    with pytest.raises(InvalidCommandError) as caught:
        run("help GatdModelEror")
    assert "GatedModelError" in caught.value.hint
    with pytest.raises(InvalidCommandError) as caught:
        run("help lod")
    assert "load" in caught.value.hint


def test_an_error_is_linked_once_wherever_it_is_shown(run: Run, echo: Echo, manager: ModelManager) -> None:
    echo.fails_with = "bad weights"
    job = manager.load_model("echo")
    job.exception(LONG)
    for line in ("info echo", "status echo", "why echo"):
        assert " ".join(run(line).text.split()).count("%rmm help LoadError") == 1, line
    assert to_text(job_document(job)).endswith("`%rmm help LoadError` tells more.")
    assert "%rmm help" not in run("info echo").value.hint


def test_a_cell_is_understood_whole_or_not_at_all(context: Context, echo: Echo, manager: ModelManager) -> None:
    cell = "pin echo\n\n# a comment\nload ecko\n"
    with pytest.raises(ModelNotRegisteredError, match="line 4: there is no model 'ecko'") as caught:
        parse_cell(context, cell.splitlines())
    assert caught.value.hint == "Did you mean echo?"
    assert not manager.describe("echo").pinned
    with pytest.raises(InvalidCommandError, match="line 1"):
        parse_cell(context, ["lod echo"])
    with pytest.raises(InvalidCommandError, match="no command"):
        parse_cell(context, ["", "# nothing"])


def test_a_cell_may_use_what_it_adds(context: Context, manager: ModelManager) -> None:
    (repo_id,) = {each.repo_id for each in execute_line(context, "search minilm --limit 1").value}
    lines = [f"add {repo_id} --as one", f"add {repo_id}", "pin one", f"info {repo_id.partition('/')[2]}"]
    for invocation in parse_cell(context, lines):
        execute(context, invocation)
    assert manager.describe("one").pinned
