"""Inside a worker's process: the core on the main thread, its control lane on another one.

Ends when the kernel closes the socket or dies, by `os._exit`: a model's library must not be able to hold up
the end. Imports no more than it needs, because every worker pays for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import NoReturn

from ..loading.servable import Servable
from . import wire
from .core import WorkerCore
from .faults import describe_error
from .frames import FrameError, FrameSocket
from .messages import CallbackCall, Failed, OpenRequest, Reply, Request
from .segments import WorkerSegments, can_share

__all__ = ["PYTHON_LOADER", "end_with", "main", "serve_kernel"]

PYTHON_LOADER = "python:"
"""A loader `python:module:name` is a callable in an importable module that makes a `Servable`."""

_PR_SET_PDEATHSIG = 1
_BROKEN = 70
_OOM_SCORE = 300


def main() -> NoReturn:
    """Serve the kernel on the inherited socket until it ends; arguments: the socket's number, the kernel's pid."""
    serve_kernel(int(sys.argv[1]), int(sys.argv[2]))


def serve_kernel(descriptor: int, kernel: int) -> NoReturn:
    """Be the worker of a kernel, given by its pid, that has the other end of a socket, until it ends."""
    try:
        sock = socket.socket(fileno=descriptor)
        sock.set_inheritable(False)
        end_with(kernel)
        _restrict()
        frames = FrameSocket(sock)
        if can_share():
            frames.takes_memory, frames.segments = True, WorkerSegments(frames.notify)
        _serve(frames)
    except BaseException:  # noqa: BLE001 - the last words of a worker go to its log
        traceback.print_exc()
    os._exit(_BROKEN)


def end_with(parent: int) -> None:
    """Be killed together with the parent process, also where it has just died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _restrict() -> None:
    """No core files, private files only, and where memory runs out this process goes before the kernel."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")
    faulthandler.enable(all_threads=False)  # walking the stacks of running threads may crash in its turn
    os.environ.pop("PYTHONPATH", None)


def _serve(frames: FrameSocket) -> None:
    order = _receive(frames)
    if not isinstance(order, OpenRequest):
        raise FrameError("the first message does not say which model this is for")
    core = WorkerCore(lambda: _open(order), lambda reply: _emit(frames, reply), generation=order.generation)
    threading.Thread(target=_control_lane, args=(frames, core), name="control", daemon=True).start()
    core.run()


def _control_lane(frames: FrameSocket, core: WorkerCore) -> None:
    try:
        while True:
            _pass_on(_receive(frames), core)
    except BaseException:  # noqa: BLE001 - without this thread nobody could stop the worker
        traceback.print_exc()
        os._exit(_BROKEN)


def _pass_on(request: OpenRequest | Request, core: WorkerCore) -> None:
    if isinstance(request, OpenRequest):
        raise FrameError("a worker is for one model only")
    core.submit(request)


def _receive(frames: FrameSocket) -> OpenRequest | Request:
    frame = frames.receive()
    if frame is None:
        os._exit(0)
    return wire.decode_request(*frame)


def _emit(frames: FrameSocket, reply: Reply) -> int:
    try:
        header, buffers = wire.encode(reply)
        frames.send(header, buffers)
        return len(header) + sum(buffer.nbytes for buffer in buffers)
    except OSError:
        os._exit(0)
    except Exception as error:
        if isinstance(reply, CallbackCall):
            raise  # into the model's call of the callback
        failed = Failed(id=reply.id, generation=reply.generation, error=describe_error(error, "call"))
        frames.send(*wire.encode(failed))
        return 0


def _open(order: OpenRequest) -> Servable:
    if order.loader.startswith(PYTHON_LOADER):
        module, _, name = order.loader.removeprefix(PYTHON_LOADER).partition(":")
        return getattr(importlib.import_module(module), name)()
    from ..loading.loaders import open_servable

    return open_servable(
        order.loader, model_id=order.model_id, model_type=order.model_type, path=order.path, trusted=order.trusted
    )
