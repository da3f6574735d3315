"""The guide as a whole, and the way to an entry from what somebody typed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .downloading import DOWNLOADING
from .loading import LOADING
from .naming import NAMING
from .records import ErrorEntry, ErrorGroup
from .surroundings import SURROUNDINGS

__all__ = ["ENTRIES", "GROUPS", "find"]

GROUPS: tuple[ErrorGroup, ...] = (NAMING, DOWNLOADING, LOADING, SURROUNDINGS)

ENTRIES: Mapping[str, ErrorEntry] = MappingProxyType({entry.name: entry for group in GROUPS for entry in group.entries})
"""By the name of the error's class, in the order of the groups."""

_FOLDED = {name.casefold(): entry for name, entry in ENTRIES.items()}


def find(word: str) -> ErrorEntry | None:
    """The entry of an error, however its name is written: in any case, or with its module as a traceback has it."""
    return _FOLDED.get(word.rpartition(".")[2].casefold())
