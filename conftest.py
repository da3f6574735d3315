"""Where notebooks that `pytest --nbval` runs find this checkout, and a demo folder apart from the user's."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

_folder = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the environment that the notebooks' kernels inherit."""
    if not (config.getoption("nbval", False) or config.getoption("nbval_lax", False)):
        return
    folder = config.stash[_folder] = tempfile.mkdtemp(prefix="rmm-notebooks-")
    os.environ["RMM_DEMO_DIR"] = folder
    os.environ.pop("RMM_DEMO_HUB", None)
    path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(path)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Delete what the notebooks downloaded."""
    folder = config.stash.get(_folder, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
