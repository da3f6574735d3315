"""The life of a servable on torch: load, cancel, devices, precision, damaged files, trust, unload."""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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
    UnsafeModelError,
    UnsupportedModelError,
)
from rmm_widgets.loading.detect import detect
from rmm_widgets.loading.headers.safetensors import read_safetensors_header
from rmm_widgets.loading.loaders import get_loader
from rmm_widgets.types import ModelType

from .conftest import never
from .torch_folders import LOADERS, TYPES, ask, change, copied, opened

pytestmark = pytest.mark.usefixtures("torch_libraries")

ON_TORCH = ("transformers", "sentence-transformers", "masked-diffusion", "diffusers")
ONE_EACH = [
    ("yolos-shapes", "transformers"),
    ("minilm-toy", "sentence-transformers"),
    ("mdlm-stories", "masked-diffusion"),
    ("mdlm-stories", "diffusers"),
]


# Choice and estimate


@pytest.mark.parametrize("name", LOADERS)
def test_a_repository_without_onnx_gets_its_loader_on_torch(tmp_path: Path, name: str) -> None:
    found = detect(copied(name, tmp_path))
    loader = "diffusers" if name == "mdlm-stories" else LOADERS[name]  # it has the layout of a pipeline
    assert (found.loader, found.model_type) == (loader, ModelType(TYPES[name]))
    assert found.preload


def test_a_pipeline_that_no_masked_language_model_is_part_of_is_left_to_diffusers(tmp_path: Path) -> None:
    folder = copied("mdlm-stories", tmp_path)
    change(folder / "model_index.json", model=["transformers", "LLaDA2MoeModelLM"])
    assert detect(folder).loader == "diffusers"


@pytest.mark.parametrize("pipeline", ["StableDiffusionPipeline", "FluxPipeline", "DiffusionPipeline"])
def test_pipelines_that_paint_are_refused(tmp_path: Path, pipeline: str) -> None:
    folder = copied("mdlm-stories", tmp_path)
    change(folder / "model_index.json", _class_name=pipeline)
    with pytest.raises(UnsupportedModelError, match=pipeline):
        detect(folder)


