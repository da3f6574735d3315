"""The model2vec loader on a small table of its own making, against the library itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import InvalidConfigError, LoadError, ModelNotAvailableError, UnsupportedModelError
from rmm_widgets.loading.detect import detect
from rmm_widgets.loading.loaders import get_loader, open_servable
from rmm_widgets.loading.servable import Servable
from rmm_widgets.types import ModelType

from .conftest import never

Load = Callable[..., Servable]
TEXTS = ["the cat sleeps quickly", "a kitten naps fast", "the stock falls today"]
WIDTH = 24


@pytest.fixture(scope="module")
def static() -> Any:
    """A static model with random vectors for the tokens of a demo model."""
    model2vec: Any = pytest.importorskip("model2vec")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MODELS_DIR / "minilm-toy" / "tokenizer.json"))
    vectors = np.random.default_rng(3).normal(size=(tokenizer.get_vocab_size(), WIDTH)).astype(np.float32)
    return model2vec.StaticModel(vectors=vectors, tokenizer=tokenizer, config={"model_type": "model2vec"})


@pytest.fixture(scope="module")
def folder(static: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model2vec") / "m"
    static.save_pretrained(folder)
    return folder


def ask(servable: Servable, *args: Any) -> Any:
    return servable.call("__call__", args, {})


def test_the_folder_is_recognised(folder: Path) -> None:
    found = detect(folder)
    assert (found.loader, found.library, found.model_type) == ("model2vec", "model2vec", ModelType.EMBEDDING_MODEL)
    assert found.preload == ("model2vec",)


def test_the_same_vectors_as_the_library(load: Load, folder: Path, static: Any) -> None:
    servable = load(folder, normalize=False, batch_size=2)
    got = ask(servable, TEXTS)
    assert got.dtype == np.float32
    assert np.allclose(got, static.encode(TEXTS), atol=1e-6)
    assert np.allclose(ask(servable, TEXTS[0]), got[:1])
    assert ask(servable, []).shape == (0, WIDTH)
    assert np.isfinite(ask(servable, ["", " "])).all()
    assert servable.probe().healthy


def test_settings_reach_the_loaded_model(load: Load, folder: Path, static: Any) -> None:
    servable = load(folder)
    whole = ask(servable, TEXTS)
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)
    servable.update_config({"dimension": 8, "normalize": False})
    assert np.allclose(ask(servable, TEXTS), static.encode(TEXTS)[:, :8], atol=1e-6)
    servable.update_config({"max_sequence_length": 1, "normalize": False})
    assert np.allclose(ask(servable, "the cat"), ask(servable, "the stock"), atol=1e-6)
    with pytest.raises(InvalidConfigError, match=f"{WIDTH}"):
        servable.update_config({"dimension": WIDTH + 1})
    likeness = servable.call("similarity", (TEXTS[:2], TEXTS[0]), {})
    assert likeness[0, 0] == pytest.approx(1, abs=1e-5)
    with pytest.raises(TypeError, match="text"):
        ask(servable, [3])
    servable.unload()
    assert not servable.probe().healthy


def test_what_it_cannot_do_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="detection_model"):
        open_servable("model2vec", model_id="m", model_type="detection_model", path=str(folder))
    with pytest.raises(ModelNotAvailableError):
        open_servable("model2vec", model_id="m", model_type="embedding_model", path=str(tmp_path / "nothing"))
    servable = open_servable("model2vec", model_id="m", model_type="embedding_model", path=str(folder))
    with pytest.raises(LoadError, match="'cuda'") as caught:
        servable.load({}, "cuda", never)
    assert caught.value.model_id == "m"
    for key, value in {"file": "model.safetensors", "dtype": "bfloat16"}.items():
        with pytest.raises(InvalidConfigError, match=f"^{key} is ") as refused:
            servable.load({key: value}, None, never)
        assert refused.value.model_id == "m"
    assert servable.load({"force_cpu": True}, "cuda", never).device == "cpu"
    with pytest.raises(InvalidConfigError, match=r"^file is "):
        servable.update_config({"file": "a"})
    servable.unload()


def test_the_table_can_be_held_in_half_precision(load: Load, folder: Path, static: Any) -> None:
    servable = load(folder, dtype="float16", normalize=False)
    got = ask(servable, TEXTS)
    assert got.dtype == np.float32
    assert 0 < np.abs(got - static.encode(TEXTS)).max() < 0.01


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_damaged_files_are_an_error_of_ours(folder: Path, tmp_path: Path, name: str) -> None:
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes()[: 40 if path.name == name else None])
    servable = open_servable("model2vec", model_id="m", model_type="embedding_model", path=str(tmp_path))
    with pytest.raises(LoadError, match="model2vec cannot read the model") as caught:
        servable.load({}, None, never)
    assert "verify" in caught.value.hint


def test_the_estimate_is_the_table(folder: Path) -> None:
    estimate = get_loader("model2vec").estimate(folder, ModelType.EMBEDDING_MODEL, {})
    rows = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    assert estimate.weights == rows * WIDTH * 4
    assert estimate.libraries == 45_000_000
    halved = get_loader("model2vec").estimate(folder, ModelType.EMBEDDING_MODEL, {"dtype": "float16"})
    assert halved.weights == estimate.weights // 2


def test_no_torch_is_imported(folder: Path) -> None:
    script = (
        "import sys\n"
        "from rmm_widgets.loading.loaders import open_servable\n"
        f"s = open_servable('model2vec', model_id='m', model_type='embedding_model', path={str(folder)!r})\n"
        "s.load({}, None, lambda: False)\n"
        "print('torch' in sys.modules, s.call('__call__', ('the cat',), {}).shape)"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.split("\n")[0] == f"False (1, {WIDTH})"
