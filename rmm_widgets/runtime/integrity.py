"""Whether the files on disk are what the Hub published: asked for, before a load, and what follows from damage.

How files are read and compared is `downloads`' business; what state a model is in then, the machine's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import IntegrityError, ModelNotAvailableError
from ..file_records import VerifyReport
from ..lifecycle.states import FETCHING, Stage
from .entry import Damage, Entry

if TYPE_CHECKING:
    from ..downloads.cache import Snapshot
    from ..downloads.spec import FetchResult
    from ..downloads.verified import VerifiedFiles, VerifiedRecord
    from ..downloads.verify import Verification
    from .engine import Engine

__all__ = ["Integrity"]

_INCOMPLETE = FETCHING | {Stage.PAUSED, Stage.CANCELLING}
"""Stages in which files are still missing, and which say nothing of damage."""

NAMED_FILES = 5
"""How many damaged files an error names; more are counted."""


class Integrity:
    """The files of one engine's models; everything on the runtime's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._memory: VerifiedFiles | None = None

    async def verify(self, model_id: str) -> VerifyReport:
        """Read and hash all files of a model. Damaged ones are put aside, and the model is no longer downloaded.

        Raises:
            ModelNotAvailableError: There is nothing to verify.
        """
        engine = self._engine
        entry = engine.entry(model_id)
        found: Snapshot | None = None
        if not entry.custom and engine.state(model_id).stage not in _INCOMPLETE:
            found = await engine.in_thread(lambda: engine.disk.find(entry, whole=False), "disk")
        if found is None:
            raise ModelNotAvailableError(
                f"Model {model_id} is not on disk, so there is nothing to verify",
                model_id=model_id,
                hint="Download it first.",
            )
        result = await self._read(found, skip_known=False)
        if result.corrupt or result.missing:
            await self._withdraw(entry, found, result)
        state = engine.machine.models.get(model_id)
        return VerifyReport(
            model_id=model_id,
            corrupt=result.corrupt,
            missing=result.missing,
            checked_bytes=result.checked_bytes,
            checked_files=len(result.files),
            files=result.files,
            loaded=state is not None and bool(state.worker),
        )

    async def repair(self, model_id: str) -> Path | None:
        """The folder where all files are as published; None where some must be fetched.

        Raises:
            IntegrityError: They are damaged, and the model is in memory.
        """
        try:
            report = await self.verify(model_id)
        except ModelNotAvailableError:
            return None
        entry = self._engine.entry(model_id)
        self.check_replaceable(entry)
        return Path(entry.snapshot) if report.ok and entry.snapshot else None

    def check_replaceable(self, entry: Entry) -> None:
        """Refuse to fetch damaged files of a model that is in memory: they would change under it.

        Raises:
            IntegrityError: It has some.
        """
        state = self._engine.machine.models.get(entry.info.model_id)
        if entry.damage is not None and state is not None and state.on_disk:
            raise IntegrityError(
                f"{entry.damage.error}; it is in memory, so they are not fetched now",
                model_id=entry.info.model_id,
                hint="Unload it, then download it again: only these files are fetched.",
            )

    async def check_before_load(self, entry: Entry) -> Path | None:
        """Read those files of a model that were not read since they came or changed.

        Returns:
            Their folder, None where they have gone.

        Raises:
            IntegrityError: Some are damaged; they were put aside.
        """
        found = await self._engine.in_thread(lambda: self._engine.disk.find(entry), "disk")
        if found is not None:
            result = await self._read(found, skip_known=True)
            if result.corrupt or result.missing:
                await self._withdraw(entry, found, result)
        if entry.damage is not None:  # also what a verification has found meanwhile
            raise entry.damage.error
        return None if found is None else found.path

    def unloaded(self, entry: Entry) -> None:
        """A model left the memory: what was found damaged meanwhile counts now."""
        engine, model_id = self._engine, entry.info.model_id
        if entry.damage is not None and model_id in engine.machine.models:
            engine.machine.files_damaged(model_id, engine.fail(entry, "download", entry.damage.error))

    async def fetched(self, entry: Entry, result: FetchResult) -> None:
        """Remember what a download has just verified, so that it is not read again before the load."""
        from ..downloads.cache import find_snapshot
        from ..downloads.verified import VerifiedRecord

        entry.damage = None
        cache, info = self._engine.settings.cache, entry.info
        folder, memory = Path(result.snapshot), self._remembered()
        records = {
            str(folder / path): VerifiedRecord(file.digest, file.size, file.mtime_ns, file.inode)
            for file in result.verified
            for path in file.paths
        }

        def remember() -> tuple[str, ...]:
            memory.update(folder.parent.parent.name, records)
            try:
                found = find_snapshot(
                    cache,
                    info.repo_id,
                    result.commit,
                    allow_patterns=info.allow_patterns,
                    ignore_patterns=info.ignore_patterns,
                )
            except OSError:
                return ()  # only for show; the download itself went well
            return found.weak if found else ()

        entry.weak_files = await self._engine.in_thread(remember, "verified")

    async def forget(self, repo_id: str, commit: str) -> None:
        """Forget the files of a deleted commit."""
        from ..downloads.layout import CacheLayout

        layout, memory = CacheLayout(self._engine.settings.cache, repo_id), self._remembered()
        await self._engine.in_thread(lambda: memory.forget(layout.root.name, layout.snapshot(commit)), "verified")

    async def remember(self, repository: str, records: Mapping[str, VerifiedRecord]) -> None:
        """Remember files of a repository, given by its folder's name, that were just found right."""
        memory = self._remembered()
        await self._engine.in_thread(lambda: memory.update(repository, records), "verified")

    def _remembered(self) -> VerifiedFiles:
        from ..downloads.verified import VerifiedFiles

        if self._memory is None:
            self._memory = VerifiedFiles(self._engine.data_dir / "verified")
        return self._memory

    async def _read(self, snapshot: Snapshot, *, skip_known: bool) -> Verification:
        from ..downloads.verify import verify_snapshot

        memory, stop = self._remembered(), threading.Event()
        try:
            return await self._engine.in_thread(
                lambda: verify_snapshot(snapshot, cancelled=stop.is_set, memory=memory, skip_known=skip_known),
                "verify",
            )
        finally:
            stop.set()

    async def _withdraw(self, entry: Entry, snapshot: Snapshot, result: Verification) -> None:
        """Put damaged files aside and let the state follow; not to be left half done by a cancelled job."""
        task = self._engine.loop.spawn(
            self._put_aside(entry, snapshot, result), name=f"quarantine {entry.info.model_id}"
        )
        await asyncio.shield(task)

    async def _put_aside(self, entry: Entry, snapshot: Snapshot, result: Verification) -> None:
        from ..downloads.quarantine import set_aside
        from ..downloads.verify import fingerprints

        engine, model_id = self._engine, entry.info.model_id
        left = await engine.in_thread(lambda: set_aside(snapshot, result.damaged), "quarantine")
        wrong = [path for path in (*result.corrupt, *result.missing) if path in result.needed]
        was = {file.path: file.fingerprint for file in result.damaged}
        now = await engine.in_thread(lambda: fingerprints(snapshot.path, wrong), "disk")
        # What changed meanwhile may have been replaced by the right file: the next look will tell.
        wrong = [path for path in wrong if now[path] in {None, was.get(path)}]
        state = engine.machine.models.get(model_id)
        if wrong and state is not None and state.on_disk and engine.entries.get(model_id) is entry:
            entry.damage = Damage(_error(model_id, wrong, left), {path: now[path] for path in wrong})
            if not state.worker:
                engine.machine.files_damaged(model_id, engine.fail(entry, "download", entry.damage.error))
            engine.settle(model_id)
        for other in list(engine.entries.values()):
            if other is not entry and other.info.repo_id == entry.info.repo_id:
                await engine.disk.look(other)


def _error(model_id: str, wrong: Sequence[str], left: dict[str, str]) -> IntegrityError:
    stuck = next((path for path in wrong if path in left), None)
    if stuck is None:
        count = f"the {len(wrong)} damaged files are" if len(wrong) != 1 else "the damaged file is"
        hint = f"Download it again: only {count} fetched."
    else:
        hint = f"{stuck} could not be moved out of the way ({left[stuck]}): remove it, then download the model again."
    return IntegrityError(
        f"Files of model {model_id} are damaged or missing: {_listed(wrong)}", model_id=model_id, hint=hint
    )


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - NAMED_FILES} more" if len(paths) > NAMED_FILES else ""
    return ", ".join(paths[:NAMED_FILES]) + more
