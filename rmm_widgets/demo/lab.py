"""`python -m rmm_widgets.demo.lab`: the demo hub and a JupyterLab on the quickstart notebook, ended together.

Owns the two processes and the one line that says where to look. What the hub serves is the business of `server`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
import webbrowser
from collections.abc import Generator, Sequence
from pathlib import Path
from urllib.parse import quote

import psutil

from ..errors import RMMError
from .process import DemoServer

START_TIMEOUT = 120.0
STOP_TIMEOUT = 15.0
_POLL = 0.1
_RATE = 1_000_000.0
"""Bytes per second of the hub: slow enough for progress to be seen."""


class _LabError(Exception):
    """The demo cannot run; the text says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program until it is interrupted; returns the exit code."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()

    def on_signal(*_: object) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    try:
        with DemoServer.launch(rate=_RATE) as hub:
            return _serve(options, hub, stop)
    except (_LabError, RMMError) as error:
        hint = getattr(error, "hint", "")
        print(f"{error}{' ' if hint else ''}{hint}", file=sys.stderr)  # noqa: T201
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rmm_widgets.demo.lab", description="Open JupyterLab on the demo; it works without internet."
    )
    parser.add_argument("--no-browser", action="store_true", help="only serve, do not open a browser")
    parser.add_argument("--port", type=int, default=8888, help="port to try first (default: 8888)")
    parser.add_argument("--notebooks", type=Path, default=Path("notebooks"), metavar="DIR", help="the folder to serve")
    parser.add_argument("--open", default="01-quickstart.ipynb", metavar="NAME", help="the notebook to show")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="where the output goes (default: a new temporary file)"
    )
    return parser


def _serve(options: argparse.Namespace, hub: DemoServer, stop: threading.Event) -> int:
    notebooks: Path = options.notebooks.resolve()
    if not (notebooks / options.open).is_file():
        raise _LabError(f"There is no {options.open} in {notebooks}; name the folder with --notebooks DIR.")
    if importlib.util.find_spec("jupyterlab") is None:
        raise _LabError("JupyterLab is not installed; run: pip install 'rmm_widgets[demo]'")
    log = options.log or _new_log()
    port = _free_port(options.port)
    token = secrets.token_urlsafe(24)
    with _jupyterlab(notebooks, port, token, hub.url, log) as lab:
        if not _wait_until_ready(lab, port, token, stop):
            return 0
        page = f"http://127.0.0.1:{port}/lab/tree/{quote(options.open)}?token={token}"
        print(f"JupyterLab is ready: {page}", flush=True)  # noqa: T201
        print(f"Press Ctrl-C to end it. Its output is in {log}", flush=True)  # noqa: T201
        if not options.no_browser:
            webbrowser.open(page)
        while not stop.wait(_POLL):
            if lab.poll() is not None:
                raise _LabError(f"JupyterLab ended; its output is in {log}")
    return 0


@contextlib.contextmanager
def _jupyterlab(notebooks: Path, port: int, token: str, hub_url: str, log: Path) -> Generator[subprocess.Popen[bytes]]:
    """JupyterLab as a process that is gone, with its kernels, after the block."""
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser"),
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={notebooks}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches this program alone, which then ends the others in order.
        lab = subprocess.Popen(
            command,
            # The token is not on the command line, where every user of the machine could read it.
            env=os.environ | {"RMM_DEMO_HUB": hub_url, "JUPYTER_TOKEN": token},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield lab
    finally:
        _end(lab)


def _end(lab: subprocess.Popen[bytes]) -> None:
    started: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(lab.pid).children(recursive=True)
    lab.terminate()
    try:
        lab.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        lab.kill()
        lab.wait()
    _, alive = psutil.wait_procs(started, timeout=STOP_TIMEOUT)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=STOP_TIMEOUT)


def _wait_until_ready(lab: subprocess.Popen[bytes], port: int, token: str, stop: threading.Event) -> bool:
    """True once JupyterLab answers; False where the user gave up first."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"})
    waited = 0.0
    while waited < START_TIMEOUT:
        if lab.poll() is not None:
            raise _LabError(f"JupyterLab ended at once with exit code {lab.returncode}; see its log.")
        # A URLError is an OSError too.
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5):  # noqa: S310
            return True
        if stop.wait(_POLL):
            return False
        waited += _POLL
    raise _LabError(f"JupyterLab does not answer after {START_TIMEOUT:.0f} s; see its log.")


def _free_port(first: int) -> int:
    """`first` where it is free, else the next free one."""
    for port in range(first, first + 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise _LabError(f"The ports {first} to {first + 99} are taken; choose another with --port.")


def _new_log() -> Path:
    descriptor, name = tempfile.mkstemp(prefix="rmm-demo-", suffix=".log")
    os.close(descriptor)
    return Path(name)


if __name__ == "__main__":
    sys.exit(main())
