"""The exit codes of `rmm`."""

from __future__ import annotations

__all__ = ["BAD_LINE", "FAILED", "INTERRUPTED", "NOBODY_READS", "OK"]

OK = 0
FAILED = 1
"""The command, or a part of it, failed; or what it looked at is not in order."""
BAD_LINE = 2
"""The line was not understood; nothing was done."""
INTERRUPTED = 130
NOBODY_READS = 141
"""As a shell reports a program that wrote to a pipe which nobody reads any more."""
