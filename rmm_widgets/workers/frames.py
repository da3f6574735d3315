"""Frames on a stream socket: a header of limited size, then a block of raw bytes of limited size.

Owns the bytes only; `wire` says what they mean. A large block may lie in shared memory instead (`segments`): then
the frame says where. Notices about that memory travel between the frames.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Sequence

import msgspec

from .segments import SHARED_FROM, Notice, Segments, Subject

__all__ = ["FrameError", "FrameSocket", "Limits"]

_PRELUDE = struct.Struct(">4sIQ")
_NUMBER_SIZE = 4
_MAGIC = b"rmm1"
_SHARED = b"rmmS"
"""Starts a frame whose block lies in shared memory; the segment's number follows the prelude."""
_SUBJECTS = {subject.value: subject for subject in Subject}
_SOCKET_BUFFER = 1 << 20
_MAX_PARTS = 256
_CHUNK = 1 << 20


class FrameError(ValueError):
    """The other side sent something that is no frame, or one over the limits."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How large a frame may be, in bytes: the header (all but large arrays), and the block of large arrays."""

    header: int = 64 << 20
    block: int = 1 << 30

    def check(self, header: int, block: int) -> None:
        """Raise `FrameError` where a frame of these sizes is not allowed."""
        if header > self.header:
            raise FrameError(
                f"a message of {header >> 20} MiB beside its arrays is over the limit of {self.header >> 20} MiB; "
                "numpy arrays and bytes may be larger"
            )
        if block > self.block:
            raise FrameError(f"arrays of {block >> 20} MiB are over the limit of {self.block >> 20} MiB a message")


