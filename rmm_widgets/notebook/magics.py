"""`%rmm` and `%%rmm`, and the completion of their words.

Owns what a line or a cell of commands shows and how its errors look: one line, no traceback. What
the commands do is in `rmm_widgets.commands`.
"""
# IPython's own annotations are partial.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import IPython.display
from IPython.core import completer
from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult
from IPython.core.magic import no_var_expand

from ..commands.complete import complete
from ..commands.dispatch import execute, execute_line, parse_cell
from ..commands.job_views import error_line
from ..commands.known import known_of
from ..commands.overview import outline
from ..commands.render import Message
from ..commands.spec import CommandResult, Context
from ..commands.table import TABLE
from ..commands.waiting import WaitInterrupted
from ..default_manager import get_manager
from ..errors import RMMError
from .display import RecordFormatters, has_front_end
from .fallback import bundle

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .widgets import ModelManagerPanel

__all__ = ["register", "unregister"]

_NAME = "rmm"
_RED, _PLAIN = "\x1b[31m", "\x1b[0m"
_BEFORE_OTHERS = 1000.0
"""Asked first, it can keep all others from being asked: one of them reads the disk, another runs code of names."""
_TRACEBACK_HOOK = "_render_traceback_"
_display: Callable[..., object] = IPython.display.display


def register(shell: InteractiveShell) -> None:
    """Add the magics, their completion and the records' tables to a shell. Again: no change."""
    magics = _Magics(shell)
    add = cast("Callable[..., None]", shell.register_magic_function)
    _describe(_Magics.line, "%rmm help COMMAND tells more of one.")
    _describe(_Magics.cell, "They are not run before all of them were understood. %rmm help COMMAND tells more of one.")
    add(magics.line, "line", _NAME)
    add(magics.cell, "cell", _NAME)
    RecordFormatters(shell.display_formatter).add()
    matchers = _matchers(shell)
    matchers[:] = [each for each in matchers if each is not _match] + [_match]


def unregister(shell: InteractiveShell) -> None:
    """Take away what `register` added."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(_NAME, None)
    RecordFormatters(shell.display_formatter).remove()
    matchers = _matchers(shell)
    matchers[:] = [each for each in matchers if each is not _match]


def _matchers(shell: InteractiveShell) -> list[Any]:
    return cast("Any", shell.Completer).custom_matchers


def _describe(magic: Any, more: str) -> None:
    """Let `%rmm?` name the commands."""
    summary = magic.__doc__.partition("\n")[0]
    magic.__doc__ = f"{summary}\n\n{textwrap.indent(outline(TABLE), '  ')}\n\n{more}"


class _Magics:
    """The two magics of one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    @no_var_expand
    def line(self, line: str) -> Any:
        """Run one model command; alone, open the panel."""
        return self._in_one_line(self._run_line, line)

    @no_var_expand
    def cell(self, line: str, cell: str) -> None:
        """Run model commands, one a line."""
        self._in_one_line(self._run_cell, line, cell)

    def _run_line(self, line: str) -> Any:
        if not line.strip() and has_front_end():
            return _panel()
        return _value(execute_line(self._context(), line))

    def _run_cell(self, line: str, cell: str) -> None:
        context = self._context()
        # The line after %%rmm counts as the first, so that line numbers are those the cell shows.
        for invocation in parse_cell(context, [line, *cell.splitlines()]):
            result = execute(context, invocation)
            value = _value(result)
            if value is not None and not result.tells_more:
                _display(value)

    def _context(self) -> Context:
        names: dict[str, Any] = self._shell.user_ns
        return Context(manager=get_manager(), table=TABLE, namespace=names)

    def _in_one_line(self, run: Any, *texts: str) -> Any:
        """Errors of ours end the cell like any other, but are shown as one line."""
        try:
            return run(*texts)
        except (RMMError, WaitInterrupted) as error:
            line = error_line(error) if isinstance(error, RMMError) else str(error)
            setattr(error, _TRACEBACK_HOOK, functools.partial(_one_line, line))
            raise


def _one_line(text: str) -> list[str]:
    return [f"{_RED}{text}{_PLAIN}"]


def _value(result: CommandResult) -> Any:
    """What the magic returns, once what the value does not say by itself was shown."""
    if result.value is None and isinstance(result.document, Message):
        print(result.text)  # noqa: T201 - a magic's output belongs to its cell
    elif result.value is None or result.tells_more:
        _display(bundle(result.document), raw=True)
    return result.value


def _panel() -> ModelManagerPanel | None:
    from .panel import shared_panel

    return shared_panel(get_manager())


def _complete(context: CompletionContext) -> SimpleMatcherResult:
    typed = _command_text(context)
    if typed is None:
        return {"completions": []}
    fragment, words = complete(typed, TABLE, known_of(get_manager()))
    return {
        # A kernel's answer holds no more of them, and each costs IPython more than it cost to find it.
        "completions": [SimpleCompletion(word, type="command") for word in words[: completer.MATCHES_LIMIT]],
        "matched_fragment": fragment,
        "suppress": True,
    }


_match: Callable[[CompletionContext], SimpleMatcherResult] = completer.context_matcher(
    identifier="rmm_widgets", priority=_BEFORE_OTHERS
)(_complete)


def _command_text(context: CompletionContext) -> str | None:
    """What was typed of a command, None where the cursor is not in one."""
    before = context.full_text.splitlines()[: context.cursor_line + 1]
    line = context.text_until_cursor.rpartition("\n")[2]
    if before and before[0].startswith(f"%%{_NAME}"):
        return line.removeprefix(f"%%{_NAME}")
    head, percent, rest = line.partition(f"%{_NAME} ")
    return rest if percent and (not head.strip() or head.rstrip().endswith("=")) else None
