"""Waiting for what no page shows."""

from __future__ import annotations

import time
from collections.abc import Callable

LONG = 30.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until it is so; fails after half a minute."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)
