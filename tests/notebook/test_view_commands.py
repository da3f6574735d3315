"""Every command that a view may send: what it does, what it refuses, and that it is answered exactly once."""

from __future__ import annotations

import itertools
import logging
import os
import random
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmm_widgets.demo import sample
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.error_guide.guide import ENTRIES
from rmm_widgets.manager import ModelManager
from rmm_widgets.manager_settings import InvalidSettingError
from rmm_widgets.notebook.lengths import TEXT
from rmm_widgets.notebook.messages import MAX_BYTES, MAX_PENDING, MessageHandler
from rmm_widgets.notebook.refusals import describe
from rmm_widgets.notebook.rows import actions
from rmm_widgets.notebook.view_commands import COMMANDS
from rmm_widgets.types import ModelInfo, ModelStatus, ModelType
from rmm_widgets.workers.capacity import Capacity, Machine

from ..commands.custom import Echo, info
from ..downloads.fetching import MIB, content, wait_until
from .asking import Asker
from .conftest import LONG

ONE_OR_MANY = (
    *("download", "pause", "resume", "cancel", "discard", "load", "unload", "health", "repair", "pin", "unpin"),
)
GIB = 1 << 30


@pytest.fixture
def view(manager: ModelManager) -> Asker:
    return Asker(manager)


def valid(name: str, model_id: str = "echo") -> dict[str, Any]:
    """Arguments that a command takes."""
    match name:
        case "hello" | "ping" | "log" | "rows" | "usage" | "prune":
            return {}
        case "search":
            return {"query": "minilm"}
        case "explain":
            return {"error": "DiskFullError"}
        case "add":
            return {"repo": "rmm-demo/minilm-toy"}
        case "configure":
            return {"model_id": model_id, "config": {"batch_size": 3}}
        case "remove":
            return {"model_ids": [model_id], "files": True}
        case "removal":
            return {"model_ids": [model_id]}
        case "try":
            return {"model_id": model_id, "texts": ["a text"]}
        case _:
            return {"model_id": model_id}


def digits(manager: ModelManager, model_id: str = "digits") -> str:
    manager.register_model(ModelInfo(model_id, ModelType.CLASSIFICATION_MODEL, "rmm-demo/vit-digits"))
    return model_id


# Several models at once


def test_one_message_begins_several_and_refuses_what_cannot_be(manager: ModelManager, view: Asker) -> None:
    ids = [digits(manager, name) for name in ("a", "b")]
    many = view.ask("download", model_ids=["a", "nope", "b", "a", "nope"])
    assert many["begun"] == ids
    assert set(many["refused"]) == {"nope"}
    assert many["refused"]["nope"]["type"] == "ModelNotRegisteredError"
    wait_until(lambda: all(manager.is_model_available(each) for each in ids))
    assert view.ask("pin", model_ids=ids) == {"begun": ids, "refused": {}}
    assert all(manager.describe(each).pinned for each in ids)
    assert view.ask("unpin", model_id="a") is None
    assert [manager.describe(each).pinned for each in ids] == [False, True]
    assert view.ask("load", model_ids=ids)["begun"] == ids
    wait_until(lambda: all(manager.is_model_loaded(each) for each in ids))
    assert view.ask("unload", model_ids=ids)["begun"] == ids
    wait_until(lambda: all(manager.get_model_status(each) is ModelStatus.DOWNLOADED for each in ids))


@pytest.mark.parametrize("name", ONE_OR_MANY)
def test_every_command_for_one_is_one_for_several(manager: ModelManager, echo: Echo, view: Asker, name: str) -> None:
    assert view.ask(name, model_id="echo") is None
    many = view.ask(name, model_ids=["echo", "echo"])
    assert many["begun"] + list(many["refused"]) == ["echo"]
    assert set(view.refused(name, model_id="ecko")) == {"type", "message", "hint", "guide"}
    assert view.refused(name, model_id="ecko")["hint"] == "Did you mean echo?"


def test_a_thousand_models_in_one_message_and_no_more(manager: ModelManager, view: Asker) -> None:
    ids = [f"{'unknown' * 25}{n:04}" for n in range(1001)]
    refused = view.ask("unload", model_ids=ids[:1000])["refused"]
    assert list(refused) == ids[:1000]
    error = view.refused("unload", model_ids=ids)
    assert "1000" in error["message"]


