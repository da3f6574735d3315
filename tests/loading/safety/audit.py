"""What this process does while files are looked at, as Python itself reports it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_EVENTS = frozenset(
    [
        "ctypes.dlopen",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "pickle.find_class",
        "socket.connect",
        "subprocess.Popen",
    ]
)
_watchers: list[tuple[list[str], str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watchers:
        return
    for seen, folder in _watchers:
        if event in _EVENTS or (event in {"import", "exec", "compile"} and folder and folder in repr(arguments)):
            seen.append(f"{event} {arguments!r:.200}")


@contextmanager
def watched(folder: object = "") -> Iterator[list[str]]:
    """Collects processes started, sockets connected, classes unpickled, and code that runs out of the folder."""
    if not _installed:
        sys.addaudithook(_hook)  # can never be taken away again
        _installed.append(True)
    seen: list[str] = []
    watcher = (seen, str(folder))
    _watchers.append(watcher)
    try:
        yield seen
    finally:
        _watchers.remove(watcher)


_installed: list[bool] = []
