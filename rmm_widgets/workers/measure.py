"""What a process takes of the machine's memory, measured."""

from __future__ import annotations

from pathlib import Path

import psutil

__all__ = ["process_memory", "resident_memory"]


def process_memory(pid: int) -> int:
    """Bytes that would come back if the process ended; 0 where it is gone.

    On Linux its proportional share (PSS): what forked workers share counts once in their sum. Elsewhere what
    it has for itself alone (USS), and where that is not told, all that is resident. Takes about a millisecond.
    """
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # not Linux, an old kernel, a process that may not be looked into, or one that has just ended
    try:
        process = psutil.Process(pid)
        try:
            return int(process.memory_full_info().uss)
        except (psutil.AccessDenied, AttributeError):
            return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def resident_memory() -> int:
    """Resident bytes of this very process."""
    return int(psutil.Process().memory_info().rss)
