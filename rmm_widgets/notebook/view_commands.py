"""What each command that a view may send does.

A view can name a command of the table below and plain arguments, nothing else: no placement, no path, no token, no
consent to unsafe files. What only begins something is done at once; what has to be asked, read or waited for is
given back as a `Later`, for a thread of its own. What is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .. import __version__
from ..commands.dispatch import execute
from ..commands.find_views import formats_text
from ..commands.parse import suggestions
from ..commands.spec import Context, Invocation
from ..commands.table import TABLE
from ..error_guide.guide import ENTRIES
from ..errors import InvalidCommandError, InvalidConfigError
from ..types import HubModel
from . import details as records
from . import settings_schema
from .arguments import (
    Configuration,
    Model,
    Models,
    NamedError,
    Nothing,
    OneOrMany,
    Query,
    Removal,
    Repository,
    Trial,
)
from .lengths import NAME, TEXT, cut
from .protocol import PROTOCOL_VERSION, AllRows, Configured, Explanation, Hello, Many, SearchResult
from .refusals import describe
from .removals import prune, removal, remove
from .scope import Later, Scope
from .trials import stop, try_model

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["COMMANDS", "ViewCommand"]

EVENTS = 50
"""Events of a model that its details show."""
LINES = 50
"""Lines of a model's story that its details show."""
LOG = 200
"""Events that `log` gives."""

_LOOKED_AT = 2000
"""Events among which the last ones that are news are looked for."""

# Who is there


def _hello(_scope: Scope, _arguments: Nothing) -> Hello:
    return Hello(version=__version__, protocol=PROTOCOL_VERSION)


def _rows(scope: Scope, _arguments: Nothing) -> AllRows:
    return scope.rows()


# What begins something, for one model or several


def _begin(name: str, *, writes: bool = False) -> Callable[[Scope, OneOrMany], Any]:
    """The command of this name, done at once for one model; not where it ends with a write to the registry."""

    def run(scope: Scope, arguments: OneOrMany) -> Any:
        model_id = arguments.model_id
        if model_id is None:
            chosen = dict.fromkeys(arguments.model_ids or ())
            return Later(lambda: _start_many(scope, name, chosen))
        scope.check(model_id)
        return Later(lambda: _start(scope, name, model_id)) if writes else _start(scope, name, model_id)

    return run


def _start_many(scope: Scope, name: str, model_ids: Iterable[str]) -> Many:
    begun: list[str] = []
    many = Many(begun=(), refused={})
    for model_id in model_ids:
        try:
            scope.check_one_of_many(model_id)
            _start(scope, name, model_id)
        except Exception as error:  # noqa: BLE001 - one that is refused does not stop the others
            many.refused[model_id] = describe(error)
        else:
            begun.append(model_id)
    return msgspec.structs.replace(many, begun=tuple(begun))


def _start(scope: Scope, name: str, model_id: str) -> None:
    """Run a command of the table on a model that was checked."""
    values: dict[str, Any] = {"model_ids": [model_id]} if name in {"download", "unload"} else {"model_id": model_id}
    match name:
        case "load":
            values["settings"] = []
        case "discard":
            name, values["discard"] = "cancel", True
        case "repair":
            name, values["repair"] = "verify", True
        case _:
            pass
    _execute(scope, name, values)


def _execute(scope: Scope, name: str, values: Mapping[str, Any]) -> Any:
    context = Context(manager=scope.manager, table=TABLE, may_wait=False)
    return execute(context, Invocation(command=TABLE[name], values=values)).value


# What is asked of the Hub


def _search(scope: Scope, arguments: Query) -> Later:
    def work() -> list[SearchResult]:
        job = scope.manager.search_hub(
            arguments.query, model_type=arguments.type, limit=arguments.limit, max_size=arguments.max_size
        )
        found = job.result()
        infos = reversed(scope.manager.get_all_models().values())
        known = {info.repo_id: info.model_id for info in infos if scope.shows(info.model_id)}
        return [_search_result(each, known.get(each.repo_id, "")) for each in found]

    return Later(work, "hub")


def _search_result(model: HubModel, registered: str) -> SearchResult:
    return SearchResult(
        repo=model.repo_id,
        type=model.model_type,
        size=model.size,
        downloads=model.downloads,
        likes=model.likes,
        licence=cut(model.licence or "", NAME),
        gated=model.gated,
        need=model.need,
        fits=model.fits,
        safety=formats_text(model),
        registered=registered,
    )


def _add(scope: Scope, arguments: Repository) -> Later:
    scope.check_whole("adds none")
    values = {
        "repo": arguments.repo,
        "model_id": arguments.model_id,
        "model_type": arguments.type.value if arguments.type else None,
    }
    return Later(lambda: {"id": _execute(scope, "add", values).result().model_id}, "hub")


