"""The side panel's two comms.

`rmm.rpc` carries the panel's commands and their answers, `rmm.events` the kernel's state to the
panel. Two, because ipykernel 7.4 handles a message in the thread that last published on its comm:
with one comm, an update caused by a running cell would make the next button wait for that cell.
On `rmm.rpc` nothing is published but by the handler of a command, in its thread: answers that are
made in other threads go to `rmm.events`, on which the front end never sends.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..comm_targets import EVENTS_TARGET, RPC_TARGET
from .comms import hear, keep_own_thread
from .messages import MessageHandler
from .protocol import PROTOCOL_VERSION, Ended
from .publishers import publisher_of
from .refusals import describe
from .side_panels import SidePanels

if TYPE_CHECKING:
    from comm.base_comm import BaseComm

    from ..manager import ModelManager

__all__ = ["EVENTS_TARGET", "PANELS", "RPC_TARGET", "open_events", "open_rpc"]

PANELS = SidePanels()
"""The panels that are connected to this kernel."""


def open_events(comm: BaseComm, message: Mapping[str, Any]) -> None:
    """Tell a new panel everything, then what changes."""
    keep_own_thread(comm)
    panel = PANELS.join(comm, message)
    comm.on_close(lambda _message: PANELS.leave(panel, comm))
    if panel.greeting.protocol not in (0, PROTOCOL_VERSION):
        panel.push(Ended(type="ended", reason="version"))
        return
    try:
        publisher = publisher_of(_manager())
    except Exception as error:  # noqa: BLE001 - the panel has to say why it stays empty
        panel.push(Ended(type="ended", reason="failed", error=describe(error)))
        return
    panel.watch(publisher, PANELS.end)


def open_rpc(comm: BaseComm, message: Mapping[str, Any]) -> None:
    """Answer what a new panel asks for."""
    keep_own_thread(comm)
    panel = PANELS.join(comm, message)
    handler = MessageHandler(_manager, rows=panel.all_rows)

    def received(received_message: Mapping[str, Any]) -> None:
        panel.hear()
        thread = threading.get_ident()

        def reply(answer: dict[str, Any]) -> None:
            inside = threading.get_ident() == thread
            (comm if inside else panel.events or comm).send(answer)

        content: object = received_message["content"].get("data")
        handler.handle(content, received_message.get("buffers") or (), reply=reply)

    def closed(_message: Mapping[str, Any]) -> None:
        handler.close()
        PANELS.leave(panel, comm)

    hear(comm, received)
    comm.on_close(closed)


def _manager() -> ModelManager:
    from ..default_manager import get_manager

    return get_manager()