def test_one_that_cannot_be_begun_does_not_stop_the_others(manager: ModelManager, echo: Echo, view: Asker) -> None:
    manager.enable_auto_download = False
    digits(manager)
    manager.download_model("echo").result(LONG)
    many = view.ask("load", model_ids=["digits", "echo"])
    assert many["begun"] == ["echo"]
    assert many["refused"]["digits"]["type"] == "ModelNotAvailableError"
    assert many["refused"]["digits"]["hint"]


# Errors


def test_an_error_that_a_view_was_told_of_is_explained(manager: ModelManager, view: Asker) -> None:
    name = view.refused("load", model_id="nope")["guide"]
    manager.close()  # also where nothing else works any more
    entry = ENTRIES[name]
    assert view.ask("explain", error=name) == {
        "name": "ModelNotRegisteredError",
        "meaning": entry.meaning,
        "steps": list(entry.steps),
        "example": entry.example,
    }
    refused = view.refused("explain", error="GatedModel")
    assert (refused["type"], refused["guide"]) == ("InvalidCommandError", "InvalidCommandError")
    assert "GatedModelError" in refused["hint"]


def test_a_bug_has_no_name_in_the_guide() -> None:
    assert describe(KeyError("x")).guide == ""
    assert describe(InvalidSettingError("x")).guide == "InvalidConfigError"


@pytest.mark.parametrize("name", ENTRIES)
def test_every_explanation_travels_whole(view: Asker, name: str) -> None:
    told = view.ask("explain", error=name)
    assert max(map(len, (told["meaning"], told["example"], *told["steps"]))) <= TEXT, "no view cuts it"
    assert len(told["steps"]) <= 20


# Repair


def test_a_damaged_model_offers_its_repair(manager: ModelManager, hub: DemoHub, view: Asker) -> None:
    digits(manager)
    manager.download_model("digits").result(LONG)
    (weights,) = (CacheLayout(Path(manager.cache_dir), "rmm-demo/vit-digits").root).glob("snapshots/*/onnx/model.onnx")
    blob = weights.resolve()
    blob.write_bytes(b"x" * blob.stat().st_size)
    assert not manager.verify_model("digits").result(LONG).ok
    description = manager.describe("digits")
    assert (description.status, actions(description)) == (ModelStatus.ERROR, ("repair",))
    assert view.ask("repair", model_id="digits") is None
    wait_until(lambda: manager.is_model_available("digits"))
    assert actions(manager.describe("digits")) == ("load",)
    assert manager.verify_model("digits").result(LONG).ok


# The Hub


def machine(*, total: int, available: int) -> Any:
    return lambda **_: Machine(ram=Capacity(total=total, available=available, source="the machine"))


def test_search_tells_what_fits_here(manager: ModelManager, hub: DemoHub, view: Asker) -> None:
    manager.register_model(ModelInfo("mine", ModelType.EMBEDDING_MODEL, "rmm-demo/minilm-toy"))
    hub.add("rmm-demo/minilm-pickled", {"pytorch_model.bin": b"x" * 1000, "config.json": b"{}"})
    settings = manager._engine.settings

    def found() -> dict[str, Any]:
        return {each["repo"]: each for each in view.ask("search", query="minilm")}

    settings.read_machine = machine(total=16 * GIB, available=8 * GIB)
    hub.reset_log()
    toy = found()["rmm-demo/minilm-toy"]
    assert len(hub.requests) == 1, "sizes cost no request more"
    assert (toy["registered"], toy["fits"]) == ("mine", "yes")
    assert 90_000_000 < toy["need"] < 110_000_000, "onnxruntime and a tiny model"
    pickled = found()["rmm-demo/minilm-pickled"]
    assert (pickled["registered"], pickled["need"], pickled["fits"]) == ("", None, "unknown")
    assert (toy["safety"], pickled["safety"]) == ("onnx, safetensors", "refused: pickle")
    settings.read_machine = machine(total=16 * GIB, available=900_000_000)
    assert found()["rmm-demo/minilm-toy"]["fits"] == "tight", "what is kept back is not free"
    settings.read_machine = machine(total=100_000_000, available=99_000_000)
    assert found()["rmm-demo/minilm-toy"]["fits"] == "no"
    settings.read_machine = machine(total=16 * GIB, available=8 * GIB)
    manager.memory_budget = "90MB"
    assert found()["rmm-demo/minilm-toy"]["fits"] == "no", "more than the budget"


