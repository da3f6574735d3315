"""What all widgets have in common: an anywidget model that shows a manager and passes its views' commands on.

The kernel owns every trait but those that are the user's choice; a front end that writes another one is overruled.
A widget is written to by its publisher, by cells and by message handlers, each in a thread of its own, and
ipywidgets has no locks, so one lock of the widget covers whatever sends or reads its state. It is never held while
the code of a user runs.
"""
# ipywidgets has no annotations.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import contextlib
import difflib
import inspect
import logging
import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import anywidget
import msgspec
import traitlets

from ..commands.parse import check_model
from . import fallback
from .bundles import read_bundle
from .comms import keep_own_thread
from .messages import MessageHandler
from .protocol import AllRows, Progress, Row, Summary
from .publisher import INTERVAL, Changes, Publisher
from .publishers import publisher_of, snapshot_of
from .snapshots import Snapshot, only
from .told import Told
from .twin import Twin

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["ManagerWidget"]

_ROWS = frozenset({"_rows", "_rows_seq", "_progress", "_changes"})
"""Traits that mean something together only."""

_OPTIONS = ("layout", "tabbable", "tooltip")
"""What ipywidgets offers for every widget."""

_NO_SUMMARY = Summary(
    version="", revision=0, models=0, downloaded=0, loaded=0, downloads=0, queued=0, memory=0, budget=0, rate=0
)

_log = logging.getLogger("rmm_widgets")


class _Current(traitlets.TraitType[Any, Any]):
    """A trait that a method works out whenever it is read, as when the state is asked for; no change is sent."""

    def __init__(self, method: str) -> None:
        super().__init__(read_only=True)
        self._method = method

    def get(self, obj: traitlets.HasTraits, cls: type[Any] | None = None) -> Any:  # noqa: ARG002
        return getattr(obj, self._method)()


