"""Frames on a stream socket: a header of limited size, then a block of raw bytes of limited size.

Owns the bytes only; `wire` says what they mean. Everything goes through the socket itself: on one machine
that is as fast as shared memory with a copy at each end, and nothing can be left behind.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence

import msgspec

__all__ = ["FrameError", "FrameSocket", "Limits"]

_PRELUDE = struct.Struct(">4sIQ")
_MAGIC = b"rmm1"
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
        prelude = memoryview(_PRELUDE.pack(_MAGIC, len(header), self.check(header, buffers)))
        with self._sending:
            self._send_all([prelude, memoryview(header), *buffers])

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

    def receive(self) -> tuple[bytearray, bytearray] | None:
        """The next frame's header and block, or None where the other side has closed.

        Raises:
            FrameError: What came is no frame, or is over the limits.
            OSError: The socket failed.
        """
        prelude = self._receive_exactly(_PRELUDE.size)
        if prelude is None:
            return None
        magic, header_size, block_size = _PRELUDE.unpack(prelude)
        if magic != _MAGIC:
            raise FrameError("what came is no frame")
        self._limits.check(header_size, block_size)
        header = self._receive_exactly(header_size)
        block = None if header is None else self._receive_exactly(block_size)
        return None if header is None or block is None else (header, block)

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