def test_a_search_can_be_narrowed(hub: DemoHub, view: Asker) -> None:
    def found(**narrower: Any) -> set[str]:
        return {each["repo"].removeprefix("rmm-demo/") for each in view.ask("search", query="rmm-demo", **narrower)}

    assert found(max_size=600_000) == {"minilm-toy", "vit-digits"}
    assert found(max_size=600_000, type="embedding_model") == {"minilm-toy"}
    assert view.refused("search", query="rmm-demo", max_size=0)


def test_what_models_hold_of_the_budget_makes_it_tight(manager: ModelManager, hub: DemoHub, view: Asker) -> None:
    digits(manager)
    manager._engine.settings.read_machine = machine(total=16 * GIB, available=8 * GIB)
    manager.memory_budget = "120MB"
    manager.load_model("digits").result(LONG)
    (toy,) = view.ask("search", query="minilm", type="embedding_model", limit=1)
    assert toy["fits"] == "tight"
    manager.unload_model("digits").result(LONG)
    (toy,) = view.ask("search", query="minilm", type="embedding_model", limit=1)
    assert toy["fits"] == "yes"
    assert view.ask("search", query="minilm", type="detection_model") == []


def test_add_under_another_id_and_type(manager: ModelManager, view: Asker) -> None:
    added = view.ask("add", repo="rmm-demo/vit-digits", model_id="mine", type="classification_model")
    assert added == {"id": "mine"}
    assert manager.get_model_info("mine").repo_id == "rmm-demo/vit-digits"  # type: ignore[union-attr]
    assert view.refused("add", repo="../../etc")["type"] == "InvalidCommandError"
    assert view.refused("add", repo="rmm-demo/vit-digits", model_id="-x")["type"] == "InvalidCommandError"
    assert view.refused("add", repo="rmm-demo/vit-digits", type="poem")["type"] == "InvalidCommandError"
    assert view.refused("add", repo="rmm-demo/none")["type"] == "RepositoryNotFoundError"
    assert list(manager.get_all_models()) == ["mine"]


# Settings


def test_settings_are_in_force_for_a_loaded_model(manager: ModelManager, view: Asker) -> None:
    digits(manager)
    instance = manager.load_model("digits").result(LONG)
    picture = sample("digit-1.png")
    assert len(instance(picture)) == 3
    assert view.ask("configure", model_id="digits", config={"top_k": 1, "batch_size": 5}) == {"problems": {}}
    assert len(instance(picture)) == 1
    assert {each["key"]: each["value"] for each in view.ask("details", model_id="digits")["settings"]}["top_k"] == 1


def test_a_wrong_setting_changes_nothing(manager: ModelManager, view: Asker) -> None:
    digits(manager)
    told = view.ask("configure", model_id="digits", config={"top_k": 2, "treshold": 0.5, "batch_size": 0})
    assert set(told["problems"]) == {"treshold", "batch_size"}
    assert "did you mean 'threshold'?" in told["problems"]["treshold"]
    assert manager.describe("digits").config == {}
    assert set(view.ask("configure", model_id="digits", config={"file": "../x"})["problems"]) == {"file"}
    manager.load_model("digits").result(LONG)
    refused = view.ask("configure", model_id="digits", config={"dtype": "float16", "top_k": 2})
    assert set(refused["problems"]) == {"dtype"}, "the loader cannot change that"
    assert manager.describe("digits").config == {}


def test_settings_of_an_own_object_are_not_a_browsers_business(view: Asker, echo: Echo, manager: ModelManager) -> None:
    error = view.refused("configure", model_id="echo", config={"anything": 1})
    assert error["type"] == "InvalidCommandError"
    assert manager.describe("echo").config == {}


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        "top_k=1",
        {"x" * 201: 1},
        {f"key{n}": n for n in range(51)},
        {"top_k": "x" * MAX_BYTES},
        {"\ud800": 1},
    ],
)
def test_hostile_configurations_are_refused(manager: ModelManager, view: Asker, config: object) -> None:
    digits(manager)
    assert view.refused("configure", model_id="digits", config=config)["type"] == "InvalidCommandError"


