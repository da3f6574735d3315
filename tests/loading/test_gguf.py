"""The gguf loader up to where llama.cpp begins: which file, which architecture, how much memory."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pytest

from rmm_widgets.errors import (
    InvalidConfigError,
    LoadError,
    MissingDependencyError,
    ModelNotAvailableError,
    UnsupportedModelError,
)
from rmm_widgets.hub.identify import identify
from rmm_widgets.loading.choice import Candidate
from rmm_widgets.loading.config import parse_config
from rmm_widgets.loading.detect import find_candidates, read_evidence
from rmm_widgets.loading.headers.gguf import GgufHeader, parse_gguf
from rmm_widgets.loading.loaders import get_loader, open_servable
from rmm_widgets.loading.loaders.gguf import check_architecture, choose_file, room_for, shards_of
from rmm_widgets.types import ModelType

from . import gguf_files

EMBEDDING = ModelType.EMBEDDING_MODEL


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def header(architecture: str, **numbers: int) -> GgufHeader:
    keys = [gguf_files.key("general.architecture", gguf_files.TEXT, architecture)]
    keys += [gguf_files.key(f"{architecture}.{name}", gguf_files.U32, value) for name, value in numbers.items()]
    content = gguf_files.model(keys)
    return parse_gguf(io.BytesIO(content), len(content))


def test_of_several_quantisations_the_usual_one_is_chosen(tmp_path: Path) -> None:
    touch(tmp_path, *(f"m-{kind}.gguf" for kind in ("F16", "Q2_K", "Q4_K_M", "Q8_0")), "mmproj-m-f16.gguf")
    assert choose_file(tmp_path).name == "m-Q4_K_M.gguf"
    assert choose_file(tmp_path, "m-Q8_0.gguf").name == "m-Q8_0.gguf"


@pytest.mark.parametrize("wanted", ["m-Q6_K.gguf", "../m-Q8_0.gguf", "/etc/passwd", "README.md"])
def test_only_a_gguf_file_of_the_repository_can_be_named(tmp_path: Path, wanted: str) -> None:
    touch(tmp_path, "m-Q8_0.gguf", "README.md")
    with pytest.raises(InvalidConfigError, match="file is ") as caught:
        choose_file(tmp_path, wanted)
    assert "m-Q8_0.gguf" in str(caught.value)
    assert caught.value.hint


def test_a_quantisation_can_be_named_too_and_there_must_be_a_model(tmp_path: Path) -> None:
    touch(tmp_path, "m-Q4_K_M.gguf", "m-Q8_0.gguf")
    assert choose_file(tmp_path, "q8_0").name == "m-Q8_0.gguf"
    with pytest.raises(UnsupportedModelError, match="no model"):
        choose_file(touch(tmp_path / "empty", "README.md", "mmproj-f16.gguf"))


def test_shards_belong_together(tmp_path: Path) -> None:
    names = [f"q4/m-Q4_K_M-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    touch(tmp_path, *names)
    first = choose_file(tmp_path)
    assert first == tmp_path / names[0]
    assert [path.relative_to(tmp_path).as_posix() for path in shards_of(first)] == names
    assert choose_file(tmp_path, names[2]) == first
    (tmp_path / names[1]).unlink()
    for damaged in (lambda: shards_of(first), lambda: choose_file(tmp_path)):
        with pytest.raises(LoadError, match=r"00002-of-00003\.gguf is missing"):
            damaged()


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ("llada", "cannot denoise"),
        ("dream", "diffusion"),
        ("clip", "pictures"),
        ("t5", "decoder"),
        ("", "architecture"),
    ],
)
def test_architectures_without_embeddings_are_refused_with_the_reason(architecture: str, words: str) -> None:
    with pytest.raises(UnsupportedModelError, match=words):
        check_architecture(header(architecture), "m.gguf")


def test_rerankers_are_refused_and_encoders_and_writers_are_not() -> None:
    with pytest.raises(UnsupportedModelError, match="reranker"):
        check_architecture(header("bert", pooling_type=4), "m.gguf")
    check_architecture(header("bert", pooling_type=2), "m.gguf")
    check_architecture(header("llama"), "m.gguf")


@pytest.mark.parametrize("kind", [kind.value for kind in ModelType if kind is not EMBEDDING])
def test_other_types_are_refused_with_the_reason(tmp_path: Path, kind: str) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf_files.small())
    with pytest.raises(UnsupportedModelError, match=f"{kind}.*left to right") as caught:
        open_servable("gguf", model_id="m", model_type=kind, path=str(tmp_path))
    assert "embedding_model" in caught.value.hint
    assert caught.value.model_id == "m"


def candidates(folder: Path) -> tuple[Candidate, ...]:
    evidence = read_evidence(folder)
    return find_candidates(evidence, identify(evidence))


def test_a_folder_of_gguf_files_is_taken_and_its_type_left_open(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf_files.small())
    (tmp_path / "README.md").write_text("---\npipeline_tag: text-generation\n---\n")
    [found] = candidates(tmp_path)
    assert (found.loader.name, found.loader.library, found.match.model_type) == ("gguf", "llama-cpp-python", None)
    (tmp_path / "README.md").write_text("---\npipeline_tag: sentence-similarity\n---\n")
    assert candidates(tmp_path)[0].match.model_type is EMBEDDING
    with pytest.raises(ModelNotAvailableError):
        open_servable("gguf", model_id="m", model_type="embedding_model", path=str(tmp_path / "nothing"))


@pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is not None, reason="llama-cpp-python is installed")
def test_without_the_library_the_line_that_installs_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf_files.small())
    with pytest.raises(MissingDependencyError) as caught:
        open_servable("gguf", model_id="m", model_type="embedding_model", path=str(tmp_path))
    assert "pip install llama-cpp-python" in caught.value.hint


def test_texts_are_as_long_as_asked_within_what_was_trained() -> None:
    def room(architecture: str, trained: int, wanted: int | None = None) -> tuple[int, int]:
        settings = parse_config(EMBEDDING, {"max_sequence_length": wanted})
        found = room_for(header(architecture, context_length=trained), settings)
        return found.text, found.context

    assert room("llama", 8192) == (512, 2048)
    assert room("llama", 8192, 4096) == (4096, 4096)
    assert room("llama", 1024, 4096) == (1024, 1024)
    assert room_for(header("bert", context_length=512, pooling_type=1), parse_config(EMBEDDING, {})).context == 512


def test_the_estimate_counts_weights_cache_and_scores(tmp_path: Path) -> None:
    (tmp_path / "m-Q4_0.gguf").write_bytes(gguf_files.small())
    (tmp_path / "m-Q8_0.gguf").write_bytes(gguf_files.model([gguf_files.key("general.architecture", 8, "llama")]))
    loader = get_loader("gguf")
    estimate = loader.estimate(tmp_path, EMBEDDING, {"file": "m-Q4_0.gguf"})
    assert estimate.weights == 12800 + 4352 + 128
    cache, scores = 2 * 2 * 128 * 2 * 2 * 16, 2 * 4 * 128 * 50  # 128 tokens, two layers, two heads of 16; 50 words
    assert estimate.working == 50_000_000 + cache + scores
    assert loader.estimate(tmp_path, EMBEDDING, {"file": "m-Q8_0.gguf"}).weights == 0
    (tmp_path / "m-Q4_0.gguf").write_bytes(gguf_files.small()[:500])
    with pytest.raises(LoadError, match=r"m-Q4_0\.gguf is damaged"):
        loader.estimate(tmp_path, EMBEDDING, {"file": "m-Q4_0.gguf"})
