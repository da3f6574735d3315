"""A library that takes for ever to import."""

from __future__ import annotations

import time

time.sleep(1000)
