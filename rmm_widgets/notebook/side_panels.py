"""The side panels that are connected to a kernel, and when each of them is over.

A panel that goes away closes its comms. A page that crashed does not, so one that has said nothing for long is let go:
a visible panel asks every ten seconds whether the kernel is there, a hidden one closes its comms itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..comm_targets import EVENTS_TARGET
from ..errors import InvalidCommandError
from .comms import drop
from .lengths import NAME
from .protocol import AllRows, Ended, Greeting, StateUpdate
from .publisher import Changes, Publisher
from .snapshots import Snapshot, only
from .told import Told

if TYPE_CHECKING:
    from comm.base_comm import BaseComm

__all__ = ["LEASE", "SidePanel", "SidePanels"]

LEASE = 180.0
"""Seconds after which a panel that says nothing is taken for gone; browsers let hidden pages act once a minute."""


class SidePanel:
    """One panel of one page: its comms, and what it has been told.

    Args:
        greeting: What it said when it opened the first of its comms.
        beside_cells: Its messages come in while a cell runs, so silence means that nobody is there.
    """

    def __init__(self, greeting: Greeting, *, beside_cells: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.greeting = greeting
        self.comms: list[BaseComm] = []
        self.over = False
        self._beside_cells = beside_cells
        self._clock = clock
        self._heard = clock()
        self._told: Told | None = None
        self._publisher: Publisher | None = None
        self._end: Callable[[SidePanel], None] = SidePanel.stop

    @property
    def events(self) -> BaseComm | None:
        """The comm that it listens to."""
        return next((comm for comm in self.comms if comm.target_name == EVENTS_TARGET), None)

    def hear(self) -> None:
        """It has said something."""
        self._heard = self._clock()

    def silent(self) -> bool:
        """Whether nothing was heard of it for longer than a living panel would be silent."""
        return self._clock() - self._heard > LEASE

    def watch(self, publisher: Publisher, end: Callable[[SidePanel], None]) -> None:
        """Begin to tell it what the publisher publishes; `end` is called where it turns out to be gone."""
        self._publisher, self._end = publisher, end
        publisher.attach(self)

    def stop(self) -> None:
        """Tell it nothing more."""
        self.over = True
        if self._publisher is not None:
            self._publisher.detach(self)

    def push(self, message: StateUpdate | Ended) -> None:
        """Send it something beside the answers to its commands."""
        comm = self.events
        if comm is not None:
            comm.send(cast("dict[str, Any]", msgspec.to_builtins(message)))

    def all_rows(self) -> AllRows:
        """Everything that it has been told, for a panel that missed some of it.

        Raises:
            InvalidCommandError: It has been told nothing.
        """
        if self._told is None:
            raise InvalidCommandError("this panel has no stream of states", hint=f"Open {EVENTS_TARGET} as well.")
        return self._told.all()

    def select(self, snapshot: Snapshot) -> Snapshot:
        """Everything: a side panel shows all models. One that wants the head line only gets no rows."""
        return only(snapshot, ()) if self.greeting.brief else snapshot

    def publish(self, changes: Changes) -> float:
        """Send what is new; asked now and then even where nothing is, to see whether anybody is there."""
        if self._beside_cells and self.silent():
            self._end(self)
            return math.inf
        wait = self._tell(changes)
        if changes.last:
            self.push(Ended(type="ended", reason="closed"))
        return min(wait, LEASE) if self._beside_cells else wait

    def _tell(self, changes: Changes) -> float:
        if self._told is None:
            self._told = Told(changes.rows or {}, changes.progress or {}, changes.summary)
            every = self._told.all()
            rows, summary = self._told.packed_rows(), changes.summary
            self.push(
                StateUpdate(
                    type="state",
                    revision=changes.revision,
                    seq=every.seq,
                    rows=rows,
                    progress=every.progress,
                    summary=summary,
                )
            )
            return math.inf
        telling = self._told.tell(changes)
        if telling.changes is not None or telling.summary is not None:
            self.push(
                StateUpdate(type="state", revision=changes.revision, changes=telling.changes, summary=telling.summary)
            )
        return telling.wait


class SidePanels:
    """All of them, by the name that each gives itself; may be used in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._panels: dict[str, SidePanel] = {}

    def __len__(self) -> int:
        return len(self._panels)

    def join(self, comm: BaseComm, message: Mapping[str, Any]) -> SidePanel:
        """The panel that opens this comm; lets go of those that are gone."""
        greeting = _greeting(message)
        name = greeting.client or comm.comm_id
        with self._lock:
            former = self._panels.get(name)
            gone = [self._panels[each] for each in greeting.former if each in self._panels and each != name]
        for each in (*gone, *self._silent()):
            self.end(each)
        if former is not None and (former.over or any(each.target_name == comm.target_name for each in former.comms)):
            self.end(former)
        with self._lock:
            panel = self._panels.get(name)
            if panel is None:
                beside = bool(message.get("header", {}).get("subshell_id"))
                panel = self._panels[name] = SidePanel(greeting, beside_cells=beside)
            panel.comms.append(comm)
        return panel

    def leave(self, panel: SidePanel, comm: BaseComm) -> None:
        """One of a panel's comms was closed, so the panel is over.

        A page closes the one for commands first. Where that is still there when the other closes, its thread ended
        before it was told, as happens to a page that goes away, and nobody else closes it.
        """
        panel.stop()
        left: list[BaseComm] = []
        with self._lock:
            if comm in panel.comms:
                panel.comms.remove(comm)
            if comm.target_name == EVENTS_TARGET:
                left, panel.comms = panel.comms, []
            if not panel.comms:
                self._remove(panel)
        for each in left:
            drop(each)

    def end(self, panel: SidePanel) -> None:
        """Let go of a panel whose page does not close its comms; one that is alive after all hears of it."""
        if not panel.over:
            panel.push(Ended(type="ended", reason="forgotten"))
        panel.stop()
        with self._lock:
            comms, panel.comms = panel.comms, []
            self._remove(panel)
        for comm in comms:
            drop(comm)

    def _silent(self) -> list[SidePanel]:
        with self._lock:
            return [panel for panel in self._panels.values() if panel.silent()]

    def _remove(self, panel: SidePanel) -> None:
        self._panels = {name: each for name, each in self._panels.items() if each is not panel}


def _greeting(message: Mapping[str, Any]) -> Greeting:
    """What the panel says of itself; of what is not understood, nothing."""
    try:
        greeting = msgspec.convert(message["content"].get("data"), Greeting)
    except msgspec.ValidationError:
        return Greeting()
    return greeting if len(greeting.client) <= NAME else Greeting()
