"""The end of a manager, and of the process it lives in: nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import DownloadCancelledError, LoadCancelledError, ManagerClosedError, RMMError
from rmm_widgets.manager import ModelManager

from ..downloads.fetching import MIB, content, wait_until
from .conftest import DIGITS
from .models import PROCESSES, Barrier, Scripted, failing, info

ROOT = Path(__file__).parents[2]

BUSY = """
import sys, threading
from rmm_widgets import ModelInfo, ModelManager
manager = ModelManager(endpoint=sys.argv[1], cache_dir=sys.argv[2], data_dir=sys.argv[3], token=False)
manager.register_model(ModelInfo("digits", "classification_model", "rmm-demo/vit-digits"))
manager.register_model(ModelInfo("large", "embedding_model", "rmm-demo/large"))
started = threading.Event()
job = manager.download_model("large", lambda progress: progress.downloaded_bytes and started.set())
instance = manager.load_model("digits").result(60)
assert started.wait(60)
print("ready", flush=True)
"""
"""A script with a model in memory and a download under way. It ends with that, or goes on with more lines."""


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    hub.add("rmm-demo/large", {"model.safetensors": content(16 * MIB)})
    hub.rate = 2 * MIB
    return hub.url


@pytest.fixture
def folders(tmp_path: Path, no_leaks: None) -> list[str]:
    return [str(tmp_path / "cache"), str(tmp_path / "data")]


def descendants(process: psutil.Process) -> list[psutil.Process]:
    return process.children(recursive=True)


def gone_within(processes: list[psutil.Process], seconds: float) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def script(hub: str, folders: list[str], ending: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUSY + ending, hub, *folders],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ready(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait until the script has its processes; returns them."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()
    found = descendants(psutil.Process(process.pid))
    assert len(found) == PROCESSES
    return found


@pytest.mark.parametrize(
    "ending",
    ["", "sys.exit(3)", "raise ValueError('a user error')", "manager.close()", "import os; os._exit(0)"],
    ids=["end", "exit", "error", "close", "_exit"],
)
def test_a_script_leaves_no_process_and_prints_nothing_odd(endpoint: str, folders: list[str], ending: str) -> None:
    with script(endpoint, folders, ending) as process:
        processes = ready_or_gone(process)
        _, errors = process.communicate(timeout=60)
    assert gone_within(processes, 2 + 3), "two seconds, and some for a busy machine"
    user_error = "ValueError: a user error" in errors
    assert user_error == ("ValueError" in ending)
    assert errors.count("Traceback") == int(user_error), errors
    assert "Exception ignored" not in errors
    assert "never awaited" not in errors
    assert "Warning" not in errors


def ready_or_gone(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Like `ready`, for a script that does not wait: some of its processes may have ended."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()
    try:
        return descendants(psutil.Process(process.pid))
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_L16_a_killed_script_leaves_no_process(endpoint: str, folders: list[str], number: signal.Signals) -> None:
    with script(endpoint, folders, "sys.stdin.read()") as process:
        processes = ready(process)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert gone_within(processes, 2 + 3)


@pytest.mark.parametrize("ending", ["shutdown", "kill"])
def test_L16_a_kernel_leaves_no_process(endpoint: str, folders: list[str], ending: str) -> None:
    kernel = KernelManager(kernel_name="python3")
    kernel.start_kernel(cwd=str(ROOT), env={**os.environ, "PYTHONPATH": str(ROOT)})
    client = kernel.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        argv = ["kernel", endpoint, *folders]
        reply = client.execute_interactive(f"import sys; sys.argv = {argv!r}\n{BUSY}", timeout=60, output_hook=print)
        assert reply["content"]["status"] == "ok"
        pid = int(kernel.provisioner.pid)  # type: ignore[union-attr]
        processes = descendants(psutil.Process(pid))
        assert len(processes) == PROCESSES
        if ending == "kill":
            os.kill(pid, signal.SIGKILL)
        else:
            client.shutdown()
            wait_until(lambda: not kernel.is_alive())
        assert gone_within(processes, 2 + 3)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
        kernel.cleanup_resources()
        kernel.context.destroy()
        ensure_event_loop().close()  # jupyter_client would keep it


def test_close_leaves_no_thread_and_no_process(
    make_manager: Callable[..., ModelManager], endpoint: str, tmp_path: Path
) -> None:
    threads = set(threading.enumerate())
    descriptors = psutil.Process().num_fds()
    before = descendants(psutil.Process())
    manager = make_manager()
    manager.register_model(DIGITS)
    manager.register_model(info("large", repo_id="rmm-demo/large"))
    manager.register_model(info("custom"), model=Scripted("custom"))
    manager.add_event_listener(lambda _: None)
    instance = manager.load_model("custom").result(30)
    manager.load_model("digits").result(60)
    download = manager.download_model("large")
    wait_until(lambda: (p := manager.get_download_progress("large")) is not None and p.downloaded_bytes > 0)
    processes = [p for p in descendants(psutil.Process()) if p not in before]
    assert len(processes) == PROCESSES
    manager.close()
    assert download.done()
    assert isinstance(download.exception(0), DownloadCancelledError)
    assert gone_within(processes, 0.5)
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert not [name for name in left if not name.startswith("rmm-demo")], "only the hub may have new threads"
    wait_until(lambda: psutil.Process().num_fds() <= descriptors + 8)  # the hub's own connections end on their own
    assert instance.status.value != "loaded"
    manager.close()


def test_use_after_close_says_so(make_manager: Callable[..., ModelManager]) -> None:
    manager = make_manager()
    manager.register_model(info("custom"), model=Scripted("custom"))
    instance = manager.load_model("custom").result(30)
    manager.close()
    assert manager.closed
    assert repr(manager) == "<ModelManager closed>"
    for use in (
        lambda: manager.register_model(info("other")),
        lambda: manager.load_model("custom"),
        lambda: manager.unload_model("custom"),
        lambda: manager.download_model("custom"),
        lambda: manager.cancel_download("custom"),
        lambda: manager.delete_model("custom"),
        lambda: manager.add_event_listener(print),
        lambda: manager.events(),
        lambda: manager.pin("custom"),
        lambda: instance(1),
    ):
        with pytest.raises(ManagerClosedError):
            use()
    assert manager.get_model_info("custom") == info("custom"), "what was known can still be read"
    manager.get_state()
    manager.get_statistics()


def test_close_from_many_threads_at_once(make_manager: Callable[..., ModelManager]) -> None:
    manager = make_manager()
    manager.register_model(info("custom"), model=Scripted("custom"))
    manager.load_model("custom").result(30)
    threads = [threading.Thread(target=manager.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert manager.closed


def test_aclose_and_the_context_managers(make_manager: Callable[..., ModelManager]) -> None:
    async def main() -> ModelManager:
        async with make_manager() as manager:
            manager.register_model(info("custom"), model=Scripted("custom"))
            async with manager.use("custom") as instance:
                assert await instance.acall("__call__", 3) == 3
        return manager

    assert asyncio.run(main()).closed
    with make_manager() as manager:
        pass
    assert manager.closed


def test_close_goes_on_past_failing_unloads_and_names_them(make_manager: Callable[..., ModelManager]) -> None:
    manager = make_manager()
    good = Scripted("good")
    for name in ("bad", "worse"):
        model = Scripted(name, unload=failing(ValueError(f"{name} holds on")))
        manager.register_model(info(name), model=model)
        manager.load_model(name).result(30)
    manager.register_model(info("good"), model=good)
    manager.load_model("good").result(30)
    with pytest.raises(RMMError) as caught:
        manager.close()
    assert "bad, worse" in str(caught.value)
    assert any("bad holds on" in note for note in caught.value.__notes__)
    assert good.ran["unload"] == 1
    assert manager.closed


def test_close_ends_a_load_that_blocks(make_manager: Callable[..., ModelManager], barrier: Barrier) -> None:
    manager = make_manager()
    manager.register_model(info("custom"), model=Scripted("custom", load=barrier))
    job = manager.load_model("custom")
    assert barrier.reached.wait(30)
    began = time.monotonic()
    manager.close()
    assert time.monotonic() - began < 10
    assert isinstance(job.exception(0), LoadCancelledError)


def test_close_does_not_wait_for_blocking_listeners(
    make_manager: Callable[..., ModelManager], barrier: Barrier
) -> None:
    manager = make_manager()
    manager.add_event_listener(lambda _: barrier())
    manager.register_model(info("custom"), model=Scripted("custom"))
    job = manager.load_model("custom")
    began = time.monotonic()
    manager.close()
    assert time.monotonic() - began < 10
    assert job.done()
