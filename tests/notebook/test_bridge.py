"""The side panel's comms: state is pushed on one, commands are answered on the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import comm
import pytest

from rmm_widgets import __version__
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import bridge
from rmm_widgets.notebook.protocol import PROTOCOL_VERSION
from rmm_widgets.notebook.publishers import publisher_of
from rmm_widgets.types import ModelStatus

from ..commands.custom import Echo, info
from .conftest import LONG, RecordingComm, Shown, unpack


class Panel:
    """The front end's side: opens comms as a kernel's comm manager would be told to."""

    def __init__(self, comms: comm.base_comm.CommManager) -> None:
        self._comms = comms
        self.opened: list[RecordingComm] = []

    def open(self, target: str, **data: object) -> RecordingComm:
        new = RecordingComm(target_name=target, primary=False)
        self._comms.register_comm(new)
        self.opened.append(new)
        self._comms.targets[target](new, {"content": {"data": data, "comm_id": new.comm_id}})
        return new

    def close(self, comm: RecordingComm) -> None:
        if comm._closed:
            return
        self._comms.unregister_comm(comm)
        comm.handle_close({"content": {"data": {}, "comm_id": comm.comm_id}})
        comm._closed = True


@pytest.fixture
def panel(manager: ModelManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    comms = comm.base_comm.CommManager()
    monkeypatch.setattr(comm, "get_comm_manager", lambda: comms)
    monkeypatch.setattr(bridge, "get_comm_manager", lambda: comms)
    bridge.register()
    bridge.register()
    assert set(comms.targets) == {"rmm.rpc", "rmm.events"}
    panel = Panel(comms)
    yield panel
    for opened in panel.opened:
        panel.close(opened)
    assert bridge._open == {}


def updates(comm: RecordingComm) -> list[dict[str, Any]]:
    return [each["data"] for each in comm.sent if each["type"] == "comm_msg"]


def stages(comm: RecordingComm) -> set[str]:
    """Every stage that was pushed so far."""
    found: set[str] = set()
    for update in updates(comm):
        rows = unpack(update["rows"]) if "rows" in update else update.get("changes", {}).get("changed", ())
        found.update(row["stage"] for row in rows)
    return found


def shown(comm: RecordingComm) -> Shown:
    """What a panel shows after everything that was pushed so far."""
    rows = Shown()
    for update in updates(comm):
        if "rows" in update:
            rows.take_all(update.get("seq", 0), unpack(update["rows"]), update["progress"])
        if "changes" in update:
            rows.take(update["changes"])
    return rows


def ask(comm: RecordingComm, name: str, **args: object) -> dict[str, Any]:
    comm.receive({"kind": "rmm/cmd", "rid": name, "name": name, "args": args})
    return comm.replies()[-1]


def until_stopped(manager: ModelManager) -> None:
    deadline = time.monotonic() + LONG
    while publisher_of(manager).running:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_everything_at_first_then_what_changed(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    events = panel.open(bridge.EVENTS_TARGET)
    events.wait(lambda _sent: bool(updates(events)))
    first = updates(events)[0]
    assert first["type"] == "state"
    assert [row["id"] for row in unpack(first["rows"])] == ["echo"]
    assert first["progress"] == {}
    assert first["summary"]["version"] == __version__
    manager.update_model_config("echo", {"n": 1})
    manager.register_model(info("second"), model=Echo(info("second")))
    events.wait(lambda _sent: len(updates(events)) >= 2)
    last = updates(events)[-1]
    assert last["revision"] > first["revision"]
    assert "rows" not in last
    events.wait(lambda _sent: [row["id"] for row in shown(events).rows()] == ["echo", "second"])
    assert "progress" not in last
    assert "progress" not in last["changes"]


def test_a_panel_that_missed_changes_asks_for_all_rows(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    rpc = panel.open(bridge.RPC_TARGET, client="tab")
    assert ask(rpc, "rows")["error"]["hint"] == "Open rmm.events as well."
    events = panel.open(bridge.EVENTS_TARGET, client="tab")
    other = panel.open(bridge.EVENTS_TARGET, client="other tab")
    for each in (events, other):
        each.wait(lambda _sent, each=each: bool(updates(each)))
    manager.load_model("echo").result(LONG)
    events.wait(lambda _sent: "loaded" in stages(events))
    answer = ask(rpc, "rows")["value"]
    assert answer["seq"] == shown(events).seq > 0
    assert list(answer["rows"]) == shown(events).rows()
    assert not ask(panel.open(bridge.RPC_TARGET), "rows")["ok"], "one without a name has no stream"


def test_commands_are_answered_on_their_own_comm(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    rpc, events = panel.open(bridge.RPC_TARGET), panel.open(bridge.EVENTS_TARGET)
    assert ask(rpc, "hello")["value"] == {"version": __version__, "protocol": PROTOCOL_VERSION}
    assert ask(rpc, "download", model_id="echo") == {"kind": "rmm/reply", "rid": "download", "ok": True}
    events.wait(lambda _sent: "downloaded" in stages(events))
    assert ask(rpc, "download", model_id="ecko")["error"]["hint"] == "Did you mean echo?"
    assert ask(rpc, "config", model_id="echo")["error"]["type"] == "InvalidCommandError"
    assert len(rpc.sent) == 4, "the kernel publishes on rpc only to answer"
    assert not events.replies()


@pytest.mark.parametrize("data", [None, 7, "x", [], {}, {"kind": "rmm/cmd"}, {"op": "hello"}, {"rid": "a" * 70_000}])
def test_S15_hostile_messages_are_refused(panel: Panel, echo: Echo, manager: ModelManager, data: object) -> None:
    rpc = panel.open(bridge.RPC_TARGET)
    rpc.receive(data)
    (reply,) = rpc.replies()
    assert not reply["ok"]
    assert manager.get_model_status("echo") is ModelStatus.NOT_DOWNLOADED


def test_a_closed_comm_gets_nothing_and_frees_the_publisher(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    events = panel.open(bridge.EVENTS_TARGET)
    events.wait(lambda _sent: bool(updates(events)))
    panel.close(events)
    until_stopped(manager)
    count = len(events.sent)
    manager.load_model("echo").result(LONG)
    assert len(events.sent) == count


def test_a_panel_that_opens_again_replaces_its_comms(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    old = panel.open(bridge.EVENTS_TARGET, client="tab-1")
    other = panel.open(bridge.EVENTS_TARGET, client="tab-2")
    new = panel.open(bridge.EVENTS_TARGET, client="tab-1")
    assert old.sent[-1]["type"] == "comm_close"
    for events in (new, other):
        events.wait(lambda _sent, events=events: bool(updates(events)))
    count = len(old.sent)
    manager.load_model("echo").result(LONG)
    new.wait(lambda _sent: "loaded" in stages(new))
    assert len(old.sent) == count