# Removal


@pytest.fixture
def two_commits(manager: ModelManager, hub: DemoHub) -> int:
    """Two models of one repository at commits that share a file; gives the bytes of all of it."""
    old = hub.add("rmm-demo/model", {"model.safetensors": content(MIB), "config.json": b"{}", "a.json": b"1" * 1000})
    new = hub.update("rmm-demo/model", {"a.json": b"[]"})
    for name, commit in (("old", old), ("new", new)):
        manager.register_model(ModelInfo(name, ModelType.EMBEDDING_MODEL, "rmm-demo/model", version=commit))
        manager.download_model(name).result(LONG)
    return MIB + 2 + 1000 + 2


def test_what_a_removal_would_free_is_what_it_frees(manager: ModelManager, view: Asker, two_commits: int) -> None:
    usage = view.ask("usage")
    assert {each["id"]: each["freeable"] for each in usage["models"]} == {"old": 1000, "new": 2}
    assert usage["free"] > 0
    assert usage["total"] >= two_commits
    assert view.ask("removal", model_ids=["old"]) == {"freed": 1000}
    assert view.ask("removal", model_ids=["new", "old", "new"]) == {"freed": two_commits}
    assert view.ask("remove", model_ids=["new", "old", "new"], files=True) == {"freed": two_commits}
    assert manager.get_all_models() == {}
    assert view.ask("usage")["models"] == []


def test_models_leave_and_their_files_stay_where_that_is_asked(
    manager: ModelManager, view: Asker, two_commits: int
) -> None:
    assert view.ask("remove", model_ids=["new"], files=False) == {"freed": 0}
    assert list(manager.get_all_models()) == ["old"]
    assert view.ask("usage")["total"] >= two_commits


def test_a_removal_ends_what_runs(manager: ModelManager, echo: Echo, view: Asker) -> None:
    manager.load_model("echo").result(LONG)
    assert view.ask("remove", model_ids=["echo"], files=True) == {"freed": 0}
    assert manager.get_model_info("echo") is None


def test_an_unknown_model_keeps_all_from_being_removed(manager: ModelManager, echo: Echo, view: Asker) -> None:
    for name, more in (("remove", {"files": True}), ("removal", {})):
        error = view.refused(name, model_ids=["echo", "ecko", "x"], **more)
        assert error["type"] == "ModelNotRegisteredError"
        assert "ecko, x" in error["message"]
        assert error["hint"] == "Did you mean echo?"
    assert manager.get_model_info("echo") is not None


def test_a_removal_that_fails_says_what_is_gone_and_what_is_not(
    manager: ModelManager, echo: Echo, view: Asker, two_commits: int
) -> None:
    with CacheLayout(Path(manager.cache_dir), "rmm-demo/model") as layout:
        (digest,) = {path.name for path in layout.blobs.iterdir() if path.stat().st_size == 1000}
        with layout.locked(digest):
            error = view.refused("remove", model_ids=["echo", "old", "new"], files=True)
    assert error["type"] == "RMMError"
    assert error["message"].startswith("old was not removed: rmm-demo/model is being downloaded")
    assert error["message"].endswith("Removed: echo, new.")
    assert error["hint"] == "Wait for the download or cancel it, then delete again."


def test_prune_frees_what_is_old(manager: ModelManager, view: Asker, two_commits: int) -> None:
    orphan = CacheLayout(Path(manager.cache_dir), "rmm-demo/model").partial("a" * 64)
    orphan.write_bytes(b"x" * 1234)
    assert view.ask("prune") == {"freed": 0}
    os.utime(orphan, (1, 1))
    assert view.ask("prune") == {"freed": 1234}


# A view of some models


