"""The widgets: state reaches the front end, messages come back, and nobody else writes the state."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
import traitlets

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import FrontEndNotBuiltError, InvalidModelInfoError, ModelNotRegisteredError
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import bundles
from rmm_widgets.notebook.panel import shared_panel
from rmm_widgets.notebook.protocol import PROTOCOL_VERSION
from rmm_widgets.notebook.publishers import publisher_of
from rmm_widgets.notebook.widgets import DownloadProgress, HealthBadge, ManagerWidget, ModelManagerPanel, RegistryTable
from rmm_widgets.types import ModelInfo, ModelStatus, ModelType

from ..commands.custom import Echo, info
from ..downloads.fetching import MIB, content, wait_until
from .conftest import LONG, RecordingComm, unpack

pytestmark = pytest.mark.usefixtures("front_end")


def command(name: str, rid: str = "1", **args: object) -> dict[str, Any]:
    return {"method": "custom", "content": {"kind": "rmm/cmd", "rid": rid, "name": name, "args": args}}


def row(comm: RecordingComm, model_id: str = "echo") -> dict[str, Any]:
    return next(each for each in comm.state()["_rows"] if each["id"] == model_id)


def test_the_opening_state_is_complete(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    state = comm.sent[0]["data"]["state"]
    assert row(comm)["stage"] == "registered"
    assert row(comm)["actions"] == ["download"]
    assert state["_summary"]["models"] == 1
    assert state["_model_ids"] is None
    assert state["_esm"] == "/* panel.js */"
    assert state["_css"] == "/* rmm.css */"
    panel.close()


def test_changes_arrive_and_the_final_state_too(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    echo.gate.clear()
    job = manager.load_model("echo")
    comm.wait(lambda _sent: row(comm)["status"] in {"downloading", "loading"})
    echo.gate.set()
    job.result(LONG)
    comm.wait(lambda _sent: row(comm)["stage"] == "loaded" and comm.state()["_summary"]["loaded"] == 1)
    assert row(comm)["actions"] == ["unload", "health"]
    panel.close()


def test_one_changed_row_travels_alone_and_the_state_is_current(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    for number in range(20):
        manager.register_model(info(f"m{number}"), model=Echo(info(f"m{number}")))
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    manager.pin("m7")
    comm.wait(lambda _sent: row(comm, "m7")["pinned"])
    (update,) = [each["data"]["state"] for each in comm.sent if "_changes" in each["data"]["state"]][1:]
    assert "_rows" not in update, "all rows travel once"
    assert [each["id"] for each in update["_changes"]["changed"]] == ["m7"]
    state = json.loads(json.dumps(panel.get_state()))
    assert unpack(state["_rows"]) == comm.state()["_rows"]
    assert state["_rows_seq"] == update["_changes"]["seq"] == 1
    comm.receive(command("rows", "all"))
    answer = json.loads(json.dumps(comm.replies()[-1]["value"]))
    assert answer == {"seq": 1, "rows": unpack(state["_rows"]), "progress": {}}
    count = len(comm.sent)
    comm.receive({"method": "request_state"})
    assert comm.sent[count]["data"]["state"]["_rows_seq"] == 1
    panel.close()


def test_a_widget_of_some_models_shows_and_commands_only_these(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    manager.register_model(info("other"), model=Echo(info("other")))
    badge = HealthBadge(manager, "echo")
    (comm,) = comms
    assert [each["id"] for each in comm.state()["_rows"]] == ["echo"]
    assert comm.state()["_model_ids"] == ["echo"]
    comm.receive(command("download", model_id="other"))
    comm.receive(command("add", "2", repo="rmm-demo/minilm-toy"))
    comm.wait(lambda _sent: len(comm.replies()) == 2)
    assert not any(reply["ok"] for reply in comm.replies())
    assert manager.get_model_status("other") is ModelStatus.NOT_DOWNLOADED
    assert badge.refused_messages == 2
    badge.close()


def test_a_button_starts_work_and_is_answered_before_it_ends(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    echo.gate.clear()
    comm.receive(command("load", "r1", model_id="echo"))
    assert comm.replies() == [{"kind": "rmm/reply", "rid": "r1", "ok": True}]
    assert manager.get_model_status("echo") is not ModelStatus.LOADED
    comm.receive(command("cancel", "r2", model_id="echo"))
    echo.gate.set()
    assert [reply["ok"] for reply in comm.replies()] == [True, True]
    panel.close()


def test_a_stopped_download_shows_its_part_and_is_discarded_by_a_message(
    manager: ModelManager, hub: DemoHub, comms: list[RecordingComm]
) -> None:
    hub.add("rmm-demo/model", {"model.safetensors": content(4 * MIB)})
    manager.register_model(ModelInfo("model", ModelType.EMBEDDING_MODEL, "rmm-demo/model"))
    hub.rate = 2 * MIB
    manager.download_model("model")
    wait_until(lambda: (p := manager.get_download_progress("model")) is not None and p.downloaded_bytes > MIB)
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    comm.receive(command("cancel", "r1", model_id="model"))
    comm.wait(lambda _: row(comm, "model")["stage"] == "partial")
    assert row(comm, "model")["actions"] == ["download", "discard"]
    comm.wait(lambda _: comm.state()["_progress"].get("model", {}).get("phase") == "paused")
    comm.receive(command("discard", "r2", model_id="model"))
    comm.wait(lambda _: row(comm, "model")["stage"] == "registered")
    assert row(comm, "model")["actions"] == ["download"]
    assert [reply["ok"] for reply in comm.replies()] == [True, True]
    assert manager.describe("model").partial_bytes == 0
    panel.close()


@pytest.mark.parametrize(
    ("widget", "keyword", "near"),
    [
        (ModelManagerPanel, "model_id", "model_ids"),
        (ModelManagerPanel, "layuot", "layout"),
        (RegistryTable, "type", "types"),
        (RegistryTable, "column", "columns"),
        (DownloadProgress, "managers", "manager"),
        (HealthBadge, "model", "model_id"),
    ],
)
def test_an_unknown_keyword_is_refused_and_the_nearest_named(
    manager: ModelManager, comms: list[RecordingComm], widget: type[ManagerWidget], keyword: str, near: str
) -> None:
    with pytest.raises(TypeError, match=f"{widget.__name__} has no keyword '{keyword}'; did you mean {near}"):
        widget(manager, **{keyword: 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="it has manager"):
        ModelManagerPanel(manager, zzzzzz=1)
    assert comms == []


def test_a_widget_takes_a_layout_and_stands_in_a_box(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    table = RegistryTable(manager, layout={"width": "50%"})
    panel = ModelManagerPanel(manager, layout=ipywidgets.Layout(height="300px"))
    box = ipywidgets.HBox([table, panel])
    assert table.layout.width == "50%"
    assert panel.layout.height == "300px"
    assert box.get_state("children")["children"] == [f"IPY_MODEL_{each.model_id}" for each in (table, panel)]
    count = len(comms[0].sent)
    table.layout = ipywidgets.Layout(width="20%")
    assert "layout" in comms[0].sent[count]["data"]["state"]
    for widget in (box, table, panel):
        widget.close()


def test_a_table_of_some_types_shows_and_commands_only_these(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    manager.register_model(ModelInfo("picture", ModelType.DETECTION_MODEL, "a/b"))
    table = RegistryTable(manager, types=["classification_model", ModelType.DIFFUSION_LM], columns=["status", "size"])
    (comm,) = comms
    state = comm.state()
    assert [each["id"] for each in state["_rows"]] == ["echo"]
    assert state["_types"] == ["classification_model", "diffusion_lm"]
    assert state["_columns"] == ["status", "size"]
    assert state["_esm"] == "/* table.js */"
    comm.receive(command("download", model_id="picture"))
    assert not comm.replies()[-1]["ok"]
    manager.register_model(info("second"), model=Echo(info("second")))
    comm.wait(lambda _sent: [each["id"] for each in comm.state()["_rows"]] == ["echo", "second"])
    comm.receive(command("download", model_id="second"))
    assert comm.replies()[-1]["ok"]
    assert repr(table) == "RegistryTable(types=['classification_model', 'diffusion_lm'], columns=['status', 'size'])"
    table.close()


def test_unknown_types_and_columns_are_named(manager: ModelManager, comms: list[RecordingComm]) -> None:
    with pytest.raises(InvalidModelInfoError, match="'embeding'"):
        RegistryTable(manager, types=["embeding"])
    with pytest.raises(ValueError, match="'stauts'; did you mean status"):
        RegistryTable(manager, columns=["stauts"])
    with pytest.raises(ValueError, match="there are type, size"):
        RegistryTable(manager, columns=["zzz"])
    for wrong in ({"types": "embedding_model"}, {"columns": "size"}):
        with pytest.raises(TypeError, match="sequence"):
            RegistryTable(manager, **wrong)
    assert comms == []


def test_the_selection_is_the_users_choice_on_both_sides(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    manager.register_model(info("other"), model=Echo(info("other")))
    table = RegistryTable(manager)
    (comm,) = comms
    seen: list[list[str]] = []
    table.observe(lambda change: seen.append(change["new"]), "selected")
    comm.receive({"method": "update", "state": {"selected": ["other"]}, "buffer_paths": []})
    assert table.selected == ["other"]
    assert comm.sent[-1]["data"] == {"method": "echo_update", "state": {"selected": ["other"]}, "buffer_paths": []}
    table.selected = ["echo", "other"]
    assert comm.sent[-1]["data"]["method"] == "update"
    assert comm.sent[-1]["data"]["state"] == {"selected": ["echo", "other"]}
    count = len(comm.sent)
    comm.receive({"method": "update", "state": {"selected": ["echo", "other"]}})
    assert [each["data"]["method"] for each in comm.sent[count:]] == ["echo_update"], "every write is confirmed"
    assert seen == [["other"], ["echo", "other"]]
    with pytest.raises(traitlets.TraitError, match="'ecko' is not the id"):
        table.selected = ["ecko"]
    assert table.refused_messages == 0
    table.close()


@pytest.mark.parametrize(
    "value", [["nope"], ["echo", 7], [["echo"]], "echo", None, 1, {"echo": 1}, ["echo"] * 3, [None], ["x" * 10**6]]
)
def test_S15_a_wrong_selection_is_refused_and_overruled(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm], value: object
) -> None:
    table = RegistryTable(manager)
    (comm,) = comms
    table.selected = ["echo"]
    count = len(comm.sent)
    comm.receive({"method": "update", "state": {"selected": value}})
    assert table.selected == ["echo"]
    comm.wait(lambda sent: any(each["data"].get("state", {}).get("selected") == ["echo"] for each in sent[count:]))
    assert table.refused_messages == 1
    table.close()


def test_an_observer_may_raise_wait_and_write(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    """It runs without the widget's lock: what it waits for may need that lock."""
    table = RegistryTable(manager)
    (comm,) = comms

    def act(change: Any) -> None:
        manager.load_model("echo").result(LONG)
        comm.wait(lambda _sent: row(comm)["stage"] == "loaded")
        table.selected = []
        raise RuntimeError("of the user's code")

    table.observe(act, "selected")
    comm.receive({"method": "update", "state": {"selected": ["echo"]}})
    assert table.selected == []
    comm.receive(command("ping"))
    assert comm.replies()[-1]["ok"]
    table.unobserve_all()
    table.close()


