"""The widgets: anywidget models that show a manager and pass its views' commands on.

The kernel owns every trait; a front end that writes one is overruled. A widget is written to by
its publisher and read by message handlers in other threads, so one lock covers both. Import this
module only where widgets are wanted: it brings ipywidgets with it.
"""
# ipywidgets has no annotations.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import anywidget
import msgspec
import traitlets

from ..commands.parse import check_model
from ..commands.render import SHOWN_ROWS
from ..runtime.job import Job
from . import fallback
from .bundles import read_bundle
from .comms import keep_own_thread
from .messages import MessageHandler
from .protocol import AllRows, Progress, Row
from .publisher import Changes, Publisher, everything
from .publishers import publisher_of, snapshot_of
from .row_changes import ToldRows
from .snapshots import Snapshot, only

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["DownloadProgress", "HealthBadge", "ManagerWidget", "ModelManagerPanel"]


_ROWS = frozenset({"_rows", "_rows_seq", "_changes"})
"""Traits that mean something together only."""


class _Current(traitlets.TraitType[Any, Any]):
    """A trait that a method works out whenever it is read, as when the state is asked for; no change is sent."""

    def __init__(self, method: str) -> None:
        super().__init__(read_only=True)
        self._method = method

    def get(self, obj: traitlets.HasTraits, cls: type[Any] | None = None) -> Any:  # noqa: ARG002
        return getattr(obj, self._method)()


