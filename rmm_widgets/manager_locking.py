"""What a manager does about lock files: writing one, and making this machine as one says."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from .errors import LockFileError
from .lock_records import SyncReport
from .manager_lifetime import ManagerLifetime
from .runtime.freezing import freeze_models
from .runtime.job import Job
from .runtime.locking import Locking

__all__ = ["ManagerLocking"]

DEFAULT = "rmm.lock"
_log = logging.getLogger("rmm_widgets")


class ManagerLocking(ManagerLifetime):
    """The part of a `ModelManager` about lock files."""

    def freeze(self, path: str | Path = DEFAULT) -> Path:
        """Write down every registered model of the Hub: repository, commit, type, settings, files with their hashes.

        Waits until that is done; the Hub is asked only about models that the cache has no record of. Reads no model
        files: the hashes are those that the Hub published. Models of your own are left out, which a warning tells.

        Raises:
            LockFileError: It cannot be written; what was there stays.
            DownloadError: A model's commit or files are not known here, and the Hub does not tell.
        """
        custom = [name for name, description in self._engine.picture.models.items() if description.custom]
        self._run(freeze_models(self._engine, _place(path), str(path)), cancel_on_interrupt=True)
        if custom:
            _log.warning("not in %s, because they are your own objects: %s", path, ", ".join(custom))
        return Path(path)

    def sync(self, path: str | Path = DEFAULT) -> Job[SyncReport]:
        """Make this machine as a lock file says: register, download and repair what differs, then read every file.

        A known model is moved to the locked commit, files and settings; one of another repository or type under the
        same id stays as it is, and so does a model that is in memory. Models that are not in the lock file stay.
        Cancelling the job cancels the downloads that it began.

        The job raises `LockFileError` (the file cannot be read or is not as it should be: nothing was changed), or
        `LockMismatchError`, whose `report` tells for every model what was done and what still differs.
        """
        locking = self._locking(path)
        return self._background("sync", None, lambda _job: locking.sync())

    def check_lock(self, path: str | Path = DEFAULT) -> Job[SyncReport]:
        """Compare this machine with a lock file, and read every file; changes nothing and asks nobody.

        The job raises `LockFileError` where the file cannot be read or is not as it should be.
        """
        locking = self._locking(path)
        return self._background("sync", None, lambda _job: locking.check())

    def _locking(self, path: str | Path) -> Locking:
        def download(model_id: str) -> Job[Path]:
            return self._job(self._engine.machine.download(model_id), "download", model_id)

        return Locking(self._engine, self._registrar, download, _place(path), str(path))


def _place(path: str | Path) -> Path:
    """Where a lock file is, whatever becomes of the working directory."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be text or a Path, not {type(path).__name__}")
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise LockFileError(f"{path} cannot be found: {error}", hint="Write the folder in full.") from None
