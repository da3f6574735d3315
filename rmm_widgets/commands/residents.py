"""Commands about models in memory: load, unload, pin, unpin, health, config."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidCommandError
from ..quantities import parse_seconds
from ..types import ModelInstance, ModelStatus
from .jobs import jobs_result
from .parse import check_name, parse_settings
from .probe_views import health_chart, health_table
from .render import Message
from .spec import Argument, Command, CommandResult, Context, Listing
from .views import settings_table
from .waiting import wait_for, wait_for_all

if TYPE_CHECKING:
    from ..runtime.job import Job

__all__ = ["COMMANDS"]

_IN_A_KERNEL = "A loaded model belongs to a kernel."
_READ_BY_A_KERNEL = "The kernel that has the model loaded would not hear of a change."

_ID = Argument(name="id", target="model_id", kind="model", help="the model")
_SETTINGS = Argument(name="settings", kind="setting", many=True, required=False, help="configuration, key=value")


def _load(
    context: Context,
    *,
    model_id: str,
    settings: list[str],
    bind_as: str | None = None,
    in_kernel: bool = False,
    device: str | None = None,
    loader: str | None = None,
    keep_alive: str | None = None,
    restart: bool = False,
    wait: bool = False,
) -> CommandResult:
    config = parse_settings(settings)
    if bind_as is not None:
        check_name(bind_as)
        if context.namespace is None:
            raise InvalidCommandError("--as needs a notebook or a console", hint="Leave --as out here.")
    job = context.manager.load_model(
        model_id,
        config or None,
        isolation="kernel" if in_kernel else None,
        device=device,
        loader=loader,
        keep_alive=_seconds(keep_alive),
        restart="on-crash" if restart else None,
    )
    if bind_as is not None and context.namespace is not None:
        _bind(job, context.namespace, bind_as)
    if not wait:
        return jobs_result([job], "Loading")
    instance = wait_for(job)
    if bind_as is not None and context.namespace is not None:
        context.namespace[bind_as] = instance
    return CommandResult(instance, Message(f"Loaded {model_id}."))


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise InvalidCommandError(f"load: --keep-alive: {error}", hint="Nothing was loaded.") from None


def _bind(job: Job[ModelInstance], namespace: MutableMapping[str, Any], name: str) -> None:
    """Put the instance under the name when the load ends well."""

    def bind(done: Job[ModelInstance]) -> None:
        if not done.cancelled() and done.exception() is None:
            namespace[name] = done.result()

    job.add_done_callback(bind)


def _unload(context: Context, *, model_ids: list[str], everything: bool = False, wait: bool = False) -> CommandResult:
    if everything == bool(model_ids):
        raise InvalidCommandError("name the models, or give --all", hint="Usage: %rmm unload [ID…] [--all] [--wait]")
    chosen = list(context.manager.get_all_instances()) if everything else list(dict.fromkeys(model_ids))
    if not chosen:
        return CommandResult(None, Message("No model is loaded."))
    jobs = [context.manager.unload_model(model_id) for model_id in chosen]
    if wait:
        wait_for_all(jobs)
    return jobs_result(jobs, "Unloaded" if wait else "Unloading")


def _pin(context: Context, *, model_id: str) -> CommandResult:
    context.manager.pin(model_id)
    return CommandResult(None, Message(f"Pinned {model_id}: it is not unloaded to make room, nor for being idle."))


def _unpin(context: Context, *, model_id: str) -> CommandResult:
    context.manager.unpin(model_id)
    return CommandResult(None, Message(f"Unpinned {model_id}."))


def _health(context: Context, *, model_id: str | None) -> CommandResult:
    if model_id is None:
        loaded = [each for each in context.manager.describe_all() if each.status is ModelStatus.LOADED]
        document = health_table(loaded)
        return CommandResult(Listing(loaded, document), document)
    job = context.manager.check_health(model_id)
    if not context.may_wait:
        return CommandResult(job, Message(f"Probing {model_id}."))
    health = wait_for(job)
    return CommandResult(health, health_chart(context.manager.describe(model_id)), tells_more=True)


def _config(context: Context, *, model_id: str, settings: list[str]) -> CommandResult:
    changes = parse_settings(settings)
    if changes:
        context.manager.update_model_config(model_id, changes)
    config = context.manager.describe(model_id).config
    return CommandResult(dict(config), settings_table(model_id, config), tells_more=True)


COMMANDS = (
    Command(
        name="load",
        help="Load a model into memory",
        run=_load,
        arguments=(
            _ID,
            _SETTINGS,
            Argument(name="--as", target="bind_as", help="bind the instance to this Python name when it is loaded"),
            Argument(name="--in-kernel", kind="switch", help="no process of its own: faster calls, no protection"),
            Argument(name="--device", help="for example cpu or cuda:0"),
            Argument(name="--loader", help="one of those that `%rmm info` names, in place of the automatic choice"),
            Argument(name="--keep-alive", help="unload it once it was idle for so long: 90s, 10m, 2h or forever"),
            Argument(name="--restart", kind="switch", help="load it again when its process dies, at most 3 times"),
            Argument(name="--wait", kind="switch", help="return the instance; interrupting ends the wait only"),
        ),
        only_in_notebooks=_IN_A_KERNEL,
    ),
    Command(
        name="unload",
        help="Take models out of memory",
        run=_unload,
        arguments=(
            Argument(name="id", target="model_ids", kind="model", many=True, required=False, help="the models"),
            Argument(name="--all", target="everything", kind="switch", help="every loaded model"),
            Argument(name="--wait", kind="switch", help="return when the memory is back"),
        ),
        only_in_notebooks=_IN_A_KERNEL,
    ),
    Command(
        name="pin",
        help="Keep a model in memory: it is never evicted, nor unloaded for being idle",
        run=_pin,
        arguments=(_ID,),
        only_in_notebooks=_READ_BY_A_KERNEL,
    ),
    Command(
        name="unpin",
        help="Let a model be unloaded to make room",
        run=_unpin,
        arguments=(_ID,),
        only_in_notebooks=_READ_BY_A_KERNEL,
    ),
    Command(
        name="health",
        help="Probe a loaded model, or show how all of them are",
        run=_health,
        arguments=(Argument(name="id", target="model_id", kind="model", required=False, help="the model to probe"),),
        as_json=True,
        only_in_notebooks=_IN_A_KERNEL,
    ),
    Command(
        name="config",
        help="Show or change a model's configuration",
        run=_config,
        arguments=(_ID, _SETTINGS),
        as_json=True,
        only_in_notebooks=_READ_BY_A_KERNEL,
    ),
)
