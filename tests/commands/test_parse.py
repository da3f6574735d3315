"""The parser: what it understands, what it refuses, and that nothing it is given ever runs."""

from __future__ import annotations

import contextlib
import io
import random
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmm_widgets.commands.parse import MAX_LINE, check_models, check_name, parse, parse_settings, suggestions
from rmm_widgets.commands.table import LATER, TABLE
from rmm_widgets.errors import InvalidCommandError, ModelNotRegisteredError, RMMError

IDS = ("tiny-embedder", "bert", "owner.model")


def values(line: str) -> dict[str, object]:
    return dict(parse(line, TABLE, LATER).values)


def test_an_empty_line_lists_the_models() -> None:
    assert parse("  ", TABLE).command.name == "ls"


def test_positional_words_and_options_in_any_order() -> None:
    expected = {
        "model_id": "bert",
        "settings": ["threads=2", "mode=fast"],
        "bind_as": "bert_model",
        "in_kernel": False,
        "device": None,
        "loader": None,
        "keep_alive": None,
        "restart": False,
        "wait": True,
    }
    assert values("load bert threads=2 mode=fast --wait --as bert_model") == expected
    assert values("load --as bert_model bert threads=2 --wait mode=fast") == expected
    assert values("load bert --wait threads=2 --as=bert_model mode=fast") == expected


def test_download_takes_several_ids() -> None:
    assert values("download a b --wait c") == {"model_ids": ["a", "b", "c"], "wait": True}


def test_optional_arguments_may_be_missing() -> None:
    assert values("status") == {"model_id": None, "files": False}
    assert values("unload --all") == {"model_ids": [], "everything": True, "wait": False}


def test_quotes_hold_words_together() -> None:
    assert values("search 'small  embedding' \"model\"")["query"] == ["small  embedding", "model"]


def test_json_and_help_are_flags_of_every_listing_command() -> None:
    assert parse("ls --json", TABLE).as_json
    assert parse("load --help", TABLE).wants_help
    assert parse("load -h", TABLE).wants_help
    assert not parse("ls", TABLE).as_json


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("donwload x", "there is no command 'donwload'", "Did you mean download"),
        ("xyzzy", "there is no command 'xyzzy'", "`%rmm help` lists the commands."),
        ("load x --weit", "load has no option '--weit'", "Did you mean --wait"),
        ("load x --wai", "load has no option '--wai'", "Did you mean --wait"),
        ("ls --files", "ls has no option '--files'", "Usage: %rmm ls [--json]"),
        ("info", "info: the following arguments are required: ID", "Usage: %rmm info ID [--files] [--json]"),
        ("info a b", "info: 'b' is one argument too many", "Usage: %rmm info ID [--files] [--json]"),
        ("search x --limit 0", "not a whole number from 1", "Usage: %rmm search"),
        ("search x --limit -1", "not a whole number from 1", "Usage: %rmm search"),
        ("search x --type poem", "invalid choice: 'poem'", "Usage: %rmm search"),
        ("load x --as", "expected one argument", "Usage: %rmm load"),
        ("load 'x", "no closing quotation", "Close the quote"),
        ("sync x --chek", "sync has no option '--chek'", "Did you mean --check"),
        ("connect ray://head", "connect comes in a later version", ""),
    ],
)
def test_what_is_not_understood_says_what_would_be(line: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidCommandError) as caught:
        parse(line, TABLE, LATER)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_every_error_has_a_hint_for_every_command() -> None:
    for name in TABLE:
        with pytest.raises(InvalidCommandError) as caught:
            parse(f"{name} --no-such-option", TABLE)
        assert caught.value.hint


def test_a_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidCommandError, match="longer than"):
        parse("search " + "x" * MAX_LINE, TABLE)