class FrameSocket:
    """Sends and receives whole frames; several threads may send, one receives. Blocks."""

    segments: Segments | None = None
    """Shared memory with the other side; set before anything is sent or received."""
    takes_memory = False
    """Whether the other side may hand over memory: a worker trusts its kernel, never the other way round."""

    def __init__(self, sock: socket.socket, limits: Limits | None = None) -> None:
        self._sock = sock
        self._limits = limits or Limits()
        self._sending = threading.Lock()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER)

    def check(self, header: bytes, buffers: Sequence[memoryview]) -> int:
        """The size of a frame's block; raises `FrameError` where the frame is over the limits."""
        block = sum(buffer.nbytes for buffer in buffers)
        self._limits.check(len(header), block)
        return block

    def send(self, header: bytes, buffers: Sequence[memoryview] = ()) -> None:
        """Send one frame.

        Raises:
            FrameError: It is over the limits; nothing was sent.
            OSError: The other side is gone.
        """
        size = self.check(header, buffers)
        segments = self.segments
        number = segments.fill(buffers, size) if segments and size >= SHARED_FROM else None
        if number is None:
            parts = [_PRELUDE.pack(_MAGIC, len(header), size), header, *buffers]
        else:
            parts = [_PRELUDE.pack(_SHARED, len(header), size), number.to_bytes(_NUMBER_SIZE, "big"), header]
        news = [_packed(notice) for notice in segments.news()] if segments else []
        with self._sending:
            self._send_all([memoryview(part) for part in (*news, *parts)])

    def send_now(self, header: bytes) -> bool:
        """Send a small frame without a block, only if that needs no waiting; whether it was sent.

        Raises:
            OSError: The other side is gone.
        """
        if not self._sending.acquire(blocking=False):
            return False
        try:
            data = memoryview(_PRELUDE.pack(_MAGIC, len(header), 0) + header)
            try:
                sent = self._sock.send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            if sent < len(data):
                self._send_all([data[sent:]])
            return True
        finally:
            self._sending.release()

    def notify(self, notice: Notice) -> None:
        """Send a notice about shared memory, with the memory itself where it is given, which is closed here.

        Raises:
            OSError: The other side is gone.
        """
        data = memoryview(_packed(notice))
        try:
            with self._sending:
                if notice.descriptor is not None:
                    data = data[socket.send_fds(self._sock, [data], [notice.descriptor]) :]
                self._send_all([data] if data else [])
        finally:
            if notice.descriptor is not None:
                os.close(notice.descriptor)

    def _send_all(self, parts: list[memoryview]) -> None:
        while parts:
            sent = self._sock.sendmsg(parts[:_MAX_PARTS])
            whole = 0
            while whole < len(parts) and sent >= parts[whole].nbytes:
                sent -= parts[whole].nbytes
                whole += 1
            del parts[:whole]
            if sent:
                parts[0] = parts[0][sent:]

    def receive(self) -> tuple[bytearray, bytearray | memoryview] | None:
        """The next frame's header and block, or None where the other side has closed.

        A block that is read-only lies in shared memory, and is good until `settle`.

        Raises:
            FrameError: What came is no frame, or is over the limits.
            OSError: The socket failed.
        """
        while (prelude := self._receive_prelude()) is not None:
            data, descriptor = prelude
            magic, first, second = _PRELUDE.unpack(data)
            if magic in {_MAGIC, _SHARED}:
                return self._receive_frame(first, second, shared=magic == _SHARED)
            self._take(magic, first, second, descriptor)
        return None

    def settle(self) -> None:
        """The block that was received last is not needed any more."""
        if self.segments:
            self.segments.settle()

    def _receive_frame(
        self, header_size: int, size: int, *, shared: bool
    ) -> tuple[bytearray, bytearray | memoryview] | None:
        self._limits.check(header_size, size)
        number = self._receive_exactly(_NUMBER_SIZE) if shared else bytearray()
        header = None if number is None else self._receive_exactly(header_size)
        if number is None or header is None:
            return None
        block = self._read(int.from_bytes(number, "big"), size) if shared else self._receive_exactly(size)
        return None if block is None else (header, block)

    def _read(self, number: int, size: int) -> memoryview:
        try:
            if self.segments is not None:
                return self.segments.read(number, size)
        except ValueError as error:
            raise FrameError(str(error)) from None
        raise FrameError("there is no shared memory here")

    def _take(self, magic: bytes, number: int, size: int, descriptor: int | None) -> None:
        subject = _SUBJECTS.get(magic)
        if subject is None or self.segments is None:
            raise FrameError("what came is no frame")
        try:
            self.segments.take(Notice(subject, number, size, descriptor))
        except ValueError as error:
            raise FrameError(str(error)) from None

    def _receive_prelude(self) -> tuple[bytearray, int | None] | None:
        """A prelude and the descriptor that came with it."""
        if not self.takes_memory:
            data = self._receive_exactly(_PRELUDE.size)  # the system closes descriptors that nobody asked for
            return None if data is None else (data, None)
        data, descriptors = bytearray(), list[int]()
        while len(data) < _PRELUDE.size:
            part, came, _, _ = socket.recv_fds(self._sock, _PRELUDE.size - len(data), 1, socket.MSG_CMSG_CLOEXEC)
            descriptors += came
            if not part:
                return None
            data += part
        return data, descriptors[0] if descriptors else None

    def _receive_exactly(self, size: int) -> bytearray | None:
        """That many bytes, or None where the stream ends before; memory is touched only as bytes arrive."""
        data = bytearray(size)
        view = memoryview(data)
        done = 0
        while done < size:
            count = self._sock.recv_into(view[done : done + _CHUNK])
            if count == 0:
                return None
            done += count
        return data

    def end_sending(self) -> None:
        """Tell the other side that nothing more comes."""
        self._shut(socket.SHUT_WR)

    def shut(self) -> None:
        """End both directions, so that a blocked send or receive returns."""
        self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        try:
            self._sock.shutdown(how)
        except OSError:
            pass  # the other side was faster

    def close(self) -> None:
        """Give the socket back; nobody may be using it."""
        self._sock.close()


def _packed(notice: Notice) -> bytes:
    return _PRELUDE.pack(notice.subject.value, notice.number, notice.size)
