"""Loaders as users meet them: chosen, asked for, refused, and brought by a package of somebody else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rmm_widgets.commands.dispatch import execute_line
from rmm_widgets.commands.spec import Context
from rmm_widgets.commands.table import TABLE
from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import (
    InvalidConfigError,
    LoadError,
    MissingDependencyError,
    ModelNotAvailableError,
    RMMError,
    UnsupportedModelError,
)
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelHealth, ModelInfo, ModelStatus, ModelType

from ..loading import third_party
from .models import Scripted
from .test_residents import workers

WORDS = ModelInfo("words", ModelType.EMBEDDING_MODEL, "rmm-demo/words")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return third_party.install(tmp_path_factory.mktemp("echo"))


@pytest.fixture
def site(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(installed))
    yield
    sys.modules.pop(third_party.MODULE, None)


@pytest.fixture
def endpoint(hub: DemoHub, site: None) -> str:
    hub.add(WORDS.repo_id, {"words.echo": b'{"hello": 1, "world": 2}', "README.md": b"# Words\n"})
    return hub.url


@pytest.fixture
def words(manager: ModelManager) -> str:
    manager.register_model(WORDS)
    manager.download_model("words").result(30)
    return "words"


def test_a_loader_of_an_installed_package_loads_in_a_process(manager: ModelManager, words: str) -> None:
    found = manager.find_loader(words).result(30)
    assert (found.loader, found.library, found.model_type) == ("echo", "rmm-echo", ModelType.EMBEDDING_MODEL)
    model = manager.load_model(words).result(60)
    description = manager.describe(words)
    assert (description.loader, description.placement, description.device) == ("echo", "process", "cpu")
    assert model(["hello", "world"]) == [1, 2]
    assert model.call("given")["trusted"] is False
    assert model.call("pid") == workers()[0].pid != os.getpid()
    assert manager.check_health(words).result(30) is ModelHealth.HEALTHY
    manager.update_model_config(words, {"batch_size": 1})
    assert model(["hello", "world"]) == [1]
    manager.unload_model(words).result(30)
    assert workers() == []
    assert manager.describe(words).loader == ""
    assert manager.load_model(words, isolation="kernel").result(60)(["world"]) == [2]


def test_a_broken_package_keeps_no_other_model_from_loading(manager: ModelManager, digits: str) -> None:
    assert manager.load_model(digits).result(60).health is ModelHealth.HEALTHY


@pytest.mark.parametrize(
    ("loader", "error", "told"),
    [
        ("onnxruntime", UnsupportedModelError, "absent, echo"),
        ("nothing", UnsupportedModelError, "absent, echo"),
        ("ONNXRUNTIME", UnsupportedModelError, "absent, echo"),
        ("absent", MissingDependencyError, "pip install rmm-no-such-library"),
        ("broken", LoadError, third_party.MODULE),
        ("", InvalidConfigError, "leave it out"),
        (3, InvalidConfigError, "leave it out"),
    ],
    ids=str,
)
def test_a_loader_that_cannot_be_is_refused_and_nothing_is_loaded(
    manager: ModelManager, words: str, loader: object, error: type[RMMError], told: str
) -> None:
    before = len(manager.events(words))
    with pytest.raises(error) as caught:
        manager.load_model(words, loader=loader)  # type: ignore[arg-type]
    assert caught.value.model_id == words
    assert told in caught.value.hint
    assert manager.get_model_status(words) is ModelStatus.DOWNLOADED
    assert (workers(), len(manager.events(words))) == ([], before)


def test_a_loader_can_be_asked_for(manager: ModelManager, words: str, digits: str) -> None:
    assert manager.load_model(words, loader="echo").result(60)(["hello"]) == [1]
    assert manager.load_model(digits, loader="onnxruntime").result(60).status is ModelStatus.LOADED
    assert manager.describe(digits).loader == "onnxruntime"


def test_before_a_download_the_name_is_checked_and_later_the_fit(manager: ModelManager, words: str) -> None:
    manager.delete_model(words, remove_files=True).result(30)
    manager.register_model(WORDS)
    with pytest.raises(ModelNotAvailableError):
        manager.find_loader(words).result(30)
    with pytest.raises(UnsupportedModelError, match="no loader 'nothing'"):
        manager.load_model(words, loader="nothing")
    with pytest.raises(UnsupportedModelError, match="does not fit") as caught:
        manager.load_model(words, loader="onnxruntime").result(60)
    assert "absent, echo" in caught.value.hint
    assert manager.load_model(words).result(60)(["hello"]) == [1]


def test_custom_models_have_no_loader(manager: ModelManager, scripted: Callable[..., Scripted]) -> None:
    scripted("custom")
    for ask in (lambda: manager.load_model("custom", loader="echo"), lambda: manager.find_loader("custom").result(30)):
        with pytest.raises(LoadError, match="custom model") as caught:
            ask()
        assert "loader" in caught.value.hint
    assert manager.load_model("custom").result(30).status is ModelStatus.LOADED
    assert manager.describe("custom").loader == ""


def test_where_the_loader_cannot_do_it_the_others_are_named(manager: ModelManager, hub: DemoHub) -> None:
    hub.add(
        "rmm-demo/both",
        {"words.echo": b'{"a": 1}', "model.onnx": (MODELS_DIR / "vit-digits/onnx/model.onnx").read_bytes()},
    )
    manager.register_model(ModelInfo("both", ModelType.EMBEDDING_MODEL, "rmm-demo/both"))
    with pytest.raises(UnsupportedModelError, match="not texts") as caught:
        manager.load_model("both").result(60)
    assert "loader='echo'" in caught.value.hint
    assert "encoder for texts" in caught.value.hint
    assert manager.load_model("both", loader="echo").result(60)(["a"]) == [1]


def test_commands_choose_and_tell(manager: ModelManager, words: str) -> None:
    context = Context(manager=manager, table=TABLE, namespace={})
    shown = " ".join(execute_line(context, "info words").text.split())
    assert "rmm_no_such_module, not installed; also fit: absent (not installed)" in shown
    assert execute_line(context, "load words --loader echo --wait --as model").value(["hello"]) == [1]
    assert "loaded by echo" in " ".join(execute_line(context, "info words").text.split())
    with pytest.raises(UnsupportedModelError, match="no loader 'nothing'"):
        execute_line(context, "load words --loader nothing")


def test_info_tells_why_a_model_cannot_be_loaded(manager: ModelManager, hub: DemoHub) -> None:
    hub.add("rmm-demo/pictures", {"model_index.json": b'{"_class_name": "StableDiffusionPipeline"}'})
    with pytest.raises(UnsupportedModelError, match=r"none of the types .*StableDiffusionPipeline") as caught:
        manager.register_from_hub("rmm-demo/pictures").result(30)
    assert "model_type" in caught.value.hint
    manager.register_from_hub("rmm-demo/pictures", model_type="diffusion_lm").result(30)
    manager.download_model("pictures").result(30)
    context = Context(manager=manager, table=TABLE)
    assert "none of the types that can be loaded" in execute_line(context, "info pictures").text
    with pytest.raises(UnsupportedModelError, match="StableDiffusionPipeline"):
        manager.load_model("pictures").result(30)
