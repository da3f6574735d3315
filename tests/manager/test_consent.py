"""Repositories that could run code: refused, allowed by the user for one commit, and refused again at the next."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from huggingface_hub import close_session

from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import (
    InvalidCommandError,
    InvalidConfigError,
    InvalidModelInfoError,
    ModelNotRegisteredError,
    UnsafeModelError,
)
from rmm_widgets.loading.loaders import ENTRY_POINT_GROUP
from rmm_widgets.manager import ModelManager
from rmm_widgets.registry.records import StoredModel, decode_model, encode_model
from rmm_widgets.types import ModelEvent, ModelInfo, ModelStatus

from ..loading.safety.audit import watched
from .models import Scripted, info

LONG = 60.0
REPO = "rmm-demo/model"

PLUGIN = """
import pickle
from rmm_widgets.loading.loader import Match, MemoryEstimate
from rmm_widgets.loading.servable import Loaded, ProbeAnswer

class Unpickled:
    def __init__(self, path, trusted):
        self.path, self.trusted = path, trusted
    def load(self, config, device, cancelled):
        if self.trusted:
            pickle.loads((self.path / "weights.pkl").read_bytes())
        return Loaded(device="cpu")
    def call(self, method, args, kwargs):
        return {"trusted": self.trusted}
    def probe(self):
        return ProbeAnswer(True)
    def update_config(self, config): ...
    def unload(self): ...

class UnpicklingLoader:
    name, library, preload = "unpickling", "rmm-unpickling", ()
    def match(self, evidence, identity):
        return Match(model_type=None, detail="*.unpickling files") if evidence.has(".unpickling") else None
    def estimate(self, folder, model_type, config):
        return MemoryEstimate(weights=1)
    def open(self, *, model_id, model_type, path, trusted):
        return Unpickled(path, trusted)

