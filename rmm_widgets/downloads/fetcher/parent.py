"""Ties the fetch process to the kernel that started it, and keeps it out of the kernel's way."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

NICENESS = 10
_PR_SET_PDEATHSIG = 1


def be_nice() -> None:
    """Let the kernel's own work go first."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICENESS)


def die_with_parent(how: signal.Signals = signal.SIGKILL) -> None:
    """Get a signal when the thread that started this process ends (Linux; elsewhere stdin's end tells)."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how, 0, 0, 0)
