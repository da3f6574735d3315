"""The guide explains every error, and what it tells people to type exists."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

from rmm_widgets import errors
from rmm_widgets.commands.error_views import error_message, steps_text, wrapped
from rmm_widgets.commands.parse import parse
from rmm_widgets.commands.render import to_text
from rmm_widgets.commands.table import LATER, TABLE
from rmm_widgets.error_guide.guide import ENTRIES, GROUPS, find
from rmm_widgets.error_guide.records import ErrorEntry
from rmm_widgets.manager import ModelManager

CODE = re.compile(r"`([^`]*)`")
WITHOUT_ARGUMENTS = frozenset({"cancel"})
"""Commands that a sentence may name without what they need."""


def texts(entry: ErrorEntry) -> tuple[str, ...]:
    return (entry.meaning, *entry.steps)


def every_entry() -> list[ErrorEntry]:
    return list(ENTRIES.values())


named = pytest.mark.parametrize("entry", every_entry(), ids=lambda entry: entry.name)


def test_every_error_is_explained_once_and_nothing_else() -> None:
    assert sorted(entry.name for group in GROUPS for entry in group.entries) == sorted(errors.__all__)


@named
def test_an_entry_is_complete(entry: ErrorEntry) -> None:
    assert entry.steps
    assert len(entry.summary) <= 110
    assert all(text.endswith(".") for text in texts(entry))


@named
def test_every_command_line_is_understood(entry: ErrorEntry) -> None:
    for text in texts(entry):
        assert text.count("`") % 2 == 0
        assert "%rmm " not in CODE.sub("", text), "a command stands in backticks"
        for code in CODE.findall(text):
            line = code.removeprefix("%rmm ")
            if line != code and line not in WITHOUT_ARGUMENTS:
                parse(line, TABLE, LATER)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(errors.InvalidCommandError):
        parse("verify ID --mend", TABLE, LATER)


@named
def test_what_is_said_of_python_exists(entry: ErrorEntry) -> None:
    import rmm_widgets

    code = "\n".join([entry.example, *(found for text in texts(entry) for found in CODE.findall(text))])
    for name in re.findall(r"(?:\bmanager|ModelManager)\.([a-z_]+)", code):
        assert hasattr(ModelManager, name), name
    for name in re.findall(r"\brmm_widgets\.(\w+)", code):
        assert hasattr(rmm_widgets, name), name
    for name in re.findall(r"^\.(\w+)$", code, re.MULTILINE):
        made = getattr(errors, entry.name)("what happened")
        assert hasattr(made, name), name
    compile(entry.example, entry.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("word", ["GatedModelError", "gatedmodelerror", "rmm_widgets.errors.GatedModelError"])
def test_an_entry_is_found_however_its_name_is_written(word: str) -> None:
    assert find(word) is ENTRIES["GatedModelError"]


@pytest.mark.parametrize("word", ["", ".", "Gated", "GatedModelError2", "KeyError"])
def test_what_is_no_error_is_not_found(word: str) -> None:
    assert find(word) is None


@named
def test_what_is_shown_holds_everything_and_breaks_no_command(entry: ErrorEntry) -> None:
    shown = to_text(error_message(entry))
    lines = shown.splitlines()
    assert lines[0] == entry.name
    assert " ".join(entry.meaning.split()) in " ".join(shown.split())
    for text in texts(entry):
        for code in CODE.findall(text):
            assert any(code in line for line in lines), code
    assert all(line in shown for line in entry.example.splitlines())
    assert max(map(len, lines)) <= 100


def test_plain_python_names_the_terminal_in_a_traceback_once() -> None:
    code = "import rmm_widgets; raise rmm_widgets.GatedModelError('no', hint='Ask.')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    told = done.stderr.splitlines()[-3:]
    assert told[0].endswith("GatedModelError: no")
    assert told[1:] == ["Hint: Ask.", "`rmm help GatedModelError` in a terminal tells more."]


def test_an_error_of_somebody_elses_class_leads_to_the_one_it_derives_from() -> None:
    class OwnError(errors.DiskFullError):
        pass

    assert OwnError("x").guide_name == "DiskFullError"


def test_wrapping() -> None:
    assert wrapped("one `two three` four", 8) == "one\n`two three`\nfour"
    assert steps_text(["one two three", "four"], 10) == "- one two\n  three\n- four"
