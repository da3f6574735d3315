"""Which commit a model's files are of, and which files those are.

The commit of the first download is recorded and stays, whatever becomes of the branch: a newer one is an
offer (`check`), and only `update` accepts it. Until the newer files are all there the older ones stay
recorded, and what ends an update early gives them back. Everything here runs on the runtime's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .. import names
from ..errors import DownloadError, RevisionNotFoundError
from ..file_records import FileListing
from ..lifecycle.effects import Decision
from ..lifecycle.states import Stage
from ..types import ModelInfo, UpdateOffer
from .entry import Entry

if TYPE_CHECKING:
    from ..downloads.plan import TreeEntry
    from ..downloads.spec import FetchResult
    from .engine import Engine

__all__ = ["Revisions", "keep_commit"]

_AT_REST = frozenset({Stage.REGISTERED, Stage.DOWNLOADED, Stage.ERROR})
_IN_MEMORY = frozenset({Stage.WAITING, Stage.LOADING, Stage.ABORTING, Stage.LOADED, Stage.UNLOADING})
_NEWER = "newer_commit"


class Revisions:
    """The commits and files of one engine's models."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def wanted(self, entry: Entry) -> str | None:
        """The revision that a download fetches: the recorded commit, except where an update was asked for."""
        return entry.info.version if entry.updating else entry.commit or entry.info.version

    async def check(self, model_id: str) -> UpdateOffer | None:
        """The newer commit of a model's branch or tag, None where there is none; one request.

        Raises:
            DownloadError: The Hub does not answer, or has no such repository or revision any more.
        """
        entry = self._engine.entry(model_id)
        commit, info = entry.commit, entry.info
        if entry.custom or commit is None or names.is_commit(info.version):
            return None
        newest = await self.newest(info)
        if newest == commit:
            return None
        return UpdateOffer(
            model_id=model_id,
            repo_id=info.repo_id,
            revision=info.version or "main",
            commit=commit,
            newer_commit=newest,
        )

    def update(self, model_id: str) -> Decision:
        """Begin to download what the branch or tag names now, or join the update under way.

        Raises:
            DownloadError: The model is in memory or being downloaded, or has no branch that could move.
        """
        engine = self._engine
        entry = engine.entry(model_id)
        state = engine.state(model_id)
        if not entry.updating:
            self._check_may_update(entry, state.stage, in_memory=bool(state.worker))
            entry.updating, entry.old_on_disk = True, state.on_disk
            engine.machine.set_on_disk(model_id, False)
        return engine.machine.download(model_id)

    def ended(self, entry: Entry, *, done: bool) -> None:
        """A download has ended; one that was an update and failed gives the old files back."""
        model_id = entry.info.model_id
        if not entry.updating:
            return
        entry.updating = False
        if not done and entry.old_on_disk and model_id in self._engine.machine.models:
            self._engine.machine.set_on_disk(model_id, True)

    def fetched(self, entry: Entry, result: FetchResult) -> None:
        """Record which commit the files on disk are of."""
        entry.snapshot, entry.size_on_disk = result.snapshot, result.total_bytes
        if entry.commit == result.commit:
            return
        self._engine.gate.follow(entry, result.commit)
        entry.info = _at_commit(entry.info, result)
        self._engine.on_commit(entry)

    async def refused(self, entry: Entry, error: RevisionNotFoundError) -> DownloadError:
        """The error for a download that the Hub does not know: where its recorded commit is gone, with both commits."""
        info, commit = entry.info, entry.commit
        if commit is None or entry.updating or info.version == commit:
            return error
        try:
            newest = await self.newest(info)
        except DownloadError:
            return error
        if newest == commit:
            return error
        return RevisionNotFoundError(
            f"{info.repo_id} has another history now: commit {commit}, from which {info.model_id} was downloaded, is "
            f"gone, and {info.version or 'main'} is {newest}",
            model_id=info.model_id,
            hint=f"Look at the repository first: somebody else may own it now. Then `%rmm update {info.model_id}` (or "
            "manager.update_model(...)) accepts the new history.",
        )

    async def list_files(self, model_id: str, *, local_only: bool) -> FileListing:
        """The files of a model: from the cache where it has a record of them, else from the Hub.

        Args:
            local_only: Ask nobody; where the cache knows nothing, what was seen at registration.

        Raises:
            DownloadError: The Hub was asked and does not answer, or has no such revision.
        """
        from ..downloads.layout import CacheLayout
        from ..downloads.listing import list_on_disk, list_registered, list_tree

        entry = self._engine.entry(model_id)
        info, cache = entry.info, self._engine.settings.cache
        if entry.custom:
            return FileListing(model_id=model_id, commit=None, source="registry", files=())
        seen = info.metadata.get("commit")
        commits = (entry.commit, None, seen if names.is_commit(seen) else None, entry.commit_on_disk)
        found = await self._engine.in_thread(lambda: list_on_disk(info, cache, commits), "list")
        if found is not None:
            return found
        if local_only:
            return list_registered(info)
        revision = entry.commit or info.version

        def ask(where: Mapping[str, Any]) -> FileListing:
            from ..hub.revisions import tree_of

            commit, tree = tree_of(info.repo_id, revision, **where)
            files = list_tree(info, CacheLayout(cache, info.repo_id), commit, tree)
            return FileListing(model_id=model_id, commit=commit, source="hub", files=tuple(files))

        try:
            return await self._ask_hub(info, ask)
        except RevisionNotFoundError as error:
            raise await self.refused(entry, error) from None

    async def newest(self, info: ModelInfo) -> str:
        """The commit that the model's branch or tag names now.

        Raises:
            DownloadError: The Hub does not answer, or has no such repository or revision.
        """

        def ask(where: Mapping[str, Any]) -> str:
            from ..hub.revisions import commit_of

            return commit_of(info.repo_id, info.version, **where)

        return await self._ask_hub(info, ask)

    async def tree(self, info: ModelInfo, revision: str | None) -> tuple[str, Mapping[str, TreeEntry]]:
        """A revision's commit and all its files with sizes and hashes; one request.

        Raises:
            DownloadError: The Hub does not answer, or has no such repository or revision.
        """

        def ask(where: Mapping[str, Any]) -> tuple[str, Mapping[str, TreeEntry]]:
            from ..hub.revisions import tree_of

            return tree_of(info.repo_id, revision, **where)

        return await self._ask_hub(info, ask)

    async def _ask_hub(self, info: ModelInfo, ask: Callable[[Mapping[str, Any]], Any]) -> Any:
        settings = self._engine.settings

        def work() -> Any:
            return ask({"model_id": info.model_id, "endpoint": settings.hub, "token": settings.access_token() or False})

        return await self._engine.in_thread(work, "revision")

    def _check_may_update(self, entry: Entry, stage: Stage, *, in_memory: bool) -> None:
        info, model_id = entry.info, entry.info.model_id
        if entry.custom:
            raise DownloadError(
                f"Model {model_id} is your own object, which no Hub has a newer commit of",
                model_id=model_id,
                hint="Run the cell that defines and registers it again.",
            )
        if names.is_commit(info.version):
            raise DownloadError(
                f"Model {model_id} is registered at commit {info.version}, which never moves",
                model_id=model_id,
                hint="Register it with a branch or another commit and replace=True.",
            )
        if in_memory or stage in _IN_MEMORY:
            raise DownloadError(
                f"Model {model_id} is in memory, so its files cannot be moved to a newer commit now",
                model_id=model_id,
                hint=f"Unload it first: %rmm unload {model_id}.",
            )
        if stage not in _AT_REST:
            raise DownloadError(
                f"Model {model_id} is being downloaded, so it cannot be updated now",
                model_id=model_id,
                hint="Wait for the download or cancel it, then update.",
            )


