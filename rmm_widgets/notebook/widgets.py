"""The widgets: what each shows, and which part of it is the user's choice.

Import this module only where widgets are wanted: it brings ipywidgets with it.
"""
# ipywidgets has no annotations.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ..commands.render import SHOWN_ROWS
from ..manager_reading import check_model_type
from ..runtime.job import Job
from ..types import ModelType
from . import fallback
from .manager_widget import ManagerWidget
from .protocol import Progress, Row
from .publisher import Changes

if TYPE_CHECKING:
    from ..manager import ModelManager

__all__ = ["COLUMNS", "DownloadProgress", "HealthBadge", "ManagerWidget", "ModelManagerPanel", "RegistryTable"]

COLUMNS = ("type", "size", "status", "health", "memory", "repo", "actions")
"""What a table can show of a model besides its id."""

_log = logging.getLogger("rmm_widgets")


class _SelectingWidget(ManagerWidget):
    """A widget in which models can be selected."""

    _of_the_user = frozenset({"selected"})

    selected = traitlets.List().tag(sync=True)
    """The ids of the selected models: the user's choice, in the browser or in Python. Observers are called in
    whichever thread it was changed."""

    @traitlets.validate("selected")
    def _check_selected(self, proposal: Mapping[str, Any]) -> list[str]:
        ids: list[object] = proposal["value"]
        if len(ids) > len(self._told):
            raise traitlets.TraitError(f"{len(ids)} models cannot be selected of {len(self._told)}")
        for model_id in ids:
            if not isinstance(model_id, str):
                # Not its text: it may be nested too deeply to have one.
                raise traitlets.TraitError(f"a {type(model_id).__name__} is not the id of a model")
            if model_id not in self._told:
                raise traitlets.TraitError(f"{model_id[:80]!r} is not the id of a model that is shown here")
        return list(dict.fromkeys(cast("list[str]", ids)))

    def publish(self, changes: Changes) -> float:
        """Send changes to the front end; a model that is not shown any more is not selected either."""
        wait = super().publish(changes)
        if changes.rows is not None and any(model_id not in changes.rows for model_id in self.selected):
            try:
                self.selected = [model_id for model_id in self.selected if model_id in changes.rows]
            except Exception:  # noqa: BLE001 - of an observer, which must not end the updates
                _log.warning("an observer of 'selected' raised", exc_info=True)
        return wait


class ModelManagerPanel(_SelectingWidget):
    """The whole manager: search, table, progress, health and log. `selected` holds the ids of the selected models.

    Args:
        manager: The manager to show; by default the kernel's own.
        model_ids: Show these models only.
        options: `layout` and what else ipywidgets offers for every widget.

    Raises:
        ModelNotRegisteredError: One of `model_ids` is unknown.
        FrontEndNotBuiltError: A source checkout whose front end was not built.
    """

    _bundle = "panel.js"
    _shows_summary = True

    def __init__(
        self, manager: ModelManager | None = None, *, model_ids: Collection[str] | None = None, **options: Any
    ) -> None:
        super().__init__(manager, model_ids, options)


