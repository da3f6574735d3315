"""Fixtures shared by all tests: an isolated environment, the demo hub, a check for leaks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

# Before anything imports huggingface_hub, which reads these once.
_HOME = Path(tempfile.mkdtemp(prefix="rmm-tests-"))
for _name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "RMM_DEMO_HUB"):
    os.environ.pop(_name, None)
os.environ |= {
    "HF_HOME": str(_HOME / "huggingface"),
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RMM_DATA_DIR": str(_HOME / "data"),
    "RMM_DEMO_DIR": str(_HOME / "demo"),
}

from rmm_widgets.demo import MODELS_DIR  # noqa: E402
from rmm_widgets.demo.server import DemoHub  # noqa: E402

from .canary import files_with_tokens  # noqa: E402

_searched = pytest.StashKey[list[Path]]()
_found = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session", autouse=True)
def _folder_of_the_session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    request.config.stash[_searched] = [tmp_path_factory.getbasetemp(), _HOME]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """S10: whatever the tests did, no token of theirs is in a file now."""
    found = [f"{path}: {token[:9]}..." for path, token in files_with_tokens(session.config.stash.get(_searched, []))]
    session.config.stash[_found] = found
    if found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if found := config.stash.get(_found, []):
        terminalreporter.section("S10: tokens in files", red=True, bold=True)
        for line in found:
            terminalreporter.write_line(line)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout. A front end that is built already is taken as it is."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(target)]
    subprocess.run([*command, str(Path(__file__).parents[1])], cwd="/", check=True, timeout=500)
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture
def hub() -> Iterator[DemoHub]:
    """A demo hub with the five demo models as `rmm-demo/NAME`."""
    with DemoHub(MODELS_DIR) as hub:
        yield hub


@pytest.fixture
def empty_hub() -> Iterator[DemoHub]:
    """A demo hub without repositories."""
    with DemoHub() as hub:
        yield hub


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fails the test if it leaves a thread, a child process or a file descriptor behind.

    Ask for it before the fixtures it shall watch.
    """
    process = psutil.Process()
    threads = set(threading.enumerate())
    children = set(process.children(recursive=True))
    descriptors = process.num_fds()
    yield
    deadline = time.monotonic() + 10
    while True:
        left = {
            "threads": [thread for thread in threading.enumerate() if thread not in threads],
            "processes": [child for child in process.children(recursive=True) if child not in children],
            "descriptors": max(0, process.num_fds() - descriptors),
        }
        if not any(left.values()):
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {left}; open files: {process.open_files()}")
        time.sleep(0.02)
