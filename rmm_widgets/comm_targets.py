"""The comm targets of the JupyterLab side panel: offered as soon as there is a manager to show.

A panel that is opened while a cell runs can have no code run in the kernel, but it can open comms beside the cell. So
the targets are there before anybody asks for them; what answers is imported with the first panel.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["EVENTS_TARGET", "RPC_TARGET", "offer"]

RPC_TARGET = "rmm.rpc"
EVENTS_TARGET = "rmm.events"

_BRIDGE = "rmm_widgets.notebook.bridge"
_OPENERS = {RPC_TARGET: "open_rpc", EVENTS_TARGET: "open_events"}


def offer() -> str:
    """Let side panels connect to this kernel; again: no change.

    A panel of any version calls this by name, so name and answer stay as they are.

    Returns:
        The version of this package.
    """
    from comm import get_comm_manager

    from . import __version__

    comms = get_comm_manager()
    for target, opener in _OPENERS.items():
        comms.register_target(target, _late(opener))
    return __version__


def _late(opener: str) -> Callable[[Any, Any], None]:
    def open_comm(comm: Any, message: Any) -> None:
        # By name: the notebook face is above this module.
        getattr(importlib.import_module(_BRIDGE), opener)(comm, message)

    return open_comm