def keep_commit(entry: Entry, seen: ModelInfo) -> ModelInfo:
    """What was just seen on the Hub, as a model on another commit keeps it: the newer commit is only mentioned."""
    newest = seen.metadata.get("commit")
    known = entry.info
    same = (known.repo_id, known.version, known.model_type) == (seen.repo_id, seen.version, seen.model_type)
    if entry.commit is None or newest in {None, entry.commit} or not same:
        return seen
    from ..downloads.listing import SUMMARY_KEY

    metadata = {**seen.metadata, "commit": entry.commit, _NEWER: newest}
    metadata.pop(SUMMARY_KEY, None)
    if SUMMARY_KEY in known.metadata:
        metadata[SUMMARY_KEY] = known.metadata[SUMMARY_KEY]
    return msgspec.structs.replace(
        seen,
        metadata=metadata,
        total_size_estimate=known.total_size_estimate,
        file_count_estimate=known.file_count_estimate,
    )


def _at_commit(info: ModelInfo, result: FetchResult) -> ModelInfo:
    """The record of a model of the Hub, with the facts of what was downloaded in place of those seen before."""
    if info.metadata.get("commit") in {None, result.commit}:
        return info
    from ..downloads.listing import SUMMARY_KEY

    metadata = {key: value for key, value in info.metadata.items() if key not in {_NEWER, SUMMARY_KEY}}
    return msgspec.structs.replace(
        info,
        metadata={**metadata, "commit": result.commit},
        total_size_estimate=result.total_bytes,
        file_count_estimate=len(result.files),
    )
