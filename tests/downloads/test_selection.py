"""Which files are worth fetching."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmm_widgets.downloads.selection import choose, choose_files

from .repositories import REPOSITORIES, marked

LEFT_OUT = [
    ("pytorch_model.bin", ["model.safetensors"]),
    ("tf_model.h5", ["model.safetensors"]),
    ("flax_model.msgpack", ["model.safetensors"]),
    ("rust_model.ot", ["model.safetensors"]),
    ("original/consolidated.00.pth", ["model-00001-of-00002.safetensors"]),
    ("optimizer.pt", ["model.gguf"]),
    ("weights.pkl", ["onnx/model.onnx"]),
    ("model.ckpt", ["MODEL.SAFETENSORS"]),
    (".gitattributes", ["model.safetensors"]),
    (".gitattributes", []),
    ("onnx/model_quantized.onnx", ["onnx/model.onnx"]),
    ("onnx/model_fp16.onnx", ["onnx/model.onnx"]),
    ("onnx/model_int8.onnx", ["onnx/model.onnx"]),
    ("onnx/model_uint8.onnx", ["onnx/model.onnx"]),
    ("onnx/model_q4.onnx", ["onnx/model.onnx"]),
    ("onnx/model_q4f16.onnx", ["onnx/model.onnx"]),
    ("onnx/model_bnb4.onnx", ["onnx/model.onnx"]),
    ("onnx/model_O3.onnx", ["onnx/model.onnx"]),
    ("onnx/model_qint8_avx512_vnni.onnx", ["onnx/model.onnx"]),
    ("onnx/model_quint8_avx2.onnx", ["onnx/model.onnx"]),
    ("onnx/model_fp16.onnx_data", ["onnx/model.onnx", "onnx/model_fp16.onnx"]),
    ("decoder_with_past_model_fp16.onnx", ["decoder_with_past_model.onnx"]),
]
KEPT = [
    ("pytorch_model.bin", ["config.json"]),
    ("onnx/model_fp16.onnx", ["onnx/model_q4.onnx"]),
    ("onnx/model_fp16.onnx", ["model.onnx"]),
    ("onnx/model.onnx_data", ["onnx/model.onnx"]),
    ("onnx/model.onnx.data", ["onnx/model.onnx"]),
    ("onnx/model.onnx.bin", ["onnx/model.onnx"]),
    ("onnx/model.bin", ["onnx/model.onnx"]),
    ("decoder_model.onnx", ["decoder_model_merged.onnx"]),
    ("decoder_with_past_model.onnx", ["decoder_model.onnx"]),
    ("2_Dense/pytorch_model.bin", ["model.safetensors", "modules.json"]),
    ("vocab.txt", ["model.safetensors"]),
    ("tokenizer.json", ["model.onnx"]),
]


@pytest.mark.parametrize(("path", "others"), LEFT_OUT)
def test_second_copies_are_left_out(path: str, others: list[str]) -> None:
    assert path not in choose_files([path, *others])


@pytest.mark.parametrize(("path", "others"), KEPT)
def test_what_a_model_needs_is_kept(path: str, others: list[str]) -> None:
    assert path in choose_files([path, *others])


def test_a_module_of_sentence_transformers_with_a_safe_form_loses_its_pickle() -> None:
    paths = ["modules.json", "model.safetensors", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"]
    assert choose_files(paths) == tuple(paths[:3])


def test_patterns_are_the_callers_choice() -> None:
    paths = ["model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "onnx/sub/a.txt", "README.md"]
    assert choose_files(paths, ["*.bin", "README*"]) == ("pytorch_model.bin", "README.md")
    assert choose_files(paths, ["onnx/"]) == ("onnx/model.onnx", "onnx/sub/a.txt")
    assert choose_files(paths, None, ["*.md", "onnx/"]) == ("model.safetensors",)
    assert choose_files(paths, ["*"], ["*.safetensors"]) == tuple(paths[1:])
    assert choose_files(paths, []) == ()


@pytest.mark.parametrize("repository", REPOSITORIES)
def test_repositories_as_they_are_on_the_hub(repository: str) -> None:
    paths, expected = marked(REPOSITORIES[repository])
    choice = choose(paths)
    assert {path: reason for path, reason in choice.left_out.items() if path not in expected} == {}
    assert sorted(choice.left_out) == sorted(expected)
    for path, reason in expected.items():
        assert reason in choice.left_out[path]
    assert choice.files == tuple(path for path in paths if path not in expected)


def test_reasons_of_the_callers_patterns() -> None:
    choice = choose(["a.json", "b.bin", "c.txt"], ["*.json", "*.bin"], ["b*"])
    assert choice.files == ("a.json",)
    assert choice.left_out == {"b.bin": "matches ignore_patterns", "c.txt": "matches no allow_patterns"}


folders = st.sampled_from(
    ["", "onnx/", "unet/", "vae/", "2_Dense/", "original/", "Q4_K_M/", "checkpoint-5/", "openvino/", "cuda/", "cpu/"]
)
stems = st.sampled_from(
    ["model", "pytorch_model", "encoder_model", "decoder_with_past_model", "consolidated", "tf_model", "mmproj", "abc"]
)
details = st.sampled_from(
    ["", "_fp16", "_q4", "_quantized", ".fp16", ".bf16", "-Q4_K_M", ".Q8_0", "-f16", "-00001-of-00002", "_q4_with_past"]
)
suffixes = st.sampled_from(
    [".safetensors", ".onnx", ".onnx_data", ".gguf", ".bin", ".pth", ".h5", ".safetensors.index.json", ".json", ".xml"]
)
marks = st.sampled_from(["model_index.json", "modules.json", "config.json", "optimizer.pt", ".gitattributes"])
weights = st.builds(lambda *parts: "".join(parts), folders, stems, details, suffixes)
listings = st.lists(weights | marks, unique=True, max_size=12)
FORMATS = (".safetensors", ".onnx", ".gguf")


@settings(max_examples=1000)
@given(listings, st.integers())
def test_the_choice_keeps_order_is_stable_and_never_loses_all_weights(paths: list[str], seed: int) -> None:
    choice = choose(paths)
    chosen = choice.files
    assert list(chosen) == [path for path in paths if path in chosen]
    assert set(chosen) | set(choice.left_out) == set(paths)
    assert all(choice.left_out.values())
    assert choose_files(chosen) == chosen, "choosing again changes nothing"

    shuffled = list(paths)
    random.Random(seed).shuffle(shuffled)
    assert choose(shuffled).left_out == choice.left_out, "the order of the listing changes nothing"

    kinds = (*FORMATS, ".bin", ".pth", ".h5")
    assert any(p.endswith(kinds) for p in chosen) == any(p.endswith(kinds) for p in paths)
    if any(p.endswith(FORMATS) and not p.startswith(("checkpoint-5/", "openvino/")) for p in paths):
        assert any(p.endswith(FORMATS) for p in chosen), "safe weights never make room for others"
    for path in paths:
        if path.endswith(".onnx_data") and path not in chosen:
            assert path.removesuffix("_data") not in chosen, "a graph keeps its data"
