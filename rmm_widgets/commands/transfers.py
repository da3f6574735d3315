"""Commands that move bytes: download, cancel, pause, resume."""

from __future__ import annotations

from .jobs import jobs_result
from .render import Message
from .spec import Argument, Command, CommandResult, Context
from .waiting import wait_for_all

__all__ = ["COMMANDS"]

_ID = Argument(name="id", target="model_id", kind="model", help="the model")
_IDS = Argument(name="id", target="model_ids", kind="model", many=True, help="one or more models")
_WAIT = Argument(name="--wait", kind="switch", help="return when it is done; interrupting ends the wait only")


def _download(context: Context, *, model_ids: list[str], wait: bool = False) -> CommandResult:
    jobs = [context.manager.download_model(model_id) for model_id in dict.fromkeys(model_ids)]
    if wait:
        wait_for_all(jobs)
    return jobs_result(jobs, "Downloaded" if wait else "Downloading")


def _cancel(context: Context, *, model_id: str) -> CommandResult:
    cancelled = context.manager.cancel_download(model_id) or context.manager.cancel_load(model_id)
    told = f"Cancelled {model_id}; what was fetched is kept." if cancelled else f"{model_id}: nothing to cancel."
    return CommandResult(None, Message(told))


def _pause(context: Context, *, model_id: str) -> CommandResult:
    paused = context.manager.pause_download(model_id)
    told = f"Paused {model_id}; %rmm resume {model_id} goes on." if paused else f"{model_id}: nothing to pause."
    return CommandResult(None, Message(told))


def _resume(context: Context, *, model_id: str) -> CommandResult:
    job = context.manager.resume_download(model_id)
    return CommandResult(job, Message(f"Downloading {model_id}."))


COMMANDS = (
    Command(name="download", help="Fetch models from the Hub", run=_download, arguments=(_IDS, _WAIT)),
    Command(name="cancel", help="Stop a download or a load; what was fetched is kept", run=_cancel, arguments=(_ID,)),
    Command(name="pause", help="Pause a download", run=_pause, arguments=(_ID,)),
    Command(name="resume", help="Go on with a paused download", run=_resume, arguments=(_ID,)),
)
