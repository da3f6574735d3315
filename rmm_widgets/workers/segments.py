"""Shared memory between a kernel and one worker: which segments there are, and who may write to which when.

The kernel makes every segment, without a name and of a size that nobody can change, and hands it to the worker
over their socket; so nothing is left behind whoever dies, and neither side can make the other read beyond an end.
Arguments are read in the worker where they lie: their segment is free again once nothing refers to them.
Results are copied out by the kernel, whose values must not change under it. Linux only; elsewhere, and where no
segment can be had, everything goes through the socket. How frames name segments is the matter of `frames`.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

import msgspec

__all__ = ["SHARED_FROM", "KernelSegments", "Notice", "Segments", "Subject", "WorkerSegments", "can_share"]

SHARED_FROM = 1 << 20
"""Bytes from which arrays go through shared memory."""
MAX_SEGMENTS = 4
"""How many of each direction: arguments that a model keeps take one out of use."""
_SMALLEST = 4 << 20
_CHUNK = 4 << 20
_PATIENCE = 2.0
"""Seconds that a worker waits for a segment before it sends its result through the socket."""


class Subject(Enum):
    """What a notice is about."""

    ARGUMENTS = b"rmmA"
    """The kernel gives a segment that it will put arguments in."""
    RESULTS = b"rmmR"
    """The kernel gives a segment for results, or says with number 0 that it will not."""
    WANTED = b"rmmW"
    """The worker asks for one of that many bytes."""
    FREE = b"rmmF"
    """What lay in a segment is needed no more."""
    DROPPED = b"rmmD"
    """Its owner will not use a segment any more."""


class Notice(msgspec.Struct, frozen=True):
    """A word about a segment; `descriptor` is the memory itself, where it is given."""

    subject: Subject
    number: int = 0
    size: int = 0
    descriptor: int | None = None


class Segments(Protocol):
    """One side's view of the shared memory of one worker."""

    def fill(self, buffers: Sequence[memoryview], size: int) -> int | None:
        """Put buffers into a segment that the other side knows: its number, or None where none can be had."""
        ...

    def read(self, number: int, size: int) -> memoryview:
        """What lies in a segment. Where it is read-only, it is good until `settle` only.

        Raises:
            ValueError: There is no such segment, or it is smaller.
        """
        ...

    def settle(self) -> None:
        """What was read last is not needed any more, if it was read-only."""
        ...

    def take(self, notice: Notice) -> None:
        """Note what the other side says.

        Raises:
            ValueError: It makes no sense.
        """
        ...

    def news(self) -> list[Notice]:
        """What the other side should be told with the next frame."""
        ...

    def close(self) -> None:
        """Give the memory back; nothing is sent or received any more."""
        ...


class _Segment:
    """A piece of shared memory, mapped here."""

    def __init__(self, number: int, size: int, descriptor: int) -> None:
        self.number = number
        self.size = size
        self.free = True
        self._memory = mmap.mmap(descriptor, size)
        self._kind = ctypes.c_ubyte * size

    def write(self, buffers: Sequence[memoryview]) -> None:
        """Copy buffers to its start, one behind the other."""
        start = 0
        with memoryview(self._memory) as view:
            for buffer in buffers:
                for done in range(0, buffer.nbytes, _CHUNK):  # in between, other threads get their turn
                    part = buffer[done : done + _CHUNK]
                    view[start + done : start + done + part.nbytes] = part
                start += buffer.nbytes

    def read_only(self, size: int) -> memoryview:
        """Its first bytes."""
        return memoryview(self._memory).toreadonly()[:size]

    def lend(self, size: int, returned: Callable[[], None]) -> memoryview:
        """Its first bytes; `returned` is called, on any thread, once nothing refers to them any more."""
        owner = self._kind.from_buffer(self._memory)
        weakref.finalize(owner, returned).atexit = False
        return memoryview(owner).cast("B")[:size]

    def close(self) -> None:
        """Give it back; what still refers to it keeps the memory alive."""
        with contextlib.suppress(BufferError):
            self._memory.close()


