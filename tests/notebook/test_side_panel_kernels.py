"""The side panel's comms with real kernels: what is answered beside a cell, and what is left behind."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.notebook.protocol import PROTOCOL_VERSION

from .kernels import Kernel, Message, ipykernel_path, running, settle

pytestmark = pytest.mark.slow

BLOCK = "import pathlib, time\nprint('blocking')\nwhile not pathlib.Path({gate!r}).exists(): time.sleep(0.02)\n"
WITHOUT_HOOK = "import rmm_widgets.notebook.bridge as bridge; bridge.keep_own_thread = lambda comm: None"
COUNT_HOOKS = """
hooks = []
get_ipython().events.register('post_execute', lambda: hooks.append(__import__('threading').current_thread().name))
"""


class Panel:
    """A side panel: two comms, in a thread of the kernel or in its main one."""

    def __init__(self, kernel: Kernel, subshell: str | None) -> None:
        self._kernel = kernel
        self._subshell = subshell
        self.ids = {target: uuid4().hex for target in ("rmm.events", "rmm.rpc")}
        client = uuid4().hex
        for target, comm_id in self.ids.items():
            data = {"client": client, "version": "test", "protocol": PROTOCOL_VERSION}
            self._send("comm_open", {"comm_id": comm_id, "target_name": target, "data": data})

    def _send(self, kind: str, content: Message) -> None:
        message = self._kernel.client.session.msg(kind, content)
        message["header"]["subshell_id"] = self._subshell
        self._kernel.client.shell_channel.send(message)

    def send(self, name: str, rid: str, **args: object) -> None:
        data = {"kind": "rmm/cmd", "rid": rid, "name": name, "args": args}
        self._send("comm_msg", {"comm_id": self.ids["rmm.rpc"], "data": data})

    def reply(self, rid: str) -> tuple[str, Message]:
        """The comm on which a command was answered, and the answer."""
        answer = self._kernel.wait_for(
            lambda content: content["comm_id"] in self.ids.values() and content.get("data", {}).get("rid") == rid
        )
        (target,) = (name for name, comm_id in self.ids.items() if comm_id == answer["comm_id"])
        return target, answer["data"]

    def first_state(self) -> Message:
        content = self._kernel.wait_for(lambda content: content["comm_id"] == self.ids["rmm.events"])
        return content["data"]

    def close(self) -> None:
        for comm_id in self.ids.values():
            self._send("comm_close", {"comm_id": comm_id, "data": {}})


@pytest.fixture(params=["7.3.0", "7.4.0"])
def kernel(
    request: pytest.FixtureRequest,
    hub: DemoHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> object:
    path = ipykernel_path(str(request.param), pytestconfig)
    settle(hub, tmp_path, monkeypatch)
    with running(tmp_path / "kernel", path=path) as kernel:
        yield kernel


@pytest.mark.parametrize("hook", [True, False], ids=["with-hook", "without-hook"])
def test_a_panel_opens_and_is_answered_beside_a_cell(kernel: Kernel, tmp_path: Path, hook: bool) -> None:
    """Without ipykernel's private hook, too: nothing but the handler publishes on rmm.rpc."""
    gate = tmp_path / "gate"
    kernel.run("%rmm add rmm-demo/minilm-toy --as toy")
    if not hook:
        kernel.run(WITHOUT_HOOK)
    subshell = kernel.subshell()
    kernel.client.execute("%rmm pin toy\n" + BLOCK.format(gate=str(gate)))
    panel = Panel(kernel, subshell)
    assert panel.first_state()["type"] == "state"
    # Each second one is answered in another thread, which publishes on the other comm.
    for turn in range(3):
        panel.send("log", f"log-{turn}")
        assert panel.reply(f"log-{turn}")[0] == "rmm.events"
        panel.send("unpin" if turn % 2 == 0 else "pin", f"pin-{turn}", model_id="toy")
        assert panel.reply(f"pin-{turn}") == ("rmm.events", {"kind": "rmm/reply", "rid": f"pin-{turn}", "ok": True})
        panel.send("ping", f"ping-{turn}")
        assert panel.reply(f"ping-{turn}")[0] == "rmm.rpc"
    assert not gate.exists(), "all that was while the cell blocked"
    gate.touch()


def test_no_hook_of_cells_runs_beside_a_cell(kernel: Kernel, tmp_path: Path) -> None:
    """Matplotlib's would show and close the figures that the cell is drawing."""
    gate = tmp_path / "gate"
    kernel.run("import rmm_widgets; manager = rmm_widgets.get_manager()")
    kernel.run(COUNT_HOOKS)
    subshell = kernel.subshell()
    kernel.client.execute("hooks.clear()\n" + BLOCK.format(gate=str(gate)) + "during = list(hooks)")
    panel = Panel(kernel, subshell)
    for name in ("hello", "ping", "rows"):
        panel.send(name, name)
        panel.reply(name)
    gate.touch()
    kernel.run("pass")
    assert kernel.result("during")["text/plain"] == "[]"


def test_nothing_is_left_of_panels_that_were_closed(kernel: Kernel) -> None:
    kernel.run("import rmm_widgets; manager = rmm_widgets.get_manager()")
    for turn in range(5):
        panel = Panel(kernel, kernel.subshell() if turn % 2 else None)
        panel.first_state()
        panel.close()
        panel.send("ping", "late")  # to a comm that is closed: nobody answers, nothing breaks
    left = (
        "from rmm_widgets.notebook.bridge import PANELS\n"
        "import threading, time\n"
        "from comm import get_comm_manager\n"
        "ends = time.monotonic() + 10\n"
        "def left():\n"
        "    names = [each.target_name for each in list(get_comm_manager().comms.values())]\n"
        "    comms = [each for each in names if each.startswith('rmm.')]\n"
        "    return len(PANELS), len(comms), sum(each.name == 'rmm-publisher' for each in threading.enumerate())\n"
        "while left() != (0, 0, 0) and time.monotonic() < ends: await __import__('asyncio').sleep(0.05)\n"
        "left()"
    )
    assert kernel.result(left)["text/plain"] == "(0, 0, 0)"