class ManagerWidget(anywidget.AnyWidget):
    """What the widgets have in common: the kernel's state in traits, commands as messages."""

    _bundle: ClassVar[str]
    _shows_summary: ClassVar[bool] = False

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    _rows = _Current("_rows_now").tag(sync=True)
    _rows_seq = _Current("_rows_number").tag(sync=True)
    _changes = traitlets.Dict().tag(sync=True)
    _progress = traitlets.Dict().tag(sync=True)
    _summary = traitlets.Dict().tag(sync=True)
    _model_ids = traitlets.List(default_value=None, allow_none=True).tag(sync=True)

    _publisher: Publisher | None = None

    def __init__(self, manager: ModelManager | None, model_ids: Collection[str] | None) -> None:
        manager = manager if manager is not None else _default_manager()
        self._lock = threading.RLock()
        self._overwritten: set[str] = set()
        self._chosen = None if model_ids is None else _checked(model_ids, manager)
        self._messages = MessageHandler(lambda: manager, model_ids=self._chosen, rows=self._all_rows)
        snapshot = self.select(snapshot_of(manager))
        self._told = ToldRows(snapshot.rows)
        super().__init__(_model_ids=self._chosen, **self._traits_of(everything(snapshot)))
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
        return self._messages.refused

    def select(self, snapshot: Snapshot) -> Snapshot:
        """The part of the manager's state that this widget shows."""
        return snapshot if self._chosen is None else only(snapshot, self._chosen)

    def publish(self, changes: Changes) -> None:
        """Send changes to the front end, as one message; called by the publisher."""
        with self._lock:
            overwritten, self._overwritten = self._overwritten, set()
            traits = self._traits_of(changes)
            if changes.rows is not None:
                traits["_changes"] = msgspec.to_builtins(self._told.tell(changes.rows))
            with self.hold_sync():
                for name, value in traits.items():
                    setattr(self, name, value)
            if overwritten:
                self.send_state(sorted(overwritten))

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The state at one moment: all rows as they are now, and the number of the changes that they hold."""
        with self._lock:
            return super().get_state(key, drop_defaults)

    def _all_rows(self) -> AllRows:
        return self._told.all()

    def _rows_now(self) -> list[dict[str, Any]]:
        return msgspec.to_builtins(list(self._told.all().rows))

    def _rows_number(self) -> int:
        return self._told.seq

    def _traits_of(self, changes: Changes) -> dict[str, Any]:
        """What is sent whole."""
        traits: dict[str, Any] = {}
        if changes.progress is not None:
            traits["_progress"] = msgspec.to_builtins(changes.progress)
        if changes.summary is not None and self._shows_summary:
            traits["_summary"] = msgspec.to_builtins(changes.summary)
        return traits

    def set_state(self, sync_data: Mapping[str, object]) -> None:
        """Overrule a front end that writes: no trait changes, and the true values are sent again soon."""
        with self._lock:
            self._overwritten.update(name for name in sync_data if name in self.keys)
            if not self._overwritten.isdisjoint(_ROWS):
                self._overwritten |= _ROWS
        if self._publisher is not None:
            self._publisher.ask(self)

    def _handle_msg(self, msg: Mapping[str, Any]) -> None:
        """Every message from the front end; whatever it holds, nothing is raised."""
        data: object = msg["content"].get("data")
        request = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
        method = request.get("method")
        if method == "request_state":
            with self._lock:
                self.send_state()
        elif method == "update" and isinstance(request.get("state"), dict):
            self.set_state(request["state"])
        else:
            self._messages.handle(request.get("content"), msg.get("buffers") or (), reply=self.send)

    def close(self) -> None:
        """Close the comm; views disappear and nothing is sent any more."""
        if self._publisher is not None:
            self._publisher.detach(self)
        super().close()

    def _shown(self) -> tuple[tuple[Row, ...], dict[str, Progress]]:
        with self._lock:
            return self._told.all().rows, msgspec.convert(self._progress, dict[str, Progress])

    def _static(self) -> dict[str, str]:
        """What is shown where the widget cannot be."""
        rows, _ = self._shown()
        return fallback.bundle(fallback.rows_table(rows))

    def _repr_mimebundle_(self, **_options: object) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.model_id,
            },
            **self._static(),
        }

    def __repr__(self) -> str:
        shown = "" if self._chosen is None else f"model_ids={self._chosen!r}"
        return f"{type(self).__name__}({shown})"


class ModelManagerPanel(ManagerWidget):
    """The whole manager: search, table, progress, health and log.

    Args:
        manager: The manager to show; by default the kernel's own.
        model_ids: Show these models only.

    Raises:
        ModelNotRegisteredError: One of `model_ids` is unknown.
        FrontEndNotBuiltError: A source checkout whose front end was not built.
    """

    _bundle = "panel.js"
    _shows_summary = True

    def __init__(self, manager: ModelManager | None = None, *, model_ids: Collection[str] | None = None) -> None:
        super().__init__(manager, model_ids)


class DownloadProgress(ManagerWidget):
    """Progress bars.

    Args:
        source: A manager, for all its models; or a job or several, for theirs. By default the kernel's manager.
        manager: The manager to show; by default that of the first job, else the kernel's own.
        model_ids: Show these models only; not together with jobs.

    Raises:
        ModelNotRegisteredError: One of the models is unknown.
        FrontEndNotBuiltError: A source checkout whose front end was not built.
    """

    _bundle = "progress.js"

    def __init__(
        self,
        source: ModelManager | Job[Any] | Iterable[Job[Any]] | None = None,
        *,
        manager: ModelManager | None = None,
        model_ids: Collection[str] | None = None,
    ) -> None:
        jobs = _jobs_of(source)
        if jobs is None:
            owner = cast("ModelManager | None", source)
            if owner is not None and manager is not None:
                raise TypeError("give the manager once")
            super().__init__(owner or manager, model_ids)
            return
        if model_ids is not None:
            raise TypeError("give jobs or model_ids, not both")
        owner = manager or (jobs[0].owner if jobs else None)
        super().__init__(owner, list(dict.fromkeys(job.model_id for job in jobs if job.model_id)))

    def _static(self) -> dict[str, str]:
        rows, progress = self._shown()
        lines = [fallback.progress_line(row, progress.get(row.id)) for row in rows[:SHOWN_ROWS]]
        return {"text/plain": "\n".join(lines) or "No downloads.", "text/html": fallback.progress_html(rows, progress)}


class HealthBadge(ManagerWidget):
    """How loaded models are.

    Args:
        manager: The manager to show; by default the kernel's own.
        model_id: Show this model only.

    Raises:
        ModelNotRegisteredError: `model_id` is unknown.
        FrontEndNotBuiltError: A source checkout whose front end was not built.
    """

    _bundle = "badge.js"

    def __init__(self, manager: ModelManager | None = None, model_id: str | None = None) -> None:
        super().__init__(manager, None if model_id is None else [model_id])


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


def _jobs_of(source: object) -> Sequence[Job[Any]] | None:
    """The jobs that were given, None where it was a manager or nothing."""
    if isinstance(source, Job):
        return [cast("Job[Any]", source)]
    if isinstance(source, list | tuple):
        return list(cast("Sequence[Job[Any]]", source))
    return None
