"""The commands of views that remove something: models, their files, what was left in the cache."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ..commands.parse import suggestions
from ..errors import InvalidCommandError, ModelNotRegisteredError, RMMError
from .arguments import Models, Nothing, Removal
from .lengths import NAME, cut
from .protocol import Removed
from .refusals import describe
from .scope import Later, Scope

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["prune", "removal", "remove"]

_NAMED = 5
"""Models that a message names; more are counted."""


def remove(scope: Scope, arguments: Removal) -> Later:
    """Delete models; answers when all are gone, with the bytes freed.

    Raises:
        InvalidCommandError, ModelNotRegisteredError: The view does not show some, or they are unknown.
    """
    chosen = _all_checked(scope, arguments.model_ids)
    return Later(lambda: _delete(scope.manager, chosen, files=arguments.files))


def _delete(manager: ModelManager, model_ids: Iterable[str], *, files: bool) -> Removed:
    """Delete one after another, so that what they share with each other is freed with the last one.

    Raises:
        RMMError: Some could not be deleted; says which, and which are gone.
    """
    freed, removed, failed = 0, list[str](), dict[str, Exception]()
    for model_id in model_ids:
        try:
            freed += manager.delete_model(model_id, remove_files=files).result()
        except Exception as error:  # noqa: BLE001 - told below, once the others are gone too
            failed[model_id] = error
        else:
            removed.append(model_id)
    if len(failed) == 1 and not removed:
        raise next(iter(failed.values()))
    if failed:
        reasons = [(model_id, describe(error)) for model_id, error in failed.items()]
        told = "; ".join(f"{model_id} was not removed: {reason.message}" for model_id, reason in reasons[:_NAMED])
        more = f"; {len(reasons) - _NAMED} more were not" if len(reasons) > _NAMED else ""
        raise RMMError(f"{told}{more}. Removed: {_named(removed) or 'none'}.", hint=reasons[0][1].hint)
    return Removed(freed=freed)


def removal(scope: Scope, arguments: Models) -> Later:
    """Ask what deleting models with their files would free.

    Raises:
        InvalidCommandError, ModelNotRegisteredError: The view does not show some, or they are unknown.
    """
    chosen = _all_checked(scope, arguments.model_ids)
    return Later(lambda: Removed(freed=scope.manager.deletion_frees(chosen).result()))


def _all_checked(scope: Scope, model_ids: Iterable[str]) -> list[str]:
    """The models, each once.

    Raises:
        InvalidCommandError, ModelNotRegisteredError: The view does not show some, or they are unknown; names them.
    """
    chosen = list(dict.fromkeys(model_ids))
    if hidden := [model_id for model_id in chosen if not scope.shows(model_id)]:
        raise InvalidCommandError(
            f"this view does not show {_named(hidden)}; nothing was removed", hint="Use the full panel."
        )
    known = scope.manager.get_all_models()
    if unknown := [model_id for model_id in chosen if model_id not in known]:
        near = suggestions(unknown[0], filter(scope.shows, known))
        raise ModelNotRegisteredError(
            f"there is no model {_named(unknown)}; nothing was removed",
            hint=near or "It may have been removed already.",
        )
    return chosen


def _named(model_ids: Collection[str]) -> str:
    named = [cut(model_id, NAME) for model_id in list(model_ids)[:_NAMED]]
    more = [f"{len(model_ids) - _NAMED} more"] if len(model_ids) > _NAMED else []
    return ", ".join([*named, *more])


def prune(scope: Scope, _arguments: Nothing) -> Later:
    """Remove from the cache what interrupted downloads and damage left there."""
    scope.check_whole("does not clean up")
    return Later(lambda: Removed(freed=scope.manager.prune().result().freed_bytes))
