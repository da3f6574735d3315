"""Documents about the files on disk. Pure; `render` decides how they look."""

from __future__ import annotations

from collections.abc import Sequence

from ..disk_records import DiskUsage, PruneReport
from ..file_records import CheckMethod, VerifyReport
from .render import Column, Document, Message, Table, size

__all__ = ["prune_message", "usage_table", "verified", "verify_document", "verify_documents"]

SHOWN_FILES = 20
"""Removed files that a clean-up names; the rest is counted."""

_CHECKS: dict[CheckMethod, str] = {
    "sha256": "sha256",
    "git-sha1": "git-sha1 (weak)",
    "recorded": "as first seen (weak)",
    "size": "not published (weak)",
}


def verify_document(report: VerifyReport) -> Table:
    """What re-hashing a model found, a line a file, the damaged ones first, and in one sentence."""
    return Table(
        columns=(Column("file"), Column("size", "right"), Column("checked by"), Column("result")),
        rows=tuple(
            (file.path, size(file.size), _CHECKS[file.checked_by], file.state)
            for file in sorted(report.files, key=lambda file: file.state == "intact")
        ),
        caption=f"{report.model_id}: {verified(report)}",
    )


def verify_documents(reports: Sequence[VerifyReport]) -> Table:
    """What re-hashing several models found, a line a model."""
    bad = sum(not report.ok for report in reports)
    return Table(
        columns=(Column("model"), Column("files", "right"), Column("read", "right"), Column("result")),
        rows=tuple(
            (report.model_id, str(report.checked_files), size(report.checked_bytes), verified(report))
            for report in sorted(reports, key=lambda report: report.ok)
        ),
        caption=f"{bad} of {_counted(len(reports), 'model')} damaged." if bad else "",
    )


def verified(report: VerifyReport) -> str:
    """What re-hashing found, in one sentence."""
    if report.ok:
        return f"all {report.checked_files} files are as published."
    bad = len(report.corrupt) + len(report.missing)
    told = f"{_counted(bad, 'file')} of {report.checked_files} corrupt or missing."
    if report.loaded:
        return f"{told} It stays loaded; %rmm unload it, then %rmm verify {report.model_id} --repair fetches them."
    return f"{told} %rmm verify {report.model_id} --repair fetches only these."


def usage_table(usage: DiskUsage) -> Table:
    """What is on disk: a line a model, then what belongs to none."""
    models = [
        (each.model_id, *map(size, (each.bytes, each.shared_bytes, each.freeable_bytes, each.unfinished_bytes)))
        for each in usage.models
        if each.bytes or each.unfinished_bytes
    ]
    others = [(f"{each.repo} (not registered)", size(each.bytes), "", "", "") for each in usage.unregistered]
    leftovers = [
        ("unfinished files", size(usage.unfinished_bytes), "", "", ""),
        ("quarantine", size(usage.quarantine_bytes), "", "", ""),
    ]
    sums = [
        ("the whole cache", size(usage.total_bytes), "", "", ""),
        ("free on the disk", size(usage.free_bytes), "", "", ""),
    ]
    return Table(
        columns=(
            Column("what"),
            Column("on disk", "right"),
            Column("shared", "right"),
            Column("rm --files frees", "right"),
            Column("unfinished", "right"),
        ),
        rows=(*models, *others, *(row for row in leftovers if row[1] != "-"), *sums),
        caption=usage.cache_dir,
    )


def prune_message(report: PruneReport) -> Document:
    """What a clean-up removed."""
    busy = f" {_counted(report.busy, 'file')} stayed: a download works with them." if report.busy else ""
    if not report.removed:
        return Message(f"Nothing to remove.{busy}")
    freed = size(report.freed_bytes) if report.freed_bytes else "0 B"
    lines = [f"{_counted(len(report.removed), 'file')} removed, {freed} freed.{busy}"]
    lines += [f"  {file.repo}: {file.name} ({size(file.bytes)})" for file in report.removed[:SHOWN_FILES]]
    if len(report.removed) > SHOWN_FILES:
        lines.append(f"  and {len(report.removed) - SHOWN_FILES} more")
    return Message("\n".join(lines))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
