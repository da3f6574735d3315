"""Models for the workers' tests: what they do is chosen by their configuration and by the methods called."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from rmm_widgets.errors import InvalidConfigError, LoadCancelledError
from rmm_widgets.loading.servable import Loaded, ProbeAnswer

from . import shapes

LONG = 1000.0
MIB = 1 << 20


def make() -> Gadget:
    return Gadget()


def fail_to_make() -> Gadget:
    raise ImportError("a library of this loader is broken")


class Gadget:
    """A servable whose `config["load"]`, `["probe"]` and `["unload"]` say how these go."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.device: str | None = None
        self.cancelled: Callable[[], bool] = lambda: False
        self.ballast: Any = None
        self.kept: Callable[..., None] | None = None
        self.log: list[Any] = []

    # The servable

    def load(self, config: dict[str, Any], device: str | None, cancelled: Callable[[], bool]) -> Loaded:
        self.config, self.device, self.cancelled = config, device, cancelled
        self._mark("load")
        self._do(config.get("load", "well"))
        if megabytes := config.get("megabytes"):
            self.ballast = bytearray(os.urandom(MIB)) * megabytes
        return Loaded(device=device or "cpu", detail=config.get("detail", {}))

    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = "main" if method == "__call__" else method
        return getattr(self, name)(*args, **kwargs)

    def probe(self) -> ProbeAnswer:
        self._do(self.config.get("probe", "well"))
        return ProbeAnswer(True, degraded=self.config.get("degraded", False), detail="asked")

    def update_config(self, config: dict[str, Any]) -> None:
        if config.get("wrong"):
            raise InvalidConfigError("'wrong' is not allowed", hint="Leave it out.")
        self.config = config

    def unload(self) -> None:
        self._mark("unload")
        self._do(self.config.get("unload", "well"))
        self.ballast = None

    # Its methods

    def main(self, *args: Any, **kwargs: Any) -> Any:
        return ["called", *args, kwargs]

    def echo(self, value: Any) -> Any:
        return value

    def kind(self, value: Any) -> str:
        return type(value).__name__

    def now_config(self) -> dict[str, Any]:
        return self.config

    def note(self, value: Any) -> list[Any]:
        self.log.append(value)
        return list(self.log)

    def do(self, what: str) -> str:
        self._mark("call")
        return self._do(what)

    def fail(self, shape: str) -> None:
        raise shapes.SHAPES[shape]()

    def steps(self, count: int, on_step: Callable[..., None]) -> int:
        for number in range(count):
            on_step(number, total=count)
        return count

    def steps_until_cancelled(self, on_step: Callable[..., None]) -> None:
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            try:
                on_step("step")
            except Exception:  # as a careless library would
                continue
            time.sleep(0.005)

    def texts(self, count: int, on_token: Callable[[str], None], fail_at: int = -1) -> str:
        for number in range(count):
            if number == fail_at:
                raise ValueError("no more words")
            on_token(f"word{number}")
            self.log.append(number)
        return "all"

    def generate(self, count: int) -> Generator[int, None, str]:
        try:
            for number in range(count):
                self.log.append(number)
                yield number
        finally:
            self.log.append("closed")
        return "generated"

    def pictures(self, count: int, megabytes: int, on_step: Callable[[Any], None]) -> int:
        import numpy as np

        for number in range(count):
            on_step(np.full(megabytes * MIB, number, np.uint8))
            self.log.append(number)
        return count

    def noted(self) -> list[Any]:
        return self.log

    def remember(self, array: Any) -> int:
        self.log.append(array)
        return len(self.log)

    def remembered(self) -> list[int]:
        return [int(array.max()) for array in self.log]

    def forget(self) -> None:
        self.log.clear()

    def make_array(self, size: int, value: int) -> Any:
        import numpy as np

        return np.full(size, value, np.uint8)

    def total(self, array: Any) -> int:
        return int(array.sum(dtype="u8"))

    def overwrite(self, array: Any) -> Any:
        array += 1
        return array

    def random_numbers(self) -> list[Any]:
        import random

        import numpy as np

        return [random.random(), np.random.random(), os.urandom(4)]

    def descriptors(self) -> dict[str, str]:
        names = {n: Path(f"/proc/self/fd/{n}") for n in _open_descriptors() if n > 2}
        return {str(n): str(path.readlink()) for n, path in names.items() if path.is_symlink()}

    def spam_steps(self, count: int, on_step: Callable[..., None]) -> None:
        """Steps that nobody asked for, as only a hostile worker sends them."""
        core = on_step.func.__self__  # type: ignore[attr-defined]
        for number in range(count):
            core._running.flow.taken(100)
            on_step(number)
        time.sleep(LONG)

    def keep(self, callback: Callable[..., None]) -> None:
        self.kept = callback

    def use_kept(self) -> None:
        assert self.kept is not None
        self.kept("late")

    def unsendable(self) -> Any:
        return [1, {"deep": object()}]

    def send_object(self, callback: Callable[..., None]) -> None:
        callback(object())

    def facts(self) -> dict[str, Any]:
        mask = os.umask(0)
        os.umask(mask)
        return {
            "environment": dict(os.environ),
            "umask": mask,
            "core": list(resource.getrlimit(resource.RLIMIT_CORE)),
            "temporary": tempfile.gettempdir(),
            "mode": Path(tempfile.gettempdir()).stat().st_mode & 0o777,
            "pid": os.getpid(),
            "session": os.getsid(0),
            "argv": sys.argv,
            "modules": sorted(sys.modules),
            "python": sys.path,
            "inheritable": [fd for fd in _open_descriptors() if fd > 2 and _inheritable(fd)],
        }

    def talk(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stderr.write(text + "\n")

    def start_children(self, escape: bool) -> list[int]:
        """Processes that hold on to everything they can of this one."""
        command = [sys.executable, "-c", "import time; time.sleep(1000)"]
        child = subprocess.Popen(command, close_fds=False, start_new_session=escape)
        forked = os.fork()
        if forked == 0:
            if escape:
                os.setsid()
            time.sleep(LONG)
            os._exit(0)
        return [child.pid, forked]

    def talk_back(self, size: int) -> bytes:
        """A frame over the kernel's limits, which a careful worker would not send."""
        os.write(_socket_to_kernel(), b"rmm1" + (0).to_bytes(4, "big") + size.to_bytes(8, "big"))
        time.sleep(LONG)
        return b""

    def flood(self, count: int, size: int, callback: Callable[..., None]) -> int:
        for _ in range(count):
            callback(bytes(size))
        return count

    def write_to_kernel(self, data: bytes) -> None:
        os.write(_socket_to_kernel(), data)
        time.sleep(LONG)

    def close_connection(self) -> None:
        sock = socket.socket(fileno=os.dup(_socket_to_kernel()))
        sock.shutdown(socket.SHUT_WR)
        time.sleep(LONG)

    # What can go on inside a load, a call, a probe or an unload

    def _mark(self, what: str) -> None:
        if path := self.config.get("marker"):
            Path(path).write_text(what)

    def _do(self, what: str) -> str:
        name, _, argument = what.partition(":")
        getattr(self, f"_do_{name}")(argument)
        return what

    def _do_well(self, _: str) -> None:
        pass

    def _do_raise(self, shape: str) -> None:
        raise shapes.SHAPES[shape]()

    def _do_raise_next(self, _: str) -> None:
        """Each time another shape."""
        names = list(shapes.SHAPES)
        self.log.append(names[len(self.log)] if len(self.log) < len(names) else None)
        if self.log[-1] is None:
            raise StopIteration("all shapes were raised")
        raise shapes.SHAPES[self.log[-1]]()

    def _do_wait(self, seconds: str) -> None:
        """Take that long, unless asked to stop."""
        deadline = time.monotonic() + float(seconds)
        while time.monotonic() < deadline:
            if self.cancelled():
                raise LoadCancelledError("gave up")
            time.sleep(0.005)

    def _do_ignore(self, path: str) -> None:
        """Heed nothing until a file appears; so a thread of a test can be let go."""
        deadline = time.monotonic() + LONG
        while not Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _do_sleep(self, _: str) -> None:
        time.sleep(LONG)

    def _do_hold_asleep(self, _: str) -> None:
        """C code that keeps the interpreter's lock and does not use the processor."""
        ctypes.PyDLL(None).sleep(int(LONG))

    def _do_hold_computing(self, _: str) -> None:
        """C code that keeps the interpreter's lock and computes."""
        sum(range(10**13))

    def _do_compute(self, seconds: str) -> None:
        """Python code that computes and lets other threads run."""
        deadline = time.monotonic() + float(seconds)
        while time.monotonic() < deadline:
            sum(range(10_000))

    def _do_kill(self, number: str) -> None:
        os.kill(os.getpid(), int(number))
        time.sleep(LONG)

    def _do_segfault(self, _: str) -> None:
        ctypes.string_at(8)

    def _do_abort(self, _: str) -> None:
        os.abort()

    def _do_exit(self, code: str) -> None:
        os._exit(int(code))

    def _do_abort_for_memory(self, _: str) -> None:
        """What a C++ library does whose allocation failed."""
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
        os.abort()

    def _do_exhaust(self, _: str) -> None:
        limit = 600 * MIB
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        self.ballast = []
        while True:
            self.ballast.append(bytearray(16 * MIB))


def _open_descriptors() -> list[int]:
    return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]


def _inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def _socket_to_kernel() -> int:
    return int(sys.argv[1])
