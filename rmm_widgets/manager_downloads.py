"""What a manager does about downloads: starting, stopping and ordering them, and the commits they are of."""

from __future__ import annotations

from pathlib import Path

from .file_records import FileListing, FileProgress
from .lifecycle.states import TRANSFERRING, Stage
from .manager_files import ManagerFiles
from .manager_lifetime import check_callable
from .runtime.entry import ModelDescription
from .runtime.job import Job
from .runtime.transfers import ProgressCallback
from .types import UpdateOffer

__all__ = ["ManagerDownloads"]


class ManagerDownloads(ManagerFiles):
    """The part of a `ModelManager` about downloads."""

    def download_model(self, model_id: str, progress_callback: ProgressCallback | None = None) -> Job[Path]:
        """Download a model; the job's result is the folder with its files.

        A second call joins the running download. Over the limit it waits in a queue.

        Args:
            progress_callback: Called with every `ModelDownloadProgress`, in a thread of its own, at most ten
                times a second, and with the last one before the job ends. One that raises is logged and harms
                nothing.
        """
        if progress_callback is not None:
            check_callable("progress_callback", progress_callback)

        def start() -> Job[Path]:
            engine = self._engine
            engine.integrity.check_replaceable(engine.entry(model_id))
            decision = engine.machine.download(model_id)
            if decision.ticket and progress_callback is not None:
                engine.transfers.watch(model_id, progress_callback)
            return self._job(decision, "download", model_id)

        return self._call(start)

    def cancel_download(self, model_id: str, *, discard: bool = False) -> bool:
        """Give a download up; what was fetched is kept. Also clears the error of a failed one.

        Args:
            discard: Remove what was fetched, as `discard_download` does; also that of a download at rest.
        """
        if discard and _has_unfinished(self._engine.picture.models.get(model_id)):
            self.discard_download(model_id)
            return True
        return self._ask(model_id, self._engine.machine.cancel_download)

    def discard_download(self, model_id: str) -> Job[int]:
        """Give a download up and remove what was fetched, also that of one at rest; the result is the bytes freed.

        Files that another model needs stay. Where another program is fetching them, nothing is removed and
        the job raises `DownloadError`.
        """

        def start() -> Job[int]:
            entry = self._engine.entry(model_id)
            decision = self._engine.machine.discard_download(model_id)
            if not decision.ticket:
                entry.freed_bytes = 0
            return self._job(decision, "discard", model_id)

        return self._call(start)

    def move_download(self, model_id: str, position: int = 0) -> bool:
        """Put a waiting download at a position of the queue, 0 being the next; False where it does not wait.

        Raises:
            ValueError: `position` is no whole number, or below 0.
        """
        if not isinstance(position, int) or isinstance(position, bool) or position < 0:
            raise ValueError(f"position is {position!r}; it must be a whole number, 0 or more")
        return self._ask(model_id, lambda name: self._engine.machine.move_download(name, position))

    def get_download_files(self, model_id: str) -> Job[list[FileProgress]]:
        """How far each file of a model is, now, at most 10,000 of them; empty where none is known yet."""
        self._engine.entry(model_id)
        return self._background(
            "files", model_id, lambda _job: self._engine.transfers.files(self._engine.entry(model_id))
        )

    def pause_download(self, model_id: str) -> bool:
        """Stop a download and keep its job open; False where none is under way."""
        return self._ask(model_id, self._engine.machine.pause_download)

    def resume_download(self, model_id: str) -> Job[Path]:
        """Go on with a paused or cancelled download; the same as `download_model`."""
        return self.download_model(model_id)

    def check_update(self, model_id: str) -> Job[UpdateOffer | None]:
        """Ask the Hub whether a model's branch or tag has moved on since it was downloaded; one request.

        The job's result is None where it has not, and where it cannot (nothing downloaded yet, or registered at
        a commit). Nothing is changed: `update_model` accepts the offer.
        """
        self._engine.entry(model_id)
        return self._background("check", model_id, lambda _job: self._engine.revisions.check(model_id))

    def update_model(self, model_id: str) -> Job[Path]:
        """Download the commit that a model's branch or tag names now, and record it; the job is a download's.

        Also the way to accept a repository whose history was rewritten. Until all files are there, the older
        commit stays recorded; a failed or cancelled update leaves it usable.

        Raises:
            ModelNotRegisteredError: The id is unknown.
            DownloadError: The model is in memory or being downloaded, or is registered at a commit.
        """

        def start() -> Job[Path]:
            return self._job(self._engine.revisions.update(model_id), "download", model_id)

        return self._call(start)

    def list_files(self, model_id: str, *, local_only: bool = False) -> Job[FileListing]:
        """All files of a model's repository: size, chosen or why not, how each is checked, whether it is on disk.

        Read from the cache where that has a record of them, else asked of the Hub in one request.

        Args:
            local_only: Ask nobody; where the cache knows nothing, what was seen at registration.
        """
        self._engine.entry(model_id)
        return self._background(
            "list", model_id, lambda _job: self._engine.revisions.list_files(model_id, local_only=local_only)
        )


def _has_unfinished(description: ModelDescription | None) -> bool:
    """Whether a discard would find something to do."""
    if description is None:
        return False
    return description.partial_bytes > 0 or description.stage in TRANSFERRING | {Stage.QUEUED, Stage.PAUSED}
