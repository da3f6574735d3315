"""A real manager, and the two boundaries of the notebook face: comms that record, and a built front end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from rmm_widgets.types import ModelInfo, ModelType

from ..commands.custom import Echo, Slow, info

LONG = 30.0


def unpack(text: str) -> list[dict[str, Any]]:
    """The rows that travel as one text."""
    packed = json.loads(text)
    fields, usual = packed["fields"], packed["usual"]
    whole = ([*row, *usual[len(usual) - len(fields) + len(row) :]] for row in packed["rows"])
    return [dict(zip(fields, values, strict=True)) for values in whole]


class Shown:
    """Rows and downloads as a front end keeps them: everything once, then changes, none of them missing."""

    def __init__(self) -> None:
        self.seq = 0
        self.progress: dict[str, dict[str, Any]] = {}
        self._rows: dict[str, dict[str, Any]] = {}

    def take_all(self, seq: int, rows: Sequence[dict[str, Any]], progress: Mapping[str, dict[str, Any]]) -> None:
        self.seq, self._rows, self.progress = seq, {row["id"]: row for row in rows}, dict(progress)

    def take(self, changes: dict[str, Any]) -> None:
        if changes["seq"] <= self.seq:
            return
        assert changes["seq"] == self.seq + 1, "changes were lost"
        self.seq = changes["seq"]
        for row in changes.get("changed", ()):
            self._rows[row["id"]] = row
        for model_id in changes.get("removed", ()):
            del self._rows[model_id]
        if changes.get("order") is not None:
            self._rows = {model_id: self._rows[model_id] for model_id in changes["order"]}
        for model_id in changes.get("ended", ()):
            del self.progress[model_id]
        self.progress.update(changes.get("progress", {}))
        for model_id, (kilobytes,) in self._figures(changes.get("moved", ()), 1):
            known = self.progress[model_id]
            done = known["done"] + kilobytes * 1000
            share = min(1000, done * 1000 // known["total"]) / 10 if known["total"] else 0
            self.progress[model_id] = {**known, "done": done, "percent": max(known["percent"], share)}
        for model_id, (rate, eta) in self._figures(changes.get("paced", ()), 2):
            self.progress[model_id] = {**self.progress[model_id], "rate": rate, "eta": None if eta == -1 else eta}

    def _figures(self, flat: Sequence[Any], count: int) -> Iterator[tuple[str, Sequence[Any]]]:
        ids, place = list(self._rows), 0
        for at in range(0, len(flat), count + 1):
            place += flat[at]
            yield ids[place], flat[at + 1 : at + 1 + count]

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
        shown = Shown()
        for each in list(self.sent):
            news = (each["data"] or {}).get("state", {})
            state.update(news)
            if "_rows" in news:
                shown.take_all(news["_rows_seq"], unpack(news["_rows"]), news["_progress"])
            if news.get("_changes"):
                shown.take(news["_changes"])
        state |= {"_rows": shown.rows(), "_rows_seq": shown.seq, "_progress": shown.progress}
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


@pytest.fixture
def slow(manager: ModelManager) -> Slow:
    """A loaded custom model named `slow`, whose calls last until it is let go."""
    model = Slow("slow", [[1.0, 0.0], [0.0, 1.0]])
    manager.register_model(ModelInfo("slow", ModelType.EMBEDDING_MODEL, "custom/slow"), model=model)
    manager.download_model("slow").result(LONG)
    manager.load_model("slow").result(LONG)
    return model
