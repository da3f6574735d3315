"""Commands that move bytes: download, cancel, pause, resume, queue."""

from __future__ import annotations

from ..errors import InvalidCommandError
from .jobs import jobs_result
from .render import Message, size
from .spec import Argument, Command, CommandResult, Context, Listing
from .views import ordinal, queue_table
from .waiting import wait_for, wait_for_all

__all__ = ["COMMANDS"]

_ID = Argument(name="id", target="model_id", kind="model", help="the model")
_IDS = Argument(name="id", target="model_ids", kind="model", many=True, help="one or more models")
_WAIT = Argument(name="--wait", kind="switch", help="return when it is done; interrupting ends the wait only")


def _download(context: Context, *, model_ids: list[str], wait: bool = False) -> CommandResult:
    jobs = [context.manager.download_model(model_id) for model_id in dict.fromkeys(model_ids)]
    if wait:
        wait_for_all(jobs)
    return jobs_result(jobs, "Downloaded" if wait else "Downloading")


def _cancel(context: Context, *, model_id: str, discard: bool = False) -> CommandResult:
    if discard:
        return _discard(context, model_id)
    if context.in_terminal:
        raise InvalidCommandError(
            "cancel: a download is stopped where it runs",
            hint=f"Press Ctrl-C there, or cancel it in its notebook; %rmm cancel {model_id} --discard removes what "
            "a stopped one has fetched.",
        )
    cancelled = context.manager.cancel_download(model_id) or context.manager.cancel_load(model_id)
    told = f"Cancelled {model_id}; what was fetched is kept." if cancelled else f"{model_id}: nothing to cancel."
    return CommandResult(None, Message(told))


def _discard(context: Context, model_id: str) -> CommandResult:
    context.manager.cancel_load(model_id)
    job = context.manager.discard_download(model_id)
    if not context.may_wait:
        return CommandResult(job, Message(f"Discarding what was fetched of {model_id}."))
    freed = wait_for(job)
    kept = context.manager.describe(model_id).partial_bytes
    if freed:
        told = f"Discarded what was fetched of {model_id}, {size(freed)} freed."
    elif kept:
        told = f"{model_id}: its files are needed elsewhere, so they stay."
    else:
        told = f"{model_id}: nothing to discard."
    return CommandResult(None, Message(told))


def _queue(context: Context, *, model_id: str | None, to: int | None) -> CommandResult:
    manager = context.manager
    if (model_id is None) != (to is None):
        raise InvalidCommandError("queue: give both a model and its new place", hint="Write %rmm queue ID --to 1.")
    moved = model_id is not None and to is not None and manager.move_download(model_id, to - 1)
    entries = manager.get_download_queue()
    place = next((each.position for each in entries if each.model_id == model_id), 0)
    told = f"{model_id} is {ordinal(place)} now." if moved and place else f"{model_id}: it does not wait."
    document = queue_table(entries, caption=told if model_id else "")
    return CommandResult(Listing(entries, document), document)


def _pause(context: Context, *, model_id: str) -> CommandResult:
    paused = context.manager.pause_download(model_id)
    told = f"Paused {model_id}; %rmm resume {model_id} goes on." if paused else f"{model_id}: nothing to pause."
    return CommandResult(None, Message(told))


def _resume(context: Context, *, model_id: str) -> CommandResult:
    job = context.manager.resume_download(model_id)
    return CommandResult(job, Message(f"Downloading {model_id}."))


COMMANDS = (
    Command(name="download", help="Fetch models from the Hub", run=_download, arguments=(_IDS, _WAIT)),
    Command(
        name="cancel",
        help="Stop a download or a load; what was fetched is kept",
        run=_cancel,
        arguments=(
            _ID,
            Argument(name="--discard", kind="switch", help="remove what was fetched; also where it has stopped"),
        ),
    ),
    Command(
        name="pause",
        help="Pause a download",
        run=_pause,
        arguments=(_ID,),
        only_in_notebooks="A download in a terminal is paused by Ctrl-C.",
    ),
    Command(name="resume", help="Go on with a paused, cancelled or broken off download", run=_resume, arguments=(_ID,)),
    Command(
        name="queue",
        help="Show the downloads that run and wait, or move one",
        run=_queue,
        arguments=(
            Argument(name="id", target="model_id", kind="model", required=False, help="the model to move"),
            Argument(name="--to", kind="integer", help="its new place among those that wait; 1 is the next"),
        ),
        as_json=True,
        only_in_notebooks="Each kernel has a queue of its own.",
    ),
)