def test_unknown_model_ids_are_named_with_the_nearest() -> None:
    check_models(parse("download bert tiny-embedder", TABLE), IDS)
    check_models(parse("status", TABLE), IDS)
    with pytest.raises(ModelNotRegisteredError) as caught:
        check_models(parse("download bert tiny-embeder", TABLE), IDS)
    assert caught.value.model_id == "tiny-embeder"
    assert caught.value.hint == "Did you mean tiny-embedder?"
    with pytest.raises(ModelNotRegisteredError) as caught:
        check_models(parse("info zzz", TABLE), IDS)
    assert "%rmm add" in caught.value.hint


def test_settings_are_json_where_they_can_be() -> None:
    words = ["n=3", "x=1.5", "on=true", "off=null", "list=[1, 2]", "text=fast", "empty=", "expr=a=b", "inf=Infinity"]
    assert parse_settings(words) == {
        "n": 3,
        "x": 1.5,
        "on": True,
        "off": None,
        "list": [1, 2],
        "text": "fast",
        "empty": "",
        "expr": "a=b",
        "inf": "Infinity",
    }


@pytest.mark.parametrize("word", ["novalue", "=3", " =3", "a =3"])
def test_bad_settings_are_refused(word: str) -> None:
    with pytest.raises(InvalidCommandError, match="is not a setting"):
        parse_settings([word])


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(InvalidCommandError, match="twice"):
        parse_settings(["a=1", "a=2"])


@pytest.mark.parametrize("name", ["", "1x", "a-b", "class", "a.b", "x y"])
def test_as_needs_a_python_name(name: str) -> None:
    with pytest.raises(InvalidCommandError, match="not a Python name"):
        check_name(name)
    assert check_name("größe_2") == "größe_2"


def test_suggestions_are_quick_for_hostile_words() -> None:
    assert suggestions("x" * 100_000, ["download"]) == ""


class _Watch:
    """Counts what a parser must never do. An audit hook cannot be removed, so there is one, switched on and off."""

    FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "exec", "compile", "open")

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, _args: object) -> None:
        if self.on and event.startswith(self.FORBIDDEN):
            self.seen.append(event)

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[str]]:
        self.seen.clear()
        self.on = True
        try:
            yield self.seen
        finally:
            self.on = False


@pytest.fixture(scope="module")
def watch() -> _Watch:
    return _Watch()


PIECES = (
    *TABLE,
    *(argument.name for command in TABLE.values() for argument in command.all_arguments),
    *(
        "$(touch /tmp/x)",
        "`id`",
        ";",
        "&&",
        "|",
        "'",
        '"',
        "\\",
        "{ids}",
        "{__import__('os')}",
        "*",
        "~",
        "@file",
        "-h",
    ),
    *("--", "-", "---", "=", "a=1", "--as=x", "\x00", "\n", "\u202e", "\ud800", "bert", "%rmm", "!ls", "--limit=9" * 9),
)


def random_line(draw: random.Random) -> str:
    line = "".join(draw.choice(PIECES) + draw.choice((" ", " ", " ", "")) for _ in range(draw.randrange(1, 9)))
    return draw.choice(tuple(TABLE)) + " " + line if draw.random() < 0.7 else line


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_S18_fuzzed_lines_never_run_anything(watch: _Watch) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    understood, without_hint = 0, list[str]()
    parse("ls", TABLE)  # argparse imports gettext on first use
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), watch.watching() as seen:
        for _ in range(100_000):
            line = random_line(draw)
            try:
                check_models(parse(line, TABLE, LATER), IDS)
                understood += 1
            except RMMError as error:
                without_hint += [line] if not error.hint else []
    assert not seen
    assert not without_hint
    assert out.getvalue() == err.getvalue() == ""
    assert understood > 100, "the fuzzer reaches real commands"


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_S18_any_text_is_understood_or_refused(text: str) -> None:
    for line in (text, f"load {text}", f"config bert {text}", f"search {text}"):
        with contextlib.suppress(InvalidCommandError):
            parse(line, TABLE, LATER)


def test_S18_nothing_is_expanded() -> None:
    assert values("search $HOME {x} `id` *.py ~ @args")["query"] == ["$HOME", "{x}", "`id`", "*.py", "~", "@args"]
