"""Commands about lock files: freeze, sync."""

from __future__ import annotations

from ..runtime.lock_words import mismatch
from .lock_views import frozen_message, sync_table
from .render import Message
from .spec import Argument, Command, CommandResult, Context
from .waiting import wait_for

__all__ = ["COMMANDS"]

DEFAULT = "rmm.lock"
_PATH = Argument(name="path", required=False, help="the lock file (rmm.lock)")


def _freeze(context: Context, *, path: str | None) -> CommandResult:
    manager = context.manager
    written = manager.freeze(path or DEFAULT)
    return CommandResult(written, frozen_message(written, manager.describe_all()), tells_more=True)


def _sync(context: Context, *, path: str | None, check: bool = False, wait: bool = False) -> CommandResult:
    manager, name = context.manager, path or DEFAULT
    if not check:
        job = manager.sync(name)
        if not (wait and context.may_wait):
            return CommandResult(job, Message(f"Making this machine as {name} says."))
        report = wait_for(job)
        return CommandResult(report, sync_table(report))
    job = manager.check_lock(name)
    if not context.may_wait:
        return CommandResult(job, Message(f"Comparing this machine with {name}."))
    report = wait_for(job)
    if not report.ok:
        raise mismatch(report, f"`%rmm sync {name}` registers and fetches what is missing.")
    return CommandResult(report, sync_table(report))


COMMANDS = (
    Command(
        name="freeze",
        help="Write a lock file: the exact commit, files and settings of every model",
        run=_freeze,
        arguments=(_PATH,),
    ),
    Command(
        name="sync",
        help="Register, download and verify what a lock file says",
        run=_sync,
        arguments=(
            _PATH,
            Argument(name="--check", kind="switch", help="change nothing, ask nobody, fail where something differs"),
            Argument(name="--wait", kind="switch", help="return when it is done; interrupting ends the wait only"),
        ),
        as_json=True,
    ),
)
