"""The demo hub as a process beside this one: started once, ended with its parent, whatever ends that.

`__main__` is the program that runs in it. The two talk over its standard input and output, one JSON
line each way; the end of the input is its signal to stop.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Self, cast

import msgspec

from ..errors import HubUnavailableError
from .origin import check_link

_STOP_GRACE = 5.0


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What the program says once it serves."""

    url: str
    cdn_url: str
    pid: int
    models: int


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How slow the hub shall be; sent to the program and, once in force, back by it."""

    rate: float | None = None
    latency: float = 0.0

    def __post_init__(self) -> None:
        check_link(rate=self.rate, latency=self.latency)


class DemoServer:
    """A running demo hub.

    Attributes:
        url: The endpoint to give to a client.
        pid: Its process, or None where somebody else runs it.
    """

    def __init__(self, url: str, *, models: int | None = None, process: subprocess.Popen[bytes] | None = None) -> None:
        self.url = url
        self.pid = process.pid if process else None
        self._models = models
        self._process = process
        self._owner = os.getpid()
        self._lock = threading.Lock()

    @classmethod
    def shared(cls, *, rate: float | None = None, latency: float = 0.0) -> DemoServer:
        """The demo hub of this process: the running one, the one RMM_DEMO_HUB names, or a new one.

        Raises:
            HubUnavailableError: A new one does not come up.
        """
        global _shared
        with _shared_lock:
            if _shared is None or not _shared._takes(rate=rate, latency=latency):  # noqa: SLF001
                url = os.environ.get("RMM_DEMO_HUB")
                _shared = cls(url.rstrip("/")) if url else cls.launch()
                _shared.throttle(rate=rate, latency=latency)
            return _shared

    @classmethod
    def launch(cls, *, rate: float | None = None, latency: float = 0.0, models_dir: Path | None = None) -> DemoServer:
        """Start another demo hub; it ends through `stop()` or with this process.

        Raises:
            HubUnavailableError: It does not come up.
        """
        check_link(rate=rate, latency=latency)
        root = str(Path(__file__).resolve().parents[2])
        # Not plain `-m`: that would put the user's folder, with whatever modules lie in it, before the library.
        code = f"import sys; sys.path.append({root!r}); from rmm_widgets.demo.__main__ import main; sys.exit(main())"
        command = [sys.executable, "-P", "-c", code, "--latency", str(latency)]
        if rate is not None:
            command += ["--rate", str(rate)]
        if models_dir is not None:
            command += ["--models", str(models_dir)]
        with tempfile.TemporaryFile() as complaints:
            # A session of its own: an interrupt of the kernel's process group is not meant for the hub.
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )
            try:
                ready = msgspec.json.decode(_output(process).readline(), type=Ready)
            except BaseException as error:
                _end(process)
                if not isinstance(error, msgspec.DecodeError):
                    raise
                complaints.seek(0)
                last = complaints.read().decode(errors="replace").strip().splitlines()[-1:]
                raise HubUnavailableError(
                    f"the demo hub did not start: {''.join(last) or 'it ended without a word'}",
                    hint="Run `python -m rmm_widgets.demo` in a terminal to see what it says.",
                ) from None
        server = cls(ready.url, models=ready.models, process=process)
        atexit.register(server.stop)
        return server

    @property
    def is_running(self) -> bool:
        """False after `stop()` or when the process died; a hub that somebody else runs counts as running."""
        if self._owner != os.getpid():
            return False
        return self._process is None or self._process.poll() is None

    def throttle(self, *, rate: float | None = None, latency: float = 0.0) -> None:
        """Make the hub as slow as a real line.

        Args:
            rate: Bytes per second that all downloads share; None for no limit.
            latency: Seconds before every answer.

        Raises:
            HubUnavailableError: The hub ended, or is not ours to change.
            ValueError: The rate is not above 0, or the latency is below.
        """
        wanted = LinkSettings(rate=rate, latency=latency)
        if self._process is None:
            if wanted == LinkSettings():
                return
            raise HubUnavailableError(
                f"the demo hub at {self.url} is run by somebody else and keeps its speed",
                hint="Unset RMM_DEMO_HUB to get a hub of your own.",
            )
        with self._lock:
            try:
                _input(self._process).write(msgspec.json.encode(wanted) + b"\n")
                _input(self._process).flush()
                msgspec.json.decode(_output(self._process).readline(), type=LinkSettings)
            except (OSError, ValueError, msgspec.DecodeError) as error:  # ValueError: a closed pipe
                raise HubUnavailableError(
                    "the demo hub does not run any more", hint="Call rmm_widgets.demo.start() for a new one."
                ) from error

    def _takes(self, *, rate: float | None, latency: float) -> bool:
        """`throttle`, but False where our hub died and a new one is needed."""
        if self.is_running:
            try:
                self.throttle(rate=rate, latency=latency)
            except HubUnavailableError:
                if self._process is None:
                    raise
            else:
                return True
        self.stop()
        return False

    def rate(self, bytes_per_second: float | None) -> None:
        """Limit the hub to so many bytes per second, or to none; see `throttle`."""
        self.throttle(rate=bytes_per_second)

    def stop(self) -> None:
        """End the hub's process and wait for it. Nothing where it is not ours or ended already."""
        if self._process is None or self._owner != os.getpid():
            return
        with self._lock:
            _end(self._process)
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        # No address: a notebook that shows this has the same output every time.
        if self._process is None:
            return "DemoServer(rmm-demo: run elsewhere)"
        return f"DemoServer(rmm-demo: {self._models} models)" if self.is_running else "DemoServer(rmm-demo: stopped)"


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", process.stdin)


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", process.stdout)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        _input(process).close()
    process.terminate()  # another child of ours may hold the input open
    try:
        process.wait(_STOP_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _output(process).close()


_shared: DemoServer | None = None
_shared_lock = threading.Lock()
