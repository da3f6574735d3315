"""Looks at what is on disk: the Hub's cache for repositories, `is_available` for custom models."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..file_records import FileProgress
from ..lifecycle.states import Stage
from ..types import ModelDownloadProgress, ModelInfo, ModelStatus
from .entry import Damage, Entry
from .threads import CoroutineThread

if TYPE_CHECKING:
    from ..downloads.cache import Snapshot
    from ..downloads.resumable import Choice, Unfinished
    from .engine import Engine

__all__ = ["Disk"]

NAMED_FILES = 5
"""Missing files that an error names; the rest is counted."""

AT_ONCE = 500
"""Models that are looked at in one thread and shown in one picture; in between the runtime does other things."""

AVAILABLE_PATIENCE = 0.25
"""Seconds that registering a custom model waits for its `is_available`."""

_log = logging.getLogger("rmm_widgets")


class _Found(NamedTuple):
    """What is on disk of a model of the Hub as it was when it was looked for."""

    info: ModelInfo
    commit: str | None
    damage: Damage | None
    snapshot: Snapshot | None = None
    unfinished: Unfinished | None = None
    error: Exception | None = None


class Disk:
    """What one engine knows of the disk; on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def look(self, *entries: Entry) -> None:
        """Note of models whether all their files are on disk, and where not, what is there of their downloads."""
        for begin in range(0, len(entries), AT_ONCE):
            await self._look(entries[begin : begin + AT_ONCE])

    async def _look(self, entries: Sequence[Entry]) -> None:
        """Read the disk for all of them in one thread, and show what was found at once."""
        engine = self._engine
        before = {entry.info.model_id: self._moves(entry) for entry in entries}
        found = await self._read(entries)
        # Where a transfer began or ended meanwhile, the answer may be of either side of that.
        moved = [entry for entry in entries if self._moves(entry) != before[entry.info.model_id]]
        found |= await self._read(moved)
        to_ask: list[Entry] = []
        for entry in filter(self._is_registered, entries):  # not deleted while others were looked at
            if entry.custom and entry.source is not None:
                to_ask.append(entry)
            else:
                self._set(entry, False if entry.custom else self._note(entry, found.get(entry)))
        engine.settle()
        for entry in to_ask:
            present = await self._custom_available(entry)
            if self._is_registered(entry):
                self._set(entry, present)
                engine.settle()
        for answer in found.values():
            if answer.error is not None:
                raise answer.error

    def _set(self, entry: Entry, present: bool | None) -> None:
        model_id = entry.info.model_id
        if present is not None and model_id in self._engine.machine.models:
            self._engine.machine.set_on_disk(model_id, present)
            self.show_unfinished(entry)
        self._engine.touch(model_id)

    def _is_registered(self, entry: Entry) -> bool:
        return self._engine.entries.get(entry.info.model_id) is entry

    def _moves(self, entry: Entry) -> tuple[object, ...]:
        state = self._engine.machine.models.get(entry.info.model_id)
        return () if state is None else (state.stage, state.run)

    async def _read(self, entries: Iterable[Entry]) -> dict[Entry, _Found]:
        """What is on disk of models of the Hub."""
        work = [
            (entry, entry.info, entry.commit, entry.damage)
            for entry in entries
            if not entry.custom and self._is_registered(entry)
        ]
        if not work:
            return {}
        return await self._engine.in_thread(lambda: {each[0]: self._found(*each) for each in work}, "disk")

    def _found(self, entry: Entry, info: ModelInfo, commit: str | None, damage: Damage | None) -> _Found:
        from ..downloads.verify import fingerprints

        try:
            snapshot = self.find(entry)
            if snapshot is not None and damage is not None:
                now = fingerprints(snapshot.path, damage.files)
                if any(now[path] in {None, was} for path, was in damage.files.items()):
                    snapshot = None
        except Exception as error:  # noqa: BLE001 - raised again, once what was found of the others is noted
            return _Found(info, commit, damage, error=error)
        unfinished = self._unfinished(entry) if snapshot is None else None
        return _Found(info, commit, damage, snapshot, unfinished)

    def _note(self, entry: Entry, found: _Found | None) -> bool | None:
        """Whether every chosen file is there; None where the answer came too late to be of use, or there is none."""
        if found is None or found.error is not None or entry.info is not found.info or entry.commit != found.commit:
            return None  # a download or another registration was faster
        snapshot = found.snapshot
        if snapshot is not None and entry.damage is found.damage:
            entry.damage = None  # somebody else has put the right files there
        entry.unfinished = found.unfinished
        entry.snapshot = str(snapshot.path) if snapshot else None
        entry.size_on_disk = snapshot.size if snapshot else 0
        entry.weak_files = snapshot.weak if snapshot else ()
        if snapshot and snapshot.commit != entry.commit:
            self._engine.gate.follow(entry, snapshot.commit)
            self._engine.on_commit(entry)
        return snapshot is not None

    async def look_for_unfinished(self, entry: Entry) -> None:
        """Note what is on disk of a download that does not run; trouble is logged, and nothing noted."""
        if not entry.custom:
            entry.unfinished = await self._engine.in_thread(lambda: self._unfinished(entry), "disk")

    def _unfinished(self, entry: Entry) -> Unfinished | None:
        from ..downloads.resumable import find_unfinished

        try:
            return find_unfinished(*self.whereabouts(entry))
        except OSError as error:
            _log.warning("what is kept of the download of %s cannot be read: %s", entry.info.model_id, error)
            return None

    def show_unfinished(self, entry: Entry) -> None:
        """Note what was found of a download at rest as its progress, to be shown with the next `settle`."""
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
        self._engine.touch(model_id)

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
        if self._is_registered(entry):
            self._engine.machine.set_on_disk(entry.info.model_id, present)
            self._engine.settle(entry.info.model_id)
