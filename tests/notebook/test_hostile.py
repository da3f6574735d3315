"""S15: whatever a front end sends, nothing changes, nothing is raised, and what was refused is counted."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook.widgets import ManagerWidget, ModelManagerPanel, RegistryTable

from ..commands.custom import Echo, info
from .conftest import RecordingComm, unpack

pytestmark = pytest.mark.usefixtures("front_end")

MESSAGES = 50_000
FLOOD = 2_000

HUGE = "x" * 50_000_000
WIDE = ["y"] * 2_000_000


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


# Made once: making them takes longer than having them refused.
PLAIN = ("", "custom", "update", "rmm/cmd", "echo", "\x00", "\ud800", "${x}", "<b>", 0, -1, 2**70, 1.5, float("nan"))
LARGE = (None, True, "x" * 300, "x" * 70_000, "x" * 1_000_000, nested(5_000), [[]] * 100_000, HUGE, WIDE)
KEYS = ("method", "content", "state", "kind", "rid", "name", "args", "model_id", "model_ids", "buffer_paths", 7, None)
NAMES = ("load", "download", "health", "log", "rows", "search", "add", "eval", "__class__", "config", "allow", "remove")
ARGUMENTS = (
    {},
    {"model_id": 7},
    {"model_id": ["echo"]},
    {"model_id": "hidden"},
    {"model_id": "../echo"},
    {"model_ids": [1, None]},
    {"model_ids": "echo"},
    {"model_id": "echo", "isolation": "kernel"},
    {"model_id": "echo", "allow_unsafe": True},
    {"query": 1},
    {"repo": "../../etc"},
)


def hostile(draw: random.Random, depth: int = 0) -> object:
    """Anything."""
    kind = draw.random()
    if depth == 3 or kind < 0.3:
        return draw.choice(PLAIN)
    if kind < 0.35:
        return draw.choice(LARGE)
    if kind < 0.5:
        return [hostile(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind < 0.75:
        return {draw.choice(KEYS): hostile(draw, depth + 1) for _ in range(draw.randrange(5))}
    arguments = draw.choice((*ARGUMENTS, hostile(draw, depth + 1)))
    command = {"kind": "rmm/cmd", "rid": str(draw.random()), "name": draw.choice(NAMES), "args": arguments}
    return {"method": "custom", "content": command}


def hostile_update(draw: random.Random, keys: list[str]) -> dict[str, Any]:
    """A front end that writes traits."""
    names = draw.sample([*keys, "nonsense", "__class__", "comm", "keys"], draw.randrange(1, 4))
    value = draw.choice((HUGE, WIDE, hostile(draw, 1), [["echo"]], ["other"], "hidden"))
    return {"method": "update", "state": dict.fromkeys(names, value), "buffer_paths": [["selected", 0]]}


def huge_message(draw: random.Random) -> dict[str, Any]:
    """50 MB, in one piece or in many."""
    big = draw.choice((HUGE, WIDE, {HUGE: 1}, [HUGE] * 20))
    command = {"kind": "rmm/cmd", "rid": "1", "name": "load", "args": {"model_id": "echo"}}
    return {"method": "custom", "content": {**command, draw.choice(("rid", "name", "args", "more")): big}}


def next_message(draw: random.Random, keys: list[str], sent: list[object]) -> object:
    chance = draw.random()
    if chance < 0.3:
        return hostile_update(draw, keys)
    if chance < 0.32:
        return {"method": "request_state"}
    if chance < 0.34:
        return huge_message(draw)
    if chance < 0.44 and sent:
        return draw.choice(sent)
    if chance < 0.5:
        args = {"model_id": draw.choice(("hidden", "nope", "../echo", "echo\x00"))}
        name = draw.choice(("load", "download", "discard", "unload"))
        return {"method": "custom", "content": {"kind": "rmm/cmd", "rid": "r", "name": name, "args": args}}
    return hostile(draw)


def is_update(message: object) -> bool:
    return isinstance(message, dict) and message.get("method") == "update" and isinstance(message.get("state"), dict)


def is_silent(message: object) -> bool:
    """It is no command, so nothing is answered but the state."""
    return is_update(message) or (isinstance(message, dict) and message.get("method") == "request_state")


def truth(widget: ManagerWidget) -> dict[str, Any]:
    """The state but for the user's choice, the rows unpacked."""
    state = {name: value for name, value in widget.get_state().items() if name not in {"selected", "layout"}}
    return {**state, "_rows": unpack(state["_rows"])}


def bombard(widget: ManagerWidget, comm: RecordingComm, count: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    before, sent = truth(widget), []
    answered = updates = 0
    for _ in range(count):
        message = next_message(draw, widget.keys, sent)
        buffers = (HUGE.encode(),) if draw.random() < 0.0005 else ()
        comm.receive(message, buffers)
        if len(sent) < 100:
            sent.append(message)
        answered += not is_silent(message)
        updates += is_update(message)
        assert comm.answered <= answered
    comm.wait(lambda _sent: comm.answered == answered)
    accepted = [reply for reply in comm.replies() if reply["ok"]]
    refused = widget.refused_messages - (answered - len(accepted))
    # All but those that selected what may be selected, or nothing at all.
    assert 0.5 * updates < refused <= updates
    assert truth(widget) == before
    assert set(widget.selected) <= {"echo", "other"}


def check_sent(comm: RecordingComm, widget: ManagerWidget) -> None:
    """The front end has been told the truth again, the bundle too."""
    comm.wait(lambda _sent: comm.state()["_esm"] == "/* table.js */" and not widget._overwritten)
    held = {name: value for name, value in comm.state().items() if name in truth(widget)}
    assert held == json.loads(json.dumps(truth(widget)))


@pytest.fixture
def table(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> RegistryTable:
    for name in ("other", "hidden"):
        manager.register_model(info(name), model=Echo(info(name)))
    return RegistryTable(manager, model_ids=["echo", "other"])


def test_S15_fifty_thousand_hostile_messages_change_nothing(
    manager: ModelManager, table: RegistryTable, comms: list[RecordingComm]
) -> None:
    revision = manager.get_state().revision
    bombard(table, comms[0], MESSAGES)
    assert manager.get_state().revision == revision
    check_sent(comms[0], table)
    table.close()


def test_S15_a_flood_is_answered_with_few_states(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    started = time.monotonic()
    count = len(comm.sent)
    for number in range(FLOOD):
        comm.receive({"method": "request_state"})
        comm.receive({"method": "update", "state": {"_rows": number}})
    comm.wait(lambda _sent: not panel._overwritten)
    took = time.monotonic() - started
    states = [each for each in comm.sent[count:] if "state" in each["data"]]
    assert 0 < len(states) <= 2 * (10 * took + 2)
    assert panel.refused_messages == FLOOD
    panel.close()
