"""The small files of a job: each fetched whole, verified in memory, written once.

A partial, a lock and a sidecar for each would cost far more than the file. One lock stands for all of
them, so that several kernels do not fetch them several times.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...file_records import FileState
from ..layout import QUARANTINE_SUFFIX, CacheLayout
from ..locks import ContentLock
from ..plan import PlannedFile
from ..spec import VerifiedFile

LARGEST = 256 << 10
"""Bytes: up to this size a kill may cost the whole file."""


class SmallFile:
    """A content that is fetched in one piece; has what `HubClient.open_range` asks of a file."""

    def __init__(self, layout: CacheLayout, commit: str, files: Sequence[PlannedFile]) -> None:
        self._layout = layout
        self.commit = commit
        self.planned = files
        self.paths = tuple(file.path for file in files)
        self.size = files[0].size
        self.digest = files[0].digest
        self.one_stream = False
        self.address: str | None = None
        self.refusals = 0
        self.rejections = 0
        self.pieces = 1
        self.connections = 0
        self.is_elsewhere = False
        self.is_plain_only = False
        self.is_present = False
        self.is_finished = False
        self.has_quarantine = False
        self.verified: VerifiedFile | None = None

    @property
    def have(self) -> int:
        """Bytes that need not be fetched any more."""
        return self.size if self.is_present else 0

    @property
    def path(self) -> str:
        """The (first) name in the repository."""
        return self.paths[0]

    @property
    def state(self) -> FileState:
        """What happens to it now."""
        if self.is_finished:
            return "done"
        if self.is_elsewhere:
            return "waiting_for_other"
        return "downloading" if self.connections else "waiting"

    @property
    def shown_bytes(self) -> int:
        """Bytes that are there."""
        return self.have

    @property
    def room_needed(self) -> int:
        """Bytes that the disk must still take."""
        return self.size - self.have

    def store(self, content: memoryview) -> None:
        """Give verified content its place, and show it in the snapshot.

        Raises:
            OSError: The disk refused.
        """
        fingerprint = self._layout.write_blob(self.digest, content)
        if self.has_quarantine:
            self._layout.remove_quarantine(self.digest)
        self.show()
        self.verified = VerifiedFile(self.paths, self.digest, *fingerprint)

    def reject(self, content: memoryview) -> None:
        """Throw away bytes that turned out wrong, or keep them in quarantine at the second time."""
        if self.rejections:
            self._layout.write_quarantine(self.digest, content)
            self.has_quarantine = True
        self.rejections += 1

    def show(self) -> None:
        """Show content that is in its place in the snapshot."""
        self._layout.add_file(self.commit, self.paths, self.digest)
        self.is_present = self.is_finished = True


class SmallFiles:
    """All small files of a job, under one lock."""

    def __init__(self, layout: CacheLayout, commit: str, contents: Sequence[Sequence[PlannedFile]]) -> None:
        self._layout = layout
        self._commit = commit
        self.files = [SmallFile(layout, commit, files) for files in contents]
        self._lock: ContentLock | None = None
        self._look()

    def open(self) -> bool:
        """Take the lock, look again and show what is there; False while another kernel fetches them.

        Where all of it is shown already, no lock is taken: there is nothing to write.

        Raises:
            OSError: The cache cannot be written.
        """
        if all(self._layout.is_shown(self._commit, file.paths, file.digest, file.size) for file in self.files):
            for file in self.files:
                file.is_present = file.is_finished = True
            return True
        self._lock = self._layout.lock(self._commit)
        self._look()
        for file in self.files:
            file.is_elsewhere = self._lock is None and not file.is_present
        if self._lock is None:
            return False
        for file in self.files:
            if file.is_present and not file.is_finished:
                file.show()
        if not all(file.is_finished for file in self.files):
            self._layout.check_writable()  # not only once bytes have come
        return True

    def close(self) -> None:
        """Let go."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _look(self) -> None:
        sizes = self._layout.blob_sizes()
        has_snapshot = self._layout.has_snapshot(self._commit)
        for file in self.files:
            file.has_quarantine = f"{file.digest}{QUARANTINE_SUFFIX}" in sizes
            file.is_present = sizes.get(file.digest) == file.size or (
                has_snapshot and self._stands_alone(file)  # where links do not work
            )

    def _stands_alone(self, file: SmallFile) -> bool:
        return any(self._layout.has_file(self._commit, path, file.size) for path in file.paths)
