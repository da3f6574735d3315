"""Which ONNX files of a repository are variants of one graph, and which to take. Pure, by names alone.

`model.onnx`, `model_fp16.onnx` and `model_q4.onnx` are one graph in three precisions; `encoder_model.onnx`,
`decoder_model_merged.onnx` and `decoder_with_past_model.onnx` are three parts, and all are needed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

import msgspec

__all__ = ["PREFERENCE", "is_external_data", "spare_onnx_files"]

PREFERENCE = (
    *("o1", "o2", "o3", "optimized", "fp32", "float32"),
    *("quantized", "int8", "uint8", "q8", "qint8", "quint8"),
    *("fp16", "float16", "bf16", "o4", "q8f16", "q4", "int4", "uint4", "qint4", "quint4"),
    *("q4f16", "bnb4", "nf4", "fp8", "q2"),
)
"""Where the plain form is missing: full precision, then what a CPU runs well, then half, then the smallest."""

_VARIANT = re.compile(
    rf"(?P<plain>.+?)[_.-](?P<name>{'|'.join(sorted(PREFERENCE, key=len, reverse=True))})(?P<detail>(?:[_.-]\w+)*)",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"(?P<folder>(?:^|.*?/)(?P<kind>cpu|cuda|directml|dml|gpu|web|npu|qnn|rocm|tensorrt)[\w-]*)/", re.IGNORECASE
)
_PART = re.compile(r"merged|past|encoder|decoder|prefill|init|embed|head", re.IGNORECASE)
_SUFFIX = ".onnx"
_TENSOR_SUFFIXES = frozenset([".bin", ".data", ".weights"])


class _Onnx(msgspec.Struct, frozen=True):
    """What the name of an ONNX file says: the plain form's path, and the variant or empty."""

    path: str
    plain: str
    variant: str
    detail: str


def spare_onnx_files(paths: Iterable[str]) -> dict[str, str]:
    """The ONNX files that are not needed, and their external data, each with the reason."""
    listed = list(paths)
    spare = _for_other_devices(listed)
    all_paths = [path for path in listed if path not in spare]
    graphs = [_read_name(path) for path in all_paths if path.lower().endswith(_SUFFIX)]
    for parts in _by_folder(graphs):
        for plain, chosen in _choose(parts).items():
            reason = f"another ONNX variant: {PurePosixPath(chosen.path).name} is chosen"
            spare |= {graph.path: reason for graph in parts[plain] if graph is not chosen}
    kept = {graph.path for graph in graphs} - set(spare)
    for path in all_paths:
        owner = _owner(path, spare)
        if owner is not None and path not in spare and _owner(path, kept) is None:
            spare[path] = spare[owner]
    return spare


def is_external_data(path: str, onnx: Collection[str]) -> bool:
    """True for a file that holds tensors of one of these ONNX files, going by its name."""
    return _owner(path, onnx) is not None


def _for_other_devices(paths: list[str]) -> dict[str, str]:
    """Folders for graphics cards and browsers, where a folder for the CPU is there (onnxruntime-genai)."""
    folders: dict[str, str] = {}
    for path in paths:
        found = _DEVICE.match(path)
        if found and path.lower().endswith(_SUFFIX):
            folders[found["folder"]] = found["kind"].lower()
    own = min((folder for folder, kind in folders.items() if kind == "cpu"), default=None)
    if own is None:
        return {}
    others = tuple(f"{folder}/" for folder, kind in folders.items() if kind != "cpu")
    return {path: f"for another device: {own} is chosen" for path in paths if path.startswith(others)}


def _read_name(path: str) -> _Onnx:
    file = PurePosixPath(path)
    found = _VARIANT.fullmatch(file.name[: -len(_SUFFIX)])
    if found is None:
        return _Onnx(path, str(file).lower(), "", "")
    detail = found["detail"].lower()
    part = detail if _PART.search(detail) else ""  # `decoder_q4_with_past` is a part, not a variant of `decoder_q4`
    plain = str(file.with_name(f"{found['plain']}{part}{_SUFFIX}")).lower()
    return _Onnx(path, plain, found["name"].lower(), "" if part else detail)


def _by_folder(graphs: Iterable[_Onnx]) -> list[dict[str, list[_Onnx]]]:
    """For each folder, the variants of each part."""
    folders: dict[PurePosixPath, dict[str, list[_Onnx]]] = defaultdict(lambda: defaultdict(list))
    for graph in graphs:
        folders[PurePosixPath(graph.path).parent][graph.plain].append(graph)
    return list(folders.values())


def _choose(parts: dict[str, list[_Onnx]]) -> dict[str, _Onnx]:
    """The variant to take of each part; one that all parts have goes first, so that they fit together."""
    without_plain = [variants for variants in parts.values() if all(graph.variant for graph in variants)]
    kinds = [{(graph.variant, graph.detail) for graph in variants} for variants in without_plain]
    common = set[tuple[str, str]].intersection(*kinds) if kinds else set[tuple[str, str]]()

    def rank(graph: _Onnx) -> tuple[object, ...]:
        kind = (graph.variant, graph.detail)
        order = PREFERENCE.index(graph.variant) if graph.variant else -1
        return (bool(graph.variant), kind not in common, order, len(graph.detail), graph.detail, graph.path)

    return {plain: min(variants, key=rank) for plain, variants in parts.items()}


def _owner(path: str, onnx: Collection[str]) -> str | None:
    """The ONNX file whose tensors this file holds: `model.onnx_data`, `model.onnx.data`, `model.bin`, ..."""
    if not onnx:
        return None
    end = path.lower().rfind(_SUFFIX) + len(_SUFFIX)
    if end >= len(_SUFFIX) and "/" not in path[end:] and path[:end] in onnx:
        return path[:end]
    file = PurePosixPath(path)
    beside = str(file.with_suffix(_SUFFIX))
    return beside if file.suffix.lower() in _TENSOR_SUFFIXES and beside in onnx else None
