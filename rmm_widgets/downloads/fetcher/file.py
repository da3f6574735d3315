"""One content on its way from the Hub into the cache: its lock, its partial, what is known of its source.

Several paths of a repository may have the same content; it is fetched once.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

from ...file_records import FileState
from ..digest import Fingerprint
from ..layout import CacheLayout
from ..locks import ContentLock
from ..plan import PlannedFile
from ..ranges import segments
from ..spec import VerifiedFile
from .partial import Partial, PartialClosedError, PrefixHasher

LONGEST_SEGMENT, SHORTEST_SEGMENT = 32 << 20, 4 << 20
"""Bytes that one connection fetches at a time, of large and of not so large files."""
_PIECES = 64
"""Segments that a file is cut into, within these bounds."""
_RATE_WINDOW = 1.0
"""Seconds over which a segment's rate is measured."""
SHARED_FROM = 2 << 20
"""Bytes of a running segment that are worth another connection."""


class Segment:
    """A piece of a file for one connection; `position` moves towards `end`.

    Attributes:
        came: Bytes that its connection has brought.
    """

    def __init__(self, file: FileTransfer, start: int, end: int) -> None:
        self.file = file
        self.position = start
        self.end = end
        self.came = 0
        self._rate: float | None = None
        self._measured = (0.0, 0)
        self._generation = file.generation

    def begin(self, now: float) -> None:
        """A connection begins to bring it."""
        self.came, self._rate, self._measured = 0, None, (now, 0)

    def advance(self, now: float, came: int, kept: int) -> None:
        """So many bytes came, of which so many were new."""
        self.came += came
        self.position += kept
        since, before = self._measured
        if now - since > _RATE_WINDOW:
            self._rate, self._measured = (self.came - before) / (now - since), (now, self.came)

    def _latest_rate(self, now: float) -> float | None:
        """Bytes per second of late; None while that is not known."""
        since, before = self._measured
        if self._rate is None:
            return None
        return max(self._rate, (self.came - before) / max(0.05, now - since))

    def is_worth_sharing(self, now: float, seconds: float) -> bool:
        """Whether the rest would take longer than so many seconds."""
        left, rate = self.end - self.position, self._latest_rate(now)
        if rate is None or self.file.one_stream or self.is_superseded:
            return False
        return left >= max(SHARED_FROM, seconds * rate)

    def split(self) -> Segment:
        """Give the second half of the rest away."""
        middle = self.end - (self.end - self.position) // 2
        other = Segment(self.file, middle, self.end)
        self.end = middle
        return other

    @property
    def is_superseded(self) -> bool:
        """True when the file is fetched in another way by now."""
        return self._generation != self.file.generation


