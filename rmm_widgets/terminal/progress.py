"""The progress of jobs on standard error: bars on a terminal, a few lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..commands.render import printable
from ..commands.views import progress_text

if TYPE_CHECKING:
    from ..runtime.job import Job

__all__ = ["Bars", "Lines"]

FIRST_GAP, LONGEST_GAP = 5.0, 300.0
"""Seconds between two lines about one job: twice as long every time, so that an hour's download takes a dozen."""


class Bars:
    """A bar for each running job, gone when all have ended."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn
        from rich.table import Column

        def text(name: str) -> TextColumn:
            return TextColumn(f"{{task.fields[{name}]}}", markup=False, table_column=Column(no_wrap=True))

        self._progress = Progress(
            text("model"),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="cyan", pulse_style="cyan"),
            text("told"),
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
        )
        self._tasks: dict[Job[Any], TaskID] = {}

    def update(self, running: Sequence[Job[Any]], places: Mapping[str, int]) -> None:
        """Show how far these are; `places` are those in the queue."""
        for job in [job for job in self._tasks if job not in running]:
            self._progress.remove_task(self._tasks.pop(job))
        for job in running:
            told = _told(job, places)
            percent = job.progress.progress if job.progress is not None else 0.0
            total = 100.0 if percent or job.kind == "download" else None
            if job not in self._tasks:
                name = printable(str(job.model_id or job.kind))
                self._tasks[job] = self._progress.add_task("", total=total, model=name, told=told)
            self._progress.update(self._tasks[job], completed=percent, total=total, told=told)
        self._progress.refresh()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()


class Lines:
    """A line when a job begins, when another program has it, and now and then while it runs."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._next: dict[Job[Any], tuple[float, float]] = {}
        self._phases: dict[Job[Any], str] = {}

    def update(self, running: Sequence[Job[Any]], places: Mapping[str, int]) -> None:
        """Say how far these are, where it is time to."""
        now = self._clock()
        for job in running:
            phase = job.progress.phase if job.progress is not None else ""
            first = now if job.kind == "download" else now + FIRST_GAP  # most of the others have ended by then
            at, gap = self._next.setdefault(job, (first, FIRST_GAP))
            is_news = phase == "waiting_for_other" and self._phases.get(job) != phase
            self._phases[job] = phase
            if now >= at or is_news:
                self._next[job] = now + gap, min(2 * gap, LONGEST_GAP)
                self._say(f"{job.model_id}: {_told(job, places)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


def _told(job: Job[Any], places: Mapping[str, int]) -> str:
    """How far a job is, in the words that notebooks have for it."""
    return printable(progress_text(job.progress, places.get(str(job.model_id), 0)) or f"{job.kind} under way")
