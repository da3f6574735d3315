"""Runs invocations: the one way from an understood line to the manager."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec

from ..errors import InvalidCommandError, RMMError
from .overview import command_help
from .parse import check_models, parse
from .render import Message
from .spec import CommandResult, Context, Invocation, JobListing, JsonText
from .table import LATER
from .waiting import wait_for, wait_for_all

__all__ = ["execute", "execute_line", "parse_cell", "to_json"]


def execute_line(context: Context, line: str) -> CommandResult:
    """Parse a line, check its model ids, run it.

    Raises:
        InvalidCommandError: The line is not understood.
        ModelNotRegisteredError: It names a model that is not registered.
        RMMError: The command itself failed.
    """
    invocation = parse(line, context.table, LATER)
    check_models(invocation, context.manager.get_all_models())
    return execute(context, invocation)


def execute(context: Context, invocation: Invocation) -> CommandResult:
    """Run a parsed command whose model ids were checked."""
    if invocation.wants_help:
        return CommandResult(None, command_help(invocation.command))
    if not invocation.as_json:
        return invocation.command.run(context, **invocation.values)
    result = invocation.command.run(msgspec.structs.replace(context, as_json=True), **invocation.values)
    if result.value is None:
        return result  # it was said while the command ran
    text = JsonText(to_json(_ended(result.value)))
    return CommandResult(text, Message(text))


def parse_cell(context: Context, lines: Iterable[str]) -> list[Invocation]:
    """Parse a cell of commands, one a line; blank lines and lines starting with `#` are skipped.

    Ids that an `add` line of the cell registers count as known in the lines after it.

    Raises:
        RMMError: As `execute_line`, with the line's number; nothing of the cell has run then.
    """
    known = set(context.manager.get_all_models())
    invocations: list[Invocation] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            invocation = parse(line, context.table, LATER)
            check_models(invocation, known)
        except RMMError as error:
            message = f"line {number}: {error.message}"
            raise type(error)(message, model_id=error.model_id, hint=error.hint) from None
        if invocation.command.adds is not None and not invocation.wants_help:
            known.update(invocation.command.adds(invocation.values))
        invocations.append(invocation)
    if not invocations:
        raise InvalidCommandError("the cell holds no command", hint="Write one command a line, for example: ls")
    return invocations


def _ended(value: Any) -> Any:
    """Data in place of jobs, once they have ended."""
    if isinstance(value, JobListing):
        wait_for_all(value)
        return [job.result() for job in value]
    from ..runtime.job import Job  # it needs asyncio, which a terminal's help does without

    return wait_for(cast("Job[Any]", value)) if isinstance(value, Job) else value


def to_json(value: Any) -> str:
    """Any command's value as indented JSON; what JSON does not know is written as text."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
