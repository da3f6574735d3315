"""What a view may command: the manager it belongs to, and those of its models that it shows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..commands.parse import check_model
from ..errors import InvalidCommandError, ModelNotRegisteredError
from .lengths import NAME, cut
from .stoppable import Stoppable

if TYPE_CHECKING:
    from ..manager import ModelManager
    from .protocol import AllRows

__all__ = ["Later", "Limit", "Scope"]

Limit = Callable[[str], bool] | Collection[str] | None
"""The models that a view may command: a test of an id, the ids, or None for all."""


class Scope:
    """The manager that a view belongs to, and which of its models the view may command."""

    def __init__(
        self,
        manager: Callable[[], ModelManager],
        limit: Limit = None,
        rows: Callable[[], AllRows] | None = None,
    ) -> None:
        self._manager = manager
        self._rows = rows
        self.trial = Stoppable()
        """The call of a model that the view waits for."""
        self._shows = limit if limit is None or callable(limit) else frozenset(limit).__contains__

    @property
    def manager(self) -> ModelManager:
        """The manager; made where it is the default one and there is none yet."""
        return self._manager()

    @property
    def limited(self) -> bool:
        """Whether the view is of some models only."""
        return self._shows is not None

    def rows(self) -> AllRows:
        """All rows of the view, for one that missed changes.

        Raises:
            InvalidCommandError: It has none.
        """
        if self._rows is None:
            raise InvalidCommandError("this view has no rows", hint="Ask the view that shows them.")
        return self._rows()

    def shows(self, model_id: str) -> bool:
        """Whether the view may command this model."""
        return self._shows is None or self._shows(model_id)

    def check(self, model_id: str) -> None:
        """Refuse a model that the view does not show, and one that is not registered, with the nearest ids.

        Raises:
            InvalidCommandError, ModelNotRegisteredError: It is such a one.
        """
        self._check_shown(model_id)
        if self.manager.get_model_info(model_id) is None:
            known = [each for each in self.manager.get_all_models() if self.shows(each)]
            check_model(model_id, known)

    def check_one_of_many(self, model_id: str) -> None:
        """The same without the nearest ids: looking for these takes its time.

        Raises:
            InvalidCommandError, ModelNotRegisteredError: As `check`.
        """
        self._check_shown(model_id)
        if self.manager.get_model_info(model_id) is None:
            raise ModelNotRegisteredError(
                f"there is no model {cut(repr(model_id), NAME)}", hint="It may have been removed meanwhile."
            )

    def check_whole(self, what: str) -> None:
        """Refuse what concerns more than some models, for a view of some models.

        Raises:
            InvalidCommandError: It is such a view.
        """
        if self.limited:
            raise InvalidCommandError(f"this view shows some models only, so it {what}", hint="Use the full panel.")

    def _check_shown(self, model_id: str) -> None:
        if not self.shows(model_id):
            raise InvalidCommandError("this view does not show that model", hint="Use the full panel.")


class Later(msgspec.Struct, frozen=True):
    """An answer that takes its time: blocking work for a thread of its own. `asks` is who is asked."""

    work: Callable[[], Any]
    asks: Literal["kernel", "hub", "model"] = "kernel"
