"""What a view is told where a command was refused or failed."""

from __future__ import annotations

import logging

from ..errors import RMMError
from .fixes import FIXES
from .lengths import NAME, TEXT, cut
from .protocol import CommandError

__all__ = ["describe"]

_log = logging.getLogger("rmm_widgets")


def describe(error: BaseException) -> CommandError:
    """An error as a record. One that is not of ours is a bug: it is logged."""
    if isinstance(error, RMMError):
        name = type(error).__name__
        message, hint = cut(error.message, TEXT), cut(error.hint, TEXT)
        return CommandError(type=name, message=message, hint=hint, fix=FIXES.get(name, ""), guide=error.guide_name)
    _log.warning("a command from a view failed", exc_info=error)
    return CommandError(
        type=cut(type(error).__name__, NAME),
        message=cut(str(error), TEXT),
        hint="This is a bug in rmm_widgets; see the log.",
    )
