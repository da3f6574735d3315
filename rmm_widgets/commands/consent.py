"""The command that lets a model run code. It is for people who type it: no view may send it."""

from __future__ import annotations

from ..errors import InvalidCommandError
from .render import Message
from .spec import Argument, Command, CommandResult, Context

__all__ = ["COMMANDS"]

_USAGE = "Usage: %rmm allow ID COMMIT, or %rmm allow ID --revoke"


def _allow(context: Context, *, model_id: str, commit: str | None, revoke: bool = False) -> CommandResult:
    if not context.may_wait:
        raise InvalidCommandError("allow is not for views", hint="Type it in a cell.")
    if revoke == bool(commit):
        raise InvalidCommandError("allow: name the commit, or give --revoke", hint=_USAGE)
    if revoke:
        context.manager.forbid_unsafe(model_id)
        return CommandResult(None, Message(f"{model_id} may not run code of its repository any more."))
    context.manager.allow_unsafe(model_id, commit=commit or "")
    told = (
        f"{model_id} may run code of its repository at commit {commit}. %rmm allow {model_id} --revoke takes it back."
    )
    return CommandResult(None, Message(told))


COMMANDS = (
    Command(
        name="allow",
        help="Let a model be loaded although its files may run code",
        run=_allow,
        arguments=(
            Argument(name="id", target="model_id", kind="model", help="the model"),
            Argument(name="commit", required=False, help="all 40 digits of the commit it is at, as info shows it"),
            Argument(name="--revoke", kind="switch", help="take the permission back"),
        ),
        only_in_notebooks="Consent is given where the code would run.",
    ),
)
