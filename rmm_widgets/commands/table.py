"""The command table: every command, once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import adoption, catalogue, consent, disk, locking, overview, residents, transfers
from .spec import Command

__all__ = ["LATER", "TABLE"]

TABLE: Mapping[str, Command] = MappingProxyType(
    {
        command.name: command
        for group in (
            catalogue.COMMANDS,
            adoption.COMMANDS,
            overview.COMMANDS,
            transfers.COMMANDS,
            disk.COMMANDS,
            locking.COMMANDS,
            residents.COMMANDS,
            consent.COMMANDS,
        )
        for command in group
    }
)
"""The commands by name, in the order that help shows."""

LATER: Mapping[str, str] = MappingProxyType(
    {
        "connect": "Load with the default isolation for now.",
    }
)
"""Words that this version does not know as commands yet, and what helps until then."""
