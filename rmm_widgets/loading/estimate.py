"""What a model will take of memory, from the headers of its files, and what earlier loads teach about that.

Imports no library of models. Each loader asks for the estimate of its kind; the numbers of the rules were
measured, and the comments say how.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..downloads.onnx_files import is_external_data
from ..downloads.selection import choose_files
from ..types import ModelType
from .config import ModelConfig, parse_config
from .files import list_files, read_optional_json
from .headers.gguf import GgufHeader
from .headers.safetensors import BITS, SafetensorsHeader, read_safetensors_header
from .loader import MemoryEstimate

__all__ = [
    "LoadMeasurement",
    "corrected",
    "gguf_estimate",
    "hub_estimate",
    "model2vec_estimate",
    "onnx_estimate",
    "torch_estimate",
    "weights_as",
]

_MB = 1_000_000
_TORCH = 400 * _MB
_ONNXRUNTIME = 45 * _MB
_MODEL2VEC = 45 * _MB
_LLAMA_CPP = 40 * _MB
"""Resident bytes of a process after the library's import."""

_SHARE = 0.2
"""What calls need beside the weights at least, as a share of them."""
_LEAST = 50 * _MB
"""What the first call takes even where the model is tiny."""
_TYPICAL_TOKENS = 256
"""Where nobody set a limit, texts are taken to be no longer, whatever the model could read."""

_SAFETENSORS = ".safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_ENCODERS = frozenset([ModelType.EMBEDDING_MODEL, ModelType.CLASSIFICATION_MODEL])
_FLOATS = frozenset(["F64", "F32", "F16", "BF16"])
_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


class LoadMeasurement(msgspec.Struct, frozen=True):
    """How right an estimate was.

    Attributes:
        estimated: Bytes that were expected, before any correction.
        measured: The most bytes that the model's process was seen to hold.
    """

    estimated: int
    measured: int


_REMEMBERED = 8
_TRUSTED = 3
"""With fewer measurements, the largest error counts rather than the middle one: running out of memory is worse."""
_SMALLEST, _LARGEST = 0.5, 4.0
"""A measurement further off than this says more about the measuring than about the model."""


def corrected(estimate: MemoryEstimate, history: Sequence[LoadMeasurement]) -> MemoryEstimate:
    """The estimate, changed by the error of earlier ones of the same model.

    The middle of the last errors counts, so that single measurements far off change little. What is known of
    the weights is believed as long as the total leaves room for them.

    Args:
        history: The latest last.
    """
    usable = [each for each in history if each.estimated > 0 and each.measured > 0][-_REMEMBERED:]
    if not usable or estimate.total <= 0:
        return estimate
    errors = [min(_LARGEST, max(_SMALLEST, each.measured / each.estimated)) for each in usable]
    error = statistics.median(errors) if len(errors) >= _TRUSTED else max(errors)
    total = round(estimate.total * error)
    weights = min(estimate.weights, total)
    libraries = min(estimate.libraries, total - weights)
    return MemoryEstimate(weights=weights, libraries=libraries, working=total - weights - libraries)


def torch_estimate(
    folder: Path,
    files: Iterable[str] | None = None,
    *,
    dtype: str | None = None,
    model_type: ModelType | None = None,
    config: Mapping[str, Any] | None = None,
) -> MemoryEstimate:
    """What torch needs for the weights in a folder and its subfolders, in shards or not.

    Args:
        files: Those that will be read; None for one copy of all weights that there are.
        dtype: The precision to load in: "float32", "float16", "bfloat16", or "auto" for the files' own; None for
            what the configuration says.
        model_type, config: Of the model, for what calls will need; without them a share of the weights.

    Raises:
        LoadError: A file is damaged.
        InvalidConfigError: The configuration is wrong.
    """
    model = read_optional_json(folder / "config.json") or {}
    dtype = dtype or str((config or {}).get("dtype", "auto"))
    files = choose_files(list_files(folder)) if files is None else tuple(files)
    safetensors = [path for path in files if path.endswith(_SAFETENSORS)]
    headers = [read_safetensors_header(folder / path) for path in safetensors]
    weights = sum(weights_as(header, dtype) for header in headers)
    onnx = [path for path in files if path.endswith(".onnx")]
    pickles = [path for path in files if path.endswith(_PICKLES) and not is_external_data(path, onnx)]
    if pickles:
        weights += int(sum(_sizes(folder, pickles)) * _growth(folder, dtype))
    # scaled_dot_product_attention never makes the square of the tokens; measured with MiniLM, 32 texts of 256.
    calls = _activations(model, folder, model_type, config or {}, squares=0, inner=4, outer=4)
    return MemoryEstimate(weights=weights, working=_working(weights, calls), libraries=_TORCH)