class ManagerWidget(anywidget.AnyWidget):
    """The kernel's state in traits, commands as messages.

    Args:
        limit: What rows must be to be shown; the models of others cannot be commanded either.
        options: `layout` and what else ipywidgets offers for every widget.
    """

    _bundle: ClassVar[str]
    _shows_summary: ClassVar[bool] = False
    _twin_shows_progress: ClassVar[bool] = False
    _of_the_user: ClassVar[frozenset[str]] = frozenset()
    """Traits that the front end may write: lists."""

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    _rows = _Current("_rows_now").tag(sync=True)
    _rows_seq = _Current("_rows_number").tag(sync=True)
    _changes = traitlets.Dict().tag(sync=True)
    _progress = _Current("_progress_now").tag(sync=True)
    _summary = traitlets.Dict().tag(sync=True)
    _model_ids = traitlets.List(default_value=None, allow_none=True).tag(sync=True)
    _twin = traitlets.Unicode().tag(sync=True)

    _publisher: Publisher | None = None

    def __init__(
        self,
        manager: ModelManager | None,
        model_ids: Collection[str] | None,
        options: Mapping[str, Any],
        *,
        limit: Callable[[Row], bool] | None = None,
        **traits: Any,
    ) -> None:
        _check_options(type(self), options)
        manager = manager if manager is not None else _default_manager()
        self._lock = threading.RLock()
        self._overwritten: set[str] = set()
        self._heard = threading.local()
        self._limit = limit
        self._within: tuple[Mapping[str, Row], list[str]] = ({}, [])
        self._chosen = None if model_ids is None else _checked(model_ids, manager)
        snapshot = self.select(snapshot_of(manager))
        summary = snapshot.summary if self._shows_summary else None
        self._told = Told(snapshot.rows, snapshot.progress, summary)
        self._messages = MessageHandler(
            lambda: manager,
            model_ids=self._chosen if limit is None else self._told.__contains__,
            rows=self._all_rows,
        )
        self._static_twin = Twin(self._selected_for_twin, self._static_html)
        self._refused_writes = 0
        self._sent_again = float("-inf")
        super().__init__(
            _model_ids=self._chosen,
            _twin=self._static_twin.id,
            _summary={} if summary is None else msgspec.to_builtins(summary),
            **traits,
            **options,
        )
        keep_own_thread(self.comm)
        self._publisher = publisher_of(manager)
        self._publisher.attach(self, snapshot)

    @traitlets.default("_esm")
    def _default_esm(self) -> str:
        return read_bundle(self._bundle)

    @traitlets.default("_css")
    def _default_css(self) -> str:
        return read_bundle("rmm.css")

    @property
    def refused_messages(self) -> int:
        """Messages from the front end that were refused so far."""
        return self._messages.refused + self._refused_writes

    # What the publisher calls

    def select(self, snapshot: Snapshot) -> Snapshot:
        """The part of the manager's state that this widget shows."""
        if self._chosen is not None:
            snapshot = only(snapshot, self._chosen)
        if self._limit is not None:
            rows, ids = self._within
            if rows is not snapshot.rows:
                ids = [model_id for model_id, row in snapshot.rows.items() if self._limit(row)]
                self._within = snapshot.rows, ids
            snapshot = only(snapshot, ids)
        return snapshot

    def publish(self, changes: Changes) -> float:
        """Send what the front end should see of these changes, as one message; called by the publisher."""
        with self._lock:
            overwritten, self._overwritten = self._overwritten, set()
            telling = self._told.tell(changes)
            traits: dict[str, Any] = {}
            if telling.changes is not None:
                traits["_changes"] = msgspec.to_builtins(telling.changes)
            if telling.summary is not None:
                traits["_summary"] = msgspec.to_builtins(telling.summary)
            with self.hold_sync():
                for name, value in traits.items():
                    setattr(self, name, value)
            if overwritten:
                self.send_state(sorted(overwritten))
        return telling.wait

    def _all_rows(self) -> AllRows:
        return self._told.all()

    def _rows_now(self) -> str:
        return self._told.packed_rows()

    def _progress_now(self) -> dict[str, Any]:
        return msgspec.to_builtins(self._told.all().progress)

    def _rows_number(self) -> int:
        return self._told.seq

    # One lock for all who send

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The state at one moment: all rows as they are now, and the number of the changes that they hold."""
        with self._lock:
            return super().get_state(key, drop_defaults)

    @contextlib.contextmanager
    def hold_sync(self) -> Generator[None]:
        """Send several traits as one message; nobody else of this widget sends meanwhile."""
        with self._lock, super().hold_sync():
            yield

    @contextlib.contextmanager
    def hold_trait_notifications(self) -> Generator[None]:
        """Tell of several changes at once; nobody else changes this widget meanwhile."""
        with self._lock, super().hold_trait_notifications():
            yield

    def notify_change(self, change: Any) -> None:
        """Send a changed trait, then call its observers, who may take their time."""
        name: str = change["name"]
        with self._lock:
            if getattr(self._heard, "name", None) == name:
                self._confirm(name)
            elif self.comm is not None and name in self.keys and self._should_send_property(name, change["new"]):
                self.send_state(name)
        traitlets.HasTraits.notify_change(self, change)

    # What the front end sends

    def set_state(self, sync_data: Mapping[str, object]) -> None:
        """Take what is the user's choice, and overrule a front end that writes more by sending the truth again."""
        overruled = {name for name in sync_data if name in self.keys and name not in self._of_the_user}
        for name in self._of_the_user.intersection(sync_data):
            try:
                self._take(name, sync_data[name])
            except traitlets.TraitError:
                overruled.add(name)
        if overruled or not self._of_the_user.issuperset(sync_data):
            with self._lock:
                self._refused_writes += 1
            self._send_again(overruled)

    def _send_again(self, names: Collection[str]) -> None:
        """Send traits as they are, at once where that was not done a moment ago, else with the next update."""
        with self._lock:
            self._overwritten.update(names if _ROWS.isdisjoint(names) else _ROWS.union(names))
            if time.monotonic() - self._sent_again < INTERVAL:
                if self._publisher is not None:
                    self._publisher.ask(self)
                return
            self._sent_again = time.monotonic()
            names, self._overwritten = sorted(self._overwritten), set()
            if names:
                self.send_state(names)

    def _take(self, name: str, value: object) -> None:
        """Set a trait of the user's, and confirm it to the front end.

        Raises:
            TraitError: It cannot have that value.
        """
        if not isinstance(value, list):
            raise traitlets.TraitError(f"{name} is a list")  # traitlets would take a text for a list of one
        self._heard.name = name
        try:
            self.set_trait(name, value)
            if self._heard.name == name:  # it was the same before
                with self._lock:
                    self._confirm(name)
        except traitlets.TraitError:
            raise
        except Exception:  # noqa: BLE001 - of an observer, which must not end the handling of messages
            _log.warning("an observer of %r raised", name, exc_info=True)
        finally:
            self._heard.name = None

    def _confirm(self, name: str) -> None:
        self._heard.name = None
        if self.comm is not None:
            self._send({"method": "echo_update", "state": self.get_state(name), "buffer_paths": []})

    def _handle_msg(self, msg: Mapping[str, Any]) -> None:
        """Every message from the front end; whatever it holds, nothing is raised."""
        data: object = msg["content"].get("data")
        request = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
        method = request.get("method")
        if method == "request_state":
            self._send_again(self.keys)
        elif method == "update" and isinstance(request.get("state"), dict):
            self.set_state(request["state"])
        else:
            self._messages.handle(request.get("content"), msg.get("buffers") or (), reply=self.send)
            self._static_twin.seen(self._publisher)

    def close(self) -> None:
        """Close the comm; views disappear and nothing is sent any more."""
        if self._publisher is not None:
            self._publisher.detach(self)
            self._static_twin.close(self._publisher)
            self._messages.close()
        super().close()

    # Where no front end is

    def _selected_for_twin(self, snapshot: Snapshot) -> Snapshot:
        """What the static twin shows: the head line is no part of it."""
        selected = self.select(snapshot)
        return msgspec.structs.replace(
            selected, summary=_NO_SUMMARY, progress=selected.progress if self._twin_shows_progress else {}
        )

    def _static_html(self, rows: Sequence[Row], progress: Mapping[str, Progress]) -> str:  # noqa: ARG002
        return fallback.rows_html(rows)

    def _static_text(self, rows: Sequence[Row], progress: Mapping[str, Progress]) -> str:  # noqa: ARG002
        return fallback.rows_text(rows)

    def _repr_mimebundle_(self, **_options: object) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        every = self._told.all()
        rows, progress = every.rows, every.progress
        shown: dict[str, Any] = {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.model_id,
            },
            "text/plain": self._static_text(rows, progress),
        }
        if self._publisher is None or not self._static_twin.show(rows, progress, self._publisher):
            shown["text/html"] = self._static_html(rows, progress)
        return shown

    def __repr__(self) -> str:
        shown = "" if self._chosen is None else f"model_ids={self._chosen!r}"
        return f"{type(self).__name__}({shown})"


def _check_options(widget: type[ManagerWidget], options: Collection[str]) -> None:
    for option in options:
        if option not in _OPTIONS:
            own = [name for name in inspect.signature(widget).parameters if name != "options"]
            known = [*own, *_OPTIONS]
            near = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            raise TypeError(f"{widget.__name__} has no keyword {option!r}; {hint}")


def _default_manager() -> ModelManager:
    from ..default_manager import get_manager

    return get_manager()


def _checked(model_ids: Collection[str], manager: ModelManager) -> list[str]:
    if isinstance(model_ids, str):
        raise TypeError("model_ids must be a sequence of ids, not one string")
    known = manager.get_all_models()
    for model_id in model_ids:
        check_model(model_id, known)
    return list(model_ids)
