"""Which files are worth fetching."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmm_widgets.downloads.plan import choose_files

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


names = st.from_regex(r"[a-z]{1,3}(_fp16|_q4)?\.(onnx|bin|safetensors|json|onnx_data)", fullmatch=True)


@given(st.lists(names, unique=True))
def test_the_choice_keeps_order_is_stable_and_never_loses_all_weights(paths: list[str]) -> None:
    chosen = choose_files(paths)
    assert list(chosen) == [path for path in paths if path in chosen]
    assert choose_files(chosen) == chosen
    weights = (".onnx", ".bin", ".safetensors")
    assert any(p.endswith(weights) for p in chosen) == any(p.endswith(weights) for p in paths)
