"""Documents made from the manager's records. Pure; `render` decides how they look."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..error_links import in_one_line
from ..file_records import FileListing, FileProgress
from ..safety_records import SafetyReport
from ..story.records import Story, moment, told
from ..types import ModelDownloadProgress, ModelEvent, ModelInfo, QueueEntry, Statistics, UpdateOffer
from .render import Column, Message, Table, printable, size

if TYPE_CHECKING:
    from ..loading.detect import Detection
    from ..runtime.entry import ModelDescription

__all__ = [
    "duration",
    "event_line",
    "event_text",
    "events_table",
    "file_progress_table",
    "files_table",
    "info_table",
    "loader_text",
    "model_message",
    "models_table",
    "newer_commit_text",
    "offers_table",
    "ordinal",
    "progress_text",
    "queue_table",
    "safety_text",
    "settings_table",
    "statistics_table",
    "status_table",
    "story_table",
    "weak_text",
]

WEAK_FILES = 6
"""How many of them are named."""
_NAMED_FILES = 8
"""Files that a line names; the rest is counted."""
_PATTERNS = ("allow_patterns", "ignore_patterns")
_WITH_PROGRESS = frozenset(
    {"queued", "resolving", "downloading", "verifying", "paused", "cancelling", "partial", "error"}
)
"""Stages whose progress is shown; the last numbers of what has ended are not news."""

_PHASES: Mapping[str, str] = {
    "queued": "queued",
    "resolving": "looking up files",
    "verifying": "verifying",
    "finishing": "finishing",
    "waiting_for_other": "another program is downloading it",
}
"""What is said of a phase beside the numbers; a stage says the others."""

_NO_MODELS = "No models are registered. `%rmm add REPO` registers one."


def models_table(descriptions: Iterable[ModelDescription]) -> Table:
    """One line a model: what it is and where it stands."""
    return Table(
        columns=(
            Column("id"),
            Column("type"),
            Column("status"),
            Column("health"),
            Column("size", "right"),
            Column("memory", "right"),
            Column("repository"),
        ),
        rows=tuple(
            (
                each.info.model_id,
                each.info.model_type.value,
                _stage(each) + (", unsafe files allowed" if each.allowed_commit else ""),
                each.health.value,
                size(each.size_on_disk or each.info.total_size_estimate),
                size(each.memory_bytes),
                each.info.repo_id,
            )
            for each in descriptions
        ),
        empty=_NO_MODELS,
    )


def status_table(descriptions: Iterable[ModelDescription], places: Mapping[str, int], caption: str = "") -> Table:
    """One line a model: what it is doing, how far it is, what went wrong; `places` are those in the queue."""
    return Table(
        columns=(Column("id"), Column("status"), Column("health"), Column("progress"), Column("note")),
        rows=tuple(
            (
                each.info.model_id,
                _stage(each),
                each.health.value,
                _progress(each, places.get(each.info.model_id, 0)),
                _note(each),
            )
            for each in descriptions
        ),
        caption=caption,
        empty=_NO_MODELS,
    )


def _progress(description: ModelDescription, place: int) -> str:
    word = description.stage_word
    if word not in _WITH_PROGRESS or (word == "error" and not description.partial_bytes):
        return ""
    return progress_text(description.progress, place)


def queue_table(entries: Iterable[QueueEntry], caption: str = "") -> Table:
    """The downloads that run and those that wait, in order."""
    return Table(
        columns=(Column("#", "right"), Column("id"), Column("progress")),
        rows=tuple(
            (str(each.position or "-"), each.model_id, progress_text(each.progress, each.position)) for each in entries
        ),
        caption=caption,
        empty="No download runs or waits.",
    )


def file_progress_table(files: Sequence[FileProgress]) -> Table:
    """The files of a download, one a line."""
    return Table(
        columns=(
            Column("file"),
            Column("state"),
            Column("size", "right"),
            Column("there", "right"),
            Column("connections", "right"),
        ),
        rows=tuple(
            (
                each.path,
                _PHASES.get(each.state, each.state),
                size(each.size),
                f"{100 * each.downloaded_bytes // each.size if each.size else 100} %",
                str(each.connections or "-"),
            )
            for each in files
        ),
        empty="Its files are not known before its download has begun.",
    )


def info_table(description: ModelDescription) -> Table:
    """Everything known about one model, a line each; what is empty is left out."""
    info = description.info
    files, left_out = _files_rows(info, description.files) if description.files else ("", "")
    pairs = (
        ("id", info.model_id),
        ("type", info.model_type.value),
        ("repository", info.repo_id + (f"@{info.version}" if info.version else "")),
        ("description", info.description),
        ("commit", description.commit or str(info.metadata.get("commit") or "")),
        ("tags", ", ".join(info.tags)),
        ("status", _stage(description)),
        ("health", " ".join(filter(None, (description.health.value, description.health_reason)))),
        ("on disk", size(description.size_on_disk)),
        ("weak", weak_text(description.weak_files)),
        *_safety_rows(description),
        ("kept of its download", size(description.partial_bytes)),
        ("estimate", size(info.total_size_estimate)),
        ("files", files),
        ("left out", left_out),
        *((name.replace("_", " "), ", ".join(info.metadata.get(name) or ())) for name in _PATTERNS),
        ("memory", _memory(description)),
        ("runs in", ", ".join(filter(None, (description.placement, description.device)))),
        ("loaded by", description.loader),
        ("loader", loader_text(description.detection) if description.detection else description.not_loadable),
        ("pinned", "yes" if description.pinned else ""),
        ("config", settings_text(description.config)),
        ("error", description.error),
        ("what to do", description.hint),
        ("more", f"%rmm help {description.guide_name}" if description.guide_name else ""),
        *(
            (key.replace("_", " "), str(value))
            for key, value in info.metadata.items()
            if key != "commit" and _is_plain(value)
        ),
    )
    rows = tuple((name, value) for name, value in pairs if value not in {"", "-"})
    return Table(columns=(Column("field"), Column("value")), rows=rows)


def loader_text(detection: Detection) -> str:
    """Which loader would be used, why, and which others could be, in one line."""
    others = [each.loader if each.installed else f"{each.loader} (not installed)" for each in detection.alternatives]
    also = f"; also fit: {', '.join(others)}" if others else ""
    return f"{detection.loader}: {detection.reason}{also}"


def _safety_rows(description: ModelDescription) -> Sequence[tuple[str, str]]:
    """What the files might do, and what the user said about that."""
    commit, report = description.allowed_commit, description.safety
    allowed = ("allowed", f"the files of commit {commit} may run code" if commit else "")
    if report is None:
        return (allowed,)
    told = safety_text(report)
    return (
        ("formats", ", ".join(f"{name} {count}" for name, count in report.formats)),
        ("not looked at", _named(report.unread, len(report.unread), "")),
        ("safety", told if report.findings or report.source == "disk" else ""),
        allowed,
    )


def safety_text(report: SafetyReport) -> str:
    """What a look at a model's files found, in one line."""
    if report.safe:
        return "nothing in the files asks to run code"
    found = [f"{each.path} ({each.reason})" if each.path else each.reason for each in report.findings]
    before = "refused: " if report.source == "disk" else "would be refused: "
    return _named(found, len(found), before)


