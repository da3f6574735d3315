"""Loaders of other packages, the choice among those that fit, and libraries that are not there or broken."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import LoadError, MissingDependencyError, UnsupportedModelError
from rmm_widgets.hub.identify import Evidence, Identity
from rmm_widgets.loading.choice import Candidate, choose, in_order
from rmm_widgets.loading.dependencies import missing_packages, require
from rmm_widgets.loading.detect import Alternative, detect
from rmm_widgets.loading.loader import Loader, Match
from rmm_widgets.loading.loaders import (
    ENTRY_POINT_GROUP,
    all_loaders,
    get_loader,
    open_servable,
    other_loaders,
    set_aside,
)
from rmm_widgets.types import ModelType

from . import third_party

ONNX = get_loader("onnxruntime")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return third_party.install(tmp_path_factory.mktemp("echo"))


@pytest.fixture
def site(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with a package that registers six loaders; two of them work."""
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.setattr("rmm_widgets.loading.loaders._set_aside", set())
    yield installed
    sys.modules.pop(third_party.MODULE, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "words.echo").write_text('{"hello": 1}')
    return tmp_path


def test_loaders_of_other_packages_are_found_by_name(site: Path, folder: Path) -> None:
    servable = open_servable("echo", model_id="m", model_type="embedding_model", path=str(folder))
    assert servable.call("given", (), {}) == {
        "model_id": "m",
        "model_type": "embedding_model",
        "path": str(folder),
        "trusted": False,
    }


def test_a_package_is_found_as_soon_as_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert other_loaders() == other_loaders()
    info = tmp_path / "rmm_late-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rmm-late\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nlate = rmm_late:LATE\n")
    with pytest.raises(LoadError, match="'late' cannot be imported"):
        get_loader("late")
    shutil.rmtree(info)
    with pytest.raises(UnsupportedModelError, match="no loader 'late'"):
        get_loader("late")


@pytest.mark.parametrize(
    ("name", "words"),
    [("broken", "Nothing"), ("hollow", "no name and no library"), ("misnamed", "calls itself 'echo'")],
)
def test_a_broken_one_says_so_when_it_is_asked_for(site: Path, folder: Path, name: str, words: str) -> None:
    for ask in (
        lambda: open_servable(name, model_id="m", model_type="embedding_model", path=str(folder)),
        lambda: detect(folder, loader=name),
    ):
        with pytest.raises(LoadError, match=f"'{name}' cannot be imported.*{words}") as caught:
            ask()
        assert third_party.MODULE in caught.value.hint