class FileTransfer:
    """A content to fetch. Thread-safe.

    Attributes:
        one_stream: The server does not do ranges: fetch from the start, on one connection.
        address: Where the Hub said the bytes are, to be asked for other ranges too; a secret.
        refusals: How often such an address was refused.
        rejections: How often the bytes turned out wrong.
        is_finished: The content is in its place and shown in the snapshot.
        is_elsewhere: Another program is fetching it.
        connections: How many bring it at this moment.
        verified: What tells the file that was just verified from a later one; None where it was found there.
        through_hub: It is fetched through huggingface_hub, not by plain HTTP.
        is_plain_only: huggingface_hub cannot fetch it either.
        staged_bytes: Bytes that huggingface_hub has of it; they cannot be resumed.
        note: What is special about the way it is fetched, for people.

    Args:
        through_hub: Begin with huggingface_hub.
    """

    def __init__(
        self, layout: CacheLayout, commit: str, files: Sequence[PlannedFile], *, through_hub: bool = False
    ) -> None:
        self._layout = layout
        self._planned = files[0]
        self.commit = commit
        self.paths = tuple(file.path for file in files)
        self.one_stream = False
        self.address: str | None = None
        self.refusals = 0
        self.rejections = 0
        self.generation = 0
        self._guard = threading.Lock()
        self._lock: ContentLock | None = None
        self._partial: Partial | None = None
        self._hasher: PrefixHasher | None = None
        self._is_claimed = False
        self._is_closed = False
        self.is_finished = False
        self.through_hub = through_hub
        self.is_plain_only = False
        self.staged_bytes = 0
        self.note = ""
        self.verified: VerifiedFile | None = None
        self.is_elsewhere = False
        self.connections = 0
        self._found = self._look()

    @property
    def path(self) -> str:
        """The (first) name in the repository."""
        return self.paths[0]

    @property
    def size(self) -> int:
        """Bytes."""
        return self._planned.size

    @property
    def pieces(self) -> int:
        """How many connections could fetch it at once."""
        return -(-(self.size - self.have) // self._segment_length)

    @property
    def _segment_length(self) -> int:
        return min(LONGEST_SEGMENT, max(SHORTEST_SEGMENT, self.size // _PIECES >> 20 << 20))

    @property
    def digest(self) -> str:
        """The published hash."""
        return self._planned.digest

    @property
    def have(self) -> int:
        """Bytes that need not be fetched any more."""
        partial = self._partial
        return partial.have if partial is not None else self._found

    @property
    def shown_bytes(self) -> int:
        """Bytes that have come, whether or not they can be kept."""
        return max(self.have, self.staged_bytes)

    @property
    def room_needed(self) -> int:
        """Bytes that the disk must still take."""
        return self.size if self.through_hub and not self.is_complete else self.size - self.have

    @property
    def is_complete(self) -> bool:
        """True when every byte has arrived, verified or not."""
        return self.have == self.size

    @property
    def state(self) -> FileState:
        """What happens to it now."""
        if self.is_finished:
            return "done"
        if self.is_elsewhere:
            return "waiting_for_other"
        if self._partial is None:
            return "waiting"
        return "verifying" if self.is_complete else "downloading"

    @contextlib.contextmanager
    def connected(self) -> Generator[None]:
        """A block in which a connection brings bytes of it."""
        with self._guard:
            self.connections += 1
        try:
            yield
        finally:
            with self._guard:
                self.connections -= 1

    def open(self) -> bool:
        """Take the lock and what an earlier try left; False while another program fetches this content.

        Raises:
            OSError: The cache cannot be written.
            PartialClosedError: The job ended meanwhile.
        """
        if self._layout.is_shown(self.commit, self.paths, self._planned.digest, self.size):
            self._found = self.size
            return True  # without a lock: there is nothing to write, so the cache may be read-only
        lock = self._layout.lock(self._planned.digest)
        self.is_elsewhere = lock is None
        if lock is None:
            self._found = self._look()  # what the other program has by now
            return False
        with self._guard:
            if self._is_closed:
                lock.release()
                raise PartialClosedError
            self._lock = lock
            self._is_claimed = False
            self._found = self._look()
            if self.is_present:
                self._layout.remove_partial(self._planned.digest)
            else:
                self._partial = Partial(self._layout, self._planned)
                self._hasher = self._partial.hasher()
        return True

    @property
    def is_present(self) -> bool:
        """True when the finished content is in the cache."""
        blob = self._layout.blob(self._planned.digest)
        with contextlib.suppress(OSError):
            return blob.stat().st_size == self.size
        return any(self._layout.has_file(self.commit, path, self.size) for path in self.paths)

    def remaining(self) -> list[Segment]:
        """The pieces still to fetch, in order."""
        missing = self._opened().missing()
        if self.one_stream:
            missing = [(missing[0][0], self.size)] if missing else []
            return [Segment(self, start, end) for start, end in missing]
        return [Segment(self, start, end) for start, end in segments(missing, self._segment_length)]

    def fall_back(self) -> list[Segment]:
        """Fetch the rest as one stream from now on; empty where another thread has seen to it."""
        with self._guard:
            if self.one_stream:
                return []
            # In this order: whoever sees the new way also sees that older segments are superseded.
            self.generation += 1
            self.one_stream = True
        return self.remaining()

    def leave_to_hub(self) -> bool:
        """Fetch it through huggingface_hub from now on; False where another thread has seen to it."""
        with self._guard:
            if self.through_hub or self.is_plain_only:
                return False
            self.generation += 1
            self.through_hub = True
            return True

    def return_to_plain(self) -> list[Segment]:
        """Fetch the rest by plain HTTP after all, whatever happens."""
        with self._guard:
            self.is_plain_only = True
            self.through_hub = False
        return self.remaining()

    def new_staging(self) -> Path:
        """A folder, not made yet, for one try of huggingface_hub."""
        return self._layout.new_staging(self.digest)

    def remove_staging(self) -> None:
        """Remove the folders of earlier tries whose process was killed; the file must be open."""
        self._layout.remove_staging(self.digest)

    def claim(self) -> bool:
        """True for the first thread that sees the file complete: it is the one to verify it."""
        with self._guard:
            was_claimed, self._is_claimed = self._is_claimed, True
            return not was_claimed

    def write(self, position: int, data: memoryview) -> None:
        """Take bytes in.

        Raises:
            OSError: The disk refused.
            PartialClosedError: The job ended meanwhile.
        """
        partial, hasher = self.opened_parts()
        if partial.write(position, data) == len(data):
            hasher.feed(position, data)

    def opened_parts(self) -> tuple[Partial, PrefixHasher]:
        """The partial and the hasher that follows it."""
        partial, hasher = self._partial, self._hasher
        if partial is None or hasher is None:
            raise PartialClosedError
        return partial, hasher

    def publish(self) -> None:
        """Give the verified content its place and show it in the snapshot."""
        digest = self._planned.digest
        fingerprint = self._opened().publish(self._layout.blob(digest))
        self._layout.remove_quarantine(digest)
        self.show()
        self.verified = VerifiedFile(self.paths, digest, *fingerprint)

    def adopt(self, path: Path, fingerprint: Fingerprint) -> None:
        """Give verified content that came another way its place, and show it in the snapshot.

        Raises:
            OSError: The disk refused.
            PartialClosedError: The job ended meanwhile.
        """
        with self._guard:
            self._opened().discard()
            self._layout.adopt_blob(self.digest, path)
        self._layout.remove_quarantine(self.digest)
        self.show()
        self.verified = VerifiedFile(self.paths, self.digest, *fingerprint)

    def show(self) -> None:
        """Show content that is in its place in the snapshot, and let go."""
        self._layout.add_file(self.commit, self.paths, self._planned.digest)
        self._let_go(self.size)
        self.is_finished = True

    def reject(self) -> None:
        """Throw away bytes that turned out wrong, or keep them in quarantine at the second time, and let go."""
        self._opened().discard(aside=self.rejections > 0)
        self.rejections += 1
        self._let_go(0)

    def close(self) -> None:
        """Keep what has arrived and let go, for good."""
        with self._guard:
            self._is_closed = True
        self._let_go(self.have)

    def _let_go(self, found: int) -> None:
        with self._guard:
            self._found = found
            partial, self._partial, self._hasher = self._partial, None, None
            lock, self._lock = self._lock, None
            if partial is not None:
                partial.close()
            if lock is not None:
                lock.release()

    def _opened(self) -> Partial:
        return self.opened_parts()[0]

    def _look(self) -> int:
        if self.is_present:
            return self.size
        sidecar = self._layout.read_sidecar(self._planned.digest)
        if sidecar is None or sidecar.size != self.size:
            return 0
        return sidecar.total
