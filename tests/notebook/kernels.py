"""A real kernel, driven by the messages that a front end sends, of any version of ipykernel."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from rmm_widgets.demo.server import DemoHub

LONG = 60.0
VIEW = "application/vnd.jupyter.widget-view+json"

Message = dict[str, Any]


class Kernel:
    """A kernel with the extension loaded."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client
        self.comm_messages: list[Message] = []
        self.updates: list[Message] = []

    def run(self, code: str) -> list[Message]:
        """Everything that the cell published; comm messages are also kept."""
        sent = self.client.execute(code)
        messages: list[Message] = []
        while True:
            message = self.next_message()
            if message["parent_header"].get("msg_id") != sent:
                continue
            messages.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return messages

    def next_message(self, timeout: float = LONG) -> Message:
        message = self.client.get_iopub_msg(timeout=timeout)
        if message["msg_type"].startswith("comm_"):
            self.comm_messages.append(message)
        if message["msg_type"] == "update_display_data":
            self.updates.append(message)
        return message

    def result(self, code: str) -> Message:
        """The data of the cell's result."""
        messages = self.run(code)
        return next(each["content"]["data"] for each in messages if each["msg_type"] == "execute_result")

    def wait_for(self, condition: Any) -> Message:
        """The first comm message, kept or to come, that fits."""
        ends = time.monotonic() + LONG
        seen = 0
        while time.monotonic() < ends:
            for message in self.comm_messages[seen:]:
                if condition(message["content"]):
                    return message["content"]
            seen = len(self.comm_messages)
            try:
                self.next_message()
            except queue.Empty:
                break
        raise AssertionError(f"no such message among {len(self.comm_messages)}")

    def send(self, comm_id: str, data: object, *, subshell: str | None = None) -> None:
        """A comm message from the front end, which may name a thread of the kernel."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def command(self, comm_id: str, name: str, rid: str, *, subshell: str | None = None, **args: object) -> None:
        """A command of a view."""
        content = {"kind": "rmm/cmd", "rid": rid, "name": name, "args": args}
        self.send(comm_id, {"method": "custom", "content": content}, subshell=subshell)

    def reply(self, rid: str) -> Message:
        """The answer to a view's command."""
        answer = self.wait_for(lambda content: content.get("data", {}).get("content", {}).get("rid") == rid)
        return answer["data"]["content"]

    def subshell(self) -> str:
        """The id of a new thread of the kernel beside its main one."""
        request = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(request)
        while True:
            answer = self.client.get_control_msg(timeout=LONG)
            if answer["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return answer["content"]["subshell_id"]

    def display_updates(self, display_id: str) -> list[Message]:
        """The data of every update of an output that came so far."""
        return [
            each["content"]["data"]
            for each in self.updates
            if each["content"]["transient"].get("display_id") == display_id
        ]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Read messages until something holds."""
        ends = time.monotonic() + LONG
        while not condition():
            assert time.monotonic() < ends
            try:
                self.next_message(timeout=0.1)
            except queue.Empty:
                continue


def settle(hub: DemoHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels that are started use this hub, and folders of their own."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(folder / "huggingface"))
    monkeypatch.setenv("RMM_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))


@contextmanager
def running(folder: Path, *, path: Path | None = None) -> Iterator[Kernel]:
    """A new kernel with the extension loaded, its processes gone in the end.

    Args:
        folder: For its files.
        path: Where its ipykernel is; by default the installed one.
    """
    python_path = [str(path)] if path else []
    python_path += filter(None, [os.environ.get("PYTHONPATH")])
    spec = folder / "kernels" / "here"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    described = {
        "argv": argv,
        "display_name": "here",
        "language": "python",
        "env": {
            "PYTHONPATH": os.pathsep.join(python_path),
            "IPYTHONDIR": str(folder / "ipython"),
        },
    }
    (spec / "kernel.json").write_text(json.dumps(described), encoding="utf-8")
    before = set(psutil.Process().children(recursive=True))
    specs = KernelSpecManager(kernel_dirs=[str(spec.parent)])
    manager = KernelManager(kernel_name="here", kernel_spec_manager=specs)
    manager.start_kernel()
    client: BlockingKernelClient = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=LONG)
        kernel = Kernel(manager, client)
        kernel.run("%load_ext rmm_widgets")
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        manager.context.destroy(linger=0)
    _, alive = psutil.wait_procs(set(psutil.Process().children(recursive=True)) - before, timeout=LONG)
    assert not alive


def ipykernel_path(wanted: str, config: pytest.Config) -> Path | None:
    """Where that version of ipykernel is, fetched once; None for the installed one. Skips without a package index."""
    if version("ipykernel") == wanted:
        return None
    assert config.cache is not None
    folder = config.cache.mkdir(f"ipykernel-{wanted}")
    if not (folder / "fetched").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        command += [f"ipykernel=={wanted}", "nest-asyncio", "nest-asyncio2"]
        fetched = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if fetched.returncode:
            pytest.skip(f"ipykernel {wanted} cannot be fetched: {fetched.stderr.strip()[-200:]}")
        (folder / "fetched").touch()
    return folder
