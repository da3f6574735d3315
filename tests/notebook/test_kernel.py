"""The whole face in a real kernel: the extension, magics, widgets, comms, and nothing left when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.notebook.protocol import PROTOCOL_VERSION

from .conftest import unpack
from .kernels import LONG, VIEW, Kernel, Message, running, settle

pytestmark = pytest.mark.slow


@pytest.fixture
def kernel(hub: DemoHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    settle(hub, tmp_path, monkeypatch)
    with running(tmp_path / "kernel") as kernel:
        yield kernel


def errors(messages: list[Message]) -> list[Message]:
    return [each["content"] for each in messages if each["msg_type"] == "error"]


def test_a_session(kernel: Kernel) -> None:
    assert not errors(kernel.run("%%rmm\nadd rmm-demo/minilm-toy --as toy\npin toy\ndownload toy --wait"))
    listing = kernel.result("%rmm ls")
    assert "minilm-toy" in listing["text/html"]
    assert "downloaded" in listing["text/plain"]
    assert kernel.result("models = %rmm ls\nlen(models), models[0].on_disk")["text/plain"] == "(1, True)"


def test_an_error_is_one_line_and_fails_the_cell(kernel: Kernel) -> None:
    (error,) = errors(kernel.run("%rmm downlaod x"))
    assert error["ename"] == "InvalidCommandError"
    (line,) = error["traceback"]
    assert line.startswith("\x1b[31mthere is no command 'downlaod' — Did you mean download")
    assert kernel.client.get_shell_msg(timeout=LONG)


def test_the_panel_shows_commands_and_keeps_up(kernel: Kernel) -> None:
    messages = kernel.run("%rmm")
    shown, twin = (
        next(each["content"]["data"] for each in messages if each["msg_type"] == kind)
        for kind in ("execute_result", "display_data")
    )
    comm_id = shown[VIEW]["model_id"]
    assert shown["text/plain"] == "No models are registered."
    assert "No models are registered" in twin["text/html"]
    assert kernel.result("%rmm")[VIEW]["model_id"] == comm_id, "one panel, however often it is shown"
    command = {"kind": "rmm/cmd", "rid": "1", "name": "add", "args": {"repo": "rmm-demo/minilm-toy"}}
    kernel.send(comm_id, {"method": "custom", "content": command})
    reply = kernel.wait_for(lambda content: content.get("data", {}).get("content", {}).get("rid") == "1")
    assert reply["data"]["content"]["value"] == {"id": "minilm-toy"}
    command = {"kind": "rmm/cmd", "rid": "2", "name": "download", "args": {"model_id": "minilm-toy"}}
    kernel.send(comm_id, {"method": "custom", "content": command})

    def downloaded(content: Message) -> bool:
        changes = content.get("data", {}).get("state", {}).get("_changes", {})
        changed = changes.get("changed", [])
        return content["comm_id"] == comm_id and any(row["status"] == "downloaded" for row in changed)

    assert kernel.wait_for(downloaded)


def test_the_side_panel_connects(kernel: Kernel) -> None:
    kernel.run("__import__('rmm_widgets.comm_targets', fromlist=['offer']).offer()")
    session, channel = kernel.client.session, kernel.client.shell_channel
    for target, comm_id in (("rmm.events", "e1"), ("rmm.rpc", "r1")):
        content = {"comm_id": comm_id, "target_name": target, "data": {"client": "tab"}}
        channel.send(session.msg("comm_open", content))
    kernel.send("r1", {"kind": "rmm/cmd", "rid": "h", "name": "hello", "args": {}})
    hello = kernel.wait_for(lambda content: content["comm_id"] == "r1")
    assert hello["data"]["value"]["protocol"] == PROTOCOL_VERSION
    first = kernel.wait_for(lambda content: content["comm_id"] == "e1")
    assert first["data"]["type"] == "state"
    assert unpack(first["data"]["rows"]) == []


def test_a_job_is_a_widget_and_stays_after_the_work(kernel: Kernel) -> None:
    kernel.run("%rmm add rmm-demo/vit-digits")
    shown = kernel.result("job = %rmm download vit-digits\njob")
    assert shown["text/plain"].startswith("vit-digits: ")
    kernel.run("job.result(60)")
    assert kernel.result("job")["text/plain"].startswith("vit-digits: downloaded")


def test_waiting_is_interruptible_and_the_work_goes_on(kernel: Kernel, hub: DemoHub) -> None:
    kernel.run(
        "import asyncio, rmm_widgets, threading\n"
        "gate = threading.Event()\n"
        "class Slow(rmm_widgets.BaseModel):\n"
        "    async def download(self):\n"
        "        while not gate.is_set(): await asyncio.sleep(0.01)\n"
        "    async def load(self, config=None): pass\n"
        "    async def unload(self): pass\n"
        "    async def health_check(self): return rmm_widgets.ModelHealth.HEALTHY\n"
        "    async def is_available(self): return gate.is_set()\n"
        "info = rmm_widgets.ModelInfo('slow', 'embedding_model', 'a/b')\n"
        "rmm_widgets.get_manager().register_model(info, model=Slow('slow', 'embedding_model'))\n"
    )
    sent = kernel.client.execute("print('waiting')\n%rmm download slow --wait", stop_on_error=False)
    while kernel.next_message()["msg_type"] != "stream":
        pass
    time.sleep(0.5)  # into the wait; an interrupt before it would end the cell as well, only with another text
    kernel.manager.interrupt_kernel()
    error: Message = {}
    idle = False
    while not idle:
        message = kernel.next_message()
        if message["parent_header"].get("msg_id") == sent:
            error = message["content"] if message["msg_type"] == "error" else error
            idle = message["content"].get("execution_state") == "idle"
    assert "goes on — cancel it with %rmm cancel slow" in error["traceback"][0]
    assert len(error["traceback"]) == 1
    kernel.run("gate.set()")
    done = kernel.result("rmm_widgets.get_manager().download_model('slow').result(60) is None or True")
    assert done["text/plain"] == "True"


def test_an_interrupt_ends_following_events_and_nothing_else(kernel: Kernel) -> None:
    kernel.run("%rmm add rmm-demo/minilm-toy --as toy")
    sent = kernel.client.execute("%rmm events --follow")
    text = ""
    while "toy config_update" not in text:
        message = kernel.next_message()
        if message["msg_type"] == "stream":
            text += message["content"]["text"]
    kernel.manager.interrupt_kernel()
    while True:
        reply = kernel.client.get_shell_msg(timeout=LONG)
        if reply["parent_header"].get("msg_id") == sent:
            break
    assert reply["content"]["status"] == "ok"
    assert text.count("toy config_update") == 1
    messages = kernel.run("%rmm pin toy")
    assert not errors(messages)
