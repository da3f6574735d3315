"""How much memory a model is expected to take, and what earlier loads teach about it."""

from __future__ import annotations

import json
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import InvalidConfigError, LoadError
from rmm_widgets.loading.estimate import (
    LoadMeasurement,
    corrected,
    onnx_estimate,
    torch_estimate,
)
from rmm_widgets.loading.headers.safetensors import read_safetensors_header
from rmm_widgets.loading.loader import MemoryEstimate
from rmm_widgets.types import ModelType

EMBEDDING = ModelType.EMBEDDING_MODEL
MINILM = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 12, "max_position_embeddings": 512}


def safetensors(path: Path, **dtypes: int) -> Path:
    """A file with one tensor of so many bytes for each dtype; the data is a hole in the file."""
    header, at = {}, 0
    for dtype, nbytes in dtypes.items():
        width = {"F64": 8, "F32": 4, "I64": 8, "F16": 2, "BF16": 2, "F8_E4M3": 1}[dtype]
        header[dtype] = {"dtype": dtype, "shape": [nbytes // width], "data_offsets": [at, at + nbytes]}
        at += nbytes
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return path


@pytest.mark.parametrize(
    ("dtype", "weights"),
    [("auto", 80_000 + 1000), ("float32", 160_000 + 1000), ("bfloat16", 80_000 + 1000), ("float16", 80_000 + 1000)],
)
def test_weights_count_in_the_precision_they_are_loaded_in(tmp_path: Path, dtype: str, weights: int) -> None:
    safetensors(tmp_path / "model.safetensors", BF16=80_000, F8_E4M3=1000)
    assert torch_estimate(tmp_path, dtype=dtype).weights == weights


def test_whole_numbers_are_not_converted(tmp_path: Path) -> None:
    safetensors(tmp_path / "model.safetensors", F32=4000, F64=8000, I64=800)
    assert torch_estimate(tmp_path, dtype="float16").weights == 2000 + 2000 + 800


def test_shards_and_subfolders_count_and_second_copies_do_not(tmp_path: Path) -> None:
    safetensors(tmp_path / "model-00001-of-00002.safetensors", F32=4000)
    safetensors(tmp_path / "model-00002-of-00002.safetensors", F32=8000)
    safetensors(tmp_path / "text_encoder" / "model.safetensors", F16=600)
    safetensors(tmp_path / ".cache" / "model.safetensors", F16=700)
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(12_000))
    (tmp_path / "optimizer.pt").write_bytes(bytes(24_000))
    assert torch_estimate(tmp_path).weights == 12_600
    assert torch_estimate(tmp_path, ["text_encoder/model.safetensors"]).weights == 600


def test_pickled_weights_count_by_their_size(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(12_000))
    assert torch_estimate(tmp_path).weights == 12_000
    assert torch_estimate(tmp_path, dtype="float16").weights == 6000
    (tmp_path / "config.json").write_text('{"torch_dtype": "float16"}')
    assert torch_estimate(tmp_path, dtype="float32").weights == 24_000
    assert torch_estimate(tmp_path, dtype="auto").weights == 12_000


def test_large_models_work_in_a_fifth_of_their_size(tmp_path: Path) -> None:
    safetensors(tmp_path / "model.safetensors", BF16=400_000_000)  # a hole: it takes no room
    estimate = torch_estimate(tmp_path)
    assert (estimate.weights, estimate.working) == (400_000_000, 80_000_000)
    assert estimate.total == 880_000_000


def test_batches_of_long_texts_outweigh_a_small_encoder(tmp_path: Path) -> None:
    """Measured with all-MiniLM-L6-v2, int8: 865 MB with onnxruntime for 32 texts of 256 tokens, 23 MB of weights."""
    (tmp_path / "config.json").write_text(json.dumps(MINILM))
    (tmp_path / "model.onnx").write_bytes(bytes(23_000_000))

    def total(**config: Any) -> int:
        return onnx_estimate(tmp_path, EMBEDDING, config).total // 1_000_000

    assert 800 < total() < 1000
    assert total() == total(batch_size=32, max_sequence_length=256)
    assert 370 < total(max_sequence_length=128) < 450  # measured: 410
    assert 300 < total(batch_size=8) < 400  # measured: 340
    assert 130 > total(batch_size=1, max_sequence_length=16) >= 100
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    assert total() == total(max_sequence_length=128)
    safetensors(tmp_path / "model.safetensors", F32=90_000_000)
    torch = torch_estimate(tmp_path, model_type=EMBEDDING, config={"max_sequence_length": 256})
    assert 240 < torch.working // 1_000_000 < 330  # measured: 242 more than for one short text
    with pytest.raises(InvalidConfigError, match="batch_size"):
        total(batch_size=0)


def test_pictures_count_by_their_patches(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(bytes(1000))
    kind = ModelType.CLASSIFICATION_MODEL
    (tmp_path / "config.json").write_text(json.dumps({**MINILM, "image_size": 224, "patch_size": 16}))
    one, many = (onnx_estimate(tmp_path, kind, {"batch_size": n}).working for n in (1, 11))
    tokens = 14 * 14 + 1
    assert many - one == 10 * 4 * tokens * (6 * 12 * tokens + 4 * 1536 + 4 * 384)
    (tmp_path / "config.json").write_text(json.dumps({**MINILM, "image_size": [224, 112], "patch_size": 16}))
    assert onnx_estimate(tmp_path, kind, {"batch_size": 11}).working < many


@pytest.mark.parametrize(
    "damage", [{"hidden_size": "384"}, {"hidden_size": -1}, {"image_size": [0]}, {"n_head": 2**70}]
)
def test_numbers_that_cannot_be_are_not_believed(tmp_path: Path, damage: dict[str, Any]) -> None:
    (tmp_path / "model.onnx").write_bytes(bytes(1000))
    (tmp_path / "config.json").write_text(json.dumps({"patch_size": 16, **damage}))
    assert onnx_estimate(tmp_path, EMBEDDING, {}).total < 200_000_000


def test_onnx_files_count_with_their_data_and_one_variant_each(tmp_path: Path) -> None:
    for name, size in {
        "onnx/model.onnx": 1000,
        "onnx/model.onnx_data": 50_000_000,
        "onnx/model_quantized.onnx": 100_000,
        "model.safetensors": 7_000_000,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    estimate = onnx_estimate(tmp_path, ModelType.DETECTION_MODEL, {})
    assert estimate.weights == 50_001_000
    assert estimate.working >= estimate.weights, "the file and the session are there together for a while"


@pytest.mark.parametrize("name", ["vit-digits", "yolos-shapes", "blip-shapes", "minilm-toy", "mdlm-stories"])
def test_the_demo_models(name: str) -> None:
    folder = MODELS_DIR / name
    stored = sum(read_safetensors_header(path).nbytes for path in folder.rglob("*.safetensors"))
    assert torch_estimate(folder).weights == stored
    assert torch_estimate(folder, dtype="float16").weights < stored
    assert torch_estimate(folder).total > 400_000_000
    assert 45_000_000 < onnx_estimate(folder, EMBEDDING, {}).total < 200_000_000


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    shutil.copytree(MODELS_DIR / "minilm-toy", tmp_path / "m")
    with (tmp_path / "m" / "model.safetensors").open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(LoadError, match="damaged"):
        torch_estimate(tmp_path / "m")


# ---- What earlier loads teach -----------------------------------------------------------------------------------

GIVEN = MemoryEstimate(weights=500, working=100, libraries=400)


def history(*measured: int, estimated: int = 1000) -> list[LoadMeasurement]:
    return [LoadMeasurement(estimated, each) for each in measured]


def test_the_error_of_the_last_load_is_used_next_time() -> None:
    assert corrected(GIVEN, []) == GIVEN
    assert corrected(GIVEN, history(1000)) == GIVEN
    more = corrected(GIVEN, history(1500))
    assert (more.weights, more.libraries, more.working, more.total) == (500, 400, 600, 1500)
    less = corrected(GIVEN, history(800))
    assert (less.weights, less.libraries, less.working, less.total) == (500, 300, 0, 800)


def test_of_few_measurements_the_largest_counts_and_of_many_the_middle_one() -> None:
    assert corrected(GIVEN, history(900, 1300)).total == 1300
    assert corrected(GIVEN, history(900, 1300, 1000)).total == 1000
    assert corrected(GIVEN, history(1100, 1100, 1100, 1, 10**9)).total == 1100
    assert corrected(GIVEN, history(*[3000] * 20, *[1200] * 8)).total == 1200, "the latest count"


@pytest.mark.parametrize(("measured", "total"), [(1, 500), (10**12, 4000), (0, 1000), (-5, 1000)])
def test_a_measurement_that_cannot_be_changes_little(measured: int, total: int) -> None:
    assert corrected(GIVEN, history(measured)).total == total
    assert corrected(GIVEN, history(100, estimated=0)) == GIVEN
    assert corrected(MemoryEstimate(weights=0), history(100)) == MemoryEstimate(weights=0)


def test_corrections_are_always_whole_and_within_bounds() -> None:
    numbers = random.Random(4)
    for _ in range(2000):
        given = MemoryEstimate(weights=numbers.randrange(10**11), working=numbers.randrange(10**10), libraries=45)
        past = [
            LoadMeasurement(numbers.randrange(10**11), numbers.randrange(10**12)) for _ in range(numbers.randrange(12))
        ]
        found = corrected(given, past)
        assert min(found.weights, found.working, found.libraries) >= 0
        assert given.total * 0.49 <= found.total <= given.total * 4.01 + 1
