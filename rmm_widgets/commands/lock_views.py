"""Documents about lock files. Pure; `render` decides how they look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..lock_records import SyncedModel, SyncReport
from ..runtime.lock_words import lock_trouble
from .render import Column, Message, Table, size

if TYPE_CHECKING:
    from ..runtime.entry import ModelDescription

__all__ = ["frozen_message", "sync_table"]


def frozen_message(path: Path, models: Sequence[ModelDescription]) -> Message:
    """What was written, and which models were not."""
    custom = [each.info.model_id for each in models if each.custom]
    told = f"Wrote {path}: {_counted(sum(not each.custom for each in models), 'model')}."
    if custom:
        told += f" Not in it, because they are your own objects: {', '.join(custom)}."
    return Message(told)


def sync_table(report: SyncReport) -> Table:
    """How every model compares with the lock file, what was done, and the verdict."""
    bad = len(report.differing)
    total = _counted(len(report.models), "model")
    verdict = f"{bad} of {total} not as {report.path} says." if bad else f"{total} as {report.path} says."
    others = f"\nNot in the lock file: {', '.join(report.not_locked)}." if report.not_locked else ""
    return Table(
        columns=(
            Column("model"),
            Column("result"),
            Column("done"),
            Column("files", "right"),
            Column("read", "right"),
            Column("differs in"),
        ),
        rows=tuple(map(_row, report.models)),
        caption=verdict + others,
        empty=f"{report.path} names no model.{others}",
    )


def _row(model: SyncedModel) -> tuple[str, ...]:
    return (
        model.model_id,
        "as locked" if model.ok else "differs",
        ", ".join(model.done) or "nothing",
        str(model.checked_files),
        size(model.checked_bytes),
        lock_trouble(model),
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
