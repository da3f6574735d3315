"""Commands about what is known: search, add, ls, info, outdated, update, rm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from .. import names
from ..error_links import in_one_line
from ..errors import InvalidCommandError, RMMError
from ..quantities import parse_bytes
from ..types import ModelType, UpdateOffer
from . import recent
from .find_views import search_table
from .jobs import jobs_result
from .render import Message, size
from .spec import Argument, Command, CommandResult, Context, Listing
from .views import files_table, info_table, models_table, newer_commit_text, offers_table
from .waiting import wait_for

if TYPE_CHECKING:
    from ..loading.detect import Detection
    from ..runtime.entry import ModelDescription

__all__ = ["COMMANDS"]

_TYPES = tuple(each.value for each in ModelType)
_TYPE = Argument(name="--type", target="model_type", choices=_TYPES, help=f"one of: {', '.join(_TYPES)}")


def _search(
    context: Context,
    *,
    query: list[str],
    model_type: str | None,
    min_size: str | None = None,
    max_size: str | None = None,
    limit: int | None,
) -> CommandResult:
    job = context.manager.search_hub(
        " ".join(query),
        model_type=ModelType(model_type) if model_type else None,
        limit=limit or 20,
        min_size=_bytes("--min-size", min_size),
        max_size=_bytes("--max-size", max_size),
    )
    if not context.may_wait:
        return CommandResult(job, Message("Searching the Hub."))
    found = wait_for(job)
    recent.note(context.manager, found)
    document = search_table(found, numbered=True)
    return CommandResult(Listing(found, document), document)


def _bytes(option: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_bytes(text)
    except ValueError as error:
        raise InvalidCommandError(f"search: {option}: {error}", hint="Nothing was asked of the Hub.") from None


def _add(
    context: Context,
    *,
    repo: str,
    model_id: str | None,
    model_type: str | None,
    allow_patterns: Sequence[str] = (),
    ignore_patterns: Sequence[str] = (),
) -> CommandResult:
    repo_id, _, revision = repo.partition("@")
    if _is_row(repo_id) and context.may_wait:  # a view shows rows of its own
        repo_id = recent.row(context.manager, int(repo_id)).repo_id
    try:
        names.check_repo_id(repo_id)
        if "@" in repo:
            names.check_revision(revision)
        if model_id is not None:
            names.check_model_id(model_id)
        for option, patterns in (("--include", allow_patterns), ("--exclude", ignore_patterns)):
            if patterns:
                names.check_patterns(patterns, option)
    except ValueError as error:
        raise InvalidCommandError(str(error), hint="Write %rmm add OWNER/NAME or OWNER/NAME@REVISION.") from None
    job = context.manager.register_from_hub(
        repo_id,
        model_id=model_id,
        revision=revision or None,
        model_type=ModelType(model_type) if model_type else None,
        allow_patterns=allow_patterns or None,
        ignore_patterns=ignore_patterns or None,
    )
    if not context.may_wait:
        return CommandResult(job, Message(f"Looking at {repo_id}."))
    info = wait_for(job)
    told = f"Registered {info.model_id}: {info.model_type.value}, {size(info.total_size_estimate)}."
    if newer := newer_commit_text(info):
        return CommandResult(info, Message(f"{told} {newer}"))
    return CommandResult(info, Message(f"{told} %rmm download {info.model_id} fetches it."))


def _is_row(word: str) -> bool:
    """Whether a word is the number of a search's row; no repository of today's Hub is named so."""
    return word.isascii() and word.isdigit() and len(word) <= 4


def _added_id(values: Mapping[str, Any]) -> Sequence[str]:
    """The id that `add` will register: the given one, or the repository's name, unknown for a row's number."""
    name = str(values["repo"]).partition("@")[0].rpartition("/")[2]
    return [values["model_id"] or name] if values["model_id"] or not _is_row(name) else []


def _list(context: Context) -> CommandResult:
    models = context.manager.describe_all()
    document = models_table(models)
    return CommandResult(Listing(models, document), document)


def _info(context: Context, *, model_id: str, files: bool = False) -> CommandResult:
    manager = context.manager
    if not context.may_wait:
        if files:
            return CommandResult(manager.list_files(model_id), Message(f"Looking at the files of {model_id}."))
        return CommandResult(manager.describe(model_id), info_table(manager.describe(model_id)))
    listing = wait_for(manager.list_files(model_id, local_only=not files))
    if files:
        document = files_table(listing)
        return CommandResult(Listing(list(listing.files), document), document)
    description = manager.describe(model_id)
    detection, trouble = _detection(context, description)
    report = wait_for(manager.check_safety(model_id))
    description = msgspec.structs.replace(
        description, files=listing, detection=detection, not_loadable=trouble, safety=report
    )
    return CommandResult(description, info_table(description))


def _detection(context: Context, description: ModelDescription) -> tuple[Detection | None, str]:
    """How a model on disk would be loaded, or why it cannot be."""
    if description.custom or not description.on_disk:
        return None, ""
    try:
        return wait_for(context.manager.find_loader(description.info.model_id)), ""
    except RMMError as error:
        already = error.guide_name == description.guide_name
        return None, in_one_line(error.message, error.hint, "" if already else error.guide_name)


def _outdated(context: Context, *, model_id: str | None) -> CommandResult:
    manager = context.manager
    jobs = [manager.check_update(each) for each in ([model_id] if model_id else manager.get_all_models())]
    if not context.may_wait:
        return jobs_result(jobs, "Asking the Hub about")
    offers: list[UpdateOffer] = []
    failures: list[str] = []
    for job in jobs:
        try:
            offers += filter(None, [wait_for(job)])
        except RMMError as error:
            if model_id is not None:
                raise
            failures.append(f"{job.model_id}: {error.message}")
    document = offers_table(offers, failures)
    return CommandResult(Listing(offers, document), document, trouble=tuple(failures))


def _update(context: Context, *, model_id: str, wait: bool = False) -> CommandResult:
    job = context.manager.update_model(model_id)
    if wait:
        wait_for(job)
    return jobs_result([job], "Updated" if wait else "Updating")


def _remove(context: Context, *, model_id: str, files: bool) -> CommandResult:
    description = context.manager.describe(model_id)
    job = context.manager.delete_model(model_id, remove_files=files)
    if not context.may_wait:
        return CommandResult(job, Message(f"Removing {model_id}."))
    freed = wait_for(job)
    has_files = not description.custom and (description.on_disk or description.partial_bytes)
    kept = " Its files stay in the cache." if has_files and not files else ""
    return CommandResult(None, Message(f"Removed {model_id}.{kept}" + (f" {size(freed)} freed." if freed else "")))


COMMANDS = (
    Command(
        name="search",
        help="Search the Hub",
        run=_search,
        arguments=(
            Argument(name="query", many=True, help="words to look for"),
            _TYPE,
            Argument(name="--max-size", help="only what is not larger, for example 2GB, of the 100 most downloaded"),
            Argument(name="--min-size", help="only what is not smaller"),
            Argument(name="--limit", kind="integer", help="how many at most (20)"),
        ),
        as_json=True,
    ),
    Command(
        name="add",
        help="Register a model of the Hub",
        run=_add,
        arguments=(
            Argument(
                name="repo",
                kind="repository",
                help="OWNER/NAME, OWNER/NAME@REVISION, or the number of a row of the last search",
            ),
            Argument(name="--as", target="model_id", help="the model's id here; by default the repository's name"),
            _TYPE,
            Argument(
                name="--include",
                target="allow_patterns",
                many=True,
                help="only files that match this glob, in place of the automatic choice; once for each glob",
            ),
            Argument(
                name="--exclude",
                target="ignore_patterns",
                many=True,
                help="no files that match this glob; once for each glob",
            ),
        ),
        adds=_added_id,
    ),
    Command(name="ls", help="List the registered models", run=_list, as_json=True),
    Command(
        name="info",
        help="Show everything about a model",
        run=_info,
        arguments=(
            Argument(name="id", target="model_id", kind="model", help="the model"),
            Argument(name="--files", kind="switch", help="all files: chosen or why not, and how each is checked"),
        ),
        as_json=True,
    ),
    Command(
        name="outdated",
        help="Ask the Hub which models have a newer commit",
        run=_outdated,
        arguments=(
            Argument(name="id", target="model_id", kind="model", required=False, help="the model; all by default"),
        ),
        as_json=True,
    ),
    Command(
        name="update",
        help="Fetch the newer commit of a model, and accept it",
        run=_update,
        arguments=(
            Argument(name="id", target="model_id", kind="model", help="the model"),
            Argument(name="--wait", kind="switch", help="return when it is done; interrupting ends the wait only"),
        ),
    ),
    Command(
        name="rm",
        help="Unload and unregister a model",
        run=_remove,
        arguments=(
            Argument(name="id", target="model_id", kind="model", help="the model"),
            Argument(name="--files", kind="switch", help="delete the files that no other model needs, too"),
        ),
    ),
)
