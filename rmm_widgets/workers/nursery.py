"""Nurseries: processes that have imported a set of libraries and copy themselves into workers at once.

Importing the libraries is most of what a worker's start takes. A nursery does it once, in the background of the
first load, and every worker for the same libraries begins as a copy. Owns when nurseries begin and end; what they
do is in `nursery_process`. Only Linux has them; elsewhere, and wherever one fails, a worker is started anew.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

__all__ = ["Forked", "Nurseries", "NurseryLostError", "Order"]

IDLE = 300.0
"""Seconds that a nursery without workers is kept: it holds its libraries in memory."""
PATIENCE = 120.0
"""Seconds for the imports; whoever waits for a nursery has a limit of its own."""
_ANSWER = 10.0
_ANSWER_SIZE = 1 << 16
_JOIN = 5.0
_OF_THE_MOMENT = frozenset({"TMPDIR", "TEMP", "TMP", "PYTEST_CURRENT_TEST"})
"""Variables that differ from worker to worker, and that no library reads when it is imported."""

_log = logging.getLogger("rmm_widgets")


class NurseryLostError(Exception):
    """A nursery died while it was asked: the worker may exist or not, so its socket must not be used any more."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker that is copied from a nursery needs.

    Attributes:
        modules: What is imported already.
        environment: As for a process that is started anew.
        temporary: The worker's folder for temporary files.
        connection: Descriptor of its socket.
        log: Descriptor of the file for its output.
    """

    modules: tuple[str, ...]
    environment: Mapping[str, str]
    temporary: str
    connection: int
    log: int


class Nurseries:
    """The nurseries of one manager, one for each set of libraries; usable from any thread.

    Args:
        idle: Seconds until one without workers is ended.
    """

    def __init__(self, *, idle: float = IDLE) -> None:
        self._idle = idle
        self._lock = threading.Lock()
        self._living: dict[tuple[str, ...], _Nursery] = {}
        self._all: list[_Nursery] = []
        self._unfit: set[tuple[str, ...]] = set()
        self._closed = False

    def fork(self, order: Order) -> Forked | None:
        """A worker's process, or None where it has to be started anew; blocks until the libraries are imported.

        Raises:
            NurseryLostError: It is not known whether there is one; ask again with a new socket.
        """
        nursery = self._nursery(order)
        if nursery is None:
            return None
        try:
            return nursery.fork(order)
        except _UnfitError as error:
            _log.debug("workers with %s are started anew: %s", ", ".join(order.modules), error)
            with self._lock:
                self._unfit.add(order.modules)
            nursery.end()
            return None

    def close(self) -> None:
        """End all nurseries; waits for them, and for the workers that came from them."""
        with self._lock:
            self._closed = True
            nurseries = [*self._all]
        for nursery in nurseries:
            nursery.end()
        for nursery in nurseries:
            nursery.join(_JOIN)

    def pids(self) -> list[int]:
        """The processes of the nurseries that live, in no order."""
        with self._lock:
            return [nursery.pid for nursery in self._living.values() if nursery.pid is not None and nursery.usable]

    def _nursery(self, order: Order) -> _Nursery | None:
        environment = {name: value for name, value in order.environment.items() if name not in _OF_THE_MOMENT}
        with self._lock:
            if self._closed or not order.modules or order.modules in self._unfit or not _possible():
                return None
            found = self._living.get(order.modules)
            if found is not None and found.usable and found.environment == environment:
                return found
            if found is not None:
                found.end()  # what the libraries read from the environment has changed
            self._all = [nursery for nursery in self._all if nursery.lives]
            made = self._living[order.modules] = _Nursery(order.modules, environment, self._idle)
            self._all.append(made)
            return made


class Forked:
    """A process that a nursery made; a child of this one."""

    def __init__(self, pid: int, nursery: _Nursery) -> None:
        self.pid = pid
        self._nursery = nursery

    def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal. Once only."""
        _, status = os.waitpid(self.pid, 0)
        self._nursery.left()
        return os.waitstatus_to_exitcode(status)


class _UnfitError(Exception):
    """Nothing was made, and trying again would not help."""


