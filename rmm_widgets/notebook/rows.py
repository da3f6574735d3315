"""From the manager's records to what views show: rows, progress, the head line, the fitting buttons.

Pure. When and to whom it is sent is decided in `publisher`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..types import ModelDownloadProgress
from ..workers.capacity import kept_back, read_ram
from .protocol import Action, Fix, Progress, Row, Summary

if TYPE_CHECKING:
    from ..manager import ModelManager
    from ..runtime.entry import ModelDescription

__all__ = ["Known", "Snapshot", "actions", "fix", "only", "progress", "row", "summary", "take_snapshot"]

_SHORT, _LONG = 120, 500
"""Characters of a description and of a sentence that travel: rows are saved with the notebook."""

_TRANSFERS = frozenset({"queued", "resolving", "downloading", "verifying", "paused", "cancelling", "partial"})
"""Stages whose progress is shown; the last numbers of what has ended are not news."""

_AGAIN: tuple[Action, ...] = ("download", "discard")
"""What fits where a download has failed or was cancelled and some of it is on disk; one that was cut off resumes."""

_ACTIONS: Mapping[str, tuple[Action, ...]] = {
    "registered": ("download",),
    "partial": ("resume", "discard"),
    "queued": ("pause", "cancel"),
    "resolving": ("pause", "cancel"),
    "downloading": ("pause", "cancel"),
    "verifying": ("pause", "cancel"),
    "paused": ("resume", "cancel"),
    "downloaded": ("load",),
    "waiting": ("cancel",),
    "loading": ("cancel",),
    "loaded": ("unload", "health"),
}
"""What fits in each stage; nothing fits in one that is missing here, because it is about to end."""


_FIXES: Mapping[str, Fix] = {
    "DiskFullError": "free-space",
    "GatedModelError": "log-in",
    "RepositoryNotFoundError": "log-in",
    "InsufficientMemoryError": "free-memory",
    "NoCapacityError": "free-memory",
    "MissingDependencyError": "install",
    "IntegrityError": "repair",
    "UnsafeModelError": "allow",
}
"""By the error's class; asking again is all that helps against the others."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything views show, at one moment. Rows and progress are by model id; `last` if nothing will follow."""

    rows: Mapping[str, Row]
    progress: Mapping[str, Progress]
    summary: Summary
    last: bool = False


class Known:
    """The rows of the last snapshot, so that the next one builds only those of models that have changed.

    Whoever compares two snapshots then finds the same objects, the whole mapping too where no row differs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, ModelDescription] = {}
        self._rows: dict[str, Row] = {}

    def rows(self, models: Iterable[ModelDescription]) -> Mapping[str, Row]:
        """The rows of these models, which are all there are; in any thread."""
        with self._lock:
            now: dict[str, ModelDescription] = {}
            rows: dict[str, Row] = {}
            same = True
            for model in models:
                model_id = model.info.model_id
                known = self._rows.get(model_id)
                # Descriptions are frozen, and the same object until something about the model changes.
                current = known if known is not None and self._models[model_id] is model else row(model)
                if known is not None and (current is known or current == known):
                    current = known
                else:
                    same = False
                now[model_id] = model
                rows[model_id] = current
            self._models = now
            if not same or list(rows) != list(self._rows):
                self._rows = rows
            return self._rows


def take_snapshot(manager: ModelManager, version: str, known: Known | None = None) -> Snapshot:
    """What the manager's views should show now; also of a manager that is closed."""
    # The revision is read first: a change in between makes it too old, never too new.
    revision = manager.get_state().revision
    models = manager.describe_all()
    places = {each.model_id: each.position for each in manager.get_download_queue()}
    return Snapshot(
        rows=(known or Known()).rows(models),
        progress={
            each.info.model_id: progress(each.progress, places.get(each.info.model_id, 0))
            for each in models
            if each.progress is not None and (each.stage_word in _TRANSFERS or each.partial_bytes)
        },
        summary=summary(manager, revision, version),
    )


def row(description: ModelDescription) -> Row:
    """One model of the table."""
    info = description.info
    return Row(
        id=info.model_id,
        type=info.model_type,
        repo=info.repo_id,
        description=_cut(info.description, _SHORT),
        size=description.size_on_disk or info.total_size_estimate,
        status=description.status,
        stage=description.stage_word,
        health=description.health,
        health_reason=_sentence(description.health_reason),
        error=_sentence(description.error),
        hint=_sentence(description.hint),
        fix=fix(description),
        memory=description.memory_bytes,
        device=description.device,
        placement=description.placement,
        allowed=description.allowed_commit is not None,
        pinned=description.pinned,
        need=description.estimated_bytes,
        actions=actions(description),
    )


def actions(description: ModelDescription) -> tuple[Action, ...]:
    """The buttons that fit now, in order."""
    if description.stage == "error":
        if description.placement:
            return ("unload",)  # its worker is still there, as after an unload that failed
        if description.on_disk:
            return ("load",)
        return _AGAIN if description.partial_bytes else ("download",)
    if description.stage_word == "partial" and description.given_up:
        return _AGAIN
    return _ACTIONS.get(description.stage_word, ())


def fix(description: ModelDescription) -> Fix:
    """What would help where something went wrong."""
    if not description.error:
        return ""
    return _FIXES.get(description.error_type, "retry")


def progress(record: ModelDownloadProgress, place: int = 0) -> Progress:
    """How far a download is, in the few numbers a bar needs."""
    return Progress(
        phase=record.phase,
        percent=round(record.progress, 1),
        done=record.downloaded_bytes,
        total=record.total_bytes,
        rate=round(record.bytes_per_second),
        eta=None if record.estimated_time_remaining is None else round(record.estimated_time_remaining, 1),
        file=record.current_file or "",
        files_done=record.files_done,
        files_total=record.files_total,
        note=record.note,
        place=place,
    )


def summary(manager: ModelManager, revision: int, version: str) -> Summary:
    """The head line."""
    statistics = manager.get_statistics()
    moving = manager.get_all_download_progress().values()
    return Summary(
        version=version,
        revision=revision,
        models=statistics.total_models,
        downloaded=statistics.downloaded_models,
        loaded=statistics.loaded_models,
        downloads=statistics.active_downloads,
        queued=statistics.queued_downloads + statistics.queued_loads,
        memory=statistics.total_memory_usage,
        budget=manager.memory_budget or _machine_budget(),
        rate=round(sum(each.bytes_per_second for each in moving if each.phase == "downloading")),
    )


@functools.cache
def _machine_budget() -> int:
    """Bytes that models may take where the user set no limit."""
    ram = read_ram()
    return ram.total - kept_back(ram)


def only(snapshot: Snapshot, model_ids: Iterable[str]) -> Snapshot:
    """The snapshot of some models only, in the order given; the head line stays."""
    chosen = list(model_ids)
    return Snapshot(
        rows={id_: snapshot.rows[id_] for id_ in chosen if id_ in snapshot.rows},
        progress={id_: snapshot.progress[id_] for id_ in chosen if id_ in snapshot.progress},
        summary=snapshot.summary,
        last=snapshot.last,
    )


def _sentence(text: str) -> str:
    """What may be saved with a notebook that is passed on: short, and without the name of the user's folder."""
    return _cut(text.replace(_HOME, "~"), _LONG) if text else text


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


_HOME = str(Path.home())
