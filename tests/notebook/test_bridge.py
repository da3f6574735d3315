"""The side panel's comms: state is pushed on one, commands are answered on the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import comm
import pytest
from IPython.core.events import EventManager, available_events

from rmm_widgets import __version__, comm_targets, default_manager
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import bridge, side_panels
from rmm_widgets.notebook.protocol import PROTOCOL_VERSION
from rmm_widgets.notebook.publishers import publisher_of
from rmm_widgets.types import ModelStatus

from ..commands.custom import Echo, Slow, info
from .conftest import LONG, RecordingComm, Shown, unpack


class Panel:
    """The front end's side: opens comms as a kernel's comm manager would be told to."""

    def __init__(self, comms: comm.base_comm.CommManager) -> None:
        self._comms = comms
        self.opened: list[RecordingComm] = []

    def open(self, target: str, subshell: str | None = None, /, **data: object) -> RecordingComm:
        new = RecordingComm(target_name=target, primary=False)
        self._comms.register_comm(new)
        self.opened.append(new)
        message = {"header": {"subshell_id": subshell}, "content": {"data": data, "comm_id": new.comm_id}}
        self._comms.targets[target](new, message)
        return new

    def close(self, comm: RecordingComm) -> None:
        if comm._closed:
            return
        self._comms.unregister_comm(comm)
        comm.handle_close({"content": {"data": {}, "comm_id": comm.comm_id}})
        comm._closed = True

    @property
    def known(self) -> set[str]:
        """The comms that the kernel keeps, by id."""
        return set(self._comms.comms)


@pytest.fixture
def panel(manager: ModelManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    comms = comm.base_comm.CommManager()
    monkeypatch.setattr(comm, "get_comm_manager", lambda: comms)
    assert comm_targets.offer() == __version__
    assert comm_targets.offer() == __version__
    assert set(comms.targets) == {"rmm.rpc", "rmm.events"}
    panel = Panel(comms)
    yield panel
    for opened in panel.opened:
        panel.close(opened)
    assert len(bridge.PANELS) == 0
    assert panel.known == set()


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


def test_a_panel_that_goes_away_lets_go_of_the_model_that_it_tries(panel: Panel, slow: Slow) -> None:
    rpc, events = panel.open(bridge.RPC_TARGET, client="tab"), panel.open(bridge.EVENTS_TARGET, client="tab")
    rpc.receive({"kind": "rmm/cmd", "rid": "1", "name": "try", "args": {"model_id": "slow", "texts": ["a", "b"]}})
    assert slow.begun.wait(LONG)
    panel.close(rpc)
    events.wait(lambda _sent: bool(events.replies()))
    assert events.replies()[-1]["value"] == {"kind": "stopped"}
    slow.go_on.set()


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


def ended(comm: RecordingComm) -> list[str]:
    """Why the kernel has let go of a panel: nothing, or one reason."""
    return [update["reason"] for update in updates(comm) if update.get("type") == "ended"]


def test_a_panel_that_opens_again_replaces_its_comms(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    old = panel.open(bridge.EVENTS_TARGET, client="tab-1")
    other = panel.open(bridge.EVENTS_TARGET, client="tab-2")
    new = panel.open(bridge.EVENTS_TARGET, client="tab-1")
    assert ended(old) == ["forgotten"]
    assert panel.known == {new.comm_id, other.comm_id}
    for events in (new, other):
        events.wait(lambda _sent, events=events: bool(updates(events)))
    count = len(old.sent)
    manager.load_model("echo").result(LONG)
    new.wait(lambda _sent: "loaded" in stages(new))
    assert len(old.sent) == count
    assert ended(new) == ended(other) == []


def test_answers_of_other_threads_are_not_published_on_rpc(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    """What is published there decides in which thread the next command is handled."""
    events = panel.open(bridge.EVENTS_TARGET, client="tab")
    rpc = panel.open(bridge.RPC_TARGET, client="tab")
    rpc.receive({"kind": "rmm/cmd", "rid": "at once", "name": "ping", "args": {}})
    rpc.receive({"kind": "rmm/cmd", "rid": "later", "name": "log", "args": {}})
    events.wait(lambda _sent: bool(events.replies()))
    assert [each["rid"] for each in events.replies()] == ["later"]
    assert [each["rid"] for each in rpc.replies()] == ["at once"]


def test_the_hooks_of_cells_are_not_run_around_messages(
    panel: Panel, manager: ModelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Matplotlib's would show and close the figures that a running cell is drawing."""
    run: list[str] = []
    events = EventManager(None, available_events)
    events.register("pre_execute", lambda: run.append("pre"))
    events.register("post_execute", lambda: run.append("post"))
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(events=events))
    usual = RecordingComm(target_name="other", primary=False)
    usual.on_msg(lambda _message: None)
    usual.receive({})
    assert run == ["pre", "post"], "this is what the comm does by itself"
    assert ask(panel.open(bridge.RPC_TARGET), "ping")["ok"]
    assert run == ["pre", "post"]


