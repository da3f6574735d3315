"""Other people's programs, run for real against the demo hub and a cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rmm_widgets.demo.server import DemoHub


def hf(hub: DemoHub, cache: Path, *words: str) -> str:
    """Run huggingface_hub's own command line; returns what it printed, and fails where it does."""
    return python(hub, cache, "-m", "huggingface_hub.cli.hf", *words)


def python(hub: DemoHub, cache: Path, *words: str, offline: bool = False, program: str = sys.executable) -> str:
    """Run Python as a program that uses this hub and this cache; returns its output, and fails where it does."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_COLOR": "1",
    }
    done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
