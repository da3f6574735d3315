"""What has to be known about comms, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["drop", "hear", "keep_own_thread"]

_ROUTING_HOOK = "_reply_subshell_for"


def keep_own_thread(comm: Any) -> None:
    """Let messages of this comm be handled while a cell runs.

    JupyterLab sends them to a thread beside the main one, but ipykernel 7.4 re-routes them to
    whichever thread last published on the comm: after an update that a running cell caused, a
    button would wait for the end of the cell. Without the hook it follows the front end's wish.
    """
    if hasattr(comm, _ROUTING_HOOK):
        setattr(comm, _ROUTING_HOOK, None)


def hear(comm: Any, received: Callable[[Mapping[str, Any]], None]) -> None:
    """Have `received` called with each message of this comm, as `on_msg` does, but with nothing around it.

    The usual way runs IPython's pre_execute and post_execute hooks, also in the thread beside a running cell. There
    they do harm: Matplotlib's hook shows and closes the figures that the cell is still drawing.
    """
    comm.handle_msg = received


def drop(comm: Any) -> None:
    """Forget a comm that is nobody's any more; says nothing to front ends, all of which would hear it."""
    from comm import get_comm_manager

    comm._closed = True  # noqa: SLF001 - `close` would publish
    comms: dict[str, Any] = getattr(get_comm_manager(), "comms", {})
    if comms.get(comm.comm_id) is comm:
        del comms[comm.comm_id]
