"""The command about models in the cache that are not registered: adopt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidCommandError, RMMError
from ..types import ModelInfo, ModelType
from .find_views import cached_table
from .job_views import error_line
from .render import Message, size
from .spec import Argument, Command, CommandResult, Context, Listing
from .waiting import wait_for, wait_for_all

__all__ = ["COMMANDS"]

_TYPES = tuple(each.value for each in ModelType)
_ONE = "Write %rmm adopt REPO --as ID --type TYPE."


def _adopt(
    context: Context,
    *,
    repos: list[str],
    everything: bool = False,
    model_id: str | None = None,
    model_type: str | None = None,
) -> CommandResult:
    if everything and repos:
        raise InvalidCommandError("adopt: name repositories, or give --all", hint="Leave one of them out.")
    if (model_id or model_type) and len(repos) != 1:
        raise InvalidCommandError("adopt: --as and --type are for one repository", hint=_ONE)
    if not context.may_wait:
        raise InvalidCommandError("adopt is not for views", hint="Type it in a cell.")
    if everything:
        return _adopt_all(context)
    if not repos:
        found = wait_for(context.manager.find_cached())
        document = cached_table(found)
        return CommandResult(Listing(found, document), document)
    jobs = [
        context.manager.adopt(
            repo_id,
            revision=revision or None,
            model_id=model_id,
            model_type=ModelType(model_type) if model_type else None,
        )
        for repo_id, _, revision in (repo.partition("@") for repo in dict.fromkeys(repos))
    ]
    wait_for_all(jobs)
    return _told([job.result() for job in jobs], [])


def _adopt_all(context: Context) -> CommandResult:
    adopted: list[ModelInfo] = []
    left: list[str] = []
    for each in wait_for(context.manager.find_cached()):
        try:
            if each.reason:
                left.append(f"{each.repo_id}: {each.reason}.")
            else:
                adopted.append(wait_for(context.manager.adopt(each.repo_id, revision=each.revision)))
        except RMMError as error:
            left.append(f"{each.repo_id}: {error_line(error)}")
    return _told(adopted, left)


def _told(adopted: Sequence[ModelInfo], left: Sequence[str]) -> CommandResult:
    lines = [
        f"Adopted {info.model_id}: {info.model_type.value}, {size(info.total_size_estimate)}, from {info.repo_id}."
        for info in adopted
    ]
    lines += [f"Left out {line}" for line in left]
    document = Message("\n".join(lines) or "The cache holds no model that is not registered.")
    if len(adopted) == 1 and not left:
        return CommandResult(adopted[0], document)
    return CommandResult(Listing(list(adopted), document), document)


def _adopted_ids(values: Mapping[str, Any]) -> Sequence[str]:
    """The ids that `adopt` will register, where the line tells them."""
    if values["model_id"]:
        return [values["model_id"]]
    return [str(repo).partition("@")[0].rpartition("/")[2] for repo in values["repos"]]


COMMANDS = (
    Command(
        name="adopt",
        help="List the models in the cache that are not registered, or register them without a download",
        run=_adopt,
        arguments=(
            Argument(
                name="repo",
                target="repos",
                kind="cached",
                many=True,
                required=False,
                help="OWNER/NAME, or OWNER/NAME@REVISION; none lists what there is",
            ),
            Argument(name="--all", target="everything", kind="switch", help="every one that is complete"),
            Argument(name="--as", target="model_id", help="the model's id here; by default the repository's name"),
            Argument(
                name="--type",
                target="model_type",
                choices=_TYPES,
                help=f"in place of what its files tell, one of: {', '.join(_TYPES)}",
            ),
        ),
        adds=_adopted_ids,
        as_json=True,
    ),
)
