"""Which process an unfinished file belongs to, and whether that process can still write to it.

Locks cannot be trusted everywhere: some network file systems grant every lock to everybody. So the names
of unfinished files say whose they are, and a file is taken over only where its owner is known to have
ended. "This machine" means one running kernel and one PID namespace, because only there a process
number says anything: other machines, other containers and the time before a reboot are elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import platform
from enum import Enum, auto
from pathlib import Path

_counter = itertools.count()


class Owner(Enum):
    """What can be said of the process that a name belongs to."""

    OURS = auto()
    RUNNING = auto()
    ENDED = auto()
    ELSEWHERE = auto()


def _machine() -> str:
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


MACHINE = _machine()


def new_tag() -> str:
    """A part of a file name that nobody else uses, and that tells others whose the file is."""
    return f"{next(_counter):x}-{MACHINE}-{os.getpid():x}"


def owner_of(tag: str) -> Owner:
    """What can be said of the process that made this tag. A tag nobody made is from elsewhere."""
    try:
        _, machine, process = tag.rsplit("-", 2)
        number = int(process, 16)
    except ValueError:
        return Owner.ELSEWHERE
    if machine != MACHINE:
        return Owner.ELSEWHERE
    if number == os.getpid():
        return Owner.OURS
    return Owner.ENDED if _has_ended(number) else Owner.RUNNING


def _has_ended(number: int) -> bool:
    """True where no such process runs; one that only waits to be reaped has closed its files."""
    import psutil  # rarely needed, and the fetch process should start fast

    try:
        return psutil.Process(number).status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
