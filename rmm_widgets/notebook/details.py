"""What the details of a model show, made from the manager's records. Pure; nothing is asked or read here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..commands.views import event_text
from ..disk_records import DiskUsage
from ..file_records import FileListing, FileProgress, ListedFile
from ..health import ProbeRecord
from ..story.records import Story, moment, told
from ..types import ModelEvent, ModelEventType
from .lengths import CARD, NAME, TEXT, cut
from .protocol import Details, DiskModel, FileLine, LogEntry, ProbePoint, Usage
from .settings_schema import settings

if TYPE_CHECKING:
    from ..runtime.entry import ModelDescription

__all__ = ["FILES", "details", "file_lines", "log_entry", "recent", "usage"]

FILES = 2000
"""Files that are listed; one line more stands for the rest."""
TAGS = 30
"""Tags that are shown."""
_PATH = 1024


def details(
    description: ModelDescription,
    *,
    page: str,
    idle: float | None,
    files: tuple[FileLine, ...],
    freeable: int,
    story: Story,
    events: Iterable[ModelEvent],
) -> Details:
    """Everything about one model that its row does not tell.

    Args:
        page: The address of its page on the Hub, empty where it has none.
        idle: Seconds for which models may be idle that were not given a time of their own.
    """
    info = description.info
    kept = description.on_disk or description.partial_bytes
    own = idle if description.keep_alive is None else description.keep_alive
    return Details(
        id=info.model_id,
        revision=info.version or "",
        commit=(kept and description.commit) or "",
        licence=cut(str(info.metadata.get("licence") or ""), NAME),
        tags=tuple(cut(tag, NAME) for tag in info.tags[:TAGS]),
        card=cut(info.description, CARD),
        page=page,
        files=files,
        size_on_disk=description.size_on_disk,
        unfinished=description.partial_bytes,
        freeable=freeable,
        loader=cut(description.loader, NAME),
        device=cut(description.device, NAME),
        placement=description.placement,
        memory=description.memory_bytes,
        need=description.estimated_bytes,
        keep_alive=own if own is not None and math.isfinite(own) else None,
        loaded_at=_time(description.loaded_at),
        last_used=_time(description.last_used),
        probes=tuple(map(_probe, description.probes)),
        settings=() if description.custom else settings(info.model_type, description.config),
        story=tuple(_story(story)),
        events=tuple(map(log_entry, events)),
    )


def file_lines(listing: FileListing, moving: Sequence[FileProgress], most: int = FILES) -> tuple[FileLine, ...]:
    """The files of a model, first those that a download takes, each with how far it is.

    Args:
        listing: What is known of the repository.
        moving: How far the files of the download are, or what is there of each at rest; may name files that
            the listing does not.
        most: Files that get a line of their own.
    """
    progress = {each.path: each for each in moving}
    # A listing that was cut short says nothing of the hashes.
    hashes_known = listing.source != "registry"
    lines = [_listed(each, progress.pop(each.path, None), hashes_known=hashes_known) for each in listing.files]
    lines += [_moving(each) for each in progress.values()]
    lines.sort(key=lambda line: line.state == "left_out")
    shown, rest = lines[:most], lines[most:]
    unlisted = len(rest) + max(listing.unlisted - len(progress), 0)
    if unlisted:
        size, done = sum(line.size for line in rest), sum(line.done for line in rest)
        more = f"{unlisted:,} more file{'s' if unlisted > 1 else ''}"
        shown.append(FileLine(path=more, size=size, done=done, state="left_out", note="not listed here"))
    return tuple(shown)


def _listed(file: ListedFile, moving: FileProgress | None, *, hashes_known: bool) -> FileLine:
    if not file.chosen:
        done = file.size if file.on_disk else 0
        return FileLine(
            path=cut(file.path, _PATH), size=file.size, done=done, state="left_out", note=cut(file.reason, NAME)
        )
    note = "no sha256 is published for it" if hashes_known and file.digest != "sha256" else ""
    if moving is not None:
        return _moving(moving, note)
    state, done = ("done", file.size) if file.on_disk else ("waiting", 0)
    return FileLine(path=cut(file.path, _PATH), size=file.size, done=done, state=state, note=note)


def _moving(file: FileProgress, note: str = "") -> FileLine:
    return FileLine(path=cut(file.path, _PATH), size=file.size, done=file.downloaded_bytes, state=file.state, note=note)


def _probe(record: ProbeRecord) -> ProbePoint:
    return ProbePoint(
        time=record.timestamp.isoformat(),
        latency=record.latency if math.isfinite(record.latency) else 0.0,
        outcome=record.outcome.value,
        health=record.health,
        detail=cut(record.detail, NAME),
    )


def _story(story: Story) -> Iterable[str]:
    for line in story.lines:
        yield cut(f"{moment(line.timestamp)}  {told(line)}", TEXT)
    for line in story.ending.splitlines():
        yield cut(line, TEXT)


def _time(moment: datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""


def recent(events: Sequence[ModelEvent], most: int) -> Sequence[ModelEvent]:
    """The last of these events; the ten progress reports a second of a download are no news."""
    return [event for event in events if event.type is not ModelEventType.DOWNLOAD_PROGRESS or "action" in event.data][
        -most:
    ]


def log_entry(event: ModelEvent) -> LogEntry:
    """One event in one line."""
    return LogEntry(
        seq=event.seq,
        time=event.timestamp.isoformat(),
        type=event.type.value,
        id=event.model_id,
        action=cut(str(event.data.get("action", "")), NAME),
        text=cut(event_text(event), TEXT),
    )


def usage(measured: DiskUsage) -> Usage:
    """What the models that have anything on disk take, the largest first."""
    models = sorted(measured.models, key=lambda each: (-each.bytes - each.unfinished_bytes, each.model_id))
    return Usage(
        models=tuple(
            DiskModel(
                id=each.model_id,
                bytes=each.bytes,
                freeable=each.freeable_bytes,
                unfinished=each.unfinished_bytes,
            )
            for each in models
            if each.bytes or each.unfinished_bytes or each.freeable_bytes
        ),
        unfinished=measured.unfinished_bytes,
        total=measured.total_bytes,
        free=measured.free_bytes,
    )
