"""What a command is: its record, its arguments, what a handler gets and what it gives back.

Owns the shape of commands; the commands themselves are in the files per group, `parse` turns
a line into an invocation and `dispatch` runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from .render import Document, to_html, to_text

if TYPE_CHECKING:
    from ..manager import ModelManager
    from ..runtime.job import Job  # noqa: F401 - the quoted base class below names it

__all__ = [
    "ERRORS",
    "Argument",
    "Command",
    "CommandResult",
    "Context",
    "Invocation",
    "JobListing",
    "JsonText",
    "Listing",
]

T = TypeVar("T")

ArgumentKind = Literal["text", "model", "past_model", "topic", "integer", "switch", "setting", "repository", "cached"]
"""`model` is an id that must be registered, `past_model` one that may be gone by now, `topic` what help explains,
`setting` is `key=value`, `switch` takes no value, `repository` is one of the Hub, `cached` one whose files are on
disk."""

ERRORS = "errors"
"""The topic of help that lists all errors."""


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """One argument of a command: positional, or an option where the name starts with `--`.

    Attributes:
        name: What the user sees: `id` or `--wait`.
        target: The handler's keyword; by default the name without dashes.
        many: Takes any number of values; an option is then given once for each.
        required: Whether at least one value is needed (positional arguments only).
        choices: The words allowed; empty for any.
    """

    name: str
    help: str
    kind: ArgumentKind = "text"
    target: str = ""
    many: bool = False
    required: bool = True
    choices: tuple[str, ...] = ()

    @property
    def is_option(self) -> bool:
        """True for `--name`."""
        return self.name.startswith("--")

    @property
    def keyword(self) -> str:
        """The handler's keyword for this argument."""
        return self.target or self.name.removeprefix("--").replace("-", "_")

    @property
    def placeholder(self) -> str:
        """How usage lines show the value."""
        return "KEY=VALUE" if self.kind == "setting" else self.name.removeprefix("--").upper()


class Listing(list[T]):
    """A list with a document that shows it; otherwise an ordinary list."""

    def __init__(self, values: list[T], document: Document) -> None:
        super().__init__(values)
        self.document = document


class JobListing(Listing["Job[Any]"]):
    """Several jobs at once; a notebook shows them as one set of progress bars."""


class JsonText(str):
    """JSON that shows itself without quotes when it is a cell's result."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class CommandResult(msgspec.Struct, frozen=True):
    """What a command gives.

    Attributes:
        value: For Python code: a record, a listing, a `Job`, an instance; None where there is only something to say.
        document: What people see; rendered when asked for.
        tells_more: The document says more than the value does when it is shown, so a notebook shows both.
        trouble: What went wrong in part, where the rest is worth showing; the document tells it too.
    """

    value: Any
    document: Document
    tells_more: bool = False
    trouble: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Plain text, for a terminal."""
        return to_text(self.document)

    @property
    def html(self) -> str:
        """HTML without scripts, every value escaped."""
        return to_html(self.document)


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler works with.

    Attributes:
        namespace: Where `--as NAME` puts an instance; None where there is no such place.
        may_wait: False for messages from a view: quick answers are then given as jobs too.
        in_terminal: True where the manager ends with the command, so that nothing goes on behind it.
        as_json: True where the line ends in `--json`; for commands that say something while they run.
        say: Shows a line at once, for such commands.
    """

    manager: ModelManager
    table: Mapping[str, Command]
    namespace: MutableMapping[str, Any] | None = None
    may_wait: bool = True
    in_terminal: bool = False
    as_json: bool = False
    say: Callable[[str], None] = _write_line


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command of the table.

    Attributes:
        help: One line, without a full stop.
        run: The handler, called as `run(context, **values)` with one keyword per argument.
        adds: Gives the model ids that the command will register, for commands that do.
        as_json: Whether `--json` fits: the value is data.
        only_in_notebooks: Why a terminal does not have it, a sentence; empty for what both have.
    """

    name: str
    help: str
    run: Callable[..., CommandResult]
    arguments: tuple[Argument, ...] = ()
    adds: Callable[[Mapping[str, Any]], Sequence[str]] | None = None
    as_json: bool = False
    only_in_notebooks: str = ""

    @property
    def usage(self) -> str:
        """The usage line without the leading `%rmm`."""
        return " ".join([self.name, *(_usage(argument) for argument in self.all_arguments)])

    @property
    def all_arguments(self) -> tuple[Argument, ...]:
        """The arguments, with `--json` where it fits."""
        return (*self.arguments, JSON) if self.as_json else self.arguments


JSON = Argument(name="--json", help="give JSON instead of a table", kind="switch")


def _usage(argument: Argument) -> str:
    if argument.is_option:
        value = "" if argument.kind == "switch" else f" {argument.placeholder}"
        return f"[{argument.name}{value}]" + ("…" if argument.many else "")
    shown = f"{argument.placeholder}…" if argument.many else argument.placeholder
    return shown if argument.required else f"[{shown}]"


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was understood: the command, its keyword values, and whether JSON or help is wanted."""

    command: Command
    values: Mapping[str, Any]
    as_json: bool = False
    wants_help: bool = False