LOADER = UnpicklingLoader()
"""


class Marking:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def endpoint(empty_hub: DemoHub) -> Iterator[str]:
    yield empty_hub.url
    close_session()  # huggingface_hub keeps its connections otherwise


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What is there once the pickle of `unsafe` was opened."""
    return tmp_path / "marker"


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with a loader that opens pickles where it may."""
    site = tmp_path / "site"
    installed = site / "rmm_unpickling-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: rmm-unpickling\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nunpickling = rmm_unpickling_plugin:LOADER\n")
    (site / "rmm_unpickling_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("rmm_unpickling_plugin", None)


def repository(marker: Path, **more: bytes) -> dict[str, bytes]:
    files = {"weights.pkl": pickle.dumps(Marking(marker)), "model.unpickling": b"x", "config.json": b"{}"}
    return files | more


@pytest.fixture
def commit(empty_hub: DemoHub, manager: ModelManager, marker: Path) -> str:
    """The commit of a repository with a hostile pickle, on disk as `unsafe`."""
    commit = empty_hub.add(REPO, repository(marker))
    manager.register_model(info("unsafe", repo_id=REPO))
    manager.download_model("unsafe").result(LONG)
    return commit


def refusal(manager: ModelManager, model_id: str = "unsafe", **options: Any) -> UnsafeModelError:
    with pytest.raises(UnsafeModelError) as caught:
        manager.load_model(model_id, **options).result(LONG)
    assert caught.value.model_id == model_id
    return caught.value


def allowed(manager: ModelManager) -> str | None:
    return manager.describe("unsafe").allowed_commit


@pytest.mark.parametrize("isolation", ["process", "kernel"])
def test_S1_a_pickle_is_refused_before_anything_opens_it(
    manager: ModelManager, commit: str, marker: Path, isolation: str
) -> None:
    with watched() as seen:
        error = refusal(manager, isolation=isolation)
    assert seen == [], "no process was started and nothing unpickled"
    assert not marker.exists()
    assert "weights.pkl (a pickle, which can run any code when it is opened (it names posix mkdir))" in str(error)
    assert f'manager.allow_unsafe("unsafe", commit="{commit}")' in error.hint
    description = manager.describe("unsafe")
    assert description.status is ModelStatus.ERROR
    assert "weights.pkl" in description.error
    (event,) = [event for event in manager.events("unsafe") if event.type == "load_error"]
    assert event.data["error_type"] == "UnsafeModelError"


def test_S4_code_of_a_repository_is_refused_and_not_imported(
    manager: ModelManager, empty_hub: DemoHub, marker: Path
) -> None:
    code = f"import os; os.mkdir({str(marker)!r})".encode()
    config = {"auto_map": {"AutoModel": "modeling.Model"}, "text_config": {"trust_remote_code": True}}
    files = {"modeling.py": code, "config.json": json.dumps(config).encode(), "model.unpickling": b"x"}
    empty_hub.add(REPO, files)
    manager.register_from_hub(REPO, model_id="coded", model_type="embedding_model").result(LONG)
    folder = manager.download_model("coded").result(LONG)
    for isolation in ("process", "kernel"):
        with watched(folder) as seen:
            error = refusal(manager, "coded", isolation=isolation)
        assert seen == []
    assert "modeling.py (Python code)" in str(error)
    assert "config.json (it asks for code: " in str(error)
    assert not marker.exists()


def test_the_line_in_the_hint_is_all_it_takes(
    make_manager: Callable[..., ModelManager], manager: ModelManager, commit: str, marker: Path
) -> None:
    events: list[ModelEvent] = []
    manager.add_event_listener(events.append)
    hint = refusal(manager).hint
    line = hint[hint.index("manager.allow_unsafe") :]
    exec(line, {"manager": manager})  # as a user would paste it
    assert [event.data for event in events if event.type == "config_update"] == [
        {"action": "unsafe_allowed", "commit": commit}
    ]
    exec(line, {"manager": manager})
    assert sum(event.type == "config_update" for event in events) == 1, "once is enough"
    instance = manager.load_model("unsafe").result(LONG)
    assert instance() == {"trusted": True}
    assert instance.placement == "process"
    assert marker.exists(), "it does what it does, where the user wants it"
    manager.unload_model("unsafe").result(LONG)
    marker.rmdir()

    assert "process of their own" in refusal(manager, isolation="kernel").hint
    assert not marker.exists()
    manager.close()

    again = make_manager()
    assert allowed(again) == commit
    assert again.load_model("unsafe").result(LONG)()["trusted"]
    again.unload_model("unsafe").result(LONG)
    marker.rmdir()
    again.forbid_unsafe("unsafe")
    again.forbid_unsafe("unsafe")
    assert [event.data["action"] for event in again.events("unsafe") if event.type == "config_update"][-2:] == [
        "unsafe_allowed",
        "unsafe_revoked",
    ]
    refusal(again)
    assert not marker.exists()
    again.close()
    assert allowed(make_manager()) is None


def test_S4_a_consent_is_for_one_commit(manager: ModelManager, empty_hub: DemoHub, commit: str, marker: Path) -> None:
    manager.allow_unsafe("unsafe", commit=commit)
    new = empty_hub.update(REPO, {"more.txt": b"changed"})
    manager.update_model("unsafe").result(LONG)
    assert manager.describe("unsafe").commit == new
    assert allowed(manager) is None
    assert new in refusal(manager).hint
    assert not marker.exists()
    event = next(event for event in reversed(manager.events("unsafe")) if event.data.get("action") == "unsafe_revoked")
    assert event.data["commit"] == commit
    with pytest.raises(UnsafeModelError, match=new):
        manager.allow_unsafe("unsafe", commit=commit)
    assert allowed(manager) is None


def test_a_consent_ends_with_the_registration(
    manager: ModelManager, empty_hub: DemoHub, commit: str, marker: Path
) -> None:
    manager.allow_unsafe("unsafe", commit=commit)
    manager.register_model(info("unsafe", repo_id=REPO, description="better"))
    assert allowed(manager) == commit, "another description is no other model"
    other = empty_hub.add("rmm-demo/other", repository(marker))
    manager.register_model(info("unsafe", repo_id="rmm-demo/other"), replace=True)
    assert allowed(manager) is None
    manager.register_model(info("unsafe", repo_id=REPO), replace=True)
    assert manager.describe("unsafe").commit == commit
    assert allowed(manager) is None
    assert other != commit
    manager.allow_unsafe("unsafe", commit=commit)
    manager.delete_model("unsafe").result(LONG)
    manager.register_model(info("unsafe", repo_id=REPO))
    assert allowed(manager) is None
    refusal(manager)


def test_a_wrong_consent_changes_nothing(manager: ModelManager, commit: str) -> None:
    manager.register_model(info("custom"), model=Scripted("custom"))
    manager.register_model(info("far", repo_id="rmm-demo/far"))
    seen = len(manager.events())
    wrong: list[Any] = [commit[:7], commit.upper(), commit + "0", "", "main", "0" * 40, None, 5, commit.encode(), "x\n"]
    for each in wrong:
        with pytest.raises(UnsafeModelError, match="nothing was allowed") as caught:
            manager.allow_unsafe("unsafe", commit=each)
        assert commit in f"{caught.value} {caught.value.hint}", "it says which commit is there"
    for model_id in ("far", "custom"):
        with pytest.raises(UnsafeModelError) as caught:
            manager.allow_unsafe(model_id, commit=commit)
        assert caught.value.hint
    for call in (manager.forbid_unsafe, manager.check_safety, lambda id_: manager.allow_unsafe(id_, commit=commit)):
        with pytest.raises(ModelNotRegisteredError):
            call("unknown")
    with pytest.raises(TypeError):
        manager.allow_unsafe("unsafe", commit)  # type: ignore[misc]
    assert len(manager.events()) == seen
    refusal(manager)


def test_S4_nothing_but_the_statement_gives_consent(
    manager: ModelManager, empty_hub: DemoHub, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the repository, its card, the environment, a configuration, or what a model is registered with."""
    claims = {"trusted": True, "allowed_commit": "", "allow_unsafe": True, "commit": ""}
    files = {
        "rmm.json": json.dumps(claims).encode(),
        ".env": b"RMM_ALLOW_UNSAFE=1\nHF_HUB_TRUST_REMOTE_CODE=1\n",
        "README.md": b"---\ntrusted: true\nallow_unsafe: true\n---\n",
    }
    commit = empty_hub.add(REPO, repository(marker, **files))
    for name in ("RMM_ALLOW_UNSAFE", "RMM_TRUSTED", "HF_HUB_TRUST_REMOTE_CODE", "TRUST_REMOTE_CODE"):
        monkeypatch.setenv(name, "1")
    metadata = {**claims, "allowed_commit": commit, "trusted_commit": commit, "commit": commit}
    manager.register_model(info("unsafe", repo_id=REPO, version=commit, metadata=metadata, tags=("trusted",)))
    manager.download_model("unsafe").result(LONG)
    for name in ("trusted", "trust_remote_code", "allow_unsafe", "allowed_commit", "weights_only"):
        with pytest.raises(InvalidConfigError):
            manager.load_model("unsafe", {name: True}).result(LONG)
        with pytest.raises(InvalidConfigError):
            manager.update_model_config("unsafe", {name: True})
        with pytest.raises(TypeError):
            manager.load_model("unsafe", **{name: True})
    manager.import_models(manager.export_models(), overwrite=True)
    assert allowed(manager) is None
    refusal(manager)
    assert not marker.exists()


