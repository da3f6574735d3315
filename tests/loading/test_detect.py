"""Which loader and type a folder gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmm_widgets.demo import MODELS, MODELS_DIR
from rmm_widgets.errors import LoadError, ModelNotAvailableError, UnsupportedModelError
from rmm_widgets.loading.detect import detect, read_evidence
from rmm_widgets.types import ModelType


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)
def test_the_demo_models(model: object) -> None:
    found = detect(MODELS_DIR / model.repo_id.partition("/")[2])  # type: ignore[attr-defined]
    assert (found.loader, found.library) == ("onnxruntime", "onnxruntime")
    assert found.model_type is model.model_type  # type: ignore[attr-defined]
    assert ".onnx" in found.detail


def make(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_onnx_alone_with_a_card(tmp_path: Path) -> None:
    card = "---\npipeline_tag: object-detection\ntags: [onnx]\n---\n# Model"
    found = detect(make(tmp_path, sub__a_DOT_onnx="x", README_DOT_md=card))
    assert found.model_type is ModelType.DETECTION_MODEL
    assert "object-detection" in found.detail


def test_onnx_alone_tells_no_type(tmp_path: Path) -> None:
    found = detect(make(tmp_path, a_DOT_onnx="x"))
    assert found.loader == "onnxruntime"
    assert found.model_type is None


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"model_DOT_safetensors": "x", "config_DOT_json": '{"architectures": ["BertModel"]}'},
            ["safetensors", "transformers", "BertModel"],
        ),
        ({"pytorch_model_DOT_bin": "x"}, ["pickled"]),
        ({"model_DOT_safetensors": "x", "a_DOT_pt": "x"}, ["safetensors and pickled"]),
        ({"notes_DOT_txt": "x"}, ["no weights"]),
        ({}, ["no weights"]),
    ],
    ids=str,
)
def test_what_no_loader_takes_is_named(tmp_path: Path, files: dict[str, str], words: list[str]) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        detect(make(tmp_path, **files))
    assert all(word in str(caught.value) for word in words)
    assert "ONNX" in caught.value.hint


def test_a_type_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    index = '{"_class_name": "StableDiffusionPipeline"}'
    with pytest.raises(UnsupportedModelError, match=r"none of the types .* StableDiffusionPipeline") as caught:
        detect(make(tmp_path, model_index_DOT_json=index, unet__model_DOT_onnx="x"), model_type=ModelType.DIFFUSION_LM)
    assert "embedding_model" in caught.value.hint


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", make(tmp_path, file="x") / "file"):
        with pytest.raises(ModelNotAvailableError):
            detect(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": NaN}', "\x00\xff"])
def test_a_damaged_configuration_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(LoadError, match=r"config\.json"):
        detect(make(tmp_path, a_DOT_onnx="x", config_DOT_json=content))


@pytest.mark.parametrize(
    "card", ["---\n: : :\n---", "---\n- a\n---", "---\ntags: 3\npipeline_tag: [x]\n---", "no header"]
)
def test_a_damaged_card_is_no_card(tmp_path: Path, card: str) -> None:
    assert detect(make(tmp_path, a_DOT_onnx="x", README_DOT_md=card)).model_type is None


def test_hidden_folders_are_not_looked_into(tmp_path: Path) -> None:
    make(tmp_path, _DOT_git__a_DOT_onnx="x", b__c_DOT_txt="x")
    assert read_evidence(tmp_path).files == ("b/c.txt",)