class RegistryTable(_SelectingWidget):
    """The table of models, without what surrounds it in the panel. `selected` holds the ids of the selected models.

    Args:
        manager: The manager to show; by default the kernel's own.
        model_ids: Show these models only.
        types: Show models of these types only.
        columns: What to show besides the id, of "type", "size", "status", "health", "memory", "repo" and "actions".
        options: `layout` and what else ipywidgets offers for every widget.

    Raises:
        ModelNotRegisteredError: One of `model_ids` is unknown.
        InvalidModelInfoError: One of `types` is unknown.
        ValueError: One of `columns` is unknown.
        FrontEndNotBuiltError: A source checkout whose front end was not built.
    """

    _bundle = "table.js"

    _columns = traitlets.List(default_value=None, allow_none=True).tag(sync=True)
    _types = traitlets.List(default_value=None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        manager: ModelManager | None = None,
        *,
        model_ids: Collection[str] | None = None,
        types: Collection[ModelType | str] | None = None,
        columns: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        wanted = None if types is None else frozenset(_checked_types(types))
        super().__init__(
            manager,
            model_ids,
            options,
            limit=None if wanted is None else lambda row: row.type in wanted,
            _types=None if wanted is None else sorted(each.value for each in wanted),
            _columns=None if columns is None else _checked_columns(columns),
        )

    def __repr__(self) -> str:
        shown = {"model_ids": self._chosen, "types": self._types, "columns": self._columns}
        return f"RegistryTable({', '.join(f'{k}={v!r}' for k, v in shown.items() if v is not None)})"


class DownloadProgress(ManagerWidget):
    """Progress bars.

    Args:
        source: A manager, for all its models; or a job or several, for theirs. By default the kernel's manager.
        manager: The manager to show; by default that of the first job, else the kernel's own.
        model_ids: Show these models only; not together with jobs.
        options: `layout` and what else ipywidgets offers for every widget.

    Raises:
        ModelNotRegisteredError: One of the models is unknown.
        FrontEndNotBuiltError: A source checkout whose front end was not built.
    """

    _bundle = "progress.js"
    _twin_shows_progress = True

    def __init__(
        self,
        source: ModelManager | Job[Any] | Iterable[Job[Any]] | None = None,
        *,
        manager: ModelManager | None = None,
        model_ids: Collection[str] | None = None,
        **options: Any,
    ) -> None:
        jobs = _jobs_of(source)
        if jobs is None:
            owner = cast("ModelManager | None", source)
            if owner is not None and manager is not None:
                raise TypeError("give the manager once")
            super().__init__(owner or manager, model_ids, options)
            return
        if model_ids is not None:
            raise TypeError("give jobs or model_ids, not both")
        owner = manager or (jobs[0].owner if jobs else None)
        super().__init__(owner, list(dict.fromkeys(job.model_id for job in jobs if job.model_id)), options)

    def _static_html(self, rows: Sequence[Row], progress: Mapping[str, Progress]) -> str:
        return fallback.progress_html(rows, progress)

    def _static_text(self, rows: Sequence[Row], progress: Mapping[str, Progress]) -> str:
        lines = [fallback.progress_line(row, progress.get(row.id)) for row in rows[:SHOWN_ROWS]]
        return "\n".join(lines) or "No downloads."


class HealthBadge(ManagerWidget):
    """How loaded models are.

    Args:
        manager: The manager to show; by default the kernel's own.
        model_id: Show this model only.
        options: `layout` and what else ipywidgets offers for every widget.

    Raises:
        ModelNotRegisteredError: `model_id` is unknown.
        FrontEndNotBuiltError: A source checkout whose front end was not built.
    """

    _bundle = "badge.js"

    def __init__(self, manager: ModelManager | None = None, model_id: str | None = None, **options: Any) -> None:
        super().__init__(manager, None if model_id is None else [model_id], options)


def _checked_types(types: Collection[ModelType | str]) -> list[ModelType]:
    if isinstance(types, str):
        raise TypeError("types must be a sequence of model types, not one string")
    return [each for each in map(check_model_type, types) if each is not None]


def _checked_columns(columns: Sequence[str]) -> list[str]:
    if isinstance(columns, str):
        raise TypeError("columns must be a sequence of names, not one string")
    for name in columns:
        if name not in COLUMNS:
            near = difflib.get_close_matches(str(name), COLUMNS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COLUMNS)}"
            raise ValueError(f"there is no column {name!r}; {hint}")
    return list(columns)


def _jobs_of(source: object) -> Sequence[Job[Any]] | None:
    """The jobs that were given, None where it was a manager or nothing."""
    if isinstance(source, Job):
        return [cast("Job[Any]", source)]
    if isinstance(source, list | tuple):
        return list(cast("Sequence[Job[Any]]", source))
    return None