def test_broken_ones_keep_no_model_from_loading_and_are_logged_once(
    site: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert [loader.name for loader in other_loaders()] == ["absent", "echo", "raising"]
            assert detect(folder).loader == "echo"
            assert detect(MODELS_DIR / "vit-digits").loader == "onnxruntime"
    named = [record.args[0] for record in caplog.records if isinstance(record.args, tuple)]
    assert sorted(named) == ["broken", "hollow", "misnamed", "raising"]


def test_the_first_that_is_installed_is_taken(site: Path, folder: Path) -> None:
    found = detect(folder, model_type=ModelType.EMBEDDING_MODEL)
    assert (found.loader, found.library, found.model_type) == ("echo", "rmm-echo", ModelType.EMBEDDING_MODEL)
    assert found.reason == "absent needs rmm-no-such-library and rmm_no_such_module, not installed"
    assert found.alternatives == (Alternative("absent", "rmm-no-such-library", False),)
    assert found.usable_alternatives == ()


def test_one_can_be_asked_for(site: Path, folder: Path) -> None:
    assert detect(folder, loader="echo").reason == "as asked"
    with pytest.raises(MissingDependencyError) as missing:
        detect(folder, loader="absent")
    assert "pip install rmm-no-such-library rmm_no_such_module`" in missing.value.hint
    for name, words in (("onnxruntime", "'onnxruntime' does not fit"), ("nothing", "no loader 'nothing'")):
        with pytest.raises(UnsupportedModelError, match=words) as caught:
            detect(folder, loader=name)
        assert "absent, echo" in caught.value.hint


def test_where_none_is_installed_the_first_is_named(site: Path) -> None:
    absent = next(loader for loader in all_loaders() if loader.name == "absent")
    candidates = [Candidate(absent, Match(model_type=None, detail=""), missing_packages(absent))]
    with pytest.raises(MissingDependencyError, match="rmm-no-such-library"):
        choose(candidates, Identity(None, None, ""))


def test_the_order_of_the_choice(site: Path) -> None:
    match = Match(model_type=ModelType.EMBEDDING_MODEL, detail="")
    absent, echo = (get_loader(name) for name in ("absent", "echo"))

    def order(library: str | None, *loaders: Loader) -> list[str]:
        identity = Identity(library, ModelType.EMBEDDING_MODEL, "")
        return [each.loader.name for each in in_order([Candidate(loader, match) for loader in loaders], identity)]

    assert order(None, absent, echo, ONNX) == ["onnxruntime", "absent", "echo"], "ONNX files first"
    assert order("rmm-echo", absent, ONNX, echo) == ["onnxruntime", "echo", "absent"], "then what it was made for"
    assert order("rmm-echo", absent, echo) == ["echo", "absent"]
    assert order("unknown", echo, absent) == ["echo", "absent"], "else as they were asked"
    chosen = choose([Candidate(ONNX, match), Candidate(echo, match)], Identity("rmm-echo", None, ""))
    assert (chosen[0].loader.name, chosen[1]) == ("onnxruntime", "it has ONNX files")
    assert choose([Candidate(echo, match)], Identity("rmm-echo", None, ""))[1] == "it was made for rmm-echo"
    assert choose([Candidate(echo, match)], Identity(None, None, ""))[1] == "it fits its files"


def test_a_loader_of_somebody_else_may_take_what_is_none_of_ours(site: Path, folder: Path) -> None:
    (folder / "model_index.json").write_text('{"_class_name": "MyTextPipeline"}')
    (folder / "model.onnx").write_text("x")
    found = detect(folder, model_type=ModelType.DIFFUSION_LM)
    assert (found.loader, found.model_type) == ("echo", ModelType.DIFFUSION_LM)


@pytest.mark.parametrize(
    ("files", "model_type", "fits"),
    [
        (["onnx/model.onnx"], "embedding_model", True),
        (["onnx/model_quantized.onnx", "onnx/model_q4.onnx"], "embedding_model", True),
        (["model.onnx", "other.onnx"], "classification_model", True),
        (["whatever.onnx"], "detection_model", True),
        (["one.onnx", "two.onnx"], "detection_model", False),
        (["one.onnx", "two.onnx"], None, True),
        (["onnx/encoder_model.onnx", "onnx/decoder_model_q4.onnx"], "caption_generator", True),
        (["onnx/encoder_model.onnx", "onnx/decoder_model_merged.onnx"], "caption_generator", False),
        (["model.onnx"], "caption_generator", False),
        (["model.safetensors"], "embedding_model", False),
        ([], None, False),
    ],
    ids=str,
)
def test_onnx_files_must_be_those_of_the_type(files: list[str], model_type: str | None, fits: bool) -> None:
    kind = None if model_type is None else ModelType(model_type)
    found = ONNX.match(Evidence(files=tuple(files)), Identity(None, kind, ""))
    assert (found is not None) == fits


def test_what_is_installed_is_found_out_without_an_import(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make: Callable[..., Loader] = type(get_loader("echo"))
    (site / "rmm_never_imported.py").write_text("raise SystemExit('imported')")
    try:
        assert missing_packages(make("x", "rmm-echo")) == ()
        assert missing_packages(make("x", "rmm-echo", ("rmm_never_imported.part",))) == ()
        assert missing_packages(make("x", "rmm-never-imported", ("rmm_never_imported",))) == (), "of another package"
        assert missing_packages(make("x", "rmm-a", ("rmm_b", "rmm_a"))) == ("rmm-a", "rmm_b"), "its own name first"
        assert missing_packages(make("x", "llama-cpp-python-x", ("PIL", "rmm_b"))) == ("llama-cpp-python-x", "rmm_b")
        assert missing_packages(make("x", "numpy-gpu", ("numpy",))) == ("numpy-gpu",)
        assert missing_packages(make("x", "rmm-never-imported")) == (), "a module of that name will do"
        assert missing_packages(ONNX) == ()
        named = make("x", "onnxruntime", ("onnxruntime",))
        assert missing_packages(named) == ()
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        assert missing_packages(named) == ("onnxruntime",)
    finally:
        (site / "rmm_never_imported.py").unlink()


def test_trouble_is_logged_once(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        set_aside("x", ValueError("odd"))
    assert [record.getMessage() for record in caplog.records] == ["the loader 'x' is left out: odd"]


def test_a_broken_library_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "rmm_broken_library.py").write_text("raise ImportError('libcudart.so.12 is missing')")
    (tmp_path / "rmm_needy_library.py").write_text("import rmm_no_such_library")
    for module, words in (("rmm_broken_library", "libcudart"), ("rmm_needy_library", "rmm_no_such_library")):
        with pytest.raises(LoadError, match=words) as caught:
            require(module)
        assert not isinstance(caught.value, MissingDependencyError)
    with pytest.raises(MissingDependencyError, match="rmm_a and rmm_b") as missing:
        require("rmm_a", "sys", "rmm_b")
    assert "pip install rmm_a rmm_b" in missing.value.hint
