"""What has to be known about comms, in one place."""

from __future__ import annotations

from typing import Any

__all__ = ["keep_own_thread"]

_ROUTING_HOOK = "_reply_subshell_for"


def keep_own_thread(comm: Any) -> None:
    """Let messages of this comm be handled while a cell runs.

    JupyterLab sends them to a thread beside the main one, but ipykernel 7.4 re-routes them to
    whichever thread last published on the comm: after an update that a running cell caused, a
    button would wait for the end of the cell. Without the hook it follows the front end's wish.
    """
    if hasattr(comm, _ROUTING_HOOK):
        setattr(comm, _ROUTING_HOOK, None)
