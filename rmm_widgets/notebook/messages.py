"""Commands that come as messages from a view: the envelope checked, the command run, answered exactly once.

A message is untrusted input. What a view may ask for, and what that does, is in `view_commands`; here is what
holds for every message: its size and depth, its arguments, its answer. An answer that takes its time is made in a
thread of its own, so that no view holds up the kernel; a bounded number of them for each view.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from ..errors import InvalidCommandError
from .lengths import TEXT, cut
from .protocol import AllRows, Command, Reply
from .refusals import describe
from .scope import Later, Limit, Scope
from .view_commands import COMMANDS, ViewCommand

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["MAX_BYTES", "MAX_PENDING", "MessageHandler"]

MAX_BYTES = 256 * 1024
"""Size of the largest message that is looked at: room for the ids of as many models as one command may name."""

MAX_DEPTH = 16
"""How deeply lists and objects may be nested in a message."""

MAX_BUFFER = 4 << 20
"""Bytes that may come beside a message, for a command that takes them."""

MAX_PENDING: Mapping[Literal["kernel", "hub", "model"], int] = {"kernel": 8, "hub": 4, "model": 1}
"""Answers that one view may be waiting for, by who is asked."""

_log = logging.getLogger("rmm_widgets")

Send = Callable[[dict[str, Any]], None]


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
        model_ids: Limit = None,
        rows: Callable[[], AllRows] | None = None,
    ) -> None:
        self._scope = Scope(manager, model_ids, rows)
        self._lock = threading.Lock()
        self._pending = dict.fromkeys(MAX_PENDING, 0)
        self.refused = 0
        """Messages that were refused so far."""

    @property
    def pending(self) -> int:
        """Messages whose answers are still being made."""
        return sum(self._pending.values())

    def handle(self, content: object, buffers: Sequence[object] = (), *, reply: Send) -> None:
        """Run a message's command and call `reply` with the answer, now or in another thread when it is known."""
        rid = _rid_of(content)
        try:
            command = _understand(content)
            known, arguments = _check_arguments(command)
            value = known.run(self._scope, arguments, *_check_buffers(known, buffers))
            if isinstance(value, Later):
                self._answer_later(rid, value, reply)
                return
            plain = msgspec.to_builtins(value)
        except Exception as error:  # noqa: BLE001 - every message gets its answer, bugs of ours included
            self._refuse(rid, error, reply)
            return
        _answer(rid, plain, reply)

    def close(self) -> None:
        """The view is gone: end the call of a model that it waits for, so that the model is free for others."""
        self._scope.trial.stop()

    def _answer_later(self, rid: str, later: Later, reply: Send) -> None:
        with self._lock:
            if self._pending[later.asks] >= MAX_PENDING[later.asks]:
                whom = {"hub": "the Hub", "kernel": "the kernel", "model": "a model"}[later.asks]
                raise InvalidCommandError(f"too many questions to {whom} at once", hint="Wait for the answers.")
            self._pending[later.asks] += 1

        def work() -> None:
            try:
                plain = msgspec.to_builtins(later.work())
            except BaseException as error:  # noqa: BLE001 - every message gets its answer
                self._answered(later)
                self._refuse(rid, error, reply)
            else:
                self._answered(later)
                _answer(rid, plain, reply)

        try:
            threading.Thread(target=work, name="rmm-view-answer", daemon=True).start()
        except BaseException:
            self._answered(later)
            raise

    def _answered(self, later: Later) -> None:
        with self._lock:
            self._pending[later.asks] -= 1

    def _refuse(self, rid: str, error: BaseException, reply: Send) -> None:
        with self._lock:
            self.refused += 1
        _send(reply, Reply(kind="rmm/reply", rid=rid, ok=False, error=describe(error)))


def _understand(content: object) -> Command:
    if not _is_plain(content):
        raise InvalidCommandError(
            f"the message is larger than {MAX_BYTES} bytes, nested too deeply, or no text",
            hint="Send plain, short commands.",
        )
    try:
        return msgspec.convert(content, Command)
    except msgspec.ValidationError as error:
        raise InvalidCommandError(
            f"not a command: {cut(str(error), TEXT)}", hint="See the protocol's Command record."
        ) from None


def _check_arguments(command: Command) -> tuple[ViewCommand, msgspec.Struct]:
    known = COMMANDS.get(command.name)
    if known is None:
        raise InvalidCommandError(
            f"views have no command {command.name[:80]!r}", hint=f"One of: {', '.join(COMMANDS)}."
        )
    try:
        return known, msgspec.convert(command.args, known.arguments)
    except msgspec.ValidationError as error:
        raise InvalidCommandError(
            f"{command.name}: {cut(str(error), TEXT)}", hint="See the protocol for its arguments."
        ) from None


def _check_buffers(known: ViewCommand, buffers: Sequence[object]) -> tuple[bytes, ...]:
    """What comes beside the message, where the command takes that: at most one piece, of limited size."""
    pieces = [memoryview(cast("bytes", each)) for each in buffers if isinstance(each, bytes | bytearray | memoryview)]
    size = sum(each.nbytes for each in pieces)
    if len(pieces) < len(buffers) or len(pieces) > known.buffers or size > MAX_BUFFER:
        raise InvalidCommandError(
            f"what comes with the message is {size} bytes in {len(buffers)} pieces",
            hint=f"At most {MAX_BUFFER} bytes in one piece, and only with a command that takes them.",
        )
    return tuple(bytes(each) for each in pieces)


def _is_plain(content: object) -> bool:
    """Whether the message is below MAX_BYTES and MAX_DEPTH, and its texts can be sent back.

    Looks at no more of it than that, and never recurses.
    """
    room, rest = MAX_BYTES, [(content, 0)]
    while rest:
        value, depth = rest.pop()
        room -= len(value) if isinstance(value, str | bytes) else 8
        if room < 0 or depth > MAX_DEPTH or (isinstance(value, str) and not _is_text(value)):
            return False
        if isinstance(value, Mapping):
            inner = cast("Mapping[object, object]", value)
            if len(inner) > room:
                return False
            rest.extend((each, depth + 1) for pair in inner.items() for each in pair)
        elif isinstance(value, list | tuple):
            items = cast("Sequence[object]", value)
            if len(items) > room:
                return False
            rest.extend((each, depth + 1) for each in items)
    return True


def _is_text(text: str) -> bool:
    """False for text with halves of characters, which no answer could hold."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rid_of(content: object) -> str:
    """The message's number where it has a usable one, else an empty string."""
    rid: object = content.get("rid") if isinstance(content, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return rid if isinstance(rid, str) and len(rid) <= 200 and _is_text(rid) else ""


def _answer(rid: str, plain: object, reply: Send) -> None:
    _send(reply, Reply(kind="rmm/reply", rid=rid, ok=True, value=plain))


def _send(reply: Send, answer: Reply) -> None:
    try:
        reply(cast("dict[str, Any]", msgspec.to_builtins(answer)))
    except Exception:  # noqa: BLE001 - the view is gone or its host is; nobody is left to tell
        _log.warning("an answer could not be sent to its view", exc_info=True)
