"""What the details of a model show, of real models and of what hostile repositories say of themselves."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.disk_records import DiskUsage, ModelUsage
from rmm_widgets.file_records import FileListing, FileProgress, ListedFile
from rmm_widgets.hub.pages import page_of
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook.details import file_lines, log_entry, recent, usage
from rmm_widgets.notebook.lengths import cut
from rmm_widgets.notebook.protocol import Details, FileLine
from rmm_widgets.types import ModelEvent, ModelEventType, ModelInfo, ModelType

from ..commands.custom import Echo
from ..downloads.fetching import MIB, content, wait_until
from .asking import Asker
from .conftest import LONG

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m\x00"


def line(lines: tuple[FileLine, ...], path: str) -> FileLine:
    (found,) = (each for each in lines if each.path == path)
    return found


def listing(*files: ListedFile, unlisted: int = 0, source: str = "disk") -> FileListing:
    return FileListing(model_id="x", commit=None, source=source, files=files, unlisted=unlisted)  # type: ignore[arg-type]


def test_file_lines_join_what_is_listed_with_what_moves() -> None:
    lines = file_lines(
        listing(
            ListedFile(path="a.bin", size=5, chosen=False, reason="a second copy of the weights"),
            ListedFile(path="b.json", size=2, chosen=True, digest="git-sha1", on_disk=True),
            ListedFile(path="c.safetensors", size=9, chosen=True, digest="sha256"),
            ListedFile(path="d.safetensors", size=9, chosen=True, digest="sha256"),
        ),
        [FileProgress(path="c.safetensors", size=9, downloaded_bytes=4, state="downloading")],
    )
    assert [each.path for each in lines] == ["b.json", "c.safetensors", "d.safetensors", "a.bin"]
    assert lines[0] == FileLine(path="b.json", size=2, done=2, state="done", note="no sha256 is published for it")
    assert lines[1] == FileLine(path="c.safetensors", size=9, done=4, state="downloading", note="")
    assert lines[2] == FileLine(path="d.safetensors", size=9, done=0, state="waiting", note="")
    assert lines[3] == FileLine(path="a.bin", size=5, done=0, state="left_out", note="a second copy of the weights")


def test_what_was_seen_at_registration_says_nothing_of_hashes_and_is_completed_by_the_download() -> None:
    seen = listing(ListedFile(path="a", size=5, chosen=True), unlisted=3, source="registry")
    lines = file_lines(seen, [FileProgress(path="b", size=1), FileProgress(path="c", size=1)])
    assert [(each.path, each.note) for each in lines] == [
        ("a", ""),
        ("b", ""),
        ("c", ""),
        ("1 more file", "not listed here"),
    ]


def test_very_many_files_are_cut_and_the_rest_is_summed_up() -> None:
    many = [ListedFile(path=f"{n:05}", size=2, chosen=n % 2 == 0, on_disk=True) for n in range(5000)]
    lines = file_lines(listing(*many), [])
    assert len(lines) == 2001
    assert lines[-1] == FileLine(
        path="3,000 more files", size=6000, done=6000, state="left_out", note="not listed here"
    )
    assert all(each.state == "done" for each in lines[:-1]), "those of the download come first"


def test_texts_are_cut_and_can_always_be_sent() -> None:
    assert cut(HOSTILE, 100) == HOSTILE, "what is strange is shown as text, not changed"
    assert cut("x" * 10_000_000, 500) == "x" * 499 + "…"
    assert cut("half \ud83d and \udc80", 100) == "half ? and ?"
    event = ModelEvent(
        type=ModelEventType.LOAD_ERROR,
        model_id="m",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        seq=1,
        data={"action": "load_failed", "error": HOSTILE + "y" * 10_000_000},
    )
    entry = log_entry(event)
    assert entry.text.startswith(f"action=load_failed, error={HOSTILE}")
    assert len(entry.text) == 1000


def test_progress_reports_do_not_push_out_what_happened() -> None:
    def event(seq: int, **data: object) -> ModelEvent:
        kind = ModelEventType.DOWNLOAD_PROGRESS if not data.get("start") else ModelEventType.DOWNLOAD_START
        return ModelEvent(type=kind, model_id="m", timestamp=datetime.now(UTC), seq=seq, data=data)

    events = [event(1, start=True), event(2, action="download_paused"), *(event(n) for n in range(3, 500))]
    assert [each.seq for each in recent(events, 50)] == [1, 2]


@pytest.mark.parametrize(
    ("endpoint", "page"),
    [
        ("https://huggingface.co", "https://huggingface.co/o/n"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/o/n"),
        ("https://mirror.example/hub", "https://mirror.example/hub/o/n"),
        ("https://user:secret@mirror.example:444", "https://mirror.example:444/o/n"),
        ("http://[::1]:80", "http://[::1]:80/o/n"),
        ('https://mirror.example/a"><script>', "https://mirror.example/a%22%3E%3Cscript%3E/o/n"),
        ('https://mir"ror.example', ""),
        ("https://mirror.example:port", ""),
        ("javascript:alert(1)//", ""),
        ("data:text/html,x", ""),
        ("file:///etc", ""),
        ("https://", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_S14_a_page_is_an_address_of_the_web_without_secrets_or_nothing(endpoint: str, page: str) -> None:
    assert page_of(endpoint, "o/n") == page


def test_usage_lists_the_largest_first_and_what_has_nothing_not_at_all() -> None:
    measured = DiskUsage(
        cache_dir="/secret/place",
        models=(
            ModelUsage(model_id="none", repo_id="o/n"),
            ModelUsage(model_id="small", repo_id="o/n", bytes=1, freeable_bytes=0),
            ModelUsage(model_id="begun", repo_id="o/n", unfinished_bytes=70),
            ModelUsage(model_id="large", repo_id="o/n", bytes=900, freeable_bytes=800),
        ),
        unfinished_bytes=75,
        total_bytes=1000,
        free_bytes=5,
    )
    shown = usage(measured)
    assert [(each.id, each.bytes, each.freeable, each.unfinished) for each in shown.models] == [
        ("large", 900, 800, 0),
        ("begun", 0, 0, 70),
        ("small", 1, 0, 0),
    ]
    assert (shown.unfinished, shown.total, shown.free) == (75, 1000, 5)
    assert "secret" not in repr(shown)


def test_the_details_of_a_loaded_model_hold_everything(manager: ModelManager, hub: DemoHub) -> None:
    view = Asker(manager)
    manager.register_from_hub("rmm-demo/minilm-toy").result(LONG)
    manager.load_model("minilm-toy", keep_alive=math.inf).result(LONG)
    manager.check_health("minilm-toy").result(LONG)
    hub.reset_log()
    found = view.ask("details", model_id="minilm-toy")
    assert hub.requests == [], "looking at details asks nobody"
    assert set(found) == set(Details.__struct_fields__)
    description = manager.describe("minilm-toy")
    assert (found["id"], found["revision"], found["commit"]) == ("minilm-toy", "", description.commit)
    assert found["licence"]
    assert found["card"] == description.info.description
    assert found["page"] == f"{hub.url}/rmm-demo/minilm-toy"
    assert found["loader"] == "onnxruntime"
    assert (found["device"], found["placement"]) == ("cpu", "process")
    assert found["memory"] > MIB
    assert found["need"] == description.estimated_bytes > MIB
    assert found["keep_alive"] is None, "it may be idle for ever, which no JSON can say"
    assert datetime.fromisoformat(found["loaded_at"]) <= datetime.fromisoformat(found["last_used"])
    assert found["size_on_disk"] == sum(each["size"] for each in found["files"] if each["state"] == "done")
    assert found["freeable"] == manager.disk_usage().result(LONG).models[0].freeable_bytes > 0
    assert {each["path"]: each["state"] for each in found["files"]}["config.json"] == "done"
    assert found["probes"]
    assert found["probes"][-1]["health"] == "healthy"
    assert {each["key"]: each["value"] for each in found["settings"]}["batch_size"] == 32
    assert any("downloaded" in each.lower() for each in found["story"])
    assert found["story"][-1].startswith("Now:")
    assert {"registered", "download_completed", "load_completed"} <= {each["action"] for each in found["events"]}
    assert len(found["events"]) <= 50


def test_the_details_of_what_is_not_here_yet(manager: ModelManager, hub: DemoHub) -> None:
    view = Asker(manager)
    manager.keep_alive = 90.0
    manager.register_from_hub("rmm-demo/vit-digits", model_id="digits").result(LONG)
    hub.reset_log()
    found = view.ask("details", model_id="digits")
    assert (found["commit"], found["size_on_disk"], found["freeable"], found["loaded_at"]) == ("", 0, 0, "")
    assert found["keep_alive"] == 90.0
    assert {each["state"] for each in found["files"]} <= {"waiting", "left_out"}
    assert (
        sum(each["size"] for each in found["files"] if each["state"] == "waiting")
        == manager.describe("digits").info.total_size_estimate
    )
    assert view.ask("files", model_id="digits") == found["files"]
    assert hub.requests == [], "looking at details asks nobody"


def test_the_files_of_a_running_download_and_of_what_it_leaves(manager: ModelManager, hub: DemoHub) -> None:
    view = Asker(manager)
    hub.add("rmm-demo/slow", {"model.safetensors": content(4 * MIB), "pytorch_model.bin": b"x", "config.json": b"{}"})
    manager.register_model(ModelInfo("slow", ModelType.EMBEDDING_MODEL, "rmm-demo/slow"))
    assert view.ask("files", model_id="slow") == [], "nothing is known yet"
    hub.rate = 2 * MIB
    manager.download_model("slow")
    wait_until(lambda: (p := manager.get_download_progress("slow")) is not None and p.downloaded_bytes > MIB)
    weights = {each["path"]: each for each in view.ask("files", model_id="slow")}["model.safetensors"]
    assert weights["state"] == "downloading"
    assert 0 < weights["done"] < weights["size"] == 4 * MIB
    manager.cancel_download("slow")
    wait_until(lambda: manager.describe("slow").partial_bytes > 0)
    found = view.ask("details", model_id="slow")
    assert found["unfinished"] == manager.describe("slow").partial_bytes
    assert found["freeable"] >= found["unfinished"]
    files = {each["path"]: each for each in found["files"]}
    assert files["pytorch_model.bin"]["state"] == "left_out"
    assert files["pytorch_model.bin"]["note"]
    kept = files["model.safetensors"]
    assert kept["state"] == "waiting"
    assert kept["done"] > 0


def test_S13_hostile_texts_travel_as_they_are_but_short(manager: ModelManager, echo: Echo) -> None:
    manager.register_model(
        ModelInfo(
            "hostile",
            ModelType.EMBEDDING_MODEL,
            "o/n",
            description=HOSTILE + "x" * 2_000_000,
            tags=tuple(f"{HOSTILE}{n}{'t' * 5000}" for n in range(1000)),
            metadata={"licence": HOSTILE + "l" * 100_000, "commit": {"not": "a commit"}, "file_listing": [HOSTILE]},
        )
    )
    view = Asker(manager)
    found = view.ask("details", model_id="hostile")
    assert found["card"].startswith(HOSTILE)
    assert (len(found["card"]), len(found["tags"]), len(found["licence"])) == (500, 30, 200)
    assert max(map(len, found["tags"])) == 200
    own = view.ask("details", model_id="echo")
    assert (own["page"], own["files"], own["settings"]) == ("", [], [])


def test_details_hold_no_path_of_this_machine(manager: ModelManager, hub: DemoHub, tmp_path: Path) -> None:
    manager.register_from_hub("rmm-demo/vit-digits").result(LONG)
    manager.download_model("vit-digits").result(LONG)
    found = Asker(manager).ask("details", model_id="vit-digits")
    assert str(tmp_path) not in repr(found)
