"""Without a Hub: models on disk load without a single request, and the others say why they do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import HubUnavailableError, ModelNotAvailableError
from rmm_widgets.manager import ModelManager

from ..downloads.fetching import content
from .conftest import DIGITS
from .models import info

ROOT = Path(__file__).parents[2]
WATCH = """
import os, sys
def note(event, arguments):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.bind", "socket.sendto"}:
        line = repr((event, arguments[-1]))
    elif event == "socket.connect" and not isinstance(arguments[1], (str, bytes)):  # else a socket of this machine's
        line = repr((event, arguments[1]))
    else:
        return
    with open(os.environ["NETWORK_LOG"], "a") as log:
        log.write(line + "\\n")
sys.addaudithook(note)
with open(os.environ["NETWORK_LOG"], "a") as log:
    log.write(f"watched {os.getpid()}\\n")
"""
KERNEL = """
import json, os, sys
from rmm_widgets import ModelManager
from rmm_widgets.demo import sample
endpoint, cache, data, offline = sys.argv[1:]
with ModelManager(endpoint=endpoint, cache_dir=cache, data_dir=data, token=False) as manager:
    instance = manager.load_model("digits").result(60)
    label = instance(str(sample("digit-1.png")))[0]["label"]
    if not offline:
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write("asked\\n")
    jobs = manager.download_model("other"), manager.register_from_hub("a/b")
    print(json.dumps([label, [repr(job.exception(60)) for job in jobs]]))
"""


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


@pytest.mark.parametrize("offline", ["", "1"], ids=["hub-down", "offline-mode"])
def test_D17_a_model_on_disk_loads_without_the_network(
    manager: ModelManager, digits: str, hub: DemoHub, tmp_path: Path, offline: str
) -> None:
    """In a kernel of its own, in which (and in whose workers) every look at the network is written down."""
    manager.register_model(info("other", repo_id="rmm-demo/minilm-toy"))
    manager.close()
    hub.reset_log()
    hub.offline = not offline
    watch = tmp_path / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH)
    log = tmp_path / "network.log"
    environment = os.environ | {"PYTHONPATH": f"{watch}{os.pathsep}{ROOT}", "NETWORK_LOG": str(log)}
    if offline:
        environment["HF_HUB_OFFLINE"] = "1"
    command = [sys.executable, "-c", KERNEL, hub.url if offline else "http://127.0.0.1:9"]
    command += [str(tmp_path / "cache"), str(tmp_path / "data"), offline]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    label, errors = json.loads(done.stdout.splitlines()[-1])
    assert label
    lines = log.read_text().splitlines()
    assert len([line for line in lines if line.startswith("watched")]) >= 2, "the kernel and its worker"
    asked_at = len(lines) if offline else lines.index("asked")
    assert [line for line in lines[:asked_at] if not line.startswith("watched")] == []
    assert all(error.startswith("HubUnavailableError(") for error in errors)
    if offline:
        assert hub.requests == []
        assert all("offline mode is on (HF_HUB_OFFLINE)" in error for error in errors)
    else:
        assert sum("127.0.0.1" in line for line in lines[asked_at:]) > 1, "the watch sees what there is to see"


def test_D17_offline_mode_asks_nothing_and_says_how_to_leave_it(
    make_manager: Callable[..., ModelManager], hub: DemoHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make_manager()
    manager.register_model(DIGITS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for job in (manager.download_model("digits"), manager.register_from_hub("a/b"), manager.search_hub("x")):
        error = job.exception(60)
        assert isinstance(error, HubUnavailableError)
        assert "offline mode is on (HF_HUB_OFFLINE)" in error.message
        assert "Unset HF_HUB_OFFLINE" in error.hint
    assert hub.requests == []


def test_D17_a_half_model_is_refused_with_what_is_missing(
    make_manager: Callable[..., ModelManager], empty_hub: DemoHub
) -> None:
    files = {"config.json": b"{}", "model.safetensors": content(300_000), "vocab.txt": b"a b"}
    empty_hub.add("rmm-demo/half", files)
    manager = make_manager(endpoint=empty_hub.url, enable_auto_download=False)
    manager.register_model(info("half", repo_id="rmm-demo/half"))
    folder = manager.download_model("half").result(60)
    for name in ("model.safetensors", "vocab.txt"):
        (folder / name).resolve().unlink()
        (folder / name).unlink()
    manager.close()

    empty_hub.offline = True
    manager = make_manager(endpoint=empty_hub.url, enable_auto_download=False)
    with pytest.raises(ModelNotAvailableError) as caught:
        manager.load_model("half")
    assert "Missing on disk: model.safetensors, vocab.txt." in caught.value.hint
    manager.enable_auto_download = True
    error = manager.load_model("half").exception(60)
    assert isinstance(error, HubUnavailableError)
    assert "Missing on disk: model.safetensors, vocab.txt." in error.hint
