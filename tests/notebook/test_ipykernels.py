"""The same behaviour with every ipykernel that is promised: state, commands, and updates while a cell blocks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub

from .conftest import unpack
from .kernels import VIEW, Kernel, Message, ipykernel_path, running, settle

pytestmark = pytest.mark.slow

BLOCK = "import pathlib, time\nprint('blocking')\nwhile not pathlib.Path({gate!r}).exists(): time.sleep(0.02)\n"


def changed(content: Message, comm_id: str) -> dict[str, Message]:
    """The rows that a message brings for a view, by id."""
    changes = content.get("data", {}).get("state", {}).get("_changes", {})
    return {row["id"]: row for row in changes.get("changed", ())} if content["comm_id"] == comm_id else {}


def states(kernel: Kernel) -> dict[str, Message]:
    """All widgets' states, as a page asks for them after a reload."""
    session, channel = kernel.client.session, kernel.client.shell_channel
    content = {"comm_id": "control", "target_name": "jupyter.widget.control", "data": {}}
    channel.send(session.msg("comm_open", content, metadata={"version": "1.0.0"}))
    kernel.send("control", {"method": "request_states"})
    answer = kernel.wait_for(lambda content: content["comm_id"] == "control" and "data" in content)
    return {comm_id: each["state"] for comm_id, each in answer["data"]["states"].items()}


@pytest.mark.parametrize("version", ["6.31.0", "7.3.0", "7.4.0"])
def test_widgets_work_with_this_ipykernel(
    version: str, hub: DemoHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    path = ipykernel_path(version, pytestconfig)
    settle(hub, tmp_path, monkeypatch)
    with running(tmp_path / "kernel", path=path) as kernel:
        (shown,) = [
            each["content"]["text"]
            for each in kernel.run("import ipykernel; print(ipykernel.__version__)")
            if each["msg_type"] == "stream"
        ]
        assert shown.strip() == version
        _show_and_command(kernel)
        _publish_while_a_cell_blocks(kernel, tmp_path / "gate", subshells=not version.startswith("6."))


def _show_and_command(kernel: Kernel) -> None:
    kernel.run("%rmm add rmm-demo/minilm-toy --as toy")
    comm_id = kernel.result("panel = %rmm\npanel")[VIEW]["model_id"]
    opened = kernel.wait_for(lambda content: content["comm_id"] == comm_id)["data"]["state"]
    assert [row["id"] for row in unpack(opened["_rows"])] == ["toy"]
    assert opened["_changes"] == {}
    kernel.command(comm_id, "download", "1", model_id="toy")
    assert kernel.reply("1")["ok"]
    kernel.wait_for(lambda content: changed(content, comm_id).get("toy", {}).get("status") == "downloaded")
    state = states(kernel)[comm_id]
    assert [row["status"] for row in unpack(state["_rows"])] == ["downloaded"]
    assert state["_rows_seq"] == state["_changes"]["seq"] > 0


def _publish_while_a_cell_blocks(kernel: Kernel, gate: Path, *, subshells: bool) -> None:
    """What a cell changed before it blocks is shown, and where the kernel has threads, a button is obeyed."""
    comm_id = json.loads(kernel.result("panel.model_id")["text/plain"].replace("'", '"'))
    subshell = kernel.subshell() if subshells else None
    kernel.comm_messages.clear()
    kernel.client.execute("%rmm pin toy\n" + BLOCK.format(gate=str(gate)))
    kernel.wait_for(lambda content: changed(content, comm_id).get("toy", {}).get("pinned"))
    kernel.command(comm_id, "rows", "2", subshell=subshell)
    kernel.command(comm_id, "unpin", "3", model_id="toy", subshell=subshell)
    if not subshells:
        gate.touch()
    assert kernel.reply("2")["value"]["rows"][0]["pinned"]
    assert kernel.reply("3")["rid"] == "3"
    assert subshells != gate.exists()
    gate.touch()
