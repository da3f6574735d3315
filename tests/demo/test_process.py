"""The demo hub as a process: it says where it is, obeys, and never outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rmm_widgets import demo
from rmm_widgets.demo.process import DemoServer
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import HubUnavailableError
from rmm_widgets.types import ModelType

from .raw_client import cdn_address, request

ROOT = Path(demo.__file__).parents[2]
PROGRAM = [sys.executable, "-m", "rmm_widgets.demo"]


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*PROGRAM, "--latency", "0.01"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        yield process
        process.kill()


def ready(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def is_gone(pid: int, within: float) -> bool:
    """True where the process ends within so many seconds; a zombie has ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_program_serves_the_five_models_until_its_input_ends(program: subprocess.Popen[bytes]):
    says = ready(program)
    assert says["pid"] == program.pid
    listing = json.loads(request(f"{says['url']}/api/models").body)
    assert [model["id"] for model in listing] == [model.repo_id for model in demo.MODELS]
    address = cdn_address(str(says["url"]), "rmm-demo/vit-digits", "model.safetensors")
    assert address.startswith(str(says["cdn_url"]))
    assert request(address).body == (demo.MODELS_DIR / "vit-digits" / "model.safetensors").read_bytes()
    assert program.stdin is not None
    program.stdin.close()
    assert program.wait(timeout=20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_program_ends_at_a_signal(program: subprocess.Popen[bytes], number: signal.Signals):
    ready(program)
    program.send_signal(number)
    assert program.wait(timeout=20) == 0


def test_keep_running_ignores_the_end_of_input():
    process = subprocess.Popen([*PROGRAM, "--keep-running"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    with process:
        url = ready(process)["url"]
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        assert request(f"{url}/api/models").status == 200
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_program_reports_what_it_cannot_serve(tmp_path: Path):
    done = subprocess.run(
        [*PROGRAM, "--models", str(tmp_path / "nothing")], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "cannot serve" in done.stderr
    assert "Traceback" not in done.stderr


def test_launch_stop_and_throttle(no_leaks: None):
    server = DemoServer.launch()
    try:
        assert repr(server) == "DemoServer(rmm-demo: 5 models)"
        assert server.is_running
        address = cdn_address(server.url, "rmm-demo/vit-digits", "model.safetensors")
        server.rate(1_000_000)
        began = time.monotonic()
        assert request(address).status == 200
        assert time.monotonic() - began >= 0.4
        server.throttle()
        with pytest.raises(ValueError, match="rate is"):
            server.rate(0)
        assert request(address).status == 200
    finally:
        server.stop()
    server.stop()
    assert not server.is_running
    assert repr(server) == "DemoServer(rmm-demo: stopped)"
    with pytest.raises(HubUnavailableError) as gone:
        server.rate(1000)
    assert gone.value.hint


def test_launch_says_why_it_failed(tmp_path: Path, no_leaks: None):
    with pytest.raises(HubUnavailableError, match="cannot serve") as failed:
        DemoServer.launch(models_dir=tmp_path / "nothing")
    assert failed.value.hint


def test_shared_is_one_server_also_after_its_death():
    first = DemoServer.shared()
    try:
        assert DemoServer.shared() is first
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        assert is_gone(first.pid, within=20)
        second = DemoServer.shared(latency=0.001)
        assert second is not first
        assert request(f"{second.url}/api/models").status == 200
    finally:
        DemoServer.shared().stop()


def test_server_survives_the_thread_that_started_it():
    started: list[DemoServer] = []
    thread = threading.Thread(target=lambda: started.append(DemoServer.launch()))
    thread.start()
    thread.join()
    with started[0] as server:
        for _ in range(10):
            assert request(f"{server.url}/api/models").status == 200
            time.sleep(0.02)
        assert server.is_running


PARENT = """
import os, subprocess, sys
sys.path.append({root!r})
from rmm_widgets.demo.process import DemoServer
from rmm_widgets.demo.server import DemoHub
server = DemoServer.launch()
# A child that inherits our end of the pipe, as a forked worker does: the end of input alone would not be seen.
if os.fork() == 0:
    sys.stdout.close(); os.close(1)
    os.read(0, 1)
    os._exit(0)
print(server.pid, server.url, flush=True)
{ending}
"""


@pytest.mark.parametrize(
    ("ending", "number"),
    [("sys.stdin.read()", signal.SIGKILL), ("sys.exit(3)", None), ("os._exit(1)", None)],
    ids=["kill -9", "exit", "abort"],
)
def test_server_ends_with_its_parent(ending: str, number: signal.Signals | None):
    code = PARENT.format(root=str(ROOT), ending=ending)
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        if number is not None:
            assert request(f"{url.decode()}/api/models").status == 200
            parent.send_signal(number)
        parent.wait(timeout=20)
        assert is_gone(int(pid), within=2)


START = """
import sys
sys.path.append({root!r})
from rmm_widgets import demo, get_manager
server = demo.start(rate=50e6)
assert demo.start() is server
manager = get_manager()
print(repr(server), manager.endpoint == server.url, manager.cache_dir, server.url)
"""


@pytest.mark.parametrize("elsewhere", [False, True])
def test_start_points_the_default_manager_at_the_hub(hub: DemoHub, tmp_path: Path, elsewhere: bool):
    environment = {**os.environ, "RMM_DEMO_DIR": str(tmp_path)}
    code = START.format(root=str(ROOT))
    if elsewhere:
        environment["RMM_DEMO_HUB"] = hub.url
        code = code.replace("rate=50e6", "")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    shown = "DemoServer(rmm-demo: run elsewhere)" if elsewhere else "DemoServer(rmm-demo: 5 models)"
    assert done.stdout.startswith(f"{shown} True {tmp_path}"), done.stdout + done.stderr
    assert (hub.url in done.stdout) == elsewhere


def test_models_samples_and_expected_answers():
    assert [model.model_id for model in demo.MODELS] == sorted(
        path.name for path in demo.MODELS_DIR.iterdir() if path.is_dir()
    )
    assert {model.model_type for model in demo.MODELS} == set(ModelType)
    expected = demo.expected()["models"]
    for model in demo.MODELS:
        assert expected[model.model_id]["type"] == model.model_type
        for case in expected[model.model_id]["cases"]:
            if image := case["input"].get("image"):
                assert demo.sample(image).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileNotFoundError, match=r"digit-1\.png"):
        demo.sample("../expected.json")
    with pytest.raises(TypeError):
        expected["new"] = 1
