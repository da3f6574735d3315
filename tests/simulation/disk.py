"""In place of the disk and of the fetch process: files that are fetched, found, damaged and removed by the seed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rmm_widgets.downloads.cache import Snapshot
from rmm_widgets.downloads.digest import Fingerprint
from rmm_widgets.downloads.resumable import Unfinished
from rmm_widgets.downloads.spec import FetchProgress, FetchResult, FetchSpec
from rmm_widgets.downloads.verify import DamagedFile, Verification
from rmm_widgets.errors import DownloadCancelledError, DownloadError, HubUnavailableError, RegistryError
from rmm_widgets.file_records import FileCheck
from rmm_widgets.registry.records import StoredModel, StoreReport
from rmm_widgets.types import ModelEvent

from .world import World

__all__ = ["SimStore", "doubles_of_disk"]

COMMIT = "a" * 40
FILE = "model.onnx"


def doubles_of_disk(world: World, folder: Path) -> dict[str, Any]:
    """What replaces the cache and the fetch process, by the names that the runtime uses.

    Args:
        folder: Holds one folder with a model's real files for each repository, named as after its slash.
    """
    repositories = world.repositories

    def of(path: Path) -> Any:
        return repositories[f"r/{path.name}"]

    def find_snapshot(_cache: object, repo_id: str, _revision: str | None, **_choice: Any) -> Snapshot | None:
        it = repositories[repo_id]
        path = folder / repo_id.partition("/")[2]
        return Snapshot(path, COMMIT, it.size, (FILE,)) if it.complete else None

    def find_unfinished(_cache: object, repo_id: str, *_more: object) -> Unfinished | None:
        it = repositories[repo_id]
        return Unfinished(COMMIT, it.fetched, it.size, 0, 1) if it.fetched and not it.complete else None

    def missing_files(_cache: object, repo_id: str, *_more: object) -> list[str]:
        return [] if repositories[repo_id].complete else [FILE]

    def discard_unfinished(_cache: object, repo_id: str, *_more: object, **_keep: object) -> int:
        if world.fault():
            raise DownloadError("another program fetches it", hint="Wait for it.")
        it = repositories[repo_id]
        freed, it.fetched = (0 if it.complete else it.fetched), (it.fetched if it.complete else 0)
        return freed

    def delete_snapshot(_cache: object, repo_id: str, _commit: str, **_keep: object) -> int:
        it = repositories[repo_id]
        freed, it.fetched, it.complete = it.fetched, 0, False
        it.vandalised = True
        return freed

    def verify_snapshot(
        snapshot: Snapshot, *_more: object, cancelled: Callable[[], bool] | None = None, **_memory: object
    ) -> Verification:
        if cancelled is not None and cancelled():
            raise DownloadCancelledError("the verification was cancelled")
        it = of(snapshot.path)
        state = "missing" if not it.complete else "corrupt" if it.damaged else "intact"
        check = FileCheck(path=FILE, size=it.size, checked_by="sha256", state=state)
        bad = (FILE,)
        return Verification(
            bad if state == "corrupt" else (),
            bad if state == "missing" else (),
            it.size,
            (check,),
            (DamagedFile(FILE, "0" * 64, print_of(it)),) if state == "corrupt" else (),
            frozenset(bad),
        )

    def print_of(it: Any) -> Fingerprint | None:
        return Fingerprint(it.size, int(it.damaged), 1) if it.complete else None

    def fingerprints(path: Path, paths: Iterable[str]) -> dict[str, Fingerprint | None]:
        return dict.fromkeys(paths, print_of(of(path)))

    def set_aside(snapshot: Snapshot, damaged: Sequence[DamagedFile]) -> dict[str, str]:
        it = of(snapshot.path)
        if damaged and it.damaged:
            it.complete = it.damaged = False
            it.fetched = 0
        return {}

    class VerifiedFiles:
        def __init__(self, _folder: Path) -> None: ...

        def update(self, *_: object) -> None: ...

        def forget(self, *_: object) -> None: ...

        def read(self, *_: object) -> dict[str, object]:
            return {}

    class FetchClient:
        """The fetch process: keeps what it fetched, lets go of a cancelled job some time after it was asked to."""

        pid = None

        def __init__(self, **_: Any) -> None:
            self._closed = False

        async def fetch(self, spec: FetchSpec, on_progress: Callable[[FetchProgress], None]) -> FetchResult:
            if self._closed:
                raise DownloadCancelledError("The download service is closed.")
            name = spec.model_id
            world.fetching[name] = world.fetching.get(name, 0) + 1
            try:
                return await self._fetch(spec, on_progress)
            finally:
                world.fetching[name] -= 1
                if not world.fetching[name]:
                    del world.fetching[name]

        async def _fetch(self, spec: FetchSpec, on_progress: Callable[[FetchProgress], None]) -> FetchResult:
            it = repositories[spec.repo_id]
            try:
                await world.outside.moment()
                while it.fetched < it.size:
                    if world.fault():
                        raise HubUnavailableError("the hub does not answer", hint="Try again.")
                    it.fetched = min(it.size, it.fetched + world.numbers.randrange(1, it.size + 1))
                    phase = world.numbers.choice(("downloading", "verifying", "waiting_for_other"))
                    on_progress(FetchProgress(phase, it.fetched, it.size, FILE, 0, 1))
                    await world.outside.moment()
            except asyncio.CancelledError:
                await self._let_go(it)
                raise
            it.complete, it.damaged, it.vandalised = True, False, False
            result = FetchResult(str(folder / spec.repo_id.partition("/")[2]), COMMIT, it.size, (FILE,), it.size)
            await world.outside.moment()
            return result

        async def _let_go(self, it: Any) -> None:
            letting_go = asyncio.ensure_future(world.outside.moment())
            while not letting_go.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(letting_go)
            if it.fetched >= it.size and world.chance(0.5):
                it.complete, it.damaged = True, False  # it was too late to stop

        async def files(self, _model_id: str) -> None:
            return None

        async def aclose(self) -> None:
            self._closed = True
            await world.outside.moment()

    return {
        "downloads.cache.find_snapshot": find_snapshot,
        "downloads.cache.find_remains": find_snapshot,
        "downloads.resumable.find_unfinished": find_unfinished,
        "downloads.resumable.missing_files": missing_files,
        "downloads.resumable.files_on_disk": lambda *_: [],
        "downloads.resumable.discard_unfinished": discard_unfinished,
        "downloads.deletion.delete_snapshot": delete_snapshot,
        "downloads.verify.verify_snapshot": verify_snapshot,
        "downloads.verify.fingerprints": fingerprints,
        "downloads.quarantine.set_aside": set_aside,
        "downloads.verified.VerifiedFiles": VerifiedFiles,
        "downloads.client.FetchClient": FetchClient,
        "runtime.keeping.RegistryStore": lambda _folder: SimStore(world),
    }


class SimStore:
    """The registry's files; another kernel may write to them, and the disk may be full."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.rows: dict[str, StoredModel] = {}
        self.history: list[ModelEvent] = []
        self.changed_by_others = False
        self.uncertain: set[str] = set()
        """Models whose row need not be what the manager knows: others wrote it, or the last write failed."""
        world.store = self

    def open(self) -> StoreReport:
        return StoreReport()

    def close(self) -> None: ...

    def models(self) -> list[StoredModel]:
        self.changed_by_others = False
        return list(self.rows.values())

    def put_many(self, models: Iterable[StoredModel]) -> None:
        rows = {model.model_id: model for model in models}
        if self._world.fault():
            self.uncertain.update(rows)
            raise RegistryError("the disk is full", hint="Free some space.")
        self.rows.update(rows)

    def remove(self, model_id: str) -> bool:
        if self._world.fault():
            raise RegistryError("the disk is full", hint="Free some space.")
        return self.rows.pop(model_id, None) is not None

    def append_events(self, events: Sequence[ModelEvent], _session: str) -> None:
        if self._world.fault():
            raise RegistryError("the disk is full", hint="Free some space.")
        self.history.extend(events)

    def events(self, model_id: str | None = None, *, limit: int = 100) -> list[ModelEvent]:
        return [event for event in self.history if model_id in {None, event.model_id}][-limit:]

    def changed(self) -> bool:
        return self.changed_by_others