def _memory(description: ModelDescription) -> str:
    facts = (
        size(description.memory_bytes),
        f"expected {size(description.estimated_bytes)}" if description.estimated_bytes else "",
        _idle(description.keep_alive),
    )
    return ", ".join(fact for fact in facts if fact not in {"", "-"})


def _idle(keep_alive: float | None) -> str:
    if keep_alive is None:
        return ""
    return "kept when idle" if math.isinf(keep_alive) else f"unloaded when idle for {duration(keep_alive)}"


def weak_text(paths: Sequence[str]) -> str:
    """The files for which no sha256 was published, in one line; empty where there is none."""
    if not paths:
        return ""
    named = ", ".join(paths[:WEAK_FILES]) + (f" and {len(paths) - WEAK_FILES} more" if len(paths) > WEAK_FILES else "")
    return f"no sha256 is published for {named}"


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _files_rows(info: ModelInfo, listing: FileListing) -> tuple[str, str]:
    """The chosen files and those left out, each in one line that names some of them."""
    chosen = [file for file in listing.files if file.chosen]
    left_out = [file for file in listing.files if not file.chosen]
    whole = not listing.unlisted
    count = len(chosen) if whole else max(info.file_count_estimate, len(chosen))
    total = sum(file.size for file in chosen) if whole else info.total_size_estimate
    others = len(left_out) if whole else len(listing.files) + listing.unlisted - count
    return (
        _named([file.path for file in chosen], count, f"{count} files, {size(total)}: "),
        _named([f"{file.path} ({file.reason})" for file in left_out], others, ""),
    )


def _named(names: Sequence[str], count: int, before: str) -> str:
    if not names:
        return ""
    shown = list(names[:_NAMED_FILES])
    more = [f"and {count - len(shown)} more"] if count > len(shown) else []
    return before + ", ".join([*shown, *more])


def files_table(listing: FileListing) -> Table:
    """All files of a model: what becomes of each and how it is checked."""
    source = {"disk": "on disk", "hub": "on the Hub", "registry": "as seen at registration"}[listing.source]
    more = f"; {listing.unlisted} more" if listing.unlisted else ""
    return Table(
        columns=(Column("file"), Column("size", "right"), Column("download"), Column("check"), Column("on disk")),
        rows=tuple(
            (
                each.path,
                size(each.size),
                "yes" if each.chosen else f"no: {each.reason}",
                each.digest or "-",
                "yes" if each.on_disk else "no",
            )
            for each in listing.files
        ),
        caption=f"{listing.model_id}, {source}{more}, commit {listing.commit or 'unknown'}",
        empty=f"Nothing is known of the files of {listing.model_id}.",
    )


