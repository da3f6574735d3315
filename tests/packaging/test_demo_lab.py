"""`python -m rmm_widgets.demo.lab` serves the notebook and takes everything it started with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat import v4

REPOSITORY = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1 + 1")]), folder / "01-quickstart.ipynb")
    return folder


@pytest.fixture
def lab(tmp_path: Path, notebooks: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    command = [sys.executable, "-m", "rmm_widgets.demo.lab", "--no-browser", "--notebooks", str(notebooks)]
    process = subprocess.Popen(
        [*command, "--log", str(tmp_path / "lab.log")],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_and_ends_with_everything_it_started(lab: subprocess.Popen[str], number: signal.Signals) -> None:
    url = _ready_url(lab)
    with urllib.request.urlopen(url, timeout=30) as page:
        assert page.status == 200
        assert "JupyterLab" in page.read().decode()
    _start_kernel(url)
    started = psutil.Process(lab.pid).children(recursive=True)
    assert len(started) >= 3  # the hub, JupyterLab, a kernel
    lab.send_signal(number)
    assert lab.wait(60) == 0
    _, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []
    assert [p.pid for p in psutil.process_iter(["pid"]) if _group(p.pid) == lab.pid] == []


def test_takes_another_port_where_the_first_is_taken(tmp_path: Path, notebooks: Path) -> None:
    from rmm_widgets.demo.lab import _free_port

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert _free_port(port) > port


def test_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rmm_widgets.demo.lab", "--no-browser", "--notebooks", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "There is no 01-quickstart.ipynb" in done.stderr
    assert "--notebooks" in done.stderr
    assert "Traceback" not in done.stderr


def _ready_url(lab: subprocess.Popen[str]) -> str:
    assert lab.stdout is not None
    line = lab.stdout.readline()
    assert line.startswith("JupyterLab is ready: http://127.0.0.1:"), line + lab.stdout.read()
    return line.removeprefix("JupyterLab is ready: ").strip()


def _start_kernel(url: str) -> None:
    server, _, token = url.partition("?token=")
    origin = server.partition("/lab/")[0]
    request = urllib.request.Request(
        f"{origin}/api/kernels",
        method="POST",
        data=json.dumps({"name": "python3"}).encode(),
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
