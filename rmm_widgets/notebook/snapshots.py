"""All models of a manager as its views show them, at one moment.

Snapshots are taken ten times a second while something happens, of thousands of models of which a few have
changed: what did not change is taken over from the one before, the same objects.
"""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

import msgspec

from ..types import ModelStatus
from ..workers.capacity import kept_back, read_ram
from .packed_rows import Rows
from .protocol import Progress, Row, Summary
from .rows import moving, progress, row, three_digits

if TYPE_CHECKING:
    from ..manager import ModelManager
    from ..runtime.entry import ModelDescription, Picture

__all__ = ["Snapshot", "Snapshots", "only", "take_snapshot"]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything views show, at one moment. Rows and progress are by model id; `last` if nothing will follow."""

    rows: Mapping[str, Row]
    progress: Mapping[str, Progress]
    summary: Summary
    last: bool = False


class _Counts(msgspec.Struct):
    """What the head line counts."""

    downloaded: int = 0
    loaded: int = 0
    memory: int = 0

    def add(self, model: ModelDescription, times: int = 1) -> None:
        """Count a model, or with -1 count it no more."""
        self.downloaded += times * model.on_disk
        self.loaded += times * (model.status is ModelStatus.LOADED)
        self.memory += times * model.memory_bytes


class Snapshots:
    """Takes the snapshots of one manager, in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: Mapping[str, ModelDescription] = {}
        self._rows = Rows()
        self._transfers: set[str] = set()
        self._counts = _Counts()

    def take(self, picture: Picture, budget: int | None, version: str) -> Snapshot:
        """What the manager's views should show of this picture and memory budget."""
        with self._lock:
            self._follow(picture.models)
            return Snapshot(
                rows=self._rows,
                progress=self._progress(picture),
                summary=self._summary(picture, budget, version),
            )

    def _follow(self, models: Mapping[str, ModelDescription]) -> None:
        """Bring everything up to date with these models, which are all there are."""
        before, self._models = self._models, models
        # Descriptions are frozen, and the same objects until something about the model changes.
        if len(models) == len(before) and all(map(operator.is_, models.values(), before.values())):
            return
        if list(models) == list(before):
            changed = [new for new, old in zip(models.values(), before.values(), strict=True) if new is not old]
            rows = self._rows
        else:
            changed = [new for model_id, new in models.items() if before.get(model_id) is not new]
            for model_id in before.keys() - models.keys():
                self._forget(before[model_id])
            rows = {model_id: self._rows.get(model_id) for model_id in models}
        news: dict[str, Row] = {}
        for model in changed:
            model_id = model.info.model_id
            old = before.get(model_id)
            if old is not None:
                if old.progress and model.progress and msgspec.structs.replace(model, progress=old.progress) == old:
                    continue  # It only moved on, as a hundred do ten times a second: no part of a row.
                self._forget(old)
            self._counts.add(model)
            if model.progress is not None:
                self._transfers.add(model_id)
            new = row(model)
            if new != self._rows.get(model_id):
                news[model_id] = new
        if news or rows is not self._rows:
            self._rows = Rows(cast("dict[str, Row]", {**rows, **news}))  # each is old or new

    def _forget(self, model: ModelDescription) -> None:
        self._counts.add(model, -1)
        self._transfers.discard(model.info.model_id)

    def _progress(self, picture: Picture) -> dict[str, Progress]:
        places = {model_id: place for place, model_id in enumerate(picture.download_queue, start=1)}
        shown: dict[str, Progress] = {}
        for model_id in sorted(self._transfers):
            transfer = moving(picture.models[model_id])
            if transfer is not None:
                shown[model_id] = progress(transfer, places.get(model_id, 0))
        return shown

    def _summary(self, picture: Picture, budget: int | None, version: str) -> Summary:
        transfers = [picture.models[model_id].progress for model_id in self._transfers]
        return Summary(
            version=version,
            revision=picture.revision,
            models=len(picture.models),
            downloaded=self._counts.downloaded,
            loaded=self._counts.loaded,
            downloads=picture.active_downloads,
            queued=picture.queued_downloads + picture.queued_loads,
            memory=self._counts.memory,
            budget=budget or _machine_budget(),
            rate=three_digits(sum(each.bytes_per_second for each in transfers if each and each.phase == "downloading")),
        )


def take_snapshot(manager: ModelManager, version: str) -> Snapshot:
    """What the manager's views should show now, also where it is closed; for whoever takes only one."""
    return Snapshots().take(manager.picture, manager.memory_budget, version)


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
