"""How a worker's process ended, in words and as a record."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from .api import Exit
from .faults import clean_text

__all__ = ["describe_exit", "log_tail", "oom_kills"]

MAX_DETAIL = 2 << 10
_READ = 32 << 10
_MODULE_LIST = re.compile(r"^Extension modules: .*$", re.MULTILINE)
"""What follows a traceback of faulthandler and would fill the detail: thousands of bytes with large libraries."""
_MEMORY_SIGNS = ("bad_alloc", "MemoryError", "out of memory", "Cannot allocate memory", "ArrayMemoryError")


def describe_exit(returncode: int, *, asked: bool, killed: str | None, oom_killed: bool, detail: str) -> Exit:
    """The record of an end.

    Args:
        returncode: As `subprocess` gives it: negative for a signal.
        asked: We had asked the process to end.
        killed: Why we killed it, or None where we did not.
        oom_killed: The system ended some process for lack of memory while this one ran.
        detail: The last of its output.
    """
    number = -returncode if returncode < 0 else None
    if killed is not None and number == signal.SIGKILL:
        return Exit(kind="killed", signal=number, reason=f"was ended: {killed}", detail=detail)
    if number is not None:
        reason = _signal_reason(number) + _memory_reason(number, detail, oom_killed=oom_killed)
        return Exit(kind="signal", signal=number, reason=reason, detail=detail)
    if asked and returncode == 0:
        return Exit(kind="stopped", exitcode=0, detail=detail)
    return Exit(kind="exited", exitcode=returncode, reason=f"ended itself with exit code {returncode}", detail=detail)


def _signal_reason(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    if number == signal.SIGSEGV:
        return f"ended by a segmentation fault (signal {number}, {name})"
    if number == signal.SIGABRT:
        return f"aborted itself (signal {number}, {name})"
    return f"was killed by signal {number} ({name})"


def _memory_reason(number: int, detail: str, *, oom_killed: bool) -> str:
    if number == signal.SIGKILL and oom_killed:
        return ", most likely because the system ran out of memory"
    if number != signal.SIGKILL and any(sign in detail for sign in _MEMORY_SIGNS):
        return ": out of memory"
    return ""


def log_tail(path: str | None, start: int) -> str:
    """The last output in a log since byte `start`, at most 2 KiB, without control sequences."""
    if path is None:
        return ""
    try:
        with Path(path).open("rb") as log:
            end = log.seek(0, 2)
            log.seek(max(start, end - _READ))
            data = log.read(_READ)
    except OSError:
        return ""
    text = _MODULE_LIST.sub("", data.decode(errors="replace"))
    return clean_text(text, MAX_DETAIL, tail=True).strip()


def oom_kills() -> int:
    """How many processes the system has ended for lack of memory; 0 where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