def offers_table(offers: Iterable[UpdateOffer], failures: Sequence[str] = ()) -> Table:
    """The models whose branch has moved on; what could not be asked stands below."""
    rows = tuple((each.model_id, each.revision, each.commit, each.newer_commit) for each in offers)
    advice = ["%rmm update ID accepts the newer commit."] if rows else []
    empty = "Nothing newer was found." if not failures else "\n".join(failures)
    return Table(
        columns=(Column("id"), Column("revision"), Column("commit"), Column("newer commit")),
        rows=rows,
        caption="\n".join([*advice, *failures]),
        empty=empty,
    )


def model_message(info: ModelInfo) -> Message:
    """What was found out about a model when it was registered, in a few lines."""
    files = f"{info.file_count_estimate} files" if info.file_count_estimate else ""
    facts = (info.model_type.value, files, size(info.total_size_estimate), str(info.metadata.get("licence") or ""))
    source = info.repo_id + (f"@{info.version}" if info.version else "")
    first = f"{info.model_id}: {', '.join(fact for fact in facts if fact not in {'', '-'})}"
    lines = (first, info.description, source, newer_commit_text(info))
    return Message("\n".join(line for line in lines if line))


def newer_commit_text(info: ModelInfo) -> str:
    """What to say of a model whose branch has moved on; empty where nothing is known of that."""
    newer = info.metadata.get("newer_commit")
    if not newer:
        return ""
    return (
        f"It stays on commit {info.metadata.get('commit')}; a newer one is {newer}. "
        f"%rmm update {info.model_id} accepts it."
    )


def statistics_table(statistics: Statistics, budget: int | None = None) -> Table:
    """The counts and sums, and the memory that models may have where that is limited."""
    sizes = {"total_memory_usage", "total_bytes_downloaded"}
    rows = tuple(
        (name.replace("_", " "), size(value) if name in sizes else str(value))
        for name, value in ((name, getattr(statistics, name)) for name in statistics.__struct_fields__)
    )
    limit = (("memory budget", size(budget)),) if budget else ()
    return Table(columns=(Column("what"), Column("value", "right")), rows=(*rows, *limit))


def events_table(events: Sequence[ModelEvent]) -> Table:
    """The history, oldest first."""
    return Table(
        columns=(Column("#", "right"), Column("time"), Column("model"), Column("event"), Column("details")),
        rows=tuple(
            (str(each.seq), _time(each.timestamp), each.model_id, each.type, event_text(each)) for each in events
        ),
        empty="Nothing has happened yet.",
    )


def story_table(story: Story) -> Table:
    """What happened to a model, a line each; how it is now and what to do next below."""
    return Table(
        columns=(Column("time"), Column("what happened")),
        rows=tuple((moment(line.timestamp), told(line)) for line in story.lines),
        caption=story.ending,
        empty=f"Nothing is known to have happened to {story.model_id}.\n{story.ending}",
    )


def settings_table(model_id: str, config: Mapping[str, Any]) -> Table:
    """A model's configuration."""
    return Table(
        columns=(Column("key"), Column("value")),
        rows=tuple((key, repr(value)) for key, value in config.items()),
        empty=f"{model_id} has no settings.",
    )


def settings_text(config: Mapping[str, Any]) -> str:
    """A configuration in one line."""
    return ", ".join(f"{key}={value!r}" for key, value in config.items())


def progress_text(progress: ModelDownloadProgress | None, place: int = 0) -> str:
    """A download in one line, empty where there is none; `place` is that in the queue, 0 outside of it."""
    if progress is None or progress.phase == "done":
        return ""
    parts = [_PHASES[progress.phase]] if progress.phase in _PHASES else []
    if place:
        parts.append(ordinal(place))
    # Rounded down: 100 % is said when everything is there, not before.
    parts.append(f"{math.floor(progress.progress)} %")
    if progress.total_bytes:
        parts.append(f"{size(progress.downloaded_bytes)} of {size(progress.total_bytes)}")
    if progress.bytes_per_second > 0:
        parts.append(f"{size(progress.bytes_per_second)}/s")
    if progress.estimated_time_remaining is not None:
        parts.append(f"{duration(progress.estimated_time_remaining)} left")
    if progress.note:
        parts.append(progress.note)
    return ", ".join(parts)


def ordinal(number: int) -> str:
    """A place in words: "1st", "22nd", "113th"."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def duration(seconds: float) -> str:
    """Seconds for people: "42 s", "3 min", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def event_text(event: ModelEvent) -> str:
    """An event's data in one line, without its progress numbers' noise."""
    shown = {key: value for key, value in event.data.items() if isinstance(value, str | int | float | bool)}
    return ", ".join(f"{key}={value}" for key, value in shown.items())


def event_line(event: ModelEvent) -> str:
    """An event in one line, for those that come one by one."""
    return printable(" ".join((_time(event.timestamp), event.model_id, event.type, event_text(event))))


def _stage(description: ModelDescription) -> str:
    return description.stage_word.replace("_", " ")


def _note(description: ModelDescription) -> str:
    if description.error:
        return in_one_line(description.error, description.hint, description.guide_name)
    return description.health_reason


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
