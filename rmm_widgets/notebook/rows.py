"""From one model's record to what views show of it: its row, its progress, the fitting buttons.

Pure. All models at one moment are in `snapshots`; when and to whom they are sent is decided in `publisher`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..types import ModelDownloadProgress
from .fixes import FIXES
from .lengths import NAME, cut
from .protocol import Action, Fix, Progress, Row

if TYPE_CHECKING:
    from ..runtime.entry import ModelDescription

__all__ = ["actions", "fix", "moving", "progress", "row", "three_digits"]

_SHORT, _LONG = 80, 500
"""Characters of a description and of a sentence that travel: rows are saved with the notebook."""

_TRANSFERS = frozenset({"queued", "resolving", "downloading", "verifying", "paused", "cancelling", "partial"})
"""Stages whose progress is shown."""

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


def row(description: ModelDescription) -> Row:
    """One model of the table."""
    info = description.info
    return Row(
        id=info.model_id,
        type=info.model_type,
        repo=info.repo_id,
        description=cut(info.description, _SHORT),
        size=description.size_on_disk or info.total_size_estimate,
        status=description.status,
        stage=description.stage_word,
        health=description.health,
        health_reason=_sentence(description.health_reason),
        error=_sentence(description.error),
        hint=_sentence(description.hint),
        fix=fix(description),
        guide=description.guide_name,
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
        if description.error_type == "IntegrityError" and not description.custom:
            return ("repair", "discard") if description.partial_bytes else ("repair",)
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
    return FIXES.get(description.error_type, "retry")


def moving(description: ModelDescription) -> ModelDownloadProgress | None:
    """The download that is shown of it; the last numbers of what has ended are not news."""
    shown = description.stage_word in _TRANSFERS or description.partial_bytes
    return description.progress if shown else None


def progress(record: ModelDownloadProgress, place: int = 0) -> Progress:
    """How far a download is, in the few numbers a bar needs."""
    return Progress(
        phase=record.phase,
        percent=math.floor(record.progress * 10) / 10,
        done=record.downloaded_bytes,
        total=record.total_bytes,
        rate=three_digits(record.bytes_per_second),
        eta=None if record.estimated_time_remaining is None else round(record.estimated_time_remaining),
        file=cut(record.current_file or "", NAME),
        files_done=record.files_done,
        files_total=record.files_total,
        note=cut(record.note, NAME),
        place=place,
    )


def three_digits(number: float) -> int:
    """The number as far as it is shown."""
    whole = round(number)
    return round(whole, 3 - len(str(whole)))


def _sentence(text: str) -> str:
    """What may be saved with a notebook that is passed on: short, and without the name of the user's folder."""
    return cut(text.replace(_HOME, "~"), _LONG) if text else text


_HOME = str(Path.home())
