"""What one view has been told of models, downloads and the head line, and what to tell it when they change.

Rows are many and change one at a time, so only the changed ones travel; downloads move all the time, so of them only
what can be seen does. Each telling has a number; a view that misses one asks for everything.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from .packed_rows import pack
from .progress_changes import CALM, ProgressNews, ToldProgress
from .protocol import AllRows, Progress, Row, RowChanges, Summary
from .publisher import Changes
from .row_changes import difference

__all__ = ["Telling", "Told"]


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """What a view is to be sent, None standing for what is not new, and the seconds after which there is more."""

    changes: RowChanges | None
    summary: Summary | None
    wait: float


class Told:
    """What a view has been told so far. One thread tells it news, any thread may ask for everything.

    Args:
        summary: The head line that the view shows; None for a view that shows none.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        rows: Mapping[str, Row],
        progress: Mapping[str, Progress],
        summary: Summary | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._seq = 0
        self._rows = rows
        self._places: dict[str, int] | None = None
        self._progress = ToldProgress(progress)
        self._summary = self._latest_summary = summary
        self._summary_at = -math.inf

    def tell(self, news: Changes) -> Telling:
        """Take these as the present state; returns what is to be told of it now."""
        with self._lock:
            now = self._clock()
            rows = RowChanges(seq=0)
            if news.rows is not None:
                rows = difference(self._rows, news.rows)
                self._rows, self._places = news.rows, None
            progress, wait = self._progress.tell(news.progress, now, at_once=news.last)
            # The rate goes with those that it is the sum of, in one message.
            summary, summary_wait = self._tell_summary(news.summary, now, at_once=news.last or bool(progress.paced))
            changes = None
            if progress or rows.changed or rows.removed or rows.order is not None:
                self._seq += 1
                changes = self._numbered(rows, progress)
            return Telling(changes=changes, summary=summary, wait=min(wait, summary_wait))

    def _tell_summary(self, latest: Summary | None, now: float, *, at_once: bool) -> tuple[Summary | None, float]:
        told = self._summary
        if told is None:
            return None, math.inf
        self._latest_summary = latest = latest or self._latest_summary or told
        if msgspec.structs.replace(latest, revision=told.revision) == told:
            return None, math.inf
        only_rate = msgspec.structs.replace(latest, revision=told.revision, rate=told.rate) == told
        wait = self._summary_at + CALM - now
        if only_rate and wait > 0 and not at_once:
            return None, wait
        self._summary, self._summary_at = latest, now
        return latest, math.inf

    def _numbered(self, rows: RowChanges, progress: ProgressNews) -> RowChanges:
        if self._places is None:
            self._places = {model_id: place for place, model_id in enumerate(self._rows)}
        places = self._places
        return msgspec.structs.replace(
            rows,
            seq=self._seq,
            progress=progress.changed,
            moved=_by_steps(places, ((each, (added,)) for each, added in progress.moved.items())),
            paced=_by_steps(
                places, ((each, (rate, -1 if eta is None else eta)) for each, (rate, eta) in progress.paced.items())
            ),
            ended=tuple(progress.ended),
        )

    def __contains__(self, model_id: object) -> bool:
        return model_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def seq(self) -> int:
        """The number of the last telling."""
        return self._seq

    def packed_rows(self) -> str:
        """All rows, as text."""
        return pack(self._rows)

    def all(self) -> AllRows:
        """Everything, with the number of the last telling that it holds."""
        with self._lock:
            return AllRows(seq=self._seq, rows=tuple(self._rows.values()), progress=dict(self._progress.records))


def _by_steps(places: Mapping[str, int], figures: Iterable[tuple[str, tuple[float, ...]]]) -> tuple[float, ...]:
    """Figures in the rows' order, each after the rows that it is further down than the one before."""
    flat: list[float] = []
    before = 0
    for place, values in sorted((places[model_id], values) for model_id, values in figures):
        flat += (place - before, *values)
        before = place
    return tuple(flat)
