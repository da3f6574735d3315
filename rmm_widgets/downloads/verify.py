"""Reading the files of a snapshot and comparing them with what was published.

Decides file by file; what follows for the files is done in `quarantine`, for the model by the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..errors import DownloadCancelledError
from ..file_records import CheckMethod, FileCheck
from .cache import Snapshot
from .contents import files_below, linked_digest
from .copies import OTHER_WEIGHTS
from .digest import SHA256_LENGTH, Fingerprint, file_digest
from .layout import CacheLayout
from .plan import TreeEntry
from .verified import VerifiedFiles, VerifiedRecord


class DamagedFile(NamedTuple):
    """A file with the wrong bytes.

    Attributes:
        digest: What it should have; the recorded one where none was published.
        fingerprint: Which file was read; None where it changed meanwhile or could not be looked at.
    """

    path: str
    digest: str
    fingerprint: Fingerprint | None


class Verification(NamedTuple):
    """What reading a snapshot found.

    Attributes:
        corrupt, missing: Paths inside the snapshot.
        checked_bytes: Bytes read.
        files: Every file, in order.
        damaged: The corrupt ones with what is needed to put them aside.
        needed: The paths without which the model is not complete.
    """

    corrupt: tuple[str, ...]
    missing: tuple[str, ...]
    checked_bytes: int
    files: tuple[FileCheck, ...] = ()
    damaged: tuple[DamagedFile, ...] = ()
    needed: frozenset[str] = frozenset()


def verify_snapshot(
    snapshot: Snapshot,
    on_bytes: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    memory: VerifiedFiles | None = None,
    skip_known: bool = False,
) -> Verification:
    """Read and hash every file of a snapshot.

    A file whose hash nobody published (no tree listing and no link to a blob) is compared with what it was
    at first sight, where there is a `memory`; otherwise it is only looked for. Beside the chosen files
    everything in the folder is read that a loader could open. One content under two names is read once.

    Args:
        on_bytes: Called with the number of bytes read since the last call.
        cancelled: Asked between chunks of 1 MiB; True ends the work, and what was found so far is remembered.
        memory: Where it is remembered what was found right.
        skip_known: Do not read files that have not changed since they were found right.

    Raises:
        DownloadCancelledError: `cancelled` said so.
    """
    checker = _Checker(snapshot, memory, skip_known=skip_known, on_bytes=on_bytes, cancelled=cancelled)
    try:
        files = tuple(map(checker.check, checker.paths))
    finally:
        checker.remember()
    return Verification(
        tuple(file.path for file in files if file.state == "corrupt"),
        tuple(file.path for file in files if file.state == "missing"),
        checker.read_bytes,
        files,
        tuple(checker.damaged),
        checker.needed,
    )


class _Checker:
    def __init__(
        self,
        snapshot: Snapshot,
        memory: VerifiedFiles | None,
        *,
        skip_known: bool,
        on_bytes: Callable[[int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        layout = CacheLayout.of_snapshot(snapshot.path)
        self._folder = snapshot.path
        self._repository = layout.root.name
        self._tree = layout.read_tree(snapshot.commit)
        self._memory = memory
        self._known: Mapping[str, VerifiedRecord] = memory.read(self._repository) if memory is not None else {}
        self._on_bytes = on_bytes
        self._cancelled = cancelled
        trusted = self._known.values() if skip_known else ()
        self._right = {(record.digest, record.fingerprint) for record in trusted}
        self._wrong: set[tuple[str, Fingerprint]] = set()
        self._found: dict[str, VerifiedRecord] = {}
        self._bad: dict[str, str | None] = {}
        self.damaged: list[DamagedFile] = []
        self.read_bytes = 0
        needed = (*snapshot.files, *self._lost())
        self.needed = frozenset(needed)
        self.paths = tuple(dict.fromkeys((*needed, *self._beside())))

    def check(self, path: str) -> FileCheck:
        """Compare one file."""
        file = self._folder / path
        entry = (self._tree or {}).get(path)
        digest, method = self._expected(file, entry)
        fingerprint = _fingerprint(file)
        if fingerprint is None:
            size = entry.size if entry is not None else 0
            return FileCheck(path=path, size=size, checked_by=method, state="missing")
        if entry is not None and fingerprint.size != entry.size:
            return self._corrupt(path, digest, method, fingerprint)
        if digest is not None and (digest, fingerprint) in self._right:
            return self._intact(path, digest, method, fingerprint)
        if digest is not None and (digest, fingerprint) in self._wrong:
            return self._corrupt(path, digest, method, fingerprint)
        if digest is None and self._memory is None:
            return FileCheck(path=path, size=fingerprint.size, checked_by=method)
        return self._read(path, digest, method, fingerprint)

    def remember(self) -> None:
        """Keep what was found right, and forget what was not.

        Where nobody else tells that a file belongs here, it stays known, as one that no file on disk matches.
        """
        if self._memory is None:
            return
        lasting = {path: digest for path, digest in self._bad.items() if digest and self._is_ours_to_know(path)}
        records = self._found | {
            path: VerifiedRecord(digest, -1, 0, 0, first_sight=self._is_first_sight(path))
            for path, digest in lasting.items()
        }
        self._memory.update(self._repository, records, self._bad.keys() - lasting.keys())

    def _is_ours_to_know(self, path: str) -> bool:
        return self._tree is None or self._is_first_sight(path)

    def _is_first_sight(self, path: str) -> bool:
        known = self._known.get(path)
        return known is not None and known.first_sight

    def _read(self, path: str, digest: str | None, method: CheckMethod, fingerprint: Fingerprint) -> FileCheck:
        try:
            found, fingerprint = file_digest(self._folder / path, digest, self._count)
        except OSError:  # also a file that is being changed: it is not the file that was looked at
            return self._corrupt(path, digest, method, fingerprint)
        if digest is not None and found != digest:
            self._wrong.add((digest, fingerprint))
            return self._corrupt(path, digest, method, fingerprint)
        self._right.add((found, fingerprint))
        return self._intact(path, found, method, fingerprint)

    def _intact(self, path: str, digest: str, method: CheckMethod, fingerprint: Fingerprint) -> FileCheck:
        first_sight = method in {"recorded", "size"}
        self._found[str(self._folder / path)] = VerifiedRecord(digest, *fingerprint, first_sight=first_sight)
        return FileCheck(path=path, size=fingerprint.size, checked_by=method)

    def _corrupt(self, path: str, digest: str | None, method: CheckMethod, fingerprint: Fingerprint) -> FileCheck:
        self._bad[str(self._folder / path)] = digest
        if digest is not None:
            self.damaged.append(DamagedFile(path, digest, fingerprint))
        return FileCheck(path=path, size=fingerprint.size, checked_by=method, state="corrupt")

    def _expected(self, file: Path, entry: TreeEntry | None) -> tuple[str | None, CheckMethod]:
        """The digest that a file should have, and what a comparison with it is worth."""
        digest = entry.digest if entry is not None else linked_digest(file)
        if digest is not None:
            return digest, "sha256" if len(digest) == SHA256_LENGTH else "git-sha1"
        known = self._known.get(str(file))
        return (known.digest, "recorded") if known is not None and known.first_sight else (None, "size")

    def _beside(self) -> Iterable[str]:
        """Files that nobody chose and that are there nevertheless; never pickles, which no loader opens."""
        files = (path for path in files_below(self._folder) if path.is_file())  # nothing that reading would wait for
        found = sorted(path.relative_to(self._folder).as_posix() for path in files)
        return [path for path in found if PurePosixPath(path).suffix.lower() not in OTHER_WEIGHTS]

    def _lost(self) -> Iterable[str]:
        """Files that were here before; only where no listing tells what should be here."""
        if self._tree is not None:
            return []
        known = (Path(path) for path in self._known)
        return sorted(p.relative_to(self._folder).as_posix() for p in known if p.is_relative_to(self._folder))

    def _count(self, read: int) -> None:
        self.read_bytes += read
        if self._on_bytes is not None:
            self._on_bytes(read)
        if self._cancelled is not None and self._cancelled():
            raise DownloadCancelledError("The verification was cancelled.")


def _fingerprint(file: Path) -> Fingerprint | None:
    """Which file is there; None where there is none, or only a folder. It may go at any moment."""
    try:
        return Fingerprint.of(file.stat()) if file.is_file() else None
    except OSError:
        return None


def fingerprints(folder: Path, paths: Iterable[str]) -> Mapping[str, Fingerprint | None]:
    """The fingerprints of some files of a snapshot; None for one that is not there."""
    found: dict[str, Fingerprint | None] = {}
    for path in paths:
        try:
            found[path] = Fingerprint.of((folder / path).stat())
        except OSError:
            found[path] = None
    return found
