"""Repositories other than the demo models: other heads, poolings, inputs and forms of configuration."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import InvalidConfigError, LoadError, UnsupportedModelError
from rmm_widgets.loading.loaders import open_servable
from rmm_widgets.loading.loaders.onnx.session import find_file
from rmm_widgets.loading.servable import Servable

from . import onnx_files
from .conftest import never

Load = Callable[..., Servable]
VOCABULARY = 142


def repository(folder: Path, onnx: bytes, **files: Any) -> Path:
    """A folder with one ONNX file, the toy tokenizer, and JSON files (`a__b` is a/b.json)."""
    onnx_files.write(folder / "onnx" / "model.onnx", onnx)
    shutil.copy(MODELS_DIR / "minilm-toy" / "tokenizer.json", folder)
    for name, content in files.items():
        onnx_files.write(folder / f"{name.replace('__', '/')}.json", json.dumps(content).encode())
    return folder


def ask(servable: Servable, *args: Any) -> Any:
    return servable.call("__call__", args, {})


def table(columns: int, seed: int = 7) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(VOCABULARY, columns)).astype(np.float32)


@pytest.mark.parametrize(
    ("pooling", "reduce"),
    [
        ({}, lambda rows: rows.mean(axis=0)),
        ({"pooling_mode_mean_tokens": True}, lambda rows: rows.mean(axis=0)),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda rows: rows[0]),
        ({"pooling_mode_max_tokens": True}, lambda rows: rows.max(axis=0)),
        ({"pooling_mode_lasttoken": True}, lambda rows: rows[-1]),
        ({"pooling_mode": "cls"}, lambda rows: rows[0]),
    ],
    ids=str,
)
def test_token_vectors_are_pooled_as_the_repository_says(
    tmp_path: Path, load: Load, pooling: dict[str, Any], reduce: Callable[[Any], Any]
) -> None:
    rows = table(5)
    folder = repository(tmp_path, onnx_files.text_encoder(rows), **{"1_Pooling__config": pooling})
    servable = load(folder, "embedding_model", normalize=False)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = ["the cat sleeps quickly today", "a kitten", "the"]  # of different lengths, so that padding counts
    got = ask(servable, texts)
    for vector, text in zip(got, texts, strict=True):
        assert np.allclose(vector, reduce(rows[tokenizer.encode(text).ids]), atol=1e-5)


def test_what_cannot_be_pooled_is_refused(tmp_path: Path) -> None:
    def load(**files: Any) -> None:
        folder = repository(tmp_path, onnx_files.text_encoder(table(4)), **files)
        open_servable("onnxruntime", model_id="m", model_type="embedding_model", path=str(folder)).load({}, None, never)

    with pytest.raises(UnsupportedModelError, match="weightedmean"):
        load(**{"1_Pooling__config": {"pooling_mode_weightedmean_tokens": True}})
    with pytest.raises(UnsupportedModelError, match="Dense"):
        load(modules=[{"type": "sentence_transformers.models.Dense"}])
    folder = repository(tmp_path / "b", onnx_files.text_encoder(table(4), output="something"))
    servable = open_servable("onnxruntime", model_id="m", model_type="embedding_model", path=str(folder))
    with pytest.raises(UnsupportedModelError, match="embedding"):
        servable.load({}, None, never)


def test_ready_made_sentence_embeddings_need_no_pooling(tmp_path: Path, load: Load) -> None:
    rows = table(6)
    mean = onnx_files.model(
        [onnx_files.value("input_ids", onnx_files.INT64, ["n", "t"])],
        [onnx_files.value("sentence_embedding", onnx_files.FLOAT, ["n", "d"])],
        [
            onnx_files.node("Gather", ["table", "input_ids"], "rows", axis=0),
            onnx_files.node("ReduceMean", ["rows"], "sentence_embedding", axes=[1], keepdims=0),
        ],
        [onnx_files.tensor("table", rows)],
    )
    servable = load(repository(tmp_path, mean), "embedding_model")
    assert ask(servable, "the cat").shape == (1, 6)
    with pytest.raises(InvalidConfigError, match="6"):
        servable.update_config({"dimension": 7})


def test_texts_can_be_classified(tmp_path: Path, load: Load) -> None:
    labels = {"0": "good", "1": "bad"}
    rows = np.zeros((VOCABULARY, 2), np.float32)
    folder = repository(tmp_path, onnx_files.text_classifier(rows), config={"id2label": labels})
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows[tokenizer.encode("cat", add_special_tokens=False).ids] = [5, -5]
    rows[tokenizer.encode("stock", add_special_tokens=False).ids] = [-5, 5]
    repository(tmp_path, onnx_files.text_classifier(rows), config={"id2label": labels})
    servable = load(folder, "classification_model")
    assert ask(servable, "the cat")[0]["label"] == "good"
    assert [answer[0]["label"] for answer in ask(servable, ["cat", "stock"])] == ["good", "bad"]
    assert sum(each["score"] for each in ask(servable, "cat")) == pytest.approx(1)
    assert servable.probe().healthy
    with pytest.raises(TypeError, match="text"):
        ask(servable, b"cat")


def test_labels_that_do_not_exclude_each_other(tmp_path: Path, load: Load) -> None:
    rows = np.full((VOCABULARY, 3), 3, np.float32)
    config = {"problem_type": "multi_label_classification", "id2label": {"0": "a", "1": "b"}}
    servable = load(repository(tmp_path, onnx_files.text_classifier(rows), config=config), "classification_model")
    answer = ask(servable, "the cat")
    assert [each["label"] for each in answer] == ["a", "b", "LABEL_2"]
    assert all(each["score"] == pytest.approx(1 / (1 + np.exp(-3))) for each in answer)


def test_detectors_with_independent_scores(tmp_path: Path, load: Load) -> None:
    logits = np.array([[4, -4], [3, -4], [-4, 2], [-4, -4]], np.float32)
    boxes = np.array([[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.6], [0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1]], np.float32)
    folder = repository(
        tmp_path, onnx_files.constant_detector(logits, boxes), config={"id2label": {"0": "cat", "1": "dog"}}
    )
    servable = load(folder, "detection_model")
    picture = np.zeros((10, 20, 3), np.uint8)
    found = ask(servable, picture)
    assert [each["label"] for each in found] == ["cat", "cat", "dog"]
    assert found[0]["box"] == pytest.approx({"xmin": 5, "ymin": 2.5, "xmax": 15, "ymax": 7.5})
    assert found[0]["score"] == pytest.approx(1 / (1 + np.exp(-4)))
    servable.update_config({"nms_threshold": 0.5})
    assert [each["label"] for each in ask(servable, picture)] == ["cat", "dog"]
    # The file takes one picture at a time and only 8x8 pixels: batches and other pictures must fit it.
    assert len(ask(servable, [picture, Image.new("L", (3, 4))])) == 2
    with pytest.raises(InvalidConfigError, match="8x8"):
        servable.update_config({"input_size": [16, 16]})


def test_detectors_with_a_class_for_nothing(tmp_path: Path, load: Load) -> None:
    logits = np.array([[4, 0, 0], [0, 0, 9]], np.float32)
    boxes = np.full((2, 4), 0.5, np.float32)
    folder = repository(
        tmp_path, onnx_files.constant_detector(logits, boxes), config={"id2label": {"0": "cat", "1": "dog"}}
    )
    assert [each["label"] for each in ask(load(folder, "detection_model"), Image.new("RGB", (8, 8)))] == ["cat"]


def test_numbers_that_are_not_finite_are_not_healthy(tmp_path: Path, load: Load) -> None:
    servable = load(
        repository(tmp_path, onnx_files.text_encoder(np.full((VOCABULARY, 4), np.nan, np.float32))), "embedding_model"
    )
    answer = servable.probe()
    assert not answer.healthy
    assert "finite" in answer.detail


def test_a_model_that_fails_is_not_healthy(tmp_path: Path, load: Load) -> None:
    too_small = table(4)[:2]  # the tokenizer knows more tokens than the model
    answer = load(repository(tmp_path, onnx_files.text_encoder(too_small)), "embedding_model").probe()
    assert not answer.healthy
    assert "Gather" in answer.detail


def test_unknown_inputs_are_refused(tmp_path: Path) -> None:
    strange = onnx_files.model(
        [onnx_files.value(name, onnx_files.INT64, ["n", "t"]) for name in ("input_ids", "secret_input")],
        [onnx_files.value("last_hidden_state", onnx_files.FLOAT, ["n", "t", 4])],
        [onnx_files.node("Gather", ["table", "input_ids"], "last_hidden_state", axis=0)],
        [onnx_files.tensor("table", table(4))],
    )
    servable = open_servable(
        "onnxruntime", model_id="m", model_type="embedding_model", path=str(repository(tmp_path, strange))
    )
    with pytest.raises(UnsupportedModelError, match="secret_input"):
        servable.load({}, None, never)


def test_the_most_exact_file_is_taken(tmp_path: Path) -> None:
    for expected in ("model_q4", "model_quantized", "model_fp16", "model"):
        onnx_files.write(tmp_path / "onnx" / f"{expected}.onnx", b"x")
        onnx_files.write(tmp_path / "onnx" / "decoder_model.onnx", b"x")
        assert find_file(tmp_path, "model").stem == expected


def test_several_files_without_a_known_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        onnx_files.write(tmp_path / f"{name}.onnx", onnx_files.text_encoder(table(4)))
    servable = open_servable("onnxruntime", model_id="m", model_type="embedding_model", path=str(tmp_path))
    with pytest.raises(UnsupportedModelError, match=r"a\.onnx, b\.onnx"):
        servable.load({}, None, never)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "large"},
        {"size": {"height": 0, "width": 4}},
        {"size": {"height": 10**9, "width": 4}},
        {"size": {"width": 4}},
        {"size": 8, "do_normalize": True},
        {"size": 8, "image_mean": [0.5, 0.5], "image_std": [0.5, 0.5]},
        {"size": 8, "image_mean": "grey", "image_std": "grey"},
    ],
    ids=str,
)
def test_recipes_that_make_no_sense_are_errors(tmp_path: Path, wrong: dict[str, Any]) -> None:
    onnx = onnx_files.constant_detector(np.zeros((1, 2), np.float32), np.zeros((1, 4), np.float32))
    folder = repository(tmp_path, onnx, preprocessor_config=wrong)
    servable = open_servable("onnxruntime", model_id="m", model_type="detection_model", path=str(folder))
    with pytest.raises(LoadError, match="preprocessor_config"):
        servable.load({}, None, never)