@pytest.mark.parametrize(("name", "loader"), ONE_EACH)
def test_the_estimate_counts_each_weight_once(name: str, loader: str) -> None:
    folder = MODELS_DIR / name
    file = folder / ("model" if name == "mdlm-stories" else "") / "model.safetensors"
    weights = read_safetensors_header(file).nbytes
    whole, half = (
        get_loader(loader).estimate(folder, ModelType(TYPES[name]), {"dtype": dtype}) for dtype in ("auto", "bfloat16")
    )
    assert (whole.weights, half.weights) == (weights, weights // 2)
    assert whole.libraries >= 400_000_000
    assert whole.working >= 0.2 * weights


def test_pickles_beside_safetensors_and_other_formats_are_not_counted(tmp_path: Path) -> None:
    folder = copied("vit-digits", tmp_path)
    estimate = get_loader("transformers").estimate
    alone = estimate(folder, ModelType.CLASSIFICATION_MODEL, {})
    for other in ("pytorch_model.bin", "onnx/model.safetensors", "optimizer.safetensors", "openvino/model.bin"):
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_bytes(bytes(1 << 20))
    assert estimate(folder, ModelType.CLASSIFICATION_MODEL, {}) == alone


def test_asking_the_loaders_imports_no_library() -> None:
    modules = ["transformers", "sentence_transformers", "masked_diffusion", "diffusers"]
    code = (
        "import sys, importlib;"
        f"loaders = [importlib.import_module('rmm_widgets.loading.loaders.' + name).LOADER for name in {modules}];"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers', 'diffusers', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("loader", ON_TORCH)
def test_what_is_preloaded_can_be_imported_and_leaves_no_large_library_out(loader: str) -> None:
    for module in get_loader(loader).preload:
        importlib.import_module(module)
    assert "torch" in sys.modules
    assert "transformers.modeling_utils" in sys.modules


# Load


@pytest.mark.parametrize(("name", "loader"), ONE_EACH)
def test_load_says_where_and_what(name: str, loader: str) -> None:
    servable = opened(name, loader=loader)
    loaded = servable.load({"force_cpu": True}, "cuda:7", never)
    assert loaded.device == "cpu"
    assert "torch" in loaded.detail["library"]
    assert servable.probe().healthy
    servable.unload()


@pytest.mark.parametrize(("name", "loader"), ONE_EACH)
def test_a_load_can_be_cancelled_between_all_of_its_steps(name: str, loader: str) -> None:
    servable = opened(name, loader=loader)
    for step in itertools.count():
        asked = itertools.count()
        try:
            servable.load({}, "cpu", lambda asked=asked, step=step: next(asked) >= step)
            break
        except LoadCancelledError:
            with pytest.raises(ModelNotLoadedError):
                ask(servable)
        assert step < 12
    assert step >= 4
    assert servable.probe().healthy
    servable.unload()


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:x", "mps", "", "CPU ", "tpu", "cpu:0"])
def test_a_device_that_is_not_there_is_an_error(device: str) -> None:
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(LoadError, match=r"not available to torch here \(available: cpu\)") as caught:
        opened("vit-digits").load({}, device, never)
    assert caught.value.model_id == "m"


@pytest.mark.filterwarnings("ignore:.torch_dtype. is deprecated")  # diffusers before 0.42 knows no other word
@pytest.mark.parametrize(("name", "loader"), ONE_EACH)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_precision_is_that_of_the_configuration(name: str, loader: str, dtype: str) -> None:
    import torch

    whole, half = opened(name, loader=loader), opened(name, loader=loader)
    whole.load({}, "cpu", never)
    half.load({"dtype": dtype}, "cpu", never)
    exact, rounded = (each.model.probe() for each in (whole, half))  # type: ignore[attr-defined]
    for a, b in zip(exact, rounded, strict=True):
        assert np.allclose(a, b, atol=0.3)
        assert not np.array_equal(a, b)
    floats = {parameter.dtype for parameter in _module(half).parameters()}
    assert floats == {getattr(torch, dtype)}
    for each in (whole, half):
        each.unload()


def _module(servable: Any) -> Any:
    """The torch module inside a servable."""
    model = servable.model
    inner = getattr(model, "_source", None) or model._denoiser
    if hasattr(inner, "_logits"):  # a function that was given the model
        return inner._logits.args[0]
    return getattr(inner, "_model", None) or inner._pipe.model


def test_wrong_settings_are_refused_before_anything_is_opened() -> None:
    for wrong in ({"confidense": 1}, {"dtype": "int3"}, {"confidence": 7}):
        with pytest.raises(InvalidConfigError, match=next(iter(wrong))):
            opened("yolos-shapes").load(wrong, None, lambda: pytest.fail("a step was begun"))


def test_the_size_of_pictures_can_be_set_where_the_model_takes_it() -> None:
    servable = opened("yolos-shapes")
    servable.load({"input_size": [64, 128], "confidence": 0.0}, "cpu", never)
    image = Image.open(sample("detect-1.png"))
    before = ask(servable, image)
    assert len(before) == 3
    with pytest.raises(InvalidConfigError, match="input_size is 1x1") as caught:
        servable.update_config({"input_size": [1, 1], "confidence": 1.0})
    assert caught.value.model_id == "m"
    assert ask(servable, image) == before
    servable.unload()


# What can be wrong with a repository


def weights(folder: Path) -> Path:
    return folder / ("model" if folder.name == "mdlm-stories" else "") / "model.safetensors"


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda file: file.write_bytes(file.read_bytes()[:-999]), "damaged"),
    "empty": (lambda file: file.write_bytes(b""), "damaged"),
    "no weights": (lambda file: file.write_bytes(b"not safetensors"), "damaged"),
    "missing": (lambda file: file.unlink(), "model.safetensors"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("name", "loader"), ONE_EACH)
def test_damaged_weights_are_an_error(tmp_path: Path, name: str, loader: str, damage: str) -> None:
    folder = copied(name, tmp_path)
    change_it, words = DAMAGES[damage]
    change_it(weights(folder))
    servable = opened(name, folder, loader=loader)
    with pytest.raises(LoadError, match=words) as caught:
        servable.load({}, "cpu", never)
    assert caught.value.hint
    assert caught.value.model_id == "m"
    assert str(folder) not in caught.value.hint
    assert not servable.probe().healthy


@pytest.mark.parametrize(
    ("name", "model_type", "values", "error", "words"),
    [
        ("vit-digits", None, {"model_type": "no-such"}, UnsupportedModelError, "no-such"),
        ("vit-digits", None, {"hidden_size": 32}, LoadError, "transformers could not load it"),
        ("vit-digits", None, {"num_hidden_layers": 6}, UnsupportedModelError, "lacks weights"),
        ("vit-digits", "detection_model", {}, UnsupportedModelError, "Unrecognized configuration"),
        ("vit-digits", "caption_generator", {}, UnsupportedModelError, "Unrecognized configuration"),
        ("blip-shapes", "classification_model", {}, UnsupportedModelError, "no classifier"),
        ("minilm-toy", "classification_model", {}, UnsupportedModelError, "lacks weights"),
    ],
)
def test_a_model_of_another_kind_is_refused_rather_than_made_up(
    tmp_path: Path,
    name: str,
    model_type: str | None,
    values: dict[str, Any],
    error: type[LoadError],
    words: str,
) -> None:
    folder = copied(name, tmp_path)
    change(folder / "config.json", **values)
    with pytest.raises(error, match=words) as caught:
        opened(name, folder, loader="transformers", model_type=model_type).load({}, "cpu", never)
    assert caught.value.hint


@pytest.mark.parametrize("loader", ON_TORCH)
def test_types_that_a_loader_cannot_do_and_folders_that_are_not_there(loader: str, tmp_path: Path) -> None:
    wrong = "diffusion_lm" if loader == "transformers" else "caption_generator"
    with pytest.raises(UnsupportedModelError, match=loader):
        opened("vit-digits", loader=loader, model_type=wrong)
    with pytest.raises(ModelNotAvailableError):
        opened("vit-digits", tmp_path / "nothing", loader=loader)


@pytest.mark.parametrize("loader", ON_TORCH)
def test_a_missing_library_is_named_with_the_extra_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, loader: str
) -> None:
    module, extra = {
        "sentence-transformers": ("sentence_transformers", "sentence-transformers"),
        "diffusers": ("diffusers", "diffusers"),
    }.get(loader, ("torch", "transformers"))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=module) as caught:
        opened("mdlm-stories", loader=loader)
    assert f'pip install "rmm_widgets[{extra}]"' in caught.value.hint


