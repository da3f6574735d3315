"""`python -m rmm_widgets.demo`: serve the demo models until told to stop.

It says so in one JSON line, stops at the end of its standard input, at SIGINT and SIGTERM and at the
death of its parent, and takes new speed limits as JSON lines on its input (see `process`).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from . import MODELS_DIR, NAMESPACE
from .process import LinkSettings, Ready
from .server import DemoHub


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    options = _parser().parse_args(arguments)
    done = threading.Event()

    def on_signal(*_: object) -> None:
        done.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    _watch_parent(done.set)
    try:
        hub = DemoHub(options.models, namespace=NAMESPACE, port=options.port)
        hub.rate, hub.latency = options.rate, options.latency
        hub.start()
    except (OSError, ValueError) as error:
        print(f"cannot serve {options.models}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    with hub:
        _say(Ready(url=hub.url, cdn_url=hub.cdn_url, pid=os.getpid(), models=len(hub.repo_ids)))
        threading.Thread(target=_listen, args=(hub, done, options.keep_running), daemon=True).start()
        done.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rmm_widgets.demo", description="Serve the demo models.")
    parser.add_argument("--port", type=int, default=0, help="port of the hub (default: any free one)")
    parser.add_argument("--models", type=Path, default=MODELS_DIR, metavar="DIR", help="a folder of repositories")
    parser.add_argument(
        "--rate", type=float, metavar="BYTES_PER_S", help="all downloads share this (default: no limit)"
    )
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before every answer")
    parser.add_argument("--keep-running", action="store_true", help="do not stop at the end of standard input")
    return parser


def _listen(hub: DemoHub, done: threading.Event, keep_running: bool) -> None:
    """Obey speed limits from standard input; at its end, stop."""
    # Not sys.stdin: a thread inside its lock would hang the interpreter's exit.
    with os.fdopen(os.dup(0), "rb", closefd=True) as lines:
        for line in lines:
            try:
                settings = msgspec.json.decode(line, type=LinkSettings)
            except msgspec.DecodeError:
                continue  # somebody types into a terminal
            hub.rate, hub.latency = settings.rate, settings.latency
            _say(settings)
    if not keep_running:
        done.set()


def _say(record: msgspec.Struct) -> None:
    os.write(1, msgspec.json.encode(record) + b"\n")


def _watch_parent(stop: Callable[[], None]) -> None:
    """Let Linux tell us when the parent dies: its other children may hold our standard input open."""
    if sys.platform != "linux":
        return
    import ctypes

    parent = os.getppid()

    def on_signal(*_: object) -> None:
        # The signal also comes when only the thread that started us ends.
        if os.getppid() != parent:
            stop()

    signal.signal(signal.SIGUSR1, on_signal)
    set_parent_death_signal = 1
    ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, signal.SIGUSR1)


if __name__ == "__main__":
    sys.exit(main())
