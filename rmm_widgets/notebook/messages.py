"""Commands that come as messages from a view: checked, run, and answered exactly once.

A message is untrusted input. It can name a command of the short list below and plain arguments,
nothing else: no settings, no placement, no consent to unsafe files. Work is only started here; the
answer says so at once, except for `search` and `add`, which answer when the Hub has. What is
refused changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .. import __version__
from ..commands.dispatch import execute
from ..commands.parse import check_models
from ..commands.spec import Context, Invocation
from ..commands.table import TABLE
from ..commands.views import event_text
from ..errors import InvalidCommandError, RMMError
from ..types import HubModel, ModelEvent, ModelInfo
from .protocol import PROTOCOL_VERSION, AllRows, Command, CommandError, Hello, LogEntry, Reply, SearchResult

if TYPE_CHECKING:
    from ..manager import ModelManager
    from ..runtime.job import Job

__all__ = ["MAX_BYTES", "MessageHandler"]

MAX_BYTES = 64 * 1024
"""Size of the largest message that is looked at."""

MAX_PENDING = 4
"""Searches and registrations that one view may have waiting for the Hub."""

_LOG_LENGTH = 200
_log = logging.getLogger("rmm_widgets")

Send = Callable[[dict[str, Any]], None]


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No arguments."""


class _Model(msgspec.Struct, forbid_unknown_fields=True):
    """A row's button."""

    model_id: str


class _Repository(msgspec.Struct, forbid_unknown_fields=True):
    """A repository to register."""

    repo: str


class _Query(msgspec.Struct, forbid_unknown_fields=True):
    """Words to look for on the Hub."""

    query: str


_ARGUMENTS: Mapping[str, type[msgspec.Struct]] = {
    "hello": _Nothing,
    "ping": _Nothing,
    "log": _Nothing,
    "rows": _Nothing,
    "add": _Repository,
    "search": _Query,
    **dict.fromkeys(("download", "pause", "resume", "cancel", "discard", "load", "unload", "health"), _Model),
}


class MessageHandler:
    """Answers one view's messages; may be called in any thread.

    Args:
        model_ids: The only models that this view may command, or a test of an id; None for all.
        rows: Gives all rows of this view, for one that missed changes.
    """

    def __init__(
        self,
        manager: Callable[[], ModelManager],
        *,
        model_ids: Callable[[str], bool] | Collection[str] | None = None,
        rows: Callable[[], AllRows] | None = None,
    ) -> None:
        self._manager = manager
        self._rows = rows
        self._shows = model_ids if model_ids is None or callable(model_ids) else frozenset(model_ids).__contains__
        self._lock = threading.Lock()
        self._pending = 0
        self.refused = 0
        """Messages that were refused so far."""

    def handle(self, content: object, buffers: Sequence[object] = (), *, reply: Send) -> None:
        """Run a message's command and call `reply` with the answer, now or when the Hub has answered."""
        rid = _rid_of(content)
        try:
            command = _understand(content, buffers)
            value = self._run(command, reply)
        except Exception as error:  # noqa: BLE001 - every message gets its answer, bugs of ours included
            self._refuse(rid, error, reply)
            return
        if value is not _LATER:
            _send(reply, Reply(kind="rmm/reply", rid=rid, ok=True, value=value))

    def _run(self, command: Command, reply: Send) -> Any:
        arguments = _check_arguments(command)
        if isinstance(arguments, _Model):
            return self._run_on_model(command.name, arguments.model_id)
        if isinstance(arguments, _Query):
            return self._run_later(command, reply, query=[arguments.query], model_type=None, limit=None)
        if isinstance(arguments, _Repository):
            if self._shows is not None:
                raise InvalidCommandError("this view shows fixed models", hint="Add models in the full panel.")
            return self._run_later(command, reply, repo=arguments.repo, model_id=None, model_type=None)
        if command.name == "rows":
            if self._rows is None:
                raise InvalidCommandError("this view has no rows", hint="Ask the view that shows them.")
            return msgspec.to_builtins(self._rows())
        if command.name == "log":
            return [_log_entry(event) for event in self._manager().events(limit=_LOG_LENGTH)]
        return msgspec.to_builtins(Hello(version=__version__, protocol=PROTOCOL_VERSION))

    def _run_on_model(self, name: str, model_id: str) -> None:
        if self._shows is not None and not self._shows(model_id):
            raise InvalidCommandError("this view does not show that model", hint="Use the full panel.")
        several = name in {"download", "unload"}
        values: dict[str, Any] = {"model_ids": [model_id]} if several else {"model_id": model_id}
        if name == "load":
            values["settings"] = []
        if name == "discard":
            name, values["discard"] = "cancel", True
        self._execute(name, values)

    def _execute(self, name: str, values: Mapping[str, Any]) -> Any:
        context = Context(manager=self._manager(), table=TABLE, may_wait=False)
        invocation = Invocation(command=TABLE[name], values=values)
        check_models(invocation, context.manager.get_all_models())
        return execute(context, invocation).value

    def _run_later(self, command: Command, reply: Send, **values: Any) -> object:
        """Start a job whose result is the answer."""
        with self._lock:
            if self._pending >= MAX_PENDING:
                raise InvalidCommandError("too many questions to the Hub at once", hint="Wait for the answers.")
            self._pending += 1
        try:
            job = cast("Job[Any]", self._execute(command.name, values))
        except BaseException:
            self._answered()
            raise

        def answer(done: Job[Any]) -> None:
            self._answered()
            error = done.exception()
            if error is None:
                _send(reply, Reply(kind="rmm/reply", rid=command.rid, ok=True, value=_plain(done.result())))
            else:
                self._refuse(command.rid, error, reply)

        job.add_done_callback(answer)
        return _LATER

    def _answered(self) -> None:
        with self._lock:
            self._pending -= 1

    def _refuse(self, rid: str, error: BaseException, reply: Send) -> None:
        with self._lock:
            self.refused += 1
        _send(reply, Reply(kind="rmm/reply", rid=rid, ok=False, error=_describe(error)))


