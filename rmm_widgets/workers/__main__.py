"""The program of a worker's process; started by `process`, of no use by hand."""

from __future__ import annotations

from .child import main

if __name__ == "__main__":
    main()
