"""The side panel's two comms.

`rmm.rpc` carries the panel's commands and their answers, `rmm.events` the kernel's state to the
panel. Two, because ipykernel 7.4 handles a message in the thread that last published on its comm:
with one comm, an update caused by a running cell would make the next button wait for that cell.
On `rmm.rpc` only answers are published, and the front end never sends on `rmm.events`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import msgspec
from comm import get_comm_manager

from ..errors import InvalidCommandError
from .comms import keep_own_thread
from .messages import MessageHandler
from .protocol import AllRows, StateUpdate
from .publisher import Changes
from .publishers import publisher_of
from .snapshots import Snapshot
from .told import Told

if TYPE_CHECKING:
    from comm.base_comm import BaseComm

    from ..manager import ModelManager

__all__ = ["EVENTS_TARGET", "RPC_TARGET", "register"]

RPC_TARGET = "rmm.rpc"
EVENTS_TARGET = "rmm.events"

_lock = threading.Lock()
_open: dict[tuple[str, str], BaseComm] = {}
_views: WeakKeyDictionary[BaseComm, _EventsView] = WeakKeyDictionary()


def register() -> None:
    """Let side panels connect to this kernel. Again: no change."""
    comms = get_comm_manager()
    comms.register_target(RPC_TARGET, _open_rpc)
    comms.register_target(EVENTS_TARGET, _open_events)


class _EventsView:
    """One panel's stream of states."""

    def __init__(self, comm: BaseComm) -> None:
        self._comm = comm
        self._told: Told | None = None

    def select(self, snapshot: Snapshot) -> Snapshot:
        return snapshot

    def publish(self, changes: Changes) -> float | None:
        if self._told is None:
            self._told = Told(changes.rows or {}, changes.progress or {}, changes.summary)
            every = self._told.all()
            self._send(
                StateUpdate(
                    type="state",
                    revision=changes.revision,
                    seq=every.seq,
                    rows=self._told.packed_rows(),
                    progress=every.progress,
                    summary=changes.summary,
                )
            )
            return None
        telling = self._told.tell(changes)
        if telling.changes is not None or telling.summary is not None:
            self._send(
                StateUpdate(type="state", revision=changes.revision, changes=telling.changes, summary=telling.summary)
            )
        return telling.wait

    def _send(self, update: StateUpdate) -> None:
        self._comm.send(cast("dict[str, Any]", msgspec.to_builtins(update)))

    def all_rows(self) -> AllRows:
        """Everything that this panel has been told, for one that missed some of it."""
        if self._told is None:
            raise InvalidCommandError("no rows were sent yet", hint="They come in a moment.")
        return self._told.all()


def _open_events(comm: BaseComm, message: Mapping[str, Any]) -> None:
    publisher = publisher_of(_manager())
    view = _EventsView(comm)
    keep_own_thread(comm)
    forget = _replace(comm, message)

    def closed(_message: object) -> None:
        publisher.detach(view)
        forget()

    comm.on_close(closed)
    with _lock:
        _views[comm] = view
    publisher.attach(view)


def _open_rpc(comm: BaseComm, message: Mapping[str, Any]) -> None:
    client = _client(message)
    handler = MessageHandler(_manager, rows=lambda: _rows_told(client))
    keep_own_thread(comm)
    forget = _replace(comm, message)

    def received(received_message: Mapping[str, Any]) -> None:
        content: object = received_message["content"].get("data")
        handler.handle(content, received_message.get("buffers") or (), reply=comm.send)

    comm.on_msg(received)
    comm.on_close(lambda _message: forget())


def _replace(comm: BaseComm, message: Mapping[str, Any]) -> Any:
    """Close the comm that the same panel left open, as after a crash; returns what forgets this one."""
    key = (comm.target_name, _client(message) or comm.comm_id)
    with _lock:
        former = _open.get(key)
        _open[key] = comm
    if former is not None:
        # Closing from this side does not call the close callback.
        former.handle_close(message)  # pyright: ignore[reportArgumentType]
        former.close()

    def forget() -> None:
        with _lock:
            if _open.get(key) is comm:
                del _open[key]

    return forget


def _client(message: Mapping[str, Any]) -> str:
    """The name under which a panel opens both of its comms, empty where it gives none."""
    data: object = message["content"].get("data")
    client: object = cast("dict[str, Any]", data).get("client") if isinstance(data, dict) else None
    return client if isinstance(client, str) else ""


def _rows_told(client: str) -> AllRows:
    """What the events comm of the same panel has told."""
    with _lock:
        comm = _open.get((EVENTS_TARGET, client)) if client else None
        view = None if comm is None else _views.get(comm)
    if view is None:
        raise InvalidCommandError("this panel has no stream of states", hint=f"Open {EVENTS_TARGET} as well.")
    return view.all_rows()


def _manager() -> ModelManager:
    from ..default_manager import get_manager

    return get_manager()
