"""Where `rmm`, `jupyter rmm` and `python -m rmm_widgets` begin: an interrupt ends them quietly from here on."""

from __future__ import annotations

import sys

from . import __version__

_INTERRUPTED = 130


def main() -> int:
    """Run the command that the process was started with; returns its exit code."""
    words = sys.argv[1:]
    if words == ["--version"]:
        sys.stdout.write(f"rmm_widgets {__version__}\n")
        return 0
    try:
        from .terminal.program import run

        return run(words)
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
