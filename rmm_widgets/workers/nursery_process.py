"""The program of a nursery: imports libraries once, then copies itself into workers on request. Linux only.

It never sees a model, and has no thread of its own while it copies itself: a copy has none but the one that made
it, so whatever another one held or did would be lost. The copies are children of the kernel, not of the nursery,
which may die at any time without harm to them. What the kernel does with a nursery is the matter of `nursery`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import socket
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

from .child import end_with, serve_kernel
from .cloning import Cloner

__all__ = ["main"]

_MAX_MESSAGE = 1 << 16
_LOADERS = "..loading.loaders"
_TITLE = "rmm_widgets.workers"


def main() -> NoReturn:
    """Arguments: the socket's number, the kernel's pid, the modules to import."""
    descriptor, kernel, modules = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    end_with(kernel)
    os.umask(0o077)
    try:
        for name in (_LOADERS, *modules):
            importlib.import_module(name, __package__)
        cloner = Cloner()
        _settle()
        _require_one_thread()
    except BaseException as error:  # noqa: BLE001 - whatever an import raises; the kernel does without a nursery then
        _answer(sock, error=f"{type(error).__name__}: {error}"[:1000])
        os._exit(1)
    os.environ.pop("PYTHONPATH", None)
    _answer(sock, pid=os.getpid())
    while True:
        data, descriptors, _, _ = socket.recv_fds(sock, _MAX_MESSAGE, 2, socket.MSG_CMSG_CLOEXEC)
        if not data:
            os._exit(0)
        _copy(json.loads(data), descriptors, sock, cloner, kernel)


def _settle() -> None:
    """Let libraries end the threads that their import began, and keep the collector away from what it made."""
    pid = os.fork()  # handlers for this moment end such threads, here too; OpenBLAS begins new ones when it needs them
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    gc.collect()
    gc.freeze()


def _require_one_thread() -> None:
    count = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names are enough
    if count != 1:
        raise RuntimeError(f"importing the libraries left {count - 1} threads running")


def _copy(order: dict[str, Any], descriptors: list[int], sock: socket.socket, cloner: Cloner, kernel: int) -> None:
    try:
        _require_one_thread()
        pid = cloner.clone()
    except (OSError, RuntimeError) as error:
        _answer(sock, error=str(error))
    else:
        if pid == 0:
            sock.close()
            _be_worker(order, *descriptors, kernel=kernel)
        _answer(sock, pid=pid)
    for descriptor in descriptors:
        os.close(descriptor)


def _be_worker(order: dict[str, Any], connection: int, log: int, *, kernel: int) -> NoReturn:
    """What a process that is started anew gets from whoever starts it, and then what it does."""
    try:
        os.setsid()
        end_with(kernel)
        for standard in (1, 2):
            os.dup2(log, standard)
        os.close(log)
        temporary = order["temporary"]
        os.environ.update(TMPDIR=temporary, TEMP=temporary, TMP=temporary)
        tempfile.tempdir = None
        with contextlib.suppress(OSError):  # it may have been removed, which stops nobody who is started anew either
            os.chdir(order["cwd"])
        sys.argv = [sys.argv[0], str(connection), str(kernel)]
        _rename([*sys.orig_argv[:3], "-m", _TITLE, *sys.argv[1:]])
        _reseed()
        serve_kernel(connection, kernel)
    except BaseException:  # noqa: BLE001 - the last words of a worker go to its log
        traceback.print_exc()
    os._exit(1)


def _reseed() -> None:
    """Give this process random numbers of its own; Python's `random` and `secrets` need no help, but cost none."""
    random.seed()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed()
    if torch is not None:
        torch.default_generator.seed()


def _rename(arguments: list[str]) -> None:
    """Show these arguments to whoever lists processes, as far as there is room for them."""
    start, end = map(int, Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[45:47])
    text = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    if 0 < start < end and len(text) <= end - start:
        ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def _answer(sock: socket.socket, **answer: object) -> None:
    try:
        sock.send(json.dumps(answer).encode())
    except OSError:
        os._exit(0)  # the kernel wants no more of this nursery


if __name__ == "__main__":
    main()