class _Nursery:
    """One nursery. The thread that starts it lives as long as it and all its workers: they end with that thread."""

    def __init__(self, modules: tuple[str, ...], environment: dict[str, str], idle: float) -> None:
        self.environment = environment
        self.pid: int | None = None
        self._modules = modules
        self._idle = idle
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._failure = ""
        self._ended = False
        self._workers = 0
        self._idle_since = time.monotonic()
        self._sock, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wake_in, self._wake_out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._own, name=f"rmm-nursery-{modules[0]}", daemon=True)
        self._thread.start()

    @property
    def usable(self) -> bool:
        """Whether it is worth asking."""
        return not self._ended

    @property
    def lives(self) -> bool:
        """Whether its process or one of its workers is still there."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait until it and its workers are gone."""
        self._thread.join(timeout)

    def end(self) -> None:
        """Begin its end, also while it imports; its workers live on."""
        self._ended = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._wake()

    def left(self) -> None:
        """A worker that came from it is gone."""
        with self._changed:
            self._workers -= 1
            self._idle_since = time.monotonic()
            self._changed.notify_all()
        self._wake()

    def fork(self, order: Order) -> Forked | None:
        """See `Nurseries.fork`. Raises `_UnfitError`."""
        with self._changed:
            self._workers += 1
        forked = None
        try:
            self._ready.wait()
            if self._failure:
                raise _UnfitError(self._failure)
            forked = self._fork(order)
        finally:
            if forked is None:
                self.left()
        return forked

    def _fork(self, order: Order) -> Forked | None:
        message = {"cwd": str(Path.cwd()), "temporary": order.temporary}
        try:
            with self._asking:
                socket.send_fds(self._sock, [json.dumps(message).encode()], [order.connection, order.log])
                answer = self._answer(_ANSWER)
        except (OSError, ValueError) as error:
            self.end()
            raise NurseryLostError(str(error)) from None
        pid = answer.get("pid")
        if not isinstance(pid, int):
            raise _UnfitError(str(answer.get("error")))
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            raise _UnfitError("its copies are not children of this process") from None
        return Forked(pid, self)

    def _answer(self, seconds: float) -> dict[str, object]:
        self._sock.settimeout(seconds)
        data = self._sock.recv(_ANSWER_SIZE)
        if not data:
            raise ConnectionError("the nursery ended")
        return json.loads(data)

    # The thread that owns the process

    def _own(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        try:
            with self._other:
                process = self._start(self._other.fileno())
            self.pid = process.pid
            answer = self._answer(PATIENCE)
            self._failure = str(answer.get("error", ""))
        except (OSError, ValueError) as error:
            self._failure = "" if self._ended else f"{type(error).__name__}: {error}"
        self._ended = self._ended or bool(self._failure)
        self._ready.set()
        if process is not None:
            self._watch(process.pid)
            process.kill()
            process.wait()
        self._ended = True
        with self._asking:
            self._sock.close()
        with self._changed:
            self._changed.wait_for(lambda: self._workers == 0)
        with self._changed:
            os.close(self._wake_in)
            os.close(self._wake_out)
            self._wake_out = -1

    def _start(self, connection: int) -> subprocess.Popen[bytes]:
        program = f"{__package__}.nursery_process"
        return subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", program, str(connection), str(os.getpid()), *self._modules],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            pass_fds=(connection,),
            start_new_session=True,
        )

    def _watch(self, pid: int) -> None:
        """Wait until it has died, is to end, or has had nothing to do for long."""
        watched = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(watched, select.POLLIN)
            poll.register(self._wake_in, select.POLLIN)
            while not self._ended:
                left = self._seconds_left()
                if left is not None and left <= 0:
                    break
                ready = [descriptor for descriptor, _ in poll.poll(None if left is None else left * 1000 + 1)]
                if watched in ready:
                    break
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_in, 4096)
        finally:
            os.close(watched)

    def _seconds_left(self) -> float | None:
        with self._changed:
            if self._workers:
                return None
            left = self._idle_since + self._idle - time.monotonic()
            self._ended = self._ended or left <= 0  # under the lock: nobody is sent away who has just come
            return left

    def _wake(self) -> None:
        with self._changed:
            if self._wake_out >= 0:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._wake_out, b"x")


def _possible() -> bool:
    return sys.platform == "linux" and hasattr(os, "pidfd_open")