def test_what_a_consent_does_not_cover(manager: ModelManager, empty_hub: DemoHub, marker: Path) -> None:
    commit = empty_hub.add(REPO, repository(marker, **{"model.safetensors": b"\xff" * 100}))
    manager.register_model(info("unsafe", repo_id=REPO))
    manager.download_model("unsafe").result(LONG)
    manager.allow_unsafe("unsafe", commit=commit)
    error = refusal(manager)
    assert "model.safetensors" in str(error)
    assert "allow_unsafe" not in error.hint
    assert not marker.exists()


def test_a_safe_model_needs_no_consent_and_is_not_trusted(manager: ModelManager, empty_hub: DemoHub) -> None:
    empty_hub.add(REPO, {"model.unpickling": b"x", "config.json": b"{}"})
    manager.register_model(info("safe", repo_id=REPO))
    for isolation in ("process", "kernel"):
        assert manager.load_model("safe", isolation=isolation).result(LONG)() == {"trusted": False}
        manager.unload_model("safe").result(LONG)
    report = manager.check_safety("safe").result(LONG)
    assert report.safe
    assert report.formats == (("text", 2),)


def test_S17_the_command_and_what_the_tables_show(manager: ModelManager, commit: str) -> None:
    context = Context(manager=manager, table=TABLE, namespace={})

    def run(line: str) -> str:
        return execute_line(context, line).text

    assert "refused: weights.pkl (a pickle" in run("info unsafe")
    assert "allowed" not in run("ls")
    for wrong in ("allow unsafe", f"allow unsafe {commit} --revoke", "allow"):
        with pytest.raises(InvalidCommandError):
            run(wrong)
    with pytest.raises(UnsafeModelError):
        run(f"allow unsafe {'0' * 40}")
    with pytest.raises(ModelNotRegisteredError):
        run(f"allow unknown {commit}")
    assert allowed(manager) is None
    run(f"allow unsafe {commit}")
    assert allowed(manager) == commit
    assert "unsafe files allowed" in run("ls")
    assert commit in next(line for line in run("info unsafe").splitlines() if line.startswith("allowed"))
    assert json.loads(execute_line(context, "info unsafe --json").text)["allowed_commit"] == commit
    run("allow unsafe --revoke")
    assert allowed(manager) is None


def test_what_would_be_refused_is_known_before_the_download(
    manager: ModelManager, empty_hub: DemoHub, marker: Path
) -> None:
    empty_hub.add(REPO, repository(marker, **{"modeling.py": b"", "README.md": b"---\ntags:\n- custom_code\n---\n"}))
    manager.register_from_hub(REPO, model_id="seen", model_type="embedding_model").result(LONG)
    report = manager.check_safety("seen").result(LONG)
    assert report.source == "names"
    assert {finding.path for finding in report.findings} == {"", "modeling.py", "weights.pkl"}
    told = execute_line(Context(manager=manager, table=TABLE, namespace={}), "info seen").text
    assert "would be refused" in told


def test_a_registry_of_before_has_no_consents() -> None:
    model = StoredModel(ModelInfo("m", "embedding_model", "o/n"), commit="a" * 40)
    body = json.loads(encode_model(model))
    del body["allowed_commit"]
    assert decode_model(json.dumps(body)) == model
    body["allowed_commit"] = "main"
    assert decode_model(json.dumps(body)) is None, "no commit, no record"
    with pytest.raises(InvalidModelInfoError):
        msgspec.structs.replace(model, allowed_commit="main")