@pytest.mark.parametrize("limit", [["echo"], {"echo"}, lambda model_id: model_id == "echo"])
@pytest.mark.parametrize("name", [name for name in COMMANDS if "model_id" in valid(name) or "model_ids" in valid(name)])
def test_a_view_of_some_models_commands_only_these(manager: ModelManager, echo: Echo, name: str, limit: Any) -> None:
    manager.register_model(info("other"), model=Echo(info("other")))
    view, revision = Asker(manager, limit), manager.get_state().revision
    assert view.refused(name, **valid(name, "other"))["type"] == "InvalidCommandError"
    assert view.refused(name, **valid(name, "nope"))["type"] == "InvalidCommandError", (
        "it says nothing of what there is"
    )
    if name in ONE_OR_MANY:
        many = view.ask(name, model_ids=["other", "nope"])
        assert many["begun"] == []
        assert {each["type"] for each in many["refused"].values()} == {"InvalidCommandError"}
    if name in {"remove", "removal"}:
        error = view.refused(name, **{**valid(name), "model_ids": ["echo", "other"]})
        assert "other" in error["message"]
    assert manager.get_state().revision == revision


def test_a_view_of_some_models_sees_and_touches_nothing_else(
    manager: ModelManager, echo: Echo, two_commits: int
) -> None:
    types = {ModelType.CLASSIFICATION_MODEL}

    def of_a_type(model_id: str) -> bool:
        known = manager.get_model_info(model_id)
        return known is not None and known.model_type in types

    view = Asker(manager, of_a_type)
    assert {each["id"] for each in view.ask("log")} == {"echo"}
    assert view.ask("usage")["models"] == []
    assert view.refused("prune")["hint"] == "Use the full panel."
    assert view.refused("add", repo="rmm-demo/minilm-toy")["hint"] == "Use the full panel."
    types.add(ModelType.EMBEDDING_MODEL)
    assert {each["id"] for each in view.ask("usage")["models"]} == {"old", "new"}


# Answers


def test_answers_that_take_their_time_hold_up_nobody_and_are_bounded(
    manager: ModelManager, echo: Echo, view: Asker
) -> None:
    manager.load_model("echo").result(LONG)
    echo.gate.clear()
    most = MAX_PENDING["kernel"]
    waiting = [view.send("remove", {"model_ids": ["echo"], "files": False}) for _ in range(most)]
    assert view.refused("details", model_id="echo")["message"] == "too many questions to the kernel at once"
    assert view.handler.pending == most
    assert view.ask("ping")["protocol"]
    assert view.ask("search", query="minilm"), "the Hub is somebody else"
    assert Asker(manager).ask("log"), "another view has its own"
    echo.gate.set()
    assert [view.answer(rid)["ok"] for rid in waiting] == [True] * most
    wait_until(lambda: view.handler.pending == 0)


def test_a_bug_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Any:
        raise ZeroDivisionError("what a mess" * 1000)

    answers: list[dict[str, Any]] = []
    handler = MessageHandler(broken)
    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        for name in ("load", "log"):
            command = {"kind": "rmm/cmd", "rid": name, "name": name, "args": valid(name)}
            handler.handle(command, reply=answers.append)
        wait_until(lambda: len(answers) == 2)
    for answer in answers:
        assert answer["error"]["type"] == "ZeroDivisionError"
        assert len(answer["error"]["message"]) == 1000
        assert "bug" in answer["error"]["hint"]
    assert caplog.text.count("ZeroDivisionError") >= 2
    assert (handler.refused, handler.pending) == (2, 0)


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in {"hello", "ping", "rows", "explain", "stop"}]
)
def test_a_closed_manager_is_said_to_be_closed(manager: ModelManager, echo: Echo, view: Asker, name: str) -> None:
    model_id = digits(manager)
    manager.close()
    assert view.refused(name, **valid(name, model_id))["type"] == "ManagerClosedError"


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


