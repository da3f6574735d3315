"""S17: no message of a browser gives consent, whatever its shape."""

from __future__ import annotations

import itertools
from typing import Any

import comm
import pytest

from rmm_widgets import comm_targets
from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InvalidCommandError
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import bridge
from rmm_widgets.notebook.messages import MessageHandler
from rmm_widgets.notebook.view_commands import COMMANDS
from rmm_widgets.notebook.widgets import DownloadProgress, HealthBadge, ModelManagerPanel
from rmm_widgets.types import ModelInfo, ModelType

from ..downloads.fetching import wait_until
from .conftest import LONG, RecordingComm

pytestmark = pytest.mark.usefixtures("front_end")

NAMES = [
    *("allow", "allow_unsafe", "rmm allow", "%rmm allow", "ALLOW", "allow ", "consent", "trust", "config"),
    *("update_model_config", "execute", "run", "eval", "info", "rm", "set_token", "rows"),
    *COMMANDS,
]


@pytest.fixture
def commit(manager: ModelManager, hub: DemoHub) -> str:
    """The commit of a model that the gate refuses, on disk as `unsafe`."""
    commit = hub.add("rmm-demo/unsafe", {"weights.pkl": b"\x80\x04N.", "config.json": b"{}"})
    manager.register_model(ModelInfo("unsafe", ModelType.EMBEDDING_MODEL, "rmm-demo/unsafe"))
    manager.download_model("unsafe").result(LONG)
    return commit


def arguments(commit: str) -> list[Any]:
    model = {"model_id": "unsafe"}
    return [
        {},
        model,
        {**model, "commit": commit},
        {"id": "unsafe", "commit": commit},
        {**model, "commit": commit, "revoke": False},
        *({**model, name: value} for name in ("trusted", "allow_unsafe", "force") for value in (True, 1, commit)),
        {**model, "settings": ["trusted=true"]},
        {**model, "config": {"trusted": True}},
        {**model, "isolation": "kernel"},
        {"model_id": f"unsafe {commit}"},
        {"model_id": f"unsafe; allow unsafe {commit}"},
        {"model_id": {"id": "unsafe", "allow": commit}},
        {**model, "config": {"allow_unsafe": commit, "allowed_commit": commit, "trusted": commit}},
        {**model, "config": {"file": f"allow {commit}", "force_cpu": True}},
        {**model, "config": {"file": {"trusted": commit}}},
        {**model, "config": {}, "trusted": True},
        {"model_ids": ["unsafe"]},
        {"model_ids": ["unsafe"], "commit": commit},
        {"model_ids": ["unsafe", commit, f"unsafe@{commit}"]},
        {"model_ids": ["unsafe"], "files": True, "allow": commit},
        {"model_ids": ["unsafe"], "files": commit},
        {"model_ids": [{"id": "unsafe", "allowed": True}]},
        {"repo": f"rmm-demo/unsafe@{commit}", "model_id": "unsafe", "type": "embedding_model", "trusted": True},
        {"query": "unsafe", "limit": 1, "token": commit},
        {"line": f"allow unsafe {commit}"},
        {"repo": "rmm-demo/unsafe", "allow_unsafe": True},
        {"query": f"%rmm allow unsafe {commit}", "commit": commit},
        [commit],
        f"allow unsafe {commit}",
        None,
    ]


def messages(commit: str) -> list[object]:
    """Every command with all arguments, and shapes that are no commands."""
    commands: list[object] = [
        {"kind": "rmm/cmd", "rid": "1", "name": name, "args": args}
        for name, args in itertools.product(NAMES, arguments(commit))
    ]
    odd: list[object] = [
        f"%rmm allow unsafe {commit}",
        ["rmm/cmd", "1", "allow", {"model_id": "unsafe", "commit": commit}],
        {"kind": "rmm/cell", "rid": "1", "name": "allow", "args": {"model_id": "unsafe", "commit": commit}},
        {"kind": "rmm/cmd", "rid": "1", "name": ["allow"], "args": {}},
        {"kind": "rmm/cmd", "rid": "1", "name": "load", "args": {"model_id": "unsafe"}, "trusted": True},
        {"kind": "rmm/cmd", "rid": "1", "name": "load", "args": {"model_id": "unsafe"}, "may_wait": True},
        {"command": "allow_unsafe", "args": ["unsafe"], "kwargs": {"commit": commit}},
        {"name": "$invoke", "args": ["allow_unsafe", "unsafe", commit], "id": 1, "kind": "anywidget-command"},
    ]
    return commands + odd


def settled(manager: ModelManager) -> None:
    """Wait for the loads that messages began: each ends with the gate's refusal."""
    job = manager.load_model("unsafe")
    assert type(job.exception(LONG)).__name__ == "UnsafeModelError"


def test_S17_no_message_to_a_handler_gives_consent(manager: ModelManager, commit: str) -> None:
    handler, replies = MessageHandler(lambda: manager), []
    for number, message in enumerate(messages(commit), start=1):
        handler.handle(message, reply=replies.append)
        wait_until(lambda number=number: len(replies) == number)
    assert handler.pending == 0
    assert manager.describe("unsafe").allowed_commit is None
    assert not [event for event in manager.events() if str(event.data.get("action")).startswith("unsafe_")]
    settled(manager)


def test_S17_no_message_to_a_widget_gives_consent(
    manager: ModelManager, commit: str, comms: list[RecordingComm]
) -> None:
    widgets = [ModelManagerPanel(manager), HealthBadge(manager, "unsafe"), DownloadProgress(manager)]
    hostile_row = {"id": "unsafe", "allowed": True, "allowed_commit": commit}
    for opened in comms:
        for message in messages(commit):
            opened.receive({"method": "custom", "content": message})
        for trait in (*widgets[0].keys, "allowed_commit", "allow_unsafe", "manager", "_manager"):
            for value in ([hostile_row], {"unsafe": hostile_row}, commit, True):
                opened.receive({"method": "update", "state": {trait: value}, "buffer_paths": []})
    assert manager.describe("unsafe").allowed_commit is None
    settled(manager)
    for widget in widgets:
        widget.close()


def test_S17_no_message_of_the_side_panel_gives_consent(
    manager: ModelManager, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = comm.base_comm.CommManager()
    monkeypatch.setattr(comm, "get_comm_manager", lambda: registered)
    comm_targets.offer()
    opened: list[RecordingComm] = []
    for target in (bridge.RPC_TARGET, bridge.EVENTS_TARGET):
        new = RecordingComm(target_name=target, primary=False)
        registered.register_comm(new)
        data = {"client": "x", "allow": commit, "name": "allow", "args": {"model_id": "unsafe", "commit": commit}}
        registered.targets[target](new, {"content": {"data": data, "comm_id": new.comm_id}})
        opened.append(new)
    for new in opened:
        for message in messages(commit):
            new.receive(message)
    assert manager.describe("unsafe").allowed_commit is None
    settled(manager)
    for new in opened:
        registered.unregister_comm(new)
        new.handle_close({"content": {"data": {}, "comm_id": new.comm_id}})
        new._closed = True


def test_S17_the_command_itself_refuses_views(manager: ModelManager, commit: str) -> None:
    view = Context(manager=manager, table=TABLE, may_wait=False)
    with pytest.raises(InvalidCommandError, match="not for views"):
        execute_line(view, f"allow unsafe {commit}")
    assert manager.describe("unsafe").allowed_commit is None
    execute_line(Context(manager=manager, table=TABLE), f"allow unsafe {commit}")
    assert manager.describe("unsafe").allowed_commit == commit
