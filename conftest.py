"""Keeps notebooks that `pytest --nbval` runs away from the user's demo: a folder and a hub of their own."""

from __future__ import annotations

import os
import shutil
import tempfile

_FOLDER = tempfile.mkdtemp(prefix="rmm-notebooks-")
os.environ["RMM_DEMO_DIR"] = _FOLDER
os.environ.pop("RMM_DEMO_HUB", None)


def pytest_unconfigure() -> None:
    """Delete what the notebooks downloaded."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