def test_S15_hostile_arguments_of_every_command_have_no_effect(manager: ModelManager, echo: Echo) -> None:
    digits(manager)
    view, revision, events = Asker(manager), manager.get_state().revision, len(manager.events(limit=1000))
    wrong: list[object] = [
        *(None, 7, "echo", [], ["echo"], True),
        {"model_id": None},
        {"model_id": 7},
        {"model_id": ["echo"]},
        {"model_id": {"id": "echo"}},
        {"model_id": "echo", "model_ids": ["echo"]},
        {"model_ids": []},
        {"model_ids": "echo"},
        {"model_ids": ["echo", 7]},
        {"model_ids": ["echo"] * 1001},
        {"model_ids": {"echo": True}},
        {"model_ids": nested(5000)},
        {"model_id": "x" * 300_000},
        {"model_id": "nope\ud800"},
        {"model_ids": ["echo"], "files": "yes"},
        {"model_ids": ["echo"], "files": None},
        {"model_ids": ["echo"], "files": True, "folder": "/"},
        {"model_id": "digits", "config": nested(5000)},
        {"model_id": "digits", "config": {"batch_size": 1}, "isolation": "kernel"},
        {"query": "x" * 201},
        {"query": "x", "limit": 0},
        {"query": "x", "limit": 101},
        {"query": "x", "limit": 1e3},
        {"query": "x", "endpoint": "http://evil.example"},
        {"repo": ["o/n"]},
        {"repo": "o/n", "token": "t"},
        {"repo": "o/n", "allow_patterns": ["*"]},
        {7: "echo"},
    ]
    for number, (name, args) in enumerate(itertools.product(COMMANDS, wrong)):
        answer = view.answer(view.send(name, args))
        assert answer["ok"] is False, (name, args)
        assert answer["error"]["type"] == "InvalidCommandError", (number, name, args, answer)
        assert answer["error"]["hint"]
    assert len(view.answers) == len(COMMANDS) * len(wrong)
    assert view.handler.refused == len(view.answers)
    assert manager.get_state().revision == revision
    assert len(manager.events(limit=1000)) == events


def test_S15_random_messages_get_one_answer_each_and_change_nothing(manager: ModelManager, echo: Echo) -> None:
    digits(manager)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    keys = ("model_id", "model_ids", "config", "files", "query", "repo", "type", "limit", "rid", "kind", "x")

    def value(depth: int = 0) -> object:
        pick = draw.randrange(9 if depth < 3 else 5)
        if pick < 5:
            return draw.choice((None, True, -1, 2**70, 1.5, "echo ", "nope", "\u202e", "\x00", "", "../..", "x" * 3000))
        if pick < 7:
            return [value(depth + 1) for _ in range(draw.randrange(4))]
        return {draw.choice(keys): value(depth + 1) for _ in range(draw.randrange(4))}

    view, revision = Asker(manager), manager.get_state().revision
    names = [*COMMANDS, "allow", "rows ", "__init__", 7, None]
    reading = {"hello", "ping", "log", "usage", "prune", "search"}
    for number in range(1, 3001):
        name = draw.choice(names)
        args = value()
        if name in reading and (args == {} or (isinstance(args, dict) and "query" in args)):
            args = {"unknown": args}  # they would be answered, which is no effect but takes its time
        view.send_raw({"kind": "rmm/cmd", "rid": str(number), "name": name, "args": args}, ())
        view.wait(number)
    many = [answer for answer in view.answers if answer["ok"]]
    assert all(answer["value"]["begun"] == [] for answer in many), "only unknown models were named"
    assert manager.get_state().revision == revision
    assert view.handler.pending == 0


def test_commands_of_many_threads_are_all_answered(manager: ModelManager, echo: Echo, view: Asker) -> None:
    def send() -> None:
        for name in ("ping", "log", "details", "files", "load", "unload", "pin", "unpin", "usage"):
            view.send(name, valid(name))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view.wait(72)
    wait_until(lambda: view.handler.pending == 0)
    rids = [answer["rid"] for answer in view.answers]
    assert len(rids) == len(set(rids)) == 72
    errors = {answer["error"]["type"] for answer in view.answers if not answer["ok"]}
    assert errors <= {"InvalidCommandError"}, "at most the bound"


def test_every_command_has_arguments_that_refuse_what_they_do_not_know() -> None:
    for name, command in COMMANDS.items():
        assert command.arguments.__struct_config__.forbid_unknown_fields, name
        msgspec.convert(valid(name), command.arguments)


def test_a_batch_is_begun_before_its_models_are_ready(manager: ModelManager, echo: Echo, view: Asker) -> None:
    echo.gate.clear()
    assert view.ask("load", model_ids=["echo"])["begun"] == ["echo"]
    assert not manager.is_model_loaded("echo")
    echo.gate.set()
    wait_until(lambda: manager.is_model_loaded("echo"))
