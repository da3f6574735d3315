"""Looks at what is on disk: the Hub's cache for repositories, `is_available` for custom models."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ..file_records import FileProgress
from ..lifecycle.states import Stage
from ..types import ModelDownloadProgress, ModelStatus
from .entry import Entry
from .threads import CoroutineThread

if TYPE_CHECKING:
    from ..downloads.cache import Snapshot
    from ..downloads.resumable import Choice
    from .engine import Engine

__all__ = ["Disk"]

NAMED_FILES = 5
"""Missing files that an error names; the rest is counted."""

AVAILABLE_PATIENCE = 0.25
"""Seconds that registering a custom model waits for its `is_available`."""

_log = logging.getLogger("rmm_widgets")


class Disk:
    """What one engine knows of the disk; on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def look(self, entry: Entry) -> None:
        """Note whether all files of a model are on disk, and where not, what is there of its download."""
        if self._engine.entries.get(entry.info.model_id) is not entry:
            return  # it was deleted while others were looked at
        if entry.custom:
            present = await self._custom_available(entry)
        else:
            present = await self._files_of(entry)
        if present is not None and entry.info.model_id in self._engine.machine.models:
            self._engine.machine.set_on_disk(entry.info.model_id, present)
            self.show_unfinished(entry)

    async def look_for_unfinished(self, entry: Entry) -> None:
        """Note what is on disk of a download that does not run; trouble is logged, and nothing noted."""
        from ..downloads.resumable import find_unfinished

        if entry.custom:
            return
        where = self.whereabouts(entry)
        try:
            entry.unfinished = await self._engine.in_thread(lambda: find_unfinished(*where), "disk")
        except OSError as error:
            _log.warning("what is kept of the download of %s cannot be read: %s", entry.info.model_id, error)
            entry.unfinished = None

    def show_unfinished(self, entry: Entry) -> None:
        """Show what was found of a download at rest as its progress."""
        model_id, found, shown = entry.info.model_id, entry.unfinished, entry.progress
        stage = self._engine.state(model_id).stage
        if stage in {Stage.REGISTERED, Stage.ERROR} and found is not None:
            from msgspec.structs import replace

            entry.progress = replace(
                shown or ModelDownloadProgress(model_id=model_id, status=ModelStatus.NOT_DOWNLOADED),
                phase="paused",
                progress=100.0 * found.downloaded_bytes / found.total_bytes if found.total_bytes else 0.0,
                downloaded_bytes=found.downloaded_bytes,
                total_bytes=found.total_bytes,
                files_done=found.files_done,
                files_total=found.files_total,
            )
        elif stage is Stage.REGISTERED and shown is not None and shown.phase == "paused":
            entry.progress = None  # it is not there any more
        self._engine.settle(model_id)

    async def files(self, entry: Entry) -> list[FileProgress]:
        """What is there of each file of a model whose download does not run."""
        from ..downloads.resumable import files_on_disk

        if entry.custom:
            return []
        where = self.whereabouts(entry)
        return await self._engine.in_thread(lambda: files_on_disk(*where), "disk")

    def missing_text(self, entry: Entry) -> str:
        """Which files are missing, in words for a hint; empty where nobody knows. Reads the disk."""
        from ..downloads.resumable import missing_files

        if entry.custom:
            return ""
        try:
            missing = missing_files(*self.whereabouts(entry))
        except OSError:
            return ""
        more = len(missing) - NAMED_FILES
        named = ", ".join(missing[:NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
        return f"Missing on disk: {named}." if missing else ""

    def whereabouts(self, entry: Entry) -> tuple[Path, str, str | None, Choice]:
        """Cache, repository, revision and choice of files, as `downloads.resumable` takes them."""
        from ..downloads.resumable import Choice

        info = entry.info
        choice = Choice(info.allow_patterns, info.ignore_patterns)
        return self._engine.settings.cache, info.repo_id, entry.commit or info.version, choice

    async def _files_of(self, entry: Entry) -> bool | None:
        """Whether every chosen file is there; None where the answer came too late to be of use."""
        from ..downloads.verify import fingerprints

        info, commit, damage = entry.info, entry.commit, entry.damage

        def find() -> Snapshot | None:
            found = self.find(entry)
            if found is None or damage is None:
                return found
            now = fingerprints(found.path, damage.files)
            return None if any(now[path] in {None, was} for path, was in damage.files.items()) else found

        found = await self._engine.in_thread(find, "disk")
        if entry.info is not info or entry.commit != commit:
            return None  # a download or another registration was faster
        if found is not None and entry.damage is damage:
            entry.damage = None  # somebody else has put the right files there
        if found is None:
            await self.look_for_unfinished(entry)
        else:
            entry.unfinished = None
        entry.snapshot = str(found.path) if found else None
        entry.size_on_disk = found.size if found else 0
        entry.weak_files = found.weak if found else ()
        if found and found.commit != entry.commit:
            self._engine.gate.follow(entry, found.commit)
            self._engine.on_commit(entry)
        return found is not None

    def find(self, entry: Entry, *, whole: bool = True) -> Snapshot | None:
        """The snapshot of a model, None where there is none; reads the disk.

        Args:
            whole: Only where every chosen file is there; otherwise where one is.
        """
        from ..downloads.cache import find_remains, find_snapshot

        info = entry.info
        look = find_snapshot if whole else find_remains
        return look(
            self._engine.settings.cache,
            info.repo_id,
            entry.commit or info.version,
            allow_patterns=info.allow_patterns,
            ignore_patterns=info.ignore_patterns,
        )

    async def _custom_available(self, entry: Entry) -> bool | None:
        """What a custom model says of itself; None where it takes its time, and is looked at again later."""
        if entry.source is None:
            return False
        if self._engine.state(entry.info.model_id).worker:
            return None  # what is loaded stays what it is, also where another object was registered since

        async def ask() -> bool:
            return await entry.custom_model().is_available()

        try:
            asked = CoroutineThread(ask, name=f"rmm-available-{entry.info.model_id}")
            if not await asked.ended(AVAILABLE_PATIENCE):
                self._engine.loop.spawn(self._custom_available_later(entry, asked), name="is_available")
                return None
            return bool(await asked.result())
        except Exception:  # noqa: BLE001 - not to be told is not to be there; loading will show why
            _log.warning("is_available of model %s raised", entry.info.model_id, exc_info=True)
            return False

    async def _custom_available_later(self, entry: Entry, asked: CoroutineThread[bool]) -> None:
        try:
            present = bool(await asked.result())
        except Exception:  # noqa: BLE001
            present = False
        if self._engine.entries.get(entry.info.model_id) is entry:
            self._engine.machine.set_on_disk(entry.info.model_id, present)
            self._engine.settle(entry.info.model_id)