# Trust


def with_pickles(folder: Path) -> None:
    """Weights as an old repository keeps them."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(weights(folder)), weights(folder).with_name("pytorch_model.bin"))
    weights(folder).unlink()


@pytest.mark.parametrize("name", ["vit-digits", "minilm-toy", "mdlm-stories"])
def test_pickles_are_loaded_only_for_a_repository_that_is_trusted(tmp_path: Path, name: str) -> None:
    folder = copied(name, tmp_path)
    with_pickles(folder)
    with pytest.raises(UnsafeModelError, match=r"pytorch_model\.bin") as caught:
        opened(name, folder)
    assert caught.value.model_id == "m"
    servable = opened(name, folder, trusted=True)
    servable.load({}, "cpu", never)
    assert servable.probe().healthy
    servable.unload()


CODE = """
from pathlib import Path
from transformers import BertConfig, BertForMaskedLM
Path({marker!r}).touch()
class ToyConfig(BertConfig):
    model_type = "rmm-toy-denoiser"
class ToyModelLM(BertForMaskedLM):
    config_class = ToyConfig
"""


def test_code_of_a_repository_runs_only_where_it_is_trusted(tmp_path: Path) -> None:
    folder = copied("mdlm-stories", tmp_path)
    marker = tmp_path / "ran"
    (folder / "model" / "toy.py").write_text(CODE.format(marker=str(marker)))
    own = {"AutoConfig": "toy.ToyConfig", "AutoModelForMaskedLM": "toy.ToyModelLM"}
    change(folder / "model" / "config.json", model_type="rmm-toy-denoiser", auto_map=own)
    with pytest.raises(UnsafeModelError, match="Python code"):
        opened("mdlm-stories", folder).load({}, "cpu", never)
    change(folder / "config.json", model_type="rmm-toy-denoiser", auto_map=own)
    with pytest.raises(UnsafeModelError, match="Python code"):
        opened("mdlm-stories", folder)
    assert not marker.exists()
    servable = opened("mdlm-stories", folder, trusted=True)
    servable.load({"seed": 0}, "cpu", never)
    assert marker.exists()
    assert ask(servable, steps=15) == "the queen found a map after the rain."
    servable.unload()


def test_code_that_transformers_does_not_need_is_no_reason_to_refuse(tmp_path: Path) -> None:
    folder = copied("vit-digits", tmp_path)
    change(folder / "config.json", auto_map={"AutoModelForImageClassification": "other.Model"})
    servable = opened("vit-digits", folder)
    servable.load({}, "cpu", never)
    assert servable.probe().healthy
    servable.unload()


def test_modules_of_other_libraries_are_not_imported(tmp_path: Path) -> None:
    folder = copied("minilm-toy", tmp_path)
    modules = '[{"idx": 0, "name": "0", "path": "", "type": "antigravity.Transformer"}]'
    (folder / "modules.json").write_text(modules)
    with pytest.raises(UnsafeModelError):
        opened("minilm-toy", folder).load({}, "cpu", never)
    folder = copied("mdlm-stories", tmp_path)
    change(folder / "model_index.json", scheduler=["antigravity", "Scheduler"])
    with pytest.raises(UnsafeModelError, match="antigravity"):
        opened("mdlm-stories", folder, loader="diffusers").load({}, "cpu", never)
    assert "antigravity" not in sys.modules


# Unload, threads, chatter


@pytest.mark.parametrize(("name", "loader"), ONE_EACH)
def test_unloading_leaves_nothing_of_the_model(name: str, loader: str) -> None:
    servable = opened(name, loader=loader)
    for _ in range(2):
        servable.load({}, "cpu", never)
        module = weakref.ref(_module(servable))
        servable.unload()
        assert module() is None
        servable.unload()
    with pytest.raises(ModelNotLoadedError):
        ask(servable)


def test_the_number_of_threads_is_limited_unless_the_user_said_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from rmm_widgets.loading.loaders.threads import thread_limit
    from rmm_widgets.loading.loaders.torch_models.devices import limit_threads

    before = torch.get_num_threads()
    try:
        monkeypatch.delenv("RMM_NUM_THREADS", raising=False)
        monkeypatch.setenv("OMP_NUM_THREADS", "16")
        torch.set_num_threads(16)
        limit_threads()
        assert torch.get_num_threads() == 16
        monkeypatch.delenv("OMP_NUM_THREADS")
        limit_threads()
        assert torch.get_num_threads() == min(16, thread_limit())
        monkeypatch.setenv("RMM_NUM_THREADS", "1")
        limit_threads()
        assert torch.get_num_threads() == 1
        monkeypatch.setenv("RMM_NUM_THREADS", "many")
        with pytest.raises(LoadError, match="RMM_NUM_THREADS"):
            opened("vit-digits").load({}, "cpu", never)
    finally:
        torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:Cannot enable progress bars")
@pytest.mark.parametrize(("name", "loader"), ONE_EACH)
def test_loads_and_calls_are_quiet_and_change_no_setting_of_the_user(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, loader: str
) -> None:
    from transformers.utils import logging as talk

    monkeypatch.setattr(talk, "_tqdm_active", True)
    before = talk.get_verbosity()
    talk.set_verbosity_info()
    try:
        servable = opened(name, loader=loader)
        servable.load({}, "cpu", never)
        ask(servable, Image.open(sample("detect-1.png")) if name == "yolos-shapes" else "the king")
        assert talk.get_verbosity() == talk.INFO
        assert talk.is_progress_bar_enabled()
    finally:
        talk.set_verbosity(before)
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")
    servable.unload()
