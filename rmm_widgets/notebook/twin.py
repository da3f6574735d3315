"""The static twin of a widget: a table beside the live view, for whoever opens the notebook without its kernel.

It is an output of its own with a display id: what an output with a live view holds besides is not shown where the
view is not there. The front end hides the output area that holds the class `rmm-static-ID` as long as its view is
live, ID being the widget's trait `_twin`. While the kernel lives the publisher keeps the table up to date, slowly.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .protocol import Progress, Row

if TYPE_CHECKING:
    from .publisher import Changes, Publisher
    from .snapshots import Snapshot

__all__ = ["Twin"]

PACE = 2.0
"""Seconds between two updates."""

Render = Callable[[Sequence[Row], Mapping[str, Progress]], str]

_numbers = itertools.count(1)


class Twin:
    """A view for the publisher, attached once it is shown.

    Args:
        select: What of a snapshot it shows.
        render: Makes HTML of that; the same for the same.
    """

    pace = PACE

    def __init__(self, select: Callable[[Snapshot], Snapshot], render: Render) -> None:
        self.id = _new_id()
        self.select = select
        self._render = render
        self._lock = threading.Lock()
        self._rows: Sequence[Row] = ()
        self._progress: Mapping[str, Progress] = {}
        self._table = ""
        self._as_of: datetime | None = None
        self._publish: Callable[..., None] | None = None
        self._has_view = False

    def show(self, rows: Sequence[Row], progress: Mapping[str, Progress], publisher: Publisher) -> bool:
        """Display it in the running cell; False where nothing would hide it beside a live view."""
        publish = _display_publisher()
        if publish is None:
            return False
        with self._lock:
            first = self._publish is None
            self._publish = publish
            if first:
                self._rows, self._progress, self._table = rows, progress, self._render(rows, progress)
            data = self._data()
        publish(data=data, metadata={}, transient={"display_id": self.id})
        if first:
            publisher.attach(self)
        return True

    def seen(self, publisher: Publisher | None) -> None:
        """A front end has spoken: what it saves should tell its time, also where nothing changes any more."""
        if not self._has_view and publisher is not None:
            self._has_view = True
            publisher.ask(self)

    def publish(self, changes: Changes) -> None:
        """Bring the displayed table up to date; nothing is sent where it looks the same."""
        with self._lock:
            if changes.rows is not None:
                self._rows = tuple(changes.rows.values())
            if changes.progress is not None:
                self._progress = changes.progress
            table = self._render(self._rows, self._progress)
            if self._publish is None or (table == self._table and (self._as_of or not self._has_view)):
                return
            self._table, self._as_of = table, datetime.now(UTC)
            publish, data = self._publish, self._data()
        publish(data=data, metadata={}, transient={"display_id": self.id}, update=True)

    def close(self, publisher: Publisher) -> None:
        """No more updates."""
        publisher.detach(self)

    def _data(self) -> dict[str, str]:
        if self._as_of is None:
            time, caption = "", "As it was when this cell ran."
        else:
            # No time as long as it is that of the cell: running a notebook again gives the same text.
            time, caption = self._as_of.isoformat(timespec="seconds"), f"As of {self._as_of:%Y-%m-%d %H:%M:%S} UTC."
        return {
            "text/plain": caption,
            "text/html": (
                f'<div class="rmm-static-{self.id}" data-rmm-twin="{self.id}" data-rmm-as-of="{time}">{self._table}'
                f'<p style="color: var(--jp-ui-font-color2, #555555); margin: 4px 8px;">{caption}</p></div>'
            ),
        }


def _shell() -> Any:
    """The shell of this Jupyter kernel, None in a terminal, a script and a host without IPython."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _display_publisher() -> Callable[..., None] | None:
    """What sends outputs of this kernel, None where nothing would hide them beside a live view."""
    shell = _shell()
    if shell is None or "google.colab" in sys.modules or "VSCODE_PID" in os.environ:
        return None
    # While outputs are captured another one stands in its place, and later updates would pile up there.
    return shell.display_pub.publish if hasattr(shell.display_pub, "pub_socket") else None


def _new_id() -> str:
    """An id that no other notebook on the same page has.

    Without a server there is no such page, and running a notebook again gives the same ids.
    """
    return uuid.uuid4().hex[:12] if "JPY_SESSION_NAME" in os.environ else str(next(_numbers))