@pytest.mark.parametrize("first", [bridge.EVENTS_TARGET, bridge.RPC_TARGET])
def test_a_panel_is_over_when_the_first_of_its_comms_closes(
    panel: Panel, manager: ModelManager, echo: Echo, first: str
) -> None:
    comms = {target: panel.open(target, client="tab") for target in (bridge.RPC_TARGET, bridge.EVENTS_TARGET)}
    events = comms[bridge.EVENTS_TARGET]
    events.wait(lambda _sent: bool(updates(events)))
    panel.close(comms[first])
    until_stopped(manager)
    count = len(events.sent)
    manager.load_model("echo").result(LONG)
    assert len(events.sent) == count
    # Of a page that went away the one for commands may never be closed; the other comes after it.
    assert panel.known == (set() if first == bridge.EVENTS_TARGET else {events.comm_id})


def test_who_wants_the_head_line_only_gets_no_rows(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    events = panel.open(bridge.EVENTS_TARGET, client="status", brief=True)
    rpc = panel.open(bridge.RPC_TARGET, client="status", brief=True)
    events.wait(lambda _sent: bool(updates(events)))
    manager.load_model("echo").result(LONG)
    events.wait(lambda _sent: updates(events)[-1]["summary"]["loaded"] == 1)
    first, *later = updates(events)
    assert (unpack(first["rows"]), first["progress"]) == ([], {})
    assert not any("rows" in each or "changes" in each for each in later)
    assert ask(rpc, "unload", model_id="echo")["ok"]


def test_the_panel_of_the_page_before_is_let_go(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    """What a page sends as it goes away may be lost with its socket."""
    lost, other = panel.open(bridge.EVENTS_TARGET, client="lost"), panel.open(bridge.EVENTS_TARGET, client="other")
    panel.open(bridge.RPC_TARGET, client="lost")
    names = ["lost", "never seen", "next"]
    following = [panel.open(each, client="next", former=names) for each in (bridge.RPC_TARGET, bridge.EVENTS_TARGET)]
    assert panel.known == {other.comm_id, *(each.comm_id for each in following)}
    assert ended(lost)[-1] == "forgotten"
    following[1].wait(lambda _sent: bool(updates(following[1])))
    assert ask(following[0], "ping")["ok"]


def test_a_panel_of_another_protocol_is_told_who_is_there_and_nothing_else(panel: Panel, manager: ModelManager) -> None:
    greeting: dict[str, Any] = {"client": "tab", "version": "9.9.9", "protocol": PROTOCOL_VERSION + 1, "new": [1]}
    rpc, events = panel.open(bridge.RPC_TARGET, **greeting), panel.open(bridge.EVENTS_TARGET, **greeting)
    assert ask(rpc, "hello")["value"] == {"version": __version__, "protocol": PROTOCOL_VERSION}
    assert updates(events) == [{"type": "ended", "reason": "version"}]
    assert not publisher_of(manager).running


@pytest.mark.parametrize(
    "data", [{"client": 7}, {"client": "x" * 1000}, {"protocol": "2"}, {"version": None}, {"former": 3}]
)
def test_a_greeting_that_is_not_understood_is_none(panel: Panel, echo: Echo, data: dict[str, Any]) -> None:
    events = panel.open(bridge.EVENTS_TARGET, **data)
    events.wait(lambda _sent: bool(updates(events)))
    assert updates(events)[0]["type"] == "state"


def test_the_end_of_the_manager_is_told(panel: Panel, manager: ModelManager, echo: Echo) -> None:
    events = panel.open(bridge.EVENTS_TARGET)
    events.wait(lambda _sent: bool(updates(events)))
    manager.close()
    events.wait(lambda _sent: ended(events) == ["closed"])


def test_a_panel_hears_why_there_is_no_manager(panel: Panel, manager: ModelManager) -> None:
    manager.close()
    default_manager.use_for_default(memory_budget="lots")
    (last,) = updates(panel.open(bridge.EVENTS_TARGET))
    assert (last["type"], last["reason"]) == ("ended", "failed")
    assert "memory_budget" in last["error"]["message"]


class Clock:
    """Time that a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(side_panels.SidePanel.__init__, "__kwdefaults__", {"clock": clock})
    return clock


def test_a_page_that_crashed_is_let_go(panel: Panel, manager: ModelManager, echo: Echo, clock: Clock) -> None:
    opened = {
        name: [panel.open(target, "s", client=name) for target in (bridge.RPC_TARGET, bridge.EVENTS_TARGET)]
        for name in ("crashed", "alive")
    }
    clock.now += 0.6 * side_panels.LEASE
    assert ask(opened["alive"][0], "ping")["ok"]
    clock.now += 0.6 * side_panels.LEASE
    # The publisher finds out by itself once there is news, and asks from time to time where there is none.
    manager.load_model("echo").result(LONG)
    opened["alive"][1].wait(lambda _sent: "loaded" in stages(opened["alive"][1]))
    opened["crashed"][1].wait(lambda _sent: ended(opened["crashed"][1]) == ["forgotten"])
    assert panel.known == {comm.comm_id for comm in opened["alive"]}
    assert len(bridge.PANELS) == 1


def test_who_waits_for_a_cell_is_let_go_only_when_another_panel_comes(
    panel: Panel, manager: ModelManager, echo: Echo, clock: Clock
) -> None:
    """Its questions wait for the cell, too, so its silence says nothing."""
    events = panel.open(bridge.EVENTS_TARGET, client="waits")
    clock.now += 2 * side_panels.LEASE
    manager.load_model("echo").result(LONG)
    events.wait(lambda _sent: "loaded" in stages(events))
    assert ended(events) == []
    panel.open(bridge.EVENTS_TARGET, client="new")
    assert ended(events) == ["forgotten"]