_LATER = object()


def _understand(content: object, buffers: Sequence[object]) -> Command:
    if buffers or not _is_small(content):
        raise InvalidCommandError(f"the message is larger than {MAX_BYTES} bytes", hint="Send plain, short commands.")
    try:
        return msgspec.convert(content, Command)
    except msgspec.ValidationError as error:
        raise InvalidCommandError(f"not a command: {error}", hint="See the protocol's Command record.") from None


def _check_arguments(command: Command) -> msgspec.Struct:
    record = _ARGUMENTS.get(command.name)
    if record is None:
        raise InvalidCommandError(
            f"views have no command {command.name[:80]!r}", hint=f"One of: {', '.join(_ARGUMENTS)}."
        )
    try:
        return msgspec.convert(command.args, record)
    except msgspec.ValidationError as error:
        raise InvalidCommandError(f"{command.name}: {error}", hint="See the protocol for its arguments.") from None


def _is_small(content: object) -> bool:
    """Whether the message is below MAX_BYTES; looks at no more of it than that, and never recurses."""
    room, rest = MAX_BYTES, [content]
    while rest:
        value = rest.pop()
        room -= len(value) if isinstance(value, str | bytes) else 8
        if room < 0:
            return False
        if isinstance(value, Mapping):
            if len(value) > room:  # pyright: ignore[reportUnknownArgumentType]
                return False
            rest.extend(value.keys())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            rest.extend(value.values())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        elif isinstance(value, list | tuple):
            if len(value) > room:  # pyright: ignore[reportUnknownArgumentType]
                return False
            rest.extend(value)  # pyright: ignore[reportUnknownArgumentType]
    return True


def _rid_of(content: object) -> str:
    """The message's number where it has a usable one, else an empty string."""
    rid: object = content.get("rid") if isinstance(content, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return rid if isinstance(rid, str) and len(rid) <= 200 else ""


def _describe(error: BaseException) -> CommandError:
    if isinstance(error, RMMError):
        return CommandError(type=type(error).__name__, message=error.message, hint=error.hint)
    _log.warning("a command from a view failed", exc_info=error)
    return CommandError(
        type=type(error).__name__, message=str(error), hint="This is a bug in rmm_widgets; see the log."
    )


def _send(reply: Send, answer: Reply) -> None:
    try:
        reply(cast("dict[str, Any]", msgspec.to_builtins(answer)))
    except Exception:  # noqa: BLE001 - the view is gone or its host is; nobody is left to tell
        _log.warning("an answer could not be sent to its view", exc_info=True)


def _plain(result: object) -> Any:
    """The result of `search` or `add` as plain data."""
    if isinstance(result, ModelInfo):
        return {"id": result.model_id}
    found = cast("list[HubModel]", result)
    return [msgspec.to_builtins(_search_result(each)) for each in found]


def _search_result(model: HubModel) -> SearchResult:
    return SearchResult(
        repo=model.repo_id,
        type=model.model_type,
        size=model.size,
        downloads=model.downloads,
        likes=model.likes,
        licence=model.licence or "",
        gated=model.gated,
    )


def _log_entry(event: ModelEvent) -> Any:
    return msgspec.to_builtins(
        LogEntry(
            seq=event.seq,
            time=event.timestamp.isoformat(),
            type=event.type,
            id=event.model_id,
            action=str(event.data.get("action", "")),
            text=event_text(event),
        )
    )
