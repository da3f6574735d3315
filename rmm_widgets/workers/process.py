"""A worker in a process of its own: starting it, the threads that serve its socket, and its end.

One thread owns the process: it starts it, waits for its end without polling, and cleans up. It lives exactly as
long as the process, because Linux ends a child together with the thread that started it. A reader and a writer
thread keep encoding, decoding and blocking sends off the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

import psutil

from ..errors import LoadError
from . import wire
from .api import Worker, WorkerSpec
from .environment import worker_environment
from .exits import describe_exit, log_tail, oom_kills
from .folders import WorkerFolder, remove_abandoned
from .frames import FrameError, FrameSocket, Limits
from .handle import WorkerHandle
from .link import Inbox, Unsent
from .measure import process_memory
from .messages import CallRequest, CancelRequest, OpenRequest, ProbeRequest, Request, TakenRequest, UnloadRequest
from .nursery import Forked, Nurseries, NurseryLostError, Order
from .segments import KernelSegments, Notice, can_share

__all__ = ["start_process_worker"]

_Tell = Callable[[OSError | None], None]

_ATTEMPTS = 3
_CANCELLED = "its start was cancelled"
_FEW, _SHORT = 32, 4096
_NUMBERS = frozenset({type(None), bool, int, float})
_DRAIN = 0.3
"""Seconds to read what a dead worker still sent, where one of its own children holds the socket open."""
_MEMORY_AGE = 0.2
"""Seconds for which a measured size is good: views ask often, and a look takes about a millisecond."""
_CLOSING = 1.0
"""Seconds for a worker that closed its socket to end."""


async def start_process_worker(
    spec: WorkerSpec, *, limits: Limits | None = None, nurseries: Nurseries | None = None
) -> Worker:
    """Start an empty worker; returns once its process exists, `load` brings the model in.

    Args:
        spec: What it is for; `spec.preload` is what a nursery imports beforehand.
        limits: How much it may send and be sent at once.
        nurseries: Where processes come from that need not import their libraries; None starts each anew.

    Raises:
        LoadError: The process could not be started.
    """
    if os.name != "posix":
        raise LoadError(
            "Models in a process of their own need Linux or macOS.",
            model_id=spec.model_id,
            hint='Load the model with isolation="kernel".',
        )
    link = _ProcessLink(spec, limits, nurseries)
    worker = WorkerHandle(spec, link)
    try:
        await link.start(worker)
    except OSError as error:
        raise LoadError(
            f"The model's process could not be started: {error}",
            model_id=spec.model_id,
            hint="Free memory, processes or open files, then load again.",
        ) from None
    return worker


class _ProcessLink:
    placement: Literal["process"] = "process"
    model = None

    def __init__(self, spec: WorkerSpec, limits: Limits | None, nurseries: Nurseries | None) -> None:
        self._spec = spec
        self._limits = limits
        self._nurseries = nurseries
        self._unwanted = False
        self._inbox: Inbox
        self._frames: FrameSocket
        self._process: subprocess.Popen[bytes] | Forked
        self._weighed: tuple[float, int] = (-math.inf, 0)
        self._measured: psutil.Process | None = None
        self._outbox: queue.SimpleQueue[OpenRequest | Request | Notice | None] = queue.SimpleQueue()
        self._order = threading.RLock()
        self._queued = 0
        """What the writer has not sent yet; requests keep their order."""
        self._ending = threading.Lock()
        self._reaped = False
        self._dead = threading.Event()
        self._asked = False
        self._killed: str | None = None
        self.pid: int | None = None

    async def start(self, inbox: Inbox) -> None:
        """Start the process; raises OSError. Cancelled, it leaves nothing behind."""
        self._inbox = inbox
        loop = asyncio.get_running_loop()
        started: asyncio.Future[OSError | None] = loop.create_future()

        def tell(error: OSError | None) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, started, error)

        threading.Thread(target=self._own, args=(tell,), name=self._name("process"), daemon=True).start()
        try:
            error = await asyncio.shield(started)
        except asyncio.CancelledError:
            self._unwanted = True  # whoever is second, this or the owning thread, kills it
            self.kill(_CANCELLED)
            raise
        if error:
            raise error

    def send(self, request: Request) -> None:
        with self._order:
            if self._queued == 0 and self._sent_now(request):
                return
            self._put(request)

    def _put(self, item: OpenRequest | Request | Notice | None) -> None:
        """Leave something to the writer."""
        with self._order:
            self._queued += 1
            self._outbox.put(item)

    def _sent_now(self, request: Request) -> bool:
        """Whether a request was sent from here, which saves the way over another thread: only small ones are."""
        if not _is_small(request):
            return False
        try:
            header, buffers = wire.encode(request)
            return not buffers and self._frames.send_now(header)
        except OSError:
            return True  # the worker is gone; the owning thread tells how
        except Exception:  # noqa: BLE001 - the writer meets it again, and tells whoever asked
            return False

    def close(self) -> None:
        self._asked = True
        self._put(None)

    def kill(self, why: str) -> None:
        with self._ending:
            if self.pid is None or self._reaped:
                return
            if not self._dead.is_set():
                self._killed = self._killed or why
            _kill_group(self.pid)

    def memory_bytes(self) -> int:
        if self.pid is None or self._dead.is_set():
            return 0
        now = time.monotonic()
        if now - self._weighed[0] > _MEMORY_AGE:
            self._weighed = now, process_memory(self.pid)
        return self._weighed[1]

    def cpu_seconds(self) -> float | None:
        try:
            times = self._measured.cpu_times() if self._measured else None
        except psutil.Error:
            return None
        return times.user + times.system if times else None

    def _name(self, role: str) -> str:
        return f"rmm-{role}-{self._spec.model_id}"

    # The thread that owns the process

    def _own(self, tell: _Tell) -> None:
        folder: WorkerFolder | None = None
        kills = oom_kills()
        try:
            folder = WorkerFolder()
            with _open_log(self._spec.log_path) as log:
                log_start = log.tell() if self._spec.log_path else 0
                kernel_end = self._begin(log, folder.path)
        except OSError as error:
            if folder:
                folder.remove()
            tell(error)
            return
        self._frames = self._framed(kernel_end)
        threads = [
            threading.Thread(target=target, name=self._name(role), daemon=True)
            for role, target in (("reader", self._read), ("writer", self._write))
        ]
        for thread in threads:
            thread.start()
        tell(None)
        if self._unwanted:
            self.kill(_CANCELLED)
        remove_abandoned(tempfile.gettempdir())
        returncode = self._wait()
        threads[0].join(_DRAIN)
        self._put(None)
        self._frames.shut()
        for thread in threads:
            thread.join()
        self._frames.close()
        if self._frames.segments:
            self._frames.segments.close()
        folder.remove()
        self._inbox.ended(
            describe_exit(
                returncode,
                asked=self._asked,
                killed=self._killed,
                oom_killed=oom_kills() > kills,
                detail=log_tail(self._spec.log_path, log_start),
            )
        )

    def _framed(self, kernel_end: socket.socket) -> FrameSocket:
        limits = self._limits or Limits()
        frames = FrameSocket(kernel_end, limits)
        if can_share():
            frames.segments = KernelSegments(limits.block, frames.notify, self._put)
        return frames

    def _begin(self, log: IO[bytes], temporary: str) -> socket.socket:
        """Start the process, as a copy where that can be; this end of its socket."""
        for attempt in range(_ATTEMPTS):
            kernel_end, child_end = socket.socketpair()
            try:
                with child_end:
                    copy = self._forked(child_end, log, temporary) if attempt < _ATTEMPTS - 1 else None
                    self._process = copy or self._spawned(child_end, log, temporary)
                break
            except NurseryLostError:
                kernel_end.close()
            except OSError:
                kernel_end.close()
                raise
        else:
            raise AssertionError  # the last attempt does without a nursery
        self.pid = self._process.pid
        with contextlib.suppress(psutil.Error):
            self._measured = psutil.Process(self.pid)
        self._put(
            OpenRequest(
                loader=self._spec.loader,
                model_id=self._spec.model_id,
                model_type=self._spec.model_type,
                path=self._spec.path,
                generation=self._spec.generation,
                trusted=self._spec.trusted,
            )
        )
        return kernel_end

    def _forked(self, child_end: socket.socket, log: IO[bytes], temporary: str) -> Forked | None:
        if self._nurseries is None or not self._spec.preload:
            return None
        order = Order(
            modules=self._spec.preload,
            environment=worker_environment(os.environ, temporary),
            temporary=temporary,
            connection=child_end.fileno(),
            log=log.fileno(),
        )
        return self._nurseries.fork(order)

    def _spawned(self, child_end: socket.socket, log: IO[bytes], temporary: str) -> subprocess.Popen[bytes]:
        if self._unwanted:
            raise OSError(_CANCELLED)
        return subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", __package__ or "", str(child_end.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=worker_environment(os.environ, temporary),
            pass_fds=(child_end.fileno(),),
            start_new_session=True,
            umask=0o077,
        )

    def _wait(self) -> int:
        """Wait for the end, then end what the process had started; its pid stays ours until that is done."""
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            self._dead.set()
        else:
            self._process.wait()
            self._dead.set()
        with self._ending:
            _kill_group(self._process.pid)
            self._reaped = True
            return self._process.wait()

    # The threads that serve the socket

    def _read(self) -> None:
        try:
            while self._read_one():
                pass
        except FrameError as error:
            self.kill(f"it broke the protocol ({error})")
        except OSError:
            pass  # shut down by the owning thread
        if not self._dead.wait(_CLOSING):
            self.kill("it closed its connection")

    def _read_one(self) -> bool:
        frame = self._frames.receive()
        if frame is None:
            return False
        reply, size = wire.decode_reply(*frame), sum(map(len, frame))
        self._frames.settle()  # first, so that whoever then calls again finds the shared memory free
        self._inbox.deliver(reply, size)
        return True

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # the worker is gone; the owning thread tells how
            while self._write_one():
                with self._order:
                    self._queued -= 1
        self._frames.end_sending()

    def _write_one(self) -> bool:
        request = self._outbox.get()
        if request is None:
            return False
        if isinstance(request, Notice):
            self._frames.notify(request)
            return True
        try:
            header, buffers = wire.encode(request)
            self._frames.check(header, buffers)
        except Exception as error:  # noqa: BLE001 - a user's values may raise anything; whoever asked is told
            if not isinstance(request, OpenRequest | CancelRequest | TakenRequest):
                self._inbox.deliver(Unsent(request.id, error))
            return True
        self._frames.send(header, buffers)
        return True


def _is_small(request: Request) -> bool:
    """Whether a request is encoded and sent in no time."""
    match request:
        case CallRequest():
            values = [*request.args, *request.kwargs.values()]
            return len(values) <= _FEW and all(map(_is_short, values))
        case CancelRequest() | ProbeRequest() | TakenRequest() | UnloadRequest():
            return True
        case _:
            return False


def _is_short(value: object) -> bool:
    if type(value) is list:
        return len(value) <= _FEW and all(type(item) is str and len(item) <= _SHORT for item in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return type(value) in _NUMBERS or (type(value) is str and len(value) <= _SHORT)


def _kill_group(pid: int) -> None:
    """Kill a process that is not reaped yet, and all that stayed in its session."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _open_log(path: str | None) -> IO[bytes]:
    """Where a worker's output goes: the end of its log, readable by the user only."""
    if path is None:
        return Path(os.devnull).open("wb")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _settle(started: asyncio.Future[OSError | None], error: OSError | None) -> None:
    if not started.done():
        started.set_result(error)
