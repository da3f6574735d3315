"""One thread that tells all views of a manager what changed.

Owns when something is sent: at most ten times a second, only the parts that changed, and always
the last state. What is sent is made by a callable; how it travels is the view's business. The
thread starts with the first view and ends with the last one, or when the manager is closed.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from ..errors import ManagerClosedError
from .protocol import Progress, Row, Summary
from .snapshots import Snapshot

__all__ = ["Changes", "Publisher", "Source", "View", "changes", "everything"]

INTERVAL = 0.1
"""Seconds between two updates of a view."""

IDLE = 1.0
"""Seconds after which a source that says nothing is asked whether it is closed."""

_log = logging.getLogger("rmm_widgets")


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that a view has not seen yet; None stands for a part that did not change.

    Each part is whole. What of it a view knows already is for the view to find (`told`). `last` if nothing follows.
    """

    revision: int
    rows: Mapping[str, Row] | None = None
    progress: Mapping[str, Progress] | None = None
    summary: Summary | None = None
    last: bool = False

    def __bool__(self) -> bool:
        return not (self.rows is None and self.progress is None and self.summary is None)


class View(Protocol):
    """Something that shows a manager. Both methods are called on the publisher's thread.

    One with an attribute `pace` is called that many seconds after the last time at the earliest.
    """

    def select(self, snapshot: Snapshot, /) -> Snapshot:
        """The part of the snapshot that this view shows."""
        ...

    def publish(self, changes: Changes) -> float | None:
        """Send the changes; called only when there are any, or after `Publisher.ask`, or when it wanted to be.

        Returns:
            The seconds after which it wants to be called again even without changes; None where it does not.
        """
        ...


def everything(now: Snapshot) -> Changes:
    """All parts, for a view that has seen nothing yet."""
    return Changes(
        revision=now.summary.revision, rows=now.rows, progress=now.progress, summary=now.summary, last=now.last
    )


def changes(seen: Snapshot | None, now: Snapshot) -> Changes:
    """What differs; a new revision alone is no difference that anybody can see."""
    revision = now.summary.revision
    if seen is None:
        return everything(now)
    summary_changed = msgspec.structs.replace(now.summary, revision=seen.summary.revision) != seen.summary
    # Dicts compare without their order, which is the order of the rows on the screen.
    rows_changed = now.rows is not seen.rows and (now.rows != seen.rows or list(now.rows) != list(seen.rows))
    return Changes(
        revision=revision,
        rows=now.rows if rows_changed else None,
        progress=now.progress if now.progress != seen.progress else None,
        summary=now.summary if summary_changed else None,
        last=now.last,
    )


class _Audience:
    """One view and what it has been sent. Used by the publisher's thread only."""

    def __init__(self, view: View, seen: Snapshot | None) -> None:
        self.view = view
        self.asked = False
        """The view wants to be called although nothing may have changed."""
        self._seen = seen
        self._pace: float = getattr(view, "pace", 0.0)
        self._told_at = float("-inf")
        self._again_at = math.inf

    def tell(self, snapshot: Snapshot, now: float) -> float:
        """Send what is new; returns the seconds after which there is more to send."""
        selected = self.view.select(snapshot)
        new = changes(self._seen, selected)
        if not new and not self.asked and now < self._again_at and not snapshot.last:
            return self._again_at - now
        wait = self._told_at + self._pace - now
        if wait > 0 and not snapshot.last:
            return wait
        self._told_at, self.asked = now, False
        self._again_at = math.inf  # also where it raises: it is called no more
        again = self.view.publish(new)
        self._seen = selected
        if again is None:
            return math.inf
        self._again_at = now + again
        return again


class Source(Protocol):
    """What is published."""

    def take(self) -> Snapshot:
        """The snapshot of this moment; all views are detached after one that is the last, or a ManagerClosedError."""
        ...

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called, in any thread, when something changed; returns what ends that."""
        ...

    @property
    def closed(self) -> bool:
        """True once the end has begun; looked at now and then, because an end need not be a change."""
        ...


class Publisher:
    """Tells views about a source of snapshots."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.RLock()
        self._audiences: dict[int, _Audience] = {}
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def attach(self, view: View, seen: Snapshot | None = None) -> None:
        """Tell this view everything soon, and then whatever changes. Attaching twice starts over.

        Args:
            seen: What the view shows already: it is told what has changed since.
        """
        with self._lock:
            self._audiences[id(view)] = _Audience(view, seen)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rmm-publisher", daemon=True)
                self._thread.start()
        self._wake.set()

    def detach(self, view: View) -> None:
        """Tell this view nothing more; returns at once, an update under way may still arrive."""
        with self._lock:
            self._audiences.pop(id(view), None)
        self._wake.set()

    def ask(self, view: View) -> None:
        """Call the view's `publish` soon, even without changes; nothing where it is not attached."""
        with self._lock:
            audience = self._audiences.get(id(view))
            if audience is not None:
                audience.asked = True
        self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Detach all views and wait, `timeout` seconds at most, for the thread to end."""
        with self._lock:
            self._audiences.clear()
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    @property
    def running(self) -> bool:
        """True while the thread is there."""
        return self._thread is not None

    def _run(self) -> None:
        atexit.register(self.close)
        unsubscribe: Callable[[], None] | None = None
        try:
            unsubscribe = self._source.subscribe(self._wake.set)
            due = math.inf
            while not self._is_over():
                self._wait_for_news(due)
                # Cleared before the snapshot is taken: a change during it wakes the next round.
                self._wake.clear()
                started = time.monotonic()
                due = started + self._tell_all()
                took = time.monotonic() - started
                # Where the work itself takes long, half of the time stays for the kernel's own.
                self._rest(max(INTERVAL - took, took))
        except ManagerClosedError:
            self._forget_all()
            self._is_over()
        finally:
            if unsubscribe is not None:
                with contextlib.suppress(ManagerClosedError):
                    unsubscribe()
            atexit.unregister(self.close)

    def _wait_for_news(self, due: float) -> None:
        """Wait until something changed, or the source was closed, or it is `due`."""
        while time.monotonic() < due:
            if self._wake.wait(min(IDLE, max(0.0, due - time.monotonic()))) or self._source.closed:
                return

    def _is_over(self) -> bool:
        """Ends the thread when nobody listens; under the lock, so that `attach` starts a new one."""
        with self._lock:
            if self._audiences:
                return False
            self._thread = None
            return True

    def _forget_all(self) -> None:
        with self._lock:
            self._audiences.clear()

    def _rest(self, seconds: float) -> None:
        # Not on `_wake`: changes must not shorten the pause, they are what it collects.
        if seconds > 0 and self._audiences:
            time.sleep(seconds)

    def _tell_all(self) -> float:
        """Tell every view; returns the seconds after which one of them has to hear more."""
        with self._lock:
            audiences = list(self._audiences.values())
        if not audiences:
            return math.inf
        try:
            snapshot = self._source.take()
        except ManagerClosedError:
            raise
        except Exception:  # noqa: BLE001 - a bug elsewhere must not end the thread for good
            _log.warning("the views could not be updated; the next change tries again", exc_info=True)
            return math.inf
        due = math.inf
        for audience in audiences:
            try:
                due = min(due, audience.tell(snapshot, time.monotonic()))
            except Exception:  # noqa: BLE001 - one broken view must not stop the others
                _log.warning("a view could not be updated and is left alone", exc_info=True)
                self.detach(audience.view)
        if snapshot.last:
            self._forget_all()
        return due
