"""The header readers against the formats' own libraries, on real files."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import LoadError
from rmm_widgets.loading.headers.gguf import TYPES, parse_gguf, read_gguf_header
from rmm_widgets.loading.headers.safetensors import BITS, parse_safetensors, read_safetensors_header

from . import gguf_files

SAFETENSORS = sorted(MODELS_DIR.rglob("*.safetensors"))


@pytest.mark.parametrize("path", SAFETENSORS, ids=lambda path: path.parent.name)
def test_the_same_tensors_as_the_safetensors_library(path: Path) -> None:
    safetensors: Any = pytest.importorskip("safetensors")
    header = read_safetensors_header(path)
    theirs = {name: (each["dtype"], each["shape"], len(each["data"])) for name, each in _deserialized(path)}
    assert {each.name: (each.dtype, list(each.shape), each.nbytes) for each in header.tensors} == theirs
    with safetensors.safe_open(path, "numpy") as opened:
        assert header.metadata == (opened.metadata() or {})


def _deserialized(path: Path) -> Any:
    safetensors: Any = pytest.importorskip("safetensors")
    return safetensors.deserialize(path.read_bytes())


def test_the_same_dtypes_as_the_safetensors_library(tmp_path: Path) -> None:
    path, at, header = tmp_path / "all.safetensors", 0, {}
    for dtype, bits in BITS.items():
        header[dtype] = {"dtype": dtype, "shape": [8, 3], "data_offsets": [at, at + 3 * bits]}
        at += 3 * bits
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))
    found = read_safetensors_header(path)
    theirs = {name: (each["dtype"], len(each["data"])) for name, each in _deserialized(path)}
    assert {each.name: (each.dtype, each.nbytes) for each in found.tensors} == theirs
    assert found.nbytes == at == sum(found.bytes_by_dtype().values())


def test_a_safetensors_header_may_be_padded_and_empty() -> None:
    text = b'{"__metadata__":{"format":"pt"}}   '
    header = parse_safetensors(io.BytesIO(struct.pack("<Q", len(text)) + text), 8 + len(text))
    assert header.tensors == ()
    assert header.metadata == {"format": "pt"}


def test_the_same_gguf_types_as_the_gguf_library() -> None:
    constants: Any = pytest.importorskip("gguf.constants")
    sizes = {each.value: (each.name, *constants.GGML_QUANT_SIZES[each]) for each in constants.GGMLQuantizationType}
    assert sizes.items() <= TYPES.items()


def test_the_same_gguf_tensors_as_the_gguf_library(tmp_path: Path) -> None:
    gguf: Any = pytest.importorskip("gguf")
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(256)
    writer.add_embedding_length(96)
    writer.add_head_count(6)
    writer.add_head_count_kv([2, 1])
    writer.add_key_length(16)
    writer.add_token_list([f"token {n}" for n in range(3000)])
    writer.add_token_scores([0.0] * 3000)
    writer.add_tensor("a", np.zeros((5, 64), np.float32))
    writer.add_tensor("b", np.zeros((7,), np.float16))
    writer.add_tensor("c", gguf.quants.quantize(np.ones((4, 256), np.float32), gguf.GGMLQuantizationType.Q8_0),
                      raw_dtype=gguf.GGMLQuantizationType.Q8_0)  # fmt: skip
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_gguf_header(path)
    theirs = gguf.GGUFReader(path)
    assert [(each.name, each.dtype, list(each.shape), each.nbytes) for each in header.tensors] == [
        (each.name, each.tensor_type.name, each.shape.tolist(), int(each.n_bytes)) for each in theirs.tensors
    ]
    assert header.architecture == "llama"
    assert header.context_length == 256
    assert header.is_causal
    assert "tokenizer.ggml.tokens" not in header.metadata
    # Three heads with keys of 16 and values of 96 / 6 numbers, in 16 bits.
    assert header.kv_cache_bytes(100) == 2 * 100 * 3 * (16 + 16)


def test_what_a_small_gguf_file_says() -> None:
    content = gguf_files.small()
    header = parse_gguf(io.BytesIO(content), len(content))
    assert (header.version, header.architecture, header.context_length) == (3, "llama", 128)
    assert header.metadata["llama.rope.freq_base"] == 1e4
    assert header.metadata["tokenizer.ggml.add_bos_token"] is False
    assert header.metadata["tokenizer.ggml.scores"] == (0.5,) * 50
    assert not {"tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.chat_template"} & set(header.metadata)
    assert {each.name: each.nbytes for each in header.tensors} == {
        "token_embd.weight": 12800,
        "blk.0.weight": 64 * 64 // 32 * 34,
        "norm": 128,
    }
    assert header.nbytes == 17280 - 128 + 128 - (17152 - 12800 - 4352)
    assert header.vocabulary == 50
    assert header.kv_cache_bytes(10) == 2 * 2 * 10 * 2 * 2 * 16
    encoder = gguf_files.model(
        [
            gguf_files.key("general.architecture", gguf_files.TEXT, "bert"),
            gguf_files.key("bert.attention.causal", gguf_files.BOOL, False),
        ]
    )
    assert not parse_gguf(io.BytesIO(encoder), len(encoder)).is_causal
    nothing = parse_gguf(io.BytesIO(gguf_files.model([], version=2)), 32)
    assert (nothing.architecture, nothing.context_length, nothing.kv_cache_bytes(10)) == ("", 0, 0)


@pytest.mark.parametrize("read", [read_safetensors_header, read_gguf_header])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"nonsense, and some more of it")
    with pytest.raises(LoadError, match=r"weights is damaged: .+") as caught:
        read(path)
    assert "%rmm verify" in caught.value.hint
    for missing in (tmp_path / "nothing", tmp_path):
        with pytest.raises(LoadError, match=missing.name):
            read(missing)