def test_a_model_that_is_gone_is_not_selected_any_more(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    manager.register_model(info("other"), model=Echo(info("other")))
    panel = ModelManagerPanel(manager)
    panel.selected = ["echo", "other"]
    manager.delete_model("echo").result(LONG)
    comms[0].wait(lambda _sent: comms[0].state()["selected"] == ["other"])
    assert panel.selected == ["other"]
    panel.close()


def test_two_writers_of_the_selection_lose_nothing_of_the_updates(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        table = RegistryTable(manager)
        (comm,) = comms
        ends = time.monotonic() + 1.0

        def repeat(work: Any) -> None:
            while time.monotonic() < ends:
                work()

        def select() -> None:
            with table.hold_sync():
                table.selected = ["echo"]
                table.selected = []

        works = (
            select,
            lambda: comm.receive({"method": "update", "state": {"selected": ["echo"]}}),
            lambda: (manager.pin("echo"), manager.unpin("echo")),
        )
        threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    manager.pin("echo")
    comm.wait(lambda _sent: row(comm)["pinned"])
    assert comm.state()["selected"] == table.selected, "the last word that was sent is the truth"
    table.close()


def test_an_unknown_model_is_named(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    with pytest.raises(ModelNotRegisteredError, match="'ecko'"):
        HealthBadge(manager, "ecko")
    with pytest.raises(TypeError, match="sequence"):
        ModelManagerPanel(manager, model_ids="echo")
    assert comms == []


def test_a_missing_front_end_says_what_to_run(
    manager: ModelManager, comms: list[RecordingComm], front_end: Path
) -> None:
    (front_end / "panel.js").unlink()
    bundles.read_bundle.cache_clear()
    with pytest.raises(FrontEndNotBuiltError, match=r"panel\.js") as caught:
        ModelManagerPanel(manager)
    assert "make dev" in caught.value.hint
    assert comms == []


def test_S15_the_front_end_cannot_write_state(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    before = panel.get_state()
    count = len(comm.sent)
    for name in (*panel.keys, "nonsense", "__class__"):
        comm.receive({"method": "update", "state": {name: "hostile"}, "buffer_paths": []})
    comm.receive({"method": "update", "state": dict.fromkeys(panel.keys, 0)})
    assert panel.get_state() == before
    comm.wait(lambda sent: any("_esm" in each["data"].get("state", {}) for each in sent[count:]))
    after = {key: value for key, value in comm.state().items() if key in before}
    before.pop("layout")
    before["_rows"] = unpack(before["_rows"])
    after.pop("layout", None)
    assert after == json.loads(json.dumps(before))
    panel.close()


def hostile_message(draw: random.Random, depth: int = 0) -> object:
    kinds = ("text", "number", "none", "list", "dict", "command", "deep", "big")
    kind = draw.choice(kinds if depth < 3 else kinds[:3])
    if kind == "text":
        return draw.choice(("", "custom", "update", "rmm/cmd", "echo", "\x00", "\ud800", "x" * 300, "${x}", "<b>"))
    if kind == "number":
        return draw.choice((0, -1, 2**70, 1.5, float("nan"), True))
    if kind == "none":
        return None
    if kind == "list":
        return [hostile_message(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind == "deep":
        deep: object = "x"
        for _ in range(5000):
            deep = [deep]
        return deep
    if kind == "big":
        return "x" * draw.choice((70_000, 1_000_000))
    if kind == "dict":
        keys = ("method", "content", "state", "kind", "rid", "name", "args", "model_id", "buffer_paths", 7, None)
        return {draw.choice(keys): hostile_message(draw, depth + 1) for _ in range(draw.randrange(5))}
    names = ("load", "download", "health", "log", "search", "add", "eval", "__class__", "pin", "config", "rm", "allow")
    arguments = (
        {},
        {"model_id": "nope"},
        {"model_id": 7},
        {"model_id": "echo", "isolation": "kernel"},
        {"model_id": "echo", "allow_unsafe": True},
        {"model_id": ["echo"]},
        {"query": 1},
        {"repo": "../../etc"},
        hostile_message(draw, depth + 1),
    )
    content = {"kind": "rmm/cmd", "rid": str(draw.random()), "name": draw.choice(names), "args": draw.choice(arguments)}
    return {"method": "custom", "content": content}


def test_S15_S17_fuzzed_messages_get_one_answer_each_and_change_nothing(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    before, revision = panel.get_state(), manager.get_state().revision
    answered, written = 0, 0
    for _ in range(2000):
        message = hostile_message(draw)
        buffers = (b"x",) if draw.random() < 0.05 else ()
        comm.receive(message, buffers)
        method = message.get("method") if isinstance(message, dict) else None
        is_update = method == "update" and isinstance(message.get("state"), dict)  # type: ignore[union-attr]
        if method == "request_state" or is_update:
            written += is_update and bool(message["state"])  # type: ignore[index]
        else:
            answered += 1
        comm.wait(lambda _sent, answered=answered: len(comm.replies()) == answered)
    panel_after = panel.get_state()
    assert panel_after == before
    assert manager.get_state().revision == revision
    accepted = [reply for reply in comm.replies() if reply["ok"]]
    assert all(isinstance(reply["value"], list) for reply in accepted), "only the log may be read"
    assert all(reply["error"]["message"] for reply in comm.replies() if not reply["ok"])
    assert panel.refused_messages == answered - len(accepted) + written
    panel.close()


def test_S15_a_replayed_message_does_the_same_again_and_no_more(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    for _ in range(50):
        comm.receive(command("load", model_id="echo"))
    comm.wait(lambda _sent: row(comm)["stage"] == "loaded")
    assert echo.loads == 1
    assert len(comm.replies()) == 50
    panel.close()


def test_search_and_add_are_answered_when_the_hub_has(manager: ModelManager, comms: list[RecordingComm]) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    comm.receive(command("search", "s", query="minilm"))
    comm.wait(lambda _sent: len(comm.replies()) == 1)
    (found,) = comm.replies()[0]["value"]
    assert found["repo"] == "rmm-demo/minilm-toy"
    comm.receive(command("add", "a", repo=found["repo"]))
    comm.wait(lambda _sent: len(comm.replies()) == 2)
    assert comm.replies()[1] == {"kind": "rmm/reply", "rid": "a", "ok": True, "value": {"id": "minilm-toy"}}
    comm.receive(command("add", "b", repo="rmm-demo/none"))
    comm.wait(lambda _sent: len(comm.replies()) == 3)
    assert comm.replies()[2]["error"]["type"] == "RepositoryNotFoundError"
    comm.wait(lambda _sent: bool(comm.state()["_rows"]))
    panel.close()


def test_ping_and_log(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    panel = ModelManagerPanel(manager)
    (comm,) = comms
    comm.receive(command("ping"))
    comm.receive(command("log"))
    comm.wait(lambda _sent: len(comm.replies()) == 2)
    hello, log = (reply["value"] for reply in comm.replies())
    assert hello["protocol"] == PROTOCOL_VERSION
    assert log[0]["id"] == "echo"
    assert log[0]["action"] == "registered"
    panel.close()


def test_reprs_are_stable(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    shown = [
        repr(widget)
        for widget in (
            ModelManagerPanel(manager),
            ModelManagerPanel(manager, model_ids=["echo"]),
            HealthBadge(manager, "echo"),
            DownloadProgress(manager),
        )
    ]
    assert shown == [
        "ModelManagerPanel()",
        "ModelManagerPanel(model_ids=['echo'])",
        "HealthBadge(model_ids=['echo'])",
        "DownloadProgress()",
    ]


def test_N5_a_widget_carries_a_static_table(manager: ModelManager, comms: list[RecordingComm]) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    manager.register_model(info(hostile), model=Echo(info(hostile)))
    panel = ModelManagerPanel(manager)
    bundle = panel._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id
    assert "<img" not in bundle["text/html"]
    assert "&lt;img" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert hostile in bundle["text/plain"]
    progress = DownloadProgress(manager)._repr_mimebundle_()
    assert "<img" not in progress["text/html"]
    assert hostile in progress["text/plain"]
    panel.close()


def test_progress_of_jobs(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    echo.gate.clear()
    job = manager.download_model("echo")
    widget = DownloadProgress([job], manager=manager)
    (comm,) = comms
    comm.wait(lambda _sent: bool(comm.state()["_progress"]))
    assert row(comm)["actions"] == ["pause", "cancel"]
    echo.gate.set()
    job.result(LONG)
    comm.wait(lambda _sent: row(comm)["stage"] == "downloaded")
    assert comm.state()["_progress"] == {}
    assert comm.state()["_summary"] == {}
    with pytest.raises(TypeError):
        DownloadProgress(job, model_ids=["echo"])
    widget.close()


def test_one_panel_per_manager_until_it_is_closed(manager: ModelManager, comms: list[RecordingComm]) -> None:
    panel = shared_panel(manager)
    assert shared_panel(manager) is panel
    panel.close()
    assert shared_panel(manager) is not panel
    assert len(comms) == 2


def test_N3_the_rate_is_bounded_per_view(manager: ModelManager, echo: Echo, comms: list[RecordingComm]) -> None:
    widgets: list[ManagerWidget] = [ModelManagerPanel(manager) for _ in range(20)]
    started = time.monotonic()
    for number in range(100):
        manager.update_model_config("echo", {"n": number})
        manager.pin("echo")
        manager.unpin("echo")
    manager.load_model("echo").result(LONG)
    for comm in comms:
        comm.wait(lambda _sent, comm=comm: row(comm)["stage"] == "loaded")
    took = time.monotonic() - started
    assert all(len(comm.sent) <= 10 * took + 3 for comm in comms)
    for widget in widgets:
        widget.close()


def test_the_publisher_ends_with_the_last_widget_or_the_manager(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    first, second = ModelManagerPanel(manager), HealthBadge(manager, "echo")
    publisher = publisher_of(manager)
    first.close()
    assert publisher.running
    second.close()
    deadline = time.monotonic() + LONG
    while publisher.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not publisher.running
    panel = ModelManagerPanel(manager)
    manager.load_model("echo").result(LONG)
    comm = comms[-1]
    manager.close()
    comm.wait(lambda _sent: row(comm)["stage"] == "downloaded")
    while publisher.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not publisher.running
    comm.receive(command("load", model_id="echo"))
    assert comm.replies()[-1]["error"]["type"] == "ManagerClosedError"
    panel.close()


def test_widgets_survive_threads_that_write_read_and_close(
    manager: ModelManager, echo: Echo, comms: list[RecordingComm]
) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    errors: list[BaseException] = []
    try:
        panel = ModelManagerPanel(manager)
        (comm,) = comms
        ends = time.monotonic() + 1.5

        def repeat(work: Any) -> None:
            try:
                while time.monotonic() < ends:
                    work()
            except BaseException as error:
                errors.append(error)

        def load_and_unload() -> None:
            manager.load_model("echo").result(LONG)
            manager.unload_model("echo").result(LONG)

        works = (
            load_and_unload,
            lambda: comm.receive({"method": "update", "state": {"_rows": [], "_progress": {"x": 1}}}),
            lambda: comm.receive({"method": "request_state"}),
            lambda: comm.receive(command("ping")),
            panel._repr_mimebundle_,
        )
        threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not errors
    manager.load_model("echo").result(LONG)
    comm.wait(lambda _sent: row(comm)["stage"] == "loaded")
    panel.close()
