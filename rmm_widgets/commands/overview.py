"""Commands that look at the whole: status, stats, events, why, help."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..errors import InvalidCommandError
from ..types import Statistics
from .error_views import error_message, errors_table
from .parse import suggestions
from .render import Column, Document, Message, Table, size
from .spec import ERRORS, Argument, Command, CommandResult, Context, Listing
from .views import event_line, events_table, file_progress_table, statistics_table, status_table, story_table
from .waiting import wait_for

__all__ = ["COMMANDS", "command_help", "help_document", "outline"]

STORY_LINES = 40


def _status(context: Context, *, model_id: str | None, files: bool = False) -> CommandResult:
    manager = context.manager
    if files:
        return _files(context, model_id)
    places = {each.model_id: each.position for each in manager.get_download_queue()}
    if model_id is not None:
        description = manager.describe(model_id)
        return CommandResult(description, status_table([description], places))
    models = manager.describe_all()
    document = status_table(models, places, caption=_sentence(manager.get_statistics(), manager.memory_budget))
    return CommandResult(Listing(models, document), document)


def _files(context: Context, model_id: str | None) -> CommandResult:
    if model_id is None:
        raise InvalidCommandError("status: --files is for one model", hint="Write %rmm status ID --files.")
    found = wait_for(context.manager.get_download_files(model_id))
    document = file_progress_table(found)
    return CommandResult(Listing(found, document), document)


def _sentence(statistics: Statistics, budget: int | None) -> str:
    of = f" of {size(budget)}" if budget else ""
    return (
        f"{statistics.total_models} models, {statistics.downloaded_models} on disk, "
        f"{statistics.loaded_models} loaded ({size(statistics.total_memory_usage)}{of}), "
        f"{statistics.active_downloads} downloading, {statistics.queued_downloads} queued"
    )


def _stats(context: Context) -> CommandResult:
    statistics = context.manager.get_statistics()
    return CommandResult(statistics, statistics_table(statistics, context.manager.memory_budget))


def _events(context: Context, *, model_id: str | None, limit: int | None, follow: bool = False) -> CommandResult:
    if follow:
        return _follow(context, model_id, 10 if limit is None else limit)
    events = context.manager.events(model_id, limit=limit or 100)
    document = events_table(events)
    return CommandResult(Listing(events, document), document)


def _follow(context: Context, model_id: str | None, limit: int) -> CommandResult:
    """Show events as they come, until the user interrupts; with `--json` a line of JSON each."""
    if not context.may_wait:
        raise InvalidCommandError("events --follow is not for views", hint="Type it in a cell.")
    try:
        with context.manager.follow_events(model_id, limit=limit) as feed:
            for event in feed:
                context.say(msgspec.json.encode(event).decode() if context.as_json else event_line(event))
    except KeyboardInterrupt:  # how it is meant to end
        pass
    return CommandResult(None, Message("" if context.as_json else "Followed no further."))


def _why(context: Context, *, model_id: str, limit: int | None) -> CommandResult:
    story = context.manager.get_story(model_id, limit=limit or STORY_LINES)
    return CommandResult(story, story_table(story))


def _help(context: Context, *, topic: str | None) -> CommandResult:
    return CommandResult(None, help_document(context.table, topic, in_terminal=context.in_terminal))


def help_document(table: Mapping[str, Command], name: str | None, *, in_terminal: bool) -> Document:
    """One command of a table, or all that this face has; one error of the guide, or all of them.

    Raises:
        InvalidCommandError: There is no such command and no such error.
    """
    if name is None:
        return _commands(table, in_terminal=in_terminal)
    if name in table:
        return command_help(table[name])
    from ..error_guide.guide import ENTRIES, find  # here, as most commands do without it

    if name == ERRORS:
        return errors_table(ENTRIES.values())
    if (entry := find(name)) is not None:
        return error_message(entry)
    hint = suggestions(name, (*table, *ENTRIES)) or f"`%rmm help` lists the commands, `%rmm help {ERRORS}` the errors."
    raise InvalidCommandError(f"there is no command and no error {name!r}", hint=hint)


def _commands(table: Mapping[str, Command], *, in_terminal: bool) -> Table:
    commands = table.values()
    caption = (
        "%rmm alone opens the panel; %rmm help COMMAND tells more, %rmm help ERROR explains an error by its name; "
        "%%rmm takes one command a line."
    )
    if in_terminal:
        others = ", ".join(each.name for each in commands if each.only_in_notebooks)
        commands = [each for each in commands if not each.only_in_notebooks]
        caption = (
            "%rmm help COMMAND tells more, %rmm help ERROR explains an error by its name. "
            f"In notebooks also, as %rmm COMMAND: {others}."
        )
    return Table(
        columns=(Column("command"), Column("what it does")),
        rows=tuple((each.usage, each.help) for each in commands),
        caption=caption,
    )


def outline(table: Mapping[str, Command]) -> str:
    """The commands, a line each, without their arguments."""
    width = max(map(len, table))
    return "\n".join(f"{each.name:<{width}}  {each.help}" for each in table.values())


def command_help(command: Command) -> Message:
    """A command's usage line, what it does, and its arguments."""
    arguments = command.all_arguments
    names = [each.name if each.is_option else each.placeholder for each in arguments]
    width = max((len(name) for name in names), default=0)
    lines = [f"%rmm {command.usage}", f"{command.help}."]
    lines += [f"  {name:<{width}}  {each.help}" for name, each in zip(names, arguments, strict=True)]
    lines += [f"Only in notebooks: {command.only_in_notebooks}"] if command.only_in_notebooks else []
    return Message("\n".join(lines))


COMMANDS = (
    Command(
        name="status",
        help="Show what the models are doing",
        run=_status,
        arguments=(
            Argument(name="id", target="model_id", kind="model", required=False, help="one model only"),
            Argument(name="--files", kind="switch", help="each of its files: what is there, what is coming"),
        ),
        as_json=True,
    ),
    Command(name="stats", help="Show counts, memory and bytes", run=_stats, as_json=True),
    Command(
        name="events",
        help="Show what happened, also in earlier kernels",
        run=_events,
        arguments=(
            Argument(
                name="id",
                target="model_id",
                kind="past_model",
                required=False,
                help="one model only, also one that is gone",
            ),
            Argument(name="--limit", kind="integer", help="how many at most (100; with --follow 10 earlier ones)"),
            Argument(name="--follow", kind="switch", help="go on with what happens, here and in other kernels"),
        ),
        as_json=True,
    ),
    Command(
        name="why",
        help="Tell in plain sentences what happened to a model and what to do next",
        run=_why,
        arguments=(
            Argument(name="id", target="model_id", kind="past_model", help="the model, also one that is gone"),
            Argument(name="--limit", kind="integer", help=f"how many lines at most, the newest ({STORY_LINES})"),
        ),
        as_json=True,
    ),
    Command(
        name="help",
        help="Show the commands, one of them, or what an error means and what to do about it",
        run=_help,
        arguments=(
            Argument(
                name="topic",
                kind="topic",
                required=False,
                help=f"a command, the name of an error (as GatedModelError), or {ERRORS} for a list of those",
            ),
        ),
    ),
)
