"""One command of a terminal, from its words to its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..commands.dispatch import execute, to_json
from ..commands.overview import help_document
from ..commands.parse import check_models, parse_words, suggestions
from ..commands.spec import Command, CommandResult, Context, Invocation, JobListing
from ..commands.table import LATER, TABLE
from ..errors import InvalidCommandError, InvalidConfigError, RegistryError, RMMError
from .exits import BAD_LINE, FAILED, INTERRUPTED, NOBODY_READS, OK
from .output import Output

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["TERMINAL_TABLE", "run"]

_WAIT = "--wait"
_HELP = frozenset({"--help", "-h"})


def _for_terminals(command: Command) -> Command:
    """The command without `--wait`: here the end of the command is the end of its work."""
    arguments = tuple(each for each in command.arguments if each.name != _WAIT)
    return msgspec.structs.replace(command, arguments=arguments)


TERMINAL_TABLE: Mapping[str, Command] = MappingProxyType(
    {name: command if command.only_in_notebooks else _for_terminals(command) for name, command in TABLE.items()}
)
"""The command table as a terminal has it."""


def run(words: Sequence[str]) -> int:
    """Run the command that these words are; returns the exit code."""
    output = Output(TERMINAL_TABLE)
    try:
        return _run(list(words), output)
    except RMMError as error:
        output.error(error)
        return BAD_LINE if isinstance(error, InvalidCommandError) else FAILED
    except KeyboardInterrupt:
        output.say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # What is left in the buffer would raise again at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS


def _run(words: list[str], output: Output) -> int:
    invocation = _understood(words)
    if (about := _asked_about(invocation)) is not None:
        output.show(help_document(TERMINAL_TABLE, about or None, in_terminal=True))
        return OK
    with _manager(output) as manager:
        context = Context(manager=manager, table=TERMINAL_TABLE, in_terminal=True)
        check_models(invocation, manager.get_all_models())
        return _executed(context, invocation, output)


# Understanding


def _understood(words: list[str]) -> Invocation:
    if not words or words[0] in _HELP:
        words = ["help"]
    for word in words:
        _check_text(word)
    first = words[0]
    if first.startswith("-"):
        hint = suggestions(first, ["--help", "--version"]) or "`%rmm help` lists the commands."
        raise InvalidCommandError(f"there is no option {first!r} before the command", hint=hint)
    command = TERMINAL_TABLE.get(first)
    if command is not None:
        if command.only_in_notebooks and not _HELP.intersection(words):
            reason = command.only_in_notebooks
            hint = f"In a notebook: %rmm {_shortest(command)}"
            raise InvalidCommandError(f"{first} is only in notebooks. {reason}", hint=hint)
        words = _without_wait(words)
    return parse_words(words, TERMINAL_TABLE, LATER)


def _without_wait(words: list[str]) -> list[str]:
    """A line that comes from a notebook may ask to wait, which is what happens here anyway."""
    if all(each.name != _WAIT for each in TABLE[words[0]].arguments):
        return words
    end = words.index("--") if "--" in words else len(words)
    return [word for place, word in enumerate(words) if word != _WAIT or place > end]


def _shortest(command: Command) -> str:
    needed = [each.placeholder for each in command.arguments if each.required and not each.is_option]
    return " ".join([command.name, *needed])


def _check_text(word: str) -> None:
    """Refuse what no registry and no Hub can take: bytes that are no UTF-8 come as lone surrogates."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise InvalidCommandError(f"{word!a} is no text", hint="Write UTF-8.") from None


def _asked_about(invocation: Invocation) -> str | None:
    """What help is wanted for, empty for all commands, None where something else is wanted."""
    if invocation.wants_help:
        return invocation.command.name
    return invocation.values["topic"] or "" if invocation.command.name == "help" else None


# Running


def _manager(output: Output) -> ModelManager:
    """A manager with the settings, the registry and the cache of the notebooks."""
    from traitlets import TraitError

    from ..manager import ModelManager
    from .settings import notebook_settings

    output.warn_of_logged()
    config, troubles = notebook_settings()
    for trouble in troubles:
        output.warn(f"{trouble.message} {trouble.hint}")
    try:
        manager = ModelManager(config=config)
    except (TraitError, NotImplementedError) as error:
        if isinstance(error, RMMError):
            raise
        raise InvalidConfigError(str(error), hint="Look for c.ModelManager in IPython's configuration files.") from None
    if not manager.registry_on_disk:
        manager.close()
        raise RegistryError("the registry cannot be used", hint="The warning before this line says why.")
    return manager


def _executed(context: Context, invocation: Invocation, output: Output) -> int:
    from ..runtime.job import Job
    from .following import Follower

    result = execute(context, msgspec.structs.replace(invocation, as_json=False))
    value = result.value
    if isinstance(value, JobListing):
        return Follower(context.manager, invocation, output).follow(value, one=False)
    if isinstance(value, Job):
        return Follower(context.manager, invocation, output).follow([cast("Job[Any]", value)], one=True)
    return _shown(result, invocation, output)


def _shown(result: CommandResult, invocation: Invocation, output: Output) -> int:
    if invocation.as_json:
        output.write(to_json(result.value))
        for text in result.trouble:
            output.trouble(text)
    else:
        output.show(result.document)
    return FAILED if result.trouble else OK
