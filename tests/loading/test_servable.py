"""The life of an onnxruntime servable: load, cancel, devices, missing libraries, damaged files, unload."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rmm_widgets.demo import MODELS_DIR, sample
from rmm_widgets.errors import (
    InvalidConfigError,
    LoadCancelledError,
    LoadError,
    MissingDependencyError,
    ModelNotAvailableError,
    ModelNotLoadedError,
    UnsupportedModelError,
)
from rmm_widgets.loading.loaders import open_servable
from rmm_widgets.loading.loaders.onnx.session import Session
from rmm_widgets.loading.loaders.onnxruntime import OnnxServable
from rmm_widgets.loading.servable import Servable
from rmm_widgets.types import ModelType

from .conftest import never

Load = Callable[..., Servable]


def opened(name: str, model_type: str, folder: Path | None = None) -> Servable:
    return open_servable("onnxruntime", model_id="m", model_type=model_type, path=str(folder or MODELS_DIR / name))


def copied(name: str, to: Path) -> Path:
    return Path(shutil.copytree(MODELS_DIR / name, to / name))


def test_load_says_where_and_what(load: Load) -> None:
    servable = opened("blip-shapes", "caption_generator")
    loaded = servable.load({}, None, never)
    assert loaded.device == "cpu"
    assert loaded.detail["files"] == ["onnx/encoder_model.onnx", "onnx/decoder_model.onnx"]
    servable.unload()


def test_a_load_between_whose_files_it_is_cancelled_gives_up() -> None:
    answers = iter([False, True])
    servable = opened("blip-shapes", "caption_generator")
    with pytest.raises(LoadCancelledError) as caught:
        servable.load({}, None, lambda: next(answers))
    assert caught.value.model_id == "m"
    with pytest.raises(ModelNotLoadedError):
        servable.call("__call__", (), {})


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:x", "mps", "", "CPU "])
def test_a_device_that_is_not_there_is_an_error(device: str) -> None:
    import onnxruntime

    if device.startswith("cuda") and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(LoadError, match="not available") as caught:
        opened("vit-digits", "classification_model").load({}, device, never)
    assert "cpu" in caught.value.hint


def test_force_cpu_wins_over_the_device() -> None:
    servable = opened("vit-digits", "classification_model")
    assert servable.load({"force_cpu": True}, "cuda", never).device == "cpu"


def test_wrong_settings_change_nothing(load: Load) -> None:
    servable = load("yolos-shapes", confidence=1.0)
    image = Image.open(sample("detect-1.png"))
    wrongs = [{"confidence": 2}, {"confidense": 0.1}, {"input_size": [32, 32]}, {"confidence": 0.1, "x": 1}]
    for wrong in [*wrongs, {"confidence": 0.1, "dtype": "float16"}, {"confidence": 0.1, "file": "model.onnx"}]:
        with pytest.raises(InvalidConfigError):
            servable.update_config(wrong)
        assert servable.call("__call__", (image,), {}) == []
    with pytest.raises(InvalidConfigError, match="64"):
        load("minilm-toy").update_config({"dimension": 65})
    with pytest.raises(InvalidConfigError):
        opened("vit-digits", "classification_model").load({"top_k": 0}, None, never)
    with pytest.raises(InvalidConfigError, match="onnxruntime cannot") as caught:
        opened("vit-digits", "classification_model").load({"dtype": "bfloat16"}, None, never)
    assert caught.value.model_id == "m"


@pytest.mark.parametrize(
    ("name", "model_type", "module", "package"),
    [
        ("vit-digits", "classification_model", "onnxruntime", "onnxruntime"),
        ("vit-digits", "classification_model", "PIL", "pillow"),
        ("minilm-toy", "embedding_model", "tokenizers", "tokenizers"),
    ],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, name: str, model_type: str, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=package) as caught:
        opened(name, model_type)
    assert f"pip install {package}`" in caught.value.hint


def test_a_library_that_the_model_does_not_need_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    servable = opened("vit-digits", "classification_model")
    servable.load({}, None, never)
    assert servable.probe().healthy


def test_importing_the_package_imports_no_library() -> None:
    code = (
        "import sys, rmm_widgets, rmm_widgets.loading.detect, rmm_widgets.loading.loaders, rmm_widgets.hub.catalogue;"
        "print([m for m in ('onnxruntime', 'tokenizers', 'PIL', 'huggingface_hub', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_unknown_loaders_and_folders() -> None:
    with pytest.raises(UnsupportedModelError, match="no loader 'nothing'"):
        open_servable("nothing", model_id="m", model_type="embedding_model", path=str(MODELS_DIR))
    with pytest.raises(ModelNotAvailableError):
        opened("no-such-model", "embedding_model")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("vit-digits", "embedding_model"),
        ("vit-digits", "diffusion_lm"),
        ("vit-digits", "detection_model"),
        ("vit-digits", "caption_generator"),
        ("mdlm-stories", "embedding_model"),
        ("minilm-toy", "diffusion_lm"),
    ],
)
def test_a_model_of_another_type_is_refused(name: str, wrong: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        opened(name, wrong).load({}, None, never)
    assert caught.value.hint
    assert caught.value.model_id == "m"


@pytest.mark.parametrize("damage", [b"", b"not protobuf at all", b"\x08\x08", None], ids=repr)
def test_a_damaged_file_is_an_error(tmp_path: Path, damage: bytes | None) -> None:
    folder = copied("vit-digits", tmp_path)
    file = folder / "onnx" / "model.onnx"
    file.write_bytes(file.read_bytes()[:100_000] if damage is None else damage)
    with pytest.raises(LoadError) as caught:
        opened("", "classification_model", folder).load({}, None, never)
    assert "model.onnx" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("file", ["preprocessor_config.json", "config.json"])
def test_a_damaged_configuration_is_an_error(tmp_path: Path, file: str) -> None:
    folder = copied("vit-digits", tmp_path)
    (folder / file).write_text('{"size": ')
    with pytest.raises(LoadError, match=file):
        opened("", "classification_model", folder).load({}, None, never)


def test_a_missing_tokenizer_is_an_error(tmp_path: Path) -> None:
    folder = copied("minilm-toy", tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(LoadError, match=r"tokenizer\.json"):
        opened("", "embedding_model", folder).load({}, None, never)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(LoadError, match="cannot be read"):
        opened("", "embedding_model", folder).load({}, None, never)


def test_the_number_of_threads_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> int:
        session = Session.open(MODELS_DIR / "vit-digits" / "onnx" / "model.onnx", "cpu")
        return session._session.get_session_options().intra_op_num_threads

    monkeypatch.delenv("RMM_NUM_THREADS", raising=False)
    assert 1 <= threads() <= 4
    for number in (1, 3):
        monkeypatch.setenv("RMM_NUM_THREADS", str(number))
        assert threads() == number
    for wrong in ("many", "0", "-1", ""):
        monkeypatch.setenv("RMM_NUM_THREADS", wrong)
        with pytest.raises(LoadError, match="RMM_NUM_THREADS"):
            threads()


def test_loading_and_unloading_leaves_nothing(no_leaks: None) -> None:
    for _ in range(5):
        servable = OnnxServable("m", ModelType.EMBEDDING_MODEL, MODELS_DIR / "minilm-toy")
        servable.load({}, None, never)
        assert servable.call("__call__", ("the cat",), {}).shape == (1, 64)
        model = weakref.ref(servable.model)
        servable.unload()
        assert model() is None
        servable.unload()


def test_settings_may_change_while_calls_run(load: Load) -> None:
    servable = load("minilm-toy")
    stop = threading.Event()
    failures: list[BaseException] = []

    def change() -> None:
        dimension = 0
        try:
            while not stop.is_set():
                dimension = dimension % 64 + 1
                servable.update_config({"dimension": dimension})
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        shapes: list[Any] = [servable.call("__call__", (["a", "b"],), {}).shape for _ in range(50)]
    finally:
        stop.set()
        thread.join()
    assert not failures
    assert all(rows == 2 and 1 <= columns <= 64 for rows, columns in shapes)
