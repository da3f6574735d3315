"""The command table: every command, once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import catalogue, overview, residents, transfers
from .spec import Command

__all__ = ["LATER", "TABLE"]

TABLE: Mapping[str, Command] = MappingProxyType(
    {
        command.name: command
        for group in (catalogue.COMMANDS, overview.COMMANDS, transfers.COMMANDS, residents.COMMANDS)
        for command in group
    }
)
"""The commands by name, in the order that help shows."""

LATER: Mapping[str, str] = MappingProxyType(
    {
        "connect": "Load with the default isolation for now.",
        "du": "`%rmm ls` shows the sizes on disk.",
        "freeze": "`%rmm info ID` shows the commit of a model on disk.",
        "prune": "`%rmm rm ID --files` deletes one model's files.",
        "sync": "`%rmm add REPO@COMMIT` registers a model at an exact commit.",
        "why": "`%rmm info ID` shows the error and `%rmm events ID` what led to it.",
    }
)
"""Words that this version does not know as commands yet, and what helps until then."""