# What is read


def _log(scope: Scope, _arguments: Nothing) -> Later:
    def work() -> list[Any]:
        events = scope.manager.events(limit=LOG)
        return [records.log_entry(event) for event in events if scope.shows(event.model_id)]

    return Later(work)


def _files(scope: Scope, arguments: Model) -> Later:
    scope.check(arguments.model_id)
    return Later(lambda: _file_lines(scope.manager, arguments.model_id))


def _file_lines(manager: ModelManager, model_id: str) -> tuple[records.FileLine, ...]:
    listing = manager.list_files(model_id, local_only=True)
    moving = manager.get_download_files(model_id)
    return records.file_lines(listing.result(), moving.result())


def _details(scope: Scope, arguments: Model) -> Later:
    model_id = arguments.model_id
    scope.check(model_id)

    def work() -> Any:
        manager = scope.manager
        freeable = manager.deletion_frees([model_id])
        files = _file_lines(manager, model_id)
        events = records.recent(manager.events(model_id, limit=_LOOKED_AT), EVENTS)
        story = manager.get_story(model_id, limit=LINES)
        return records.details(
            manager.describe(model_id),
            page=manager.hub_page(model_id),
            idle=manager.keep_alive,
            files=files,
            freeable=freeable.result(),
            story=story,
            events=events,
        )

    return Later(work)


def _explain(_scope: Scope, arguments: NamedError) -> Explanation:
    entry = ENTRIES.get(arguments.error)
    if entry is None:
        raise InvalidCommandError(
            f"there is no error {cut(repr(arguments.error), NAME)}", hint=suggestions(arguments.error, ENTRIES)
        )
    return Explanation(name=entry.name, meaning=entry.meaning, steps=entry.steps, example=entry.example)


def _usage(scope: Scope, _arguments: Nothing) -> Later:
    def work() -> Any:
        measured = records.usage(scope.manager.disk_usage().result())
        shown = tuple(each for each in measured.models if scope.shows(each.id))
        return msgspec.structs.replace(measured, models=shown)

    return Later(work)


# What changes what is known, and what is on disk


def _configure(scope: Scope, arguments: Configuration) -> Any:
    model_id, config = arguments.model_id, arguments.config
    scope.check(model_id)
    description = scope.manager.describe(model_id)
    if description.custom:
        raise InvalidCommandError(
            f"{model_id} is your own object, so only it knows its settings",
            hint="Change them in a cell: manager.update_model_config(...).",
        )
    if problems := settings_schema.problems(description.info.model_type, config):
        return Configured(problems=problems)

    def work() -> Configured:
        try:
            scope.manager.update_model_config(model_id, config)
        except InvalidConfigError as error:
            told = cut(" ".join(filter(None, (f"{error.message}.", error.hint))), TEXT)
            return Configured(problems={settings_schema.key_of(error.message, config): told})
        return Configured(problems={})

    return Later(work)


class ViewCommand(msgspec.Struct, frozen=True):
    """One command: its arguments' record, and what it does with them; gives the answer's value, or a `Later`."""

    arguments: type[msgspec.Struct]
    run: Callable[..., Any]
    """Called with the scope, the arguments, and what came beside the message."""
    buffers: int = 0
    """How many pieces of bytes may come beside it."""


COMMANDS: Mapping[str, ViewCommand] = {
    "hello": ViewCommand(Nothing, _hello),
    "ping": ViewCommand(Nothing, _hello),
    "rows": ViewCommand(Nothing, _rows),
    "log": ViewCommand(Nothing, _log),
    **{
        name: ViewCommand(OneOrMany, _begin(name))
        for name in ("download", "pause", "resume", "cancel", "discard", "load", "unload", "health", "repair")
    },
    "pin": ViewCommand(OneOrMany, _begin("pin", writes=True)),
    "unpin": ViewCommand(OneOrMany, _begin("unpin", writes=True)),
    "search": ViewCommand(Query, _search),
    "add": ViewCommand(Repository, _add),
    "details": ViewCommand(Model, _details),
    "files": ViewCommand(Model, _files),
    "configure": ViewCommand(Configuration, _configure),
    "explain": ViewCommand(NamedError, _explain),
    "usage": ViewCommand(Nothing, _usage),
    "removal": ViewCommand(Models, removal),
    "remove": ViewCommand(Removal, remove),
    "prune": ViewCommand(Nothing, prune),
    "try": ViewCommand(Trial, try_model, buffers=1),
    "stop": ViewCommand(Model, stop),
}
"""By name; `allow`, settings of the manager and everything else is for people who type it in a cell."""
