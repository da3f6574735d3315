"""From a line to an invocation: shlex splits, argparse assigns, and nothing runs.

Pure: no shell, no evaluation, no expansion of `{}`, `$` or globs, no exit and no output. What is
not understood raises with the nearest names that exist. Model ids are checked here, against the
ids the caller gives, so that a cell of commands is refused before its first line runs.
"""

from __future__ import annotations

import argparse
import difflib
import json
import keyword
import math
import shlex
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NoReturn

from ..errors import InvalidCommandError, ModelNotRegisteredError
from .spec import Argument, Command, Invocation

__all__ = ["check_model", "check_models", "check_name", "parse", "parse_settings", "parse_words", "suggestions"]

MAX_LINE = 32 * 1024
"""Characters; longer lines are not commands."""


def parse(line: str, table: Mapping[str, Command], later: Mapping[str, str] | None = None) -> Invocation:
    """Understand one line; an empty one is `ls`. Model ids are left to `check_models`.

    Args:
        table: The commands by name.
        later: Words that are no commands yet, with what to say about each.

    Raises:
        InvalidCommandError: Unknown command or option, missing or wrong value, unclosed quote.
    """
    return parse_words(_split(line) or ["ls"], table, later)


def parse_words(words: list[str], table: Mapping[str, Command], later: Mapping[str, str] | None = None) -> Invocation:
    """Understand a line that a shell has split already; at least one word.

    Raises:
        InvalidCommandError: As `parse`.
    """
    command = _command(words[0], table, later or {})
    if any(word in {"--help", "-h"} for word in _before_separator(words[1:])):
        return Invocation(command=command, values={}, wants_help=True)
    values = vars(_parse_words(command, words[1:]))
    as_json = bool(values.pop("json", False))
    return Invocation(command=command, values=values, as_json=as_json)


def check_models(invocation: Invocation, model_ids: Collection[str]) -> None:
    """Refuse model ids that are not registered; names the nearest ones.

    Raises:
        ModelNotRegisteredError: At the first id that is not in `model_ids`.
    """
    for argument in invocation.command.arguments:
        if argument.kind != "model" or invocation.wants_help:
            continue
        value = invocation.values[argument.keyword]
        for model_id in value if argument.many else [value]:
            if model_id is not None:
                check_model(model_id, model_ids)


def check_model(model_id: str, model_ids: Collection[str]) -> None:
    """Refuse an id that is not among the registered ones.

    Raises:
        ModelNotRegisteredError: With the nearest ids as its hint.
    """
    if model_id not in model_ids:
        hint = suggestions(model_id, model_ids) or "`%rmm ls` lists the models, `%rmm add` registers one."
        raise ModelNotRegisteredError(f"there is no model {_short(model_id)}", model_id=model_id, hint=hint)


def parse_settings(words: Iterable[str]) -> dict[str, Any]:
    """`key=value` words as a dict; a value is JSON where it can be read as such, else text.

    Raises:
        InvalidCommandError: No `=`, an empty or a repeated key.
    """
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip() or key != key.strip():
            raise InvalidCommandError(f"{_short(word)} is not a setting", hint="Write settings as key=value.")
        if key in settings:
            raise InvalidCommandError(f"the setting {_short(key)} is given twice", hint="Give each key once.")
        settings[key] = _json_or_text(value)
    return settings


def check_name(name: str) -> str:
    """A Python name that `--as` may bind.

    Raises:
        InvalidCommandError: Not an identifier, or a keyword.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise InvalidCommandError(f"{_short(name)} is not a Python name", hint="Use letters, digits and underscores.")
    return name


def suggestions(word: str, known: Iterable[str]) -> str:
    """The nearest of the known words as a question, or an empty string."""
    if len(word) > 200:
        return ""
    by_folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(by_folded[each] for each in near)}?" if near else ""


def _split(line: str) -> list[str]:
    if len(line) > MAX_LINE:
        raise InvalidCommandError(f"the line is longer than {MAX_LINE} characters", hint="Shorten it.")
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InvalidCommandError(
            f"cannot read the line: {str(error).lower()}", hint="Close the quote, or put a backslash before it."
        ) from None


def _command(word: str, table: Mapping[str, Command], later: Mapping[str, str]) -> Command:
    if word in table:
        return table[word]
    if word in later:
        raise InvalidCommandError(f"{word} comes in a later version", hint=later[word])
    hint = suggestions(word, table) or "`%rmm help` lists the commands."
    raise InvalidCommandError(f"there is no command {_short(word)}", hint=hint)


def _before_separator(words: list[str]) -> list[str]:
    return words[: words.index("--")] if "--" in words else words


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would print and exit."""

    def __init__(self, command: Command) -> None:
        super().__init__(prog=command.name, add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS)
        self._command = command

    def error(self, message: str) -> NoReturn:
        raise InvalidCommandError(f"{self._command.name}: {message}", hint=f"Usage: %rmm {self._command.usage}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        self.error(message or f"ended with status {status}")


def _parse_words(command: Command, words: list[str]) -> argparse.Namespace:
    parser = _Parser(command)
    for argument in command.all_arguments:
        _add(parser, argument)
    try:
        # Intermixed: `load ID --wait key=value` has positional words on both sides of an option.
        values, rest = parser.parse_known_intermixed_args(words)
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidCommandError):
            raise
        parser.error(str(error))
    if rest:
        _refuse(command, parser, rest)
    for argument in command.arguments:
        if argument.many and getattr(values, argument.keyword) is None:
            setattr(values, argument.keyword, [])
    return values


def _refuse(command: Command, parser: _Parser, rest: list[str]) -> NoReturn:
    word = rest[0]
    if not word.startswith("-"):
        parser.error(f"{_short(word)} is one argument too many")
    options = [argument.name for argument in command.all_arguments if argument.is_option]
    hint = suggestions(word.partition("=")[0], options) or f"Usage: %rmm {command.usage}"
    raise InvalidCommandError(f"{command.name} has no option {_short(word)}", hint=hint)


def _add(parser: argparse.ArgumentParser, argument: Argument) -> None:
    if argument.kind == "switch":
        parser.add_argument(argument.name, dest=argument.keyword, action="store_true")
        return
    choices = argument.choices or None
    if argument.is_option:
        action = "append" if argument.many else "store"
        parser.add_argument(
            argument.name, dest=argument.keyword, action=action, type=_converter(argument), choices=choices
        )
        return
    repeat = ("+" if argument.required else "*") if argument.many else (None if argument.required else "?")
    parser.add_argument(
        argument.keyword, metavar=argument.placeholder, nargs=repeat, type=_converter(argument), choices=choices
    )


def _converter(argument: Argument) -> Any:
    return _count if argument.kind == "integer" else str


def _count(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 6 and int(word) > 0):
        raise argparse.ArgumentTypeError(f"{_short(word)} is not a whole number from 1 to 999999")
    return int(word)


def _json_or_text(value: str) -> Any:
    try:
        parsed = json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return value
    return value if isinstance(parsed, float) and not math.isfinite(parsed) else parsed


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _short(word: str) -> str:
    shown = ascii(word) if not word.isprintable() else repr(word)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