def weights_as(header: SafetensorsHeader, dtype: str) -> int:
    """Bytes of a file's tensors where torch loads them in this precision; whole numbers stay as they are."""
    wanted = _BYTES.get(dtype)
    if wanted is None:
        return header.nbytes
    by_dtype = header.bytes_by_dtype()
    return sum(n * wanted * 8 // BITS[own] if own in _FLOATS else n for own, n in by_dtype.items())


def onnx_estimate(folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
    """What onnxruntime needs for the ONNX files of a folder, one variant of each, and their external data.

    Raises:
        LoadError: A configuration file is damaged.
        InvalidConfigError: The configuration is wrong.
    """
    files = choose_files(list_files(folder))
    graphs = [path for path in files if path.endswith(".onnx")]
    data = [path for path in files if path not in graphs and is_external_data(path, graphs)]
    weights = sum(_sizes(folder, [*graphs, *data]))
    model = read_optional_json(folder / "config.json") or {}
    # int8 MiniLM: 780 MB for 32 texts of 256 tokens, 340 for 32 of 128, 270 for 8 of 256, 400 for 4 of 512.
    calls = _activations(model, folder, model_type, config, squares=6, inner=4, outer=4)
    return _by_onnxruntime(weights, calls)


def model2vec_estimate(folder: Path, *, dtype: str = "auto") -> MemoryEstimate:
    """What a static model needs: its table; `dtype` as for `torch_estimate`.

    Raises:
        LoadError: A file is damaged.
    """
    files = [path for path in choose_files(list_files(folder)) if path.endswith(_SAFETENSORS)]
    weights = sum(weights_as(read_safetensors_header(folder / path), dtype) for path in files)
    return MemoryEstimate(weights=weights, working=_working(weights, 0), libraries=_MODEL2VEC)


def hub_estimate(weights: int, formats: Collection[str] = ()) -> MemoryEstimate:
    """What a repository on the Hub would need, of which only the bytes and the formats of its weights are known.

    By onnxruntime where it has ONNX files, which are loaded before others, else by torch, as most are.
    """
    if "onnx" in formats:
        return _by_onnxruntime(weights, calls=0)
    libraries = _LLAMA_CPP if set(formats) == {"gguf"} else _TORCH
    return MemoryEstimate(weights=weights, working=_working(weights, 0), libraries=libraries)


def _by_onnxruntime(weights: int, calls: int) -> MemoryEstimate:
    # While a session opens, the file and what is made of it are there together.
    return MemoryEstimate(weights=weights, working=max(weights, _working(weights, calls)), libraries=_ONNXRUNTIME)


def gguf_estimate(headers: Sequence[GgufHeader], *, context: int, text: int) -> MemoryEstimate:
    """What llama.cpp needs for the shards of one model.

    Args:
        headers: At least one; the first describes the model.
        context: Tokens whose keys and values are kept.
        text: Tokens of the longest text for an embedding.
    """
    weights = sum(header.nbytes for header in headers)
    first = headers[0]
    # SmolLM2, a vocabulary of 49152: 150 MB more after a text of 512 tokens, 360 after one of 1024.
    scores = 2 * 4 * text * first.vocabulary if first.is_causal else 0
    calls = first.kv_cache_bytes(context) + scores
    return MemoryEstimate(weights=weights, working=_working(weights, calls), libraries=_LLAMA_CPP)


def _working(weights: int, calls: int) -> int:
    return max(int(_SHARE * weights), _LEAST + calls)


def _sizes(folder: Path, paths: Iterable[str]) -> list[int]:
    return [(folder / path).stat().st_size for path in paths]


def _growth(folder: Path, dtype: str) -> float:
    """How many times larger pickled weights become; they do not say their precision, config.json may."""
    model = read_optional_json(folder / "config.json") or read_optional_json(folder / "model" / "config.json") or {}
    own = str(model.get("dtype") or model.get("torch_dtype")).removeprefix("torch.")
    return _BYTES[dtype] / _BYTES.get(own, 4) if dtype in _BYTES else 1.0


def _activations(
    model: Mapping[str, Any],
    folder: Path,
    model_type: ModelType | None,
    config: Mapping[str, Any],
    *,
    squares: int,
    inner: int,
    outer: int,
) -> int:
    """Bytes that one full batch takes on its way through a transformer; 0 where config.json does not say.

    Args:
        squares, inner, outer: How many float32 arrays are there at once: of tokens by tokens for each head,
            of the inner layer's width, of the model's width.
    """
    if model_type is None or model_type not in _ENCODERS:
        return 0
    settings = parse_config(model_type, config)
    width = _first(model, "hidden_size", "d_model", "dim", "n_embd")
    heads = _first(model, "num_attention_heads", "n_heads", "num_heads", "n_head")
    deep = _first(model, "intermediate_size", "ffn_dim", "hidden_dim", "n_inner") or 4 * width
    tokens = _image_tokens(model) or _text_tokens(model, folder, settings)
    batch = int(getattr(settings, "batch_size", 1))
    return 4 * batch * tokens * (squares * heads * tokens + inner * deep + outer * width)


def _text_tokens(model: Mapping[str, Any], folder: Path, settings: ModelConfig) -> int:
    """The longest text in tokens that is to be expected in a call."""
    if asked := getattr(settings, "max_sequence_length", None):
        return int(asked)
    sentence = read_optional_json(folder / "sentence_bert_config.json") or {}
    limits = (_first(sentence, "max_seq_length"), _first(model, "max_position_embeddings", "n_positions"))
    return min([limit for limit in limits if limit] + [_TYPICAL_TOKENS])


def _image_tokens(model: Mapping[str, Any]) -> int:
    """The patches of a picture, for a model of pictures."""
    patch = _first(model, "patch_size")
    size = model.get("image_size")
    sides = [size, size] if isinstance(size, int) else size
    match sides:
        case [int(height), int(width)] if patch:
            return max(0, height // patch) * max(0, width // patch) + 1
        case _:
            return 0


_IMPLAUSIBLE = 1 << 20


def _first(model: Mapping[str, Any], *keys: str) -> int:
    """The first of these keys with a plausible number."""
    return next((n for key in keys if type(n := model.get(key)) is int and 0 < n < _IMPLAUSIBLE), 0)
