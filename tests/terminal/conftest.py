"""A terminal on a folder and a hub of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub

from .terminal import Terminal


@pytest.fixture
def terminal(no_leaks: None, hub: DemoHub, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, hub.url)


@pytest.fixture
def offline(no_leaks: None, tmp_path: Path) -> Terminal:
    """One whose hub nobody runs."""
    return Terminal(tmp_path, "http://127.0.0.1:9")
