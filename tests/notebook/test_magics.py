"""`%rmm` in a real IPython shell: values, displays, errors in one line, completion."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.testing.globalipapp import start_ipython
from IPython.utils.capture import capture_output

import rmm_widgets
from rmm_widgets.commands.table import TABLE
from rmm_widgets.errors import InvalidCommandError, LoadError, ModelNotRegisteredError
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import magics
from rmm_widgets.types import ModelInstance, ModelStatus

from ..commands.custom import Echo
from .conftest import LONG


@pytest.fixture(scope="module")
def ipython() -> InteractiveShell:
    """IPython as in a terminal; it lives as long as the process."""
    return start_ipython() or InteractiveShell.instance()


@pytest.fixture
def shell(ipython: InteractiveShell, manager: ModelManager) -> Iterator[InteractiveShell]:
    shell: Any = ipython
    rmm_widgets.load_ipython_extension(shell)
    rmm_widgets.load_ipython_extension(shell)
    before = set(shell.user_ns)
    yield shell
    rmm_widgets.unload_ipython_extension(shell)
    for name in set(shell.user_ns) - before:
        del shell.user_ns[name]


def run(shell: InteractiveShell, code: str) -> Any:
    result = shell.run_cell(code)
    if result.error_in_exec is not None:
        raise result.error_in_exec
    assert result.error_before_exec is None
    return result.result


def test_values_can_be_used(shell: InteractiveShell, echo: Echo) -> None:
    run(shell, "models = %rmm ls")
    assert [each.info.model_id for each in shell.user_ns["models"]] == ["echo"]
    run(shell, "instance = %rmm load echo --wait --as bound")
    assert isinstance(shell.user_ns["instance"], ModelInstance)
    assert shell.user_ns["bound"] is shell.user_ns["instance"]


def test_values_are_shown_as_tables(shell: InteractiveShell, echo: Echo) -> None:
    for line in ("ls", "info echo", "stats", "events"):
        value = run(shell, f"%rmm {line}")
        shown, _ = shell.display_formatter.format(value)  # type: ignore[union-attr]
        assert shown["text/html"].startswith("<table"), line
        assert "───" in shown["text/plain"], line


def test_a_story_is_shown_in_sentences(shell: InteractiveShell, echo: Echo) -> None:
    data, _ = shell.display_formatter.format(shell.run_line_magic("rmm", "why echo"))
    assert "Registered" in data["text/plain"]
    assert "Story(" not in data["text/plain"]
    assert "Registered" in data["text/html"]


def test_what_has_no_value_is_printed(shell: InteractiveShell, echo: Echo, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shell, "%rmm pin echo") is None
    assert "Pinned echo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("health echo", "echo: healthy"),
        ("config echo", "echo has no settings."),
        ("freeze {lock}", "Wrote {lock}: 0 models. Not in it, because they are your own objects: echo."),
        ("help", "search QUERY"),
    ],
)
def test_what_a_value_does_not_say_is_shown_beside_it(
    shell: InteractiveShell, echo: Echo, capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, told: str
) -> None:
    run(shell, "%rmm load echo --wait")
    capsys.readouterr()
    lock = str(tmp_path / "a.lock")
    with capture_output() as captured:
        run(shell, f"shown = %rmm {line.format(lock=lock)}")
    (shown,) = captured.outputs
    assert told.format(lock=lock) in shown.data["text/plain"]
    assert told.format(lock=lock) in shown.data["text/html"]


def test_the_question_mark_names_every_command(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    for magic in ("%rmm", "%%rmm"):
        shell.run_cell(f"{magic}?")
        told = capsys.readouterr().out
        assert [name for name, each in TABLE.items() if f"  {name}" not in told or each.help not in told] == []


def test_an_error_is_one_line_and_ends_the_cell(
    shell: InteractiveShell, echo: Echo, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelNotRegisteredError):
        run(shell, "%rmm load ecko\nreached = True")
    assert "reached" not in shell.user_ns
    out = capsys.readouterr().out
    more = "`%rmm help ModelNotRegisteredError` tells more."
    assert out.strip() == f"\x1b[31mthere is no model 'ecko' — Did you mean echo? — {more}\x1b[0m"


def test_a_traceback_says_what_can_be_typed_to_read_more(shell: InteractiveShell) -> None:
    assert LoadError("bad").__notes__ == ["`%rmm help LoadError` tells more."]
    with pytest.raises(ModelNotRegisteredError) as caught:
        run(shell, "import rmm_widgets\nrmm_widgets.get_manager().load_model('ecko')")
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.count("tells more") == 1
    rmm_widgets.unload_ipython_extension(shell)
    assert LoadError("bad").__notes__ == ["`%load_ext rmm_widgets` and then `%rmm help LoadError` tell more."]


def test_S18_ipython_expands_nothing(shell: InteractiveShell, echo: Echo) -> None:
    shell.user_ns["secret"] = "echo"
    for line in ("%rmm info {secret}", "%rmm info $secret"):
        with pytest.raises(ModelNotRegisteredError, match="secret"):
            run(shell, line)


def test_a_cell_runs_line_by_line(
    shell: InteractiveShell, echo: Echo, manager: ModelManager, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%rmm\npin echo\n\n# now load it\nload echo --wait\nls")
    assert manager.describe("echo").pinned
    assert manager.is_model_loaded("echo")
    out = capsys.readouterr().out
    assert out.index("Pinned echo") < out.index("ModelInstance") < out.index("repository")


def test_a_bad_line_is_named_and_nothing_runs(
    shell: InteractiveShell, echo: Echo, manager: ModelManager, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidCommandError):
        run(shell, "%%rmm\npin echo\nlod echo\n")
    assert "line 3: there is no command 'lod'" in capsys.readouterr().out
    assert not manager.describe("echo").pinned


def test_N5_the_panel_is_a_table_in_a_terminal(shell: InteractiveShell, echo: Echo) -> None:
    value = run(shell, "%rmm")
    assert [each.info.model_id for each in value] == ["echo"]


def test_N5_jobs_are_lines_in_a_terminal(shell: InteractiveShell, echo: Echo) -> None:
    echo.gate.clear()
    job = run(shell, "%rmm load echo")
    shown, _ = shell.display_formatter.format(job)  # type: ignore[union-attr]
    assert set(shown) == {"text/plain", "text/html"}
    assert shown["text/plain"].startswith("echo: ")
    echo.gate.set()
    job.result(LONG)
    shown, _ = shell.display_formatter.format(job)  # type: ignore[union-attr]
    assert shown["text/plain"] == "echo: loaded"


def test_N1_run_again_is_no_change(shell: InteractiveShell, echo: Echo, manager: ModelManager) -> None:
    for _ in range(2):
        run(shell, "%rmm download echo --wait")
        run(shell, "%rmm load echo --wait --as model")
    assert echo.loads == 1
    assert manager.get_model_status("echo") is ModelStatus.LOADED


def completions(shell: InteractiveShell, code: str) -> set[str]:
    with provisionalcompleter():
        return {each.text for each in shell.Completer.completions(code, len(code))}  # type: ignore[union-attr]


@pytest.mark.parametrize("code", ["%rmm info ", "x = %rmm info ec", "%%rmm\nls\ninfo "])
def test_completion_of_model_ids(shell: InteractiveShell, echo: Echo, code: str) -> None:
    assert completions(shell, code) == {"echo"}


def test_completion_of_commands_and_options(shell: InteractiveShell, echo: Echo) -> None:
    assert completions(shell, "%rmm unl") == {"unload"}
    assert completions(shell, "%rmm load echo --wa") == {"--wait"}
    assert "echo" not in completions(shell, "rmm_variable = ec")


def test_unregister_takes_everything_away(shell: InteractiveShell, echo: Echo) -> None:
    magics.unregister(shell)
    assert shell.find_line_magic("rmm") is None
    assert shell.find_cell_magic("rmm") is None
    assert "echo" not in completions(shell, "%rmm info ")
    magics.unregister(shell)


def test_config_shows_and_changes_the_settings(
    shell: InteractiveShell, manager: ModelManager, caplog: pytest.LogCaptureFixture
) -> None:
    run(shell, "%config ModelManager.max_concurrent_downloads = 7")
    assert manager.max_concurrent_downloads == 7
    run(shell, "%config ModelManager.max_concurrent_downloads = 0")
    assert "greater than 0" in caplog.text
    assert manager.max_concurrent_downloads == 7
    shell.config.pop("ModelManager", None)  # later managers of this shell would take it over
