"""What a cell shows for jobs and for the records that commands give.

Where a front end can draw widgets, a running job is a live progress bar; everywhere else, and once
it has ended, it is a line of text. Records are shown as the tables that the commands show.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..commands.disk_views import prune_message, usage_table, verify_document
from ..commands.job_views import job_document, job_line
from ..commands.lock_views import sync_table
from ..commands.render import SHOWN_ROWS, Document, Message, to_text
from ..commands.spec import JobListing, Listing
from ..commands.views import info_table, model_message, statistics_table, story_table
from ..disk_records import DiskUsage, PruneReport
from ..errors import RMMError
from ..file_records import VerifyReport
from ..lock_records import SyncReport
from ..runtime.entry import ModelDescription
from ..story.records import Story
from ..types import ModelInfo, Statistics
from .fallback import bundle

if TYPE_CHECKING:
    from ..runtime.job import Job
    from .widgets import DownloadProgress

__all__ = [
    "DOCUMENTS",
    "RecordFormatters",
    "has_front_end",
    "job_mimebundle",
    "jobs_mimebundle",
    "show_job",
]

Bundle = dict[str, Any]

_WITH_A_ROW = frozenset({"download", "load", "unload", "verify", "repair"})
"""Jobs whose model's row tells how far they are."""

_widgets: WeakKeyDictionary[Job[Any], DownloadProgress] = WeakKeyDictionary()


def has_front_end() -> bool:
    """True in a Jupyter kernel, where something may draw widgets; False in a plain terminal or script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def show_job(job: Job[Any]) -> None:
    """Display a job in the current cell's output, or print it where there is no notebook."""
    import IPython.display

    show: Callable[..., object] = IPython.display.display  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    show(job_mimebundle(job), raw=True)


def job_mimebundle(job: Job[Any], include: object = None, exclude: object = None) -> Bundle:  # noqa: ARG001
    """What a job shows as a cell's result: a live bar while it runs, then one line."""
    if job.done() or job.kind not in _WITH_A_ROW or not has_front_end():
        return dict(bundle(job_document(job)))
    widget = _widgets.get(job)
    if widget is None:
        widget = _progress_widget([job])
        if widget is None:
            return dict(bundle(job_document(job)))
        _widgets[job] = widget
    return widget._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage]


def jobs_mimebundle(jobs: JobListing, include: object = None, exclude: object = None) -> Bundle:  # noqa: ARG001
    """Several jobs as one set of bars."""
    moving = not all(job.done() for job in jobs) and has_front_end()
    widget = _progress_widget(list(jobs)) if moving else None
    if widget is not None:
        return widget._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage]
    return dict(bundle(_jobs_document(jobs)))


def _progress_widget(jobs: list[Job[Any]]) -> DownloadProgress | None:
    """The bars, None where they cannot be drawn: not built, closed, or models that are gone."""
    try:
        from .widgets import DownloadProgress

        return DownloadProgress(jobs)
    except (ImportError, RMMError):
        return None


def _listing_document(values: Listing[Any]) -> Document:
    return values.document


def _jobs_document(jobs: JobListing) -> Document:
    return Message("\n".join(job_line(job) for job in jobs))


DOCUMENTS: Mapping[type, Callable[[Any], Document]] = {
    JobListing: _jobs_document,
    Listing: _listing_document,
    ModelDescription: info_table,
    ModelInfo: model_message,
    Statistics: statistics_table,
    PruneReport: prune_message,
    DiskUsage: usage_table,
    VerifyReport: verify_document,
    Story: story_table,
    SyncReport: sync_table,
}
"""How a notebook shows each type that commands give."""


class RecordFormatters:
    """Teaches one IPython display formatter to show the types of `DOCUMENTS`, and to forget them again."""

    def __init__(self, display_formatter: Any) -> None:
        self._bundles = display_formatter.mimebundle_formatter
        # IPython prefers its printer of lists to any bundle, so listings need a printer of their own.
        self._plain = display_formatter.formatters["text/plain"]

    def add(self) -> None:
        """Show the types as tables and messages, running jobs as bars."""
        for kind, document in DOCUMENTS.items():
            self._bundles.for_type(kind, _bundler(document))
            self._plain.for_type(kind, _printer(document))
        self._bundles.for_type(JobListing, jobs_mimebundle)

    def remove(self) -> None:
        """Show them as IPython does by itself."""
        for kind in DOCUMENTS:
            self._bundles.pop(kind, None)
            self._plain.pop(kind, None)


def _bundler(document: Callable[[Any], Document]) -> Callable[..., Bundle]:
    def mimebundle(record: object, include: object = None, exclude: object = None) -> Bundle:  # noqa: ARG001
        return dict(bundle(document(record)))

    return mimebundle


def _printer(document: Callable[[Any], Document]) -> Callable[[Any, Any, bool], None]:
    def show(record: object, printer: Any, cycle: bool) -> None:  # noqa: ARG001
        printer.text(to_text(document(record), max_rows=SHOWN_ROWS))

    return show
