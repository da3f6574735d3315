"""A real manager, and the two boundaries of the notebook face: comms that record, and a built front end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import comm
import comm.base_comm
import pytest
from huggingface_hub import close_session

from rmm_widgets import default_manager
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import bundles

from ..commands.custom import Echo, info

LONG = 30.0


class ShownRows:
    """The rows as a front end keeps them: everything once, then changes, none of them missing."""

    def __init__(self) -> None:
        self.seq = 0
        self._rows: dict[str, dict[str, Any]] = {}

    def take_all(self, seq: int, rows: Sequence[dict[str, Any]]) -> None:
        self.seq, self._rows = seq, {row["id"]: row for row in rows}

    def take(self, changes: dict[str, Any]) -> None:
        if changes["seq"] <= self.seq:
            return
        assert changes["seq"] == self.seq + 1, "changes were lost"
        self.seq = changes["seq"]
        for row in changes["changed"]:
            self._rows[row["id"]] = row
        for model_id in changes["removed"]:
            del self._rows[model_id]
        if changes["order"] is not None:
            self._rows = {model_id: self._rows[model_id] for model_id in changes["order"]}

    def rows(self) -> list[dict[str, Any]]:
        return list(self._rows.values())


class RecordingComm(comm.base_comm.BaseComm):
    """Keeps what would go over the wire."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self._replies: list[dict[str, Any]] = []
        self.news = threading.Condition()
        super().__init__(*args, **kwargs)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        with self.news:
            self.sent.append({"type": msg_type, "data": data, **keys})
            content = (data or {}).get("content", data)
            if isinstance(content, dict) and content.get("kind") == "rmm/reply":
                self._replies.append(content)
            self.news.notify_all()

    def receive(self, data: object, buffers: tuple[bytes, ...] = ()) -> None:
        """A message from the front end."""
        self.handle_msg({"content": {"comm_id": self.comm_id, "data": data}, "buffers": list(buffers)})

    def wait(self, condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        with self.news:
            assert self.news.wait_for(lambda: condition(self.sent), LONG), self.sent[-3:]

    @property
    def answered(self) -> int:
        """How many answers were sent so far."""
        return len(self._replies)

    def replies(self) -> list[dict[str, Any]]:
        """The answers sent so far."""
        return list(self._replies)

    def state(self) -> dict[str, Any]:
        """What a front end would hold after everything sent: the opening state and all updates."""
        state: dict[str, Any] = {}
        rows = ShownRows()
        for each in list(self.sent):
            news = (each["data"] or {}).get("state", {})
            state.update(news)
            if "_rows" in news:
                rows.take_all(news["_rows_seq"], news["_rows"])
            if news.get("_changes"):
                rows.take(news["_changes"])
        state["_rows"], state["_rows_seq"] = rows.rows(), rows.seq
        return json.loads(json.dumps(state))


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> list[RecordingComm]:
    """The comms that our widgets open; the layouts that come with them are left out."""
    opened: list[RecordingComm] = []

    def create(*args: Any, **kwargs: Any) -> RecordingComm:
        new = RecordingComm(*args, **kwargs)
        if "_esm" in kwargs["data"]["state"]:
            opened.append(new)
        return new

    monkeypatch.setattr(comm, "create_comm", create)
    return opened


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with stand-ins for the built files: what is in them is the browser's business."""
    folder = tmp_path / "static"
    folder.mkdir()
    for name in ("panel.js", "progress.js", "badge.js", "table.js", "rmm.css"):
        (folder / name).write_text(f"/* {name} */", encoding="utf-8")
    monkeypatch.setattr(bundles, "STATIC", folder)
    bundles.read_bundle.cache_clear()
    return folder


@pytest.fixture
def manager(no_leaks: None, hub: DemoHub, tmp_path: Path) -> Iterator[ModelManager]:
    """The default manager of this test."""
    settings = {"endpoint": hub.url, "cache_dir": tmp_path / "cache", "data_dir": tmp_path / "data"}
    before = default_manager._default_settings.copy()
    default_manager.use_for_default(**settings)
    with default_manager.get_manager() as manager:
        yield manager
    close_session()  # huggingface_hub keeps its connections otherwise
    default_manager._default_settings.clear()
    default_manager._default_settings.update(before)


@pytest.fixture
def echo(manager: ModelManager) -> Echo:
    """A registered custom model named `echo`."""
    model = Echo(info("echo"))
    manager.register_model(info("echo"), model=model)
    return model