class KernelSegments:
    """The kernel's side: makes segments, fills those for arguments, reads those for results.

    Args:
        largest: Most bytes in one message.
        say: Sends a notice now; used by `fill` only.
        post: Sends a notice some time later; never blocks.
    """

    def __init__(self, largest: int, say: Callable[[Notice], None], post: Callable[[Notice], None]) -> None:
        self._largest = largest
        self._say = say
        self._post = post
        self._lock = threading.Lock()
        self._last = 0
        self._arguments: dict[int, _Segment] = {}
        self._results: dict[int, _Segment] = {}
        self._reading: int | None = None

    def fill(self, buffers: Sequence[memoryview], size: int) -> int | None:
        """See `Segments.fill`."""
        with self._lock:
            segment = _smallest_free(self._arguments, size)
            dropped = _drop_free(self._arguments) if segment is None else []
            given = self._make(self._arguments, Subject.ARGUMENTS, size) if segment is None else None
            segment = segment or (self._arguments[given.number] if given else None)
            if segment is not None:
                segment.free = False
        for notice in [*dropped, *([given] if given else [])]:
            self._say(notice)
        if segment is None:
            return None
        segment.write(buffers)
        return segment.number

    def _make(self, into: dict[int, _Segment], subject: Subject, size: int) -> Notice | None:
        if len(into) >= MAX_SEGMENTS:
            return None
        size = max(_SMALLEST, 1 << (size - 1).bit_length())  # what is never written to takes no memory
        try:
            descriptor = _sealed_memory(size)
        except OSError:
            return None
        try:
            segment = into[self._last + 1] = _Segment(self._last + 1, size, descriptor)
        except OSError:
            os.close(descriptor)
            return None
        self._last += 1
        return Notice(subject, segment.number, size, descriptor)

    def read(self, number: int, size: int) -> memoryview:
        """See `Segments.read`."""
        with self._lock:
            segment = self._results.get(number)
            if segment is None or size > segment.size:
                raise ValueError("a message lies in shared memory that does not hold it")
            self._reading = number
            return segment.read_only(size)

    def settle(self) -> None:
        """See `Segments.settle`."""
        number, self._reading = self._reading, None
        if number is not None:
            self._post(Notice(Subject.FREE, number))

    def take(self, notice: Notice) -> None:
        """See `Segments.take`."""
        with self._lock:
            match notice.subject:
                case Subject.FREE if notice.number in self._arguments:
                    self._arguments[notice.number].free = True
                case Subject.DROPPED if notice.number in self._results:
                    self._results.pop(notice.number).close()
                case Subject.WANTED if 0 < notice.size <= self._largest:
                    given = self._make(self._results, Subject.RESULTS, notice.size)
                    self._post(given or Notice(Subject.RESULTS))
                case _:
                    raise ValueError("a word about shared memory makes no sense")

    def news(self) -> list[Notice]:
        """Nothing: the kernel posts what it has to say."""
        return []

    def close(self) -> None:
        """See `Segments.close`."""
        with self._lock:
            _close_all(self._arguments, self._results)


class WorkerSegments:
    """The worker's side: reads arguments where they lie, fills segments for results.

    Args:
        say: Sends a notice now.
    """

    def __init__(self, say: Callable[[Notice], None]) -> None:
        self._say = say
        self._changed = threading.Condition()
        self._arguments: dict[int, _Segment] = {}
        self._results: dict[int, _Segment] = {}
        self._refusals = 0
        self._returned: deque[int] = deque()

    def fill(self, buffers: Sequence[memoryview], size: int) -> int | None:
        """See `Segments.fill`; waits a moment for the kernel's answer."""
        segment = self._free(size) or self._asked_for(size)
        if segment is None:
            return None
        segment.write(buffers)
        return segment.number

    def _free(self, size: int) -> _Segment | None:
        with self._changed:
            segment = _smallest_free(self._results, size)
            if segment is not None:
                segment.free = False
            return segment

    def _asked_for(self, size: int) -> _Segment | None:
        with self._changed:
            refusals = self._refusals
            notices = _drop_free(self._results)
            if len(self._results) < MAX_SEGMENTS:
                notices.append(Notice(Subject.WANTED, size=size))
        for notice in notices:
            self._say(notice)
        found: list[_Segment | None] = [None]

        def settled() -> bool:
            found[0] = self._free(size)
            return found[0] is not None or self._refusals != refusals

        with self._changed:
            self._changed.wait_for(settled, _PATIENCE)
        return found[0]

    def read(self, number: int, size: int) -> memoryview:
        """See `Segments.read`."""
        segment = self._arguments.get(number)
        if segment is None or size > segment.size:
            raise ValueError("a message lies in shared memory that does not hold it")
        return segment.lend(size, lambda: self._returned.append(number))

    def settle(self) -> None:
        """Nothing: what is read here tells itself when it is not needed any more."""

    def take(self, notice: Notice) -> None:
        """See `Segments.take`."""
        with self._changed:
            match notice.subject:
                case Subject.ARGUMENTS | Subject.RESULTS if notice.descriptor is not None:
                    into = self._arguments if notice.subject is Subject.ARGUMENTS else self._results
                    into[notice.number] = _Segment(notice.number, notice.size, notice.descriptor)
                    os.close(notice.descriptor)
                case Subject.RESULTS:
                    self._refusals += 1
                case Subject.FREE if notice.number in self._results:
                    self._results[notice.number].free = True
                case Subject.DROPPED if notice.number in self._arguments:
                    self._arguments.pop(notice.number).close()
                case _:
                    raise ValueError("a word about shared memory makes no sense")
            self._changed.notify_all()

    def news(self) -> list[Notice]:
        """Which arguments are not needed any more."""
        notices: list[Notice] = []
        while self._returned:
            notices.append(Notice(Subject.FREE, self._returned.popleft()))
        return notices

    def close(self) -> None:
        """See `Segments.close`."""
        with self._changed:
            _close_all(self._arguments, self._results)


def can_share() -> bool:
    """Whether this system has memory without a name whose size can be sealed."""
    return sys.platform == "linux" and hasattr(os, "memfd_create")


def _sealed_memory(size: int) -> int:
    """A descriptor of new memory of a size that stays: nobody's access to it can fail. Raises OSError."""
    import fcntl  # not on every system

    descriptor = os.memfd_create("rmm-values", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _smallest_free(segments: dict[int, _Segment], size: int) -> _Segment | None:
    fitting = [segment for segment in segments.values() if segment.free and segment.size >= size]
    return min(fitting, key=lambda segment: segment.size, default=None)


def _close_all(*all_segments: dict[int, _Segment]) -> None:
    for segments in all_segments:
        for segment in segments.values():
            segment.close()
        segments.clear()


def _drop_free(segments: dict[int, _Segment]) -> list[Notice]:
    """Give back those that are free, and too small; what the other side has to be told."""
    free = [number for number, segment in segments.items() if segment.free]
    for number in free:
        segments.pop(number).close()
    return [Notice(Subject.DROPPED, number) for number in free]
