"""The header of a safetensors file: which tensors are in it, in which precision.

As strict as the safetensors library about what a file may say (names once, tensors side by side without
gaps up to the end of the file), and bounded in memory: it counts before it parses.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeGuard, cast

import msgspec

from .tensors import MAX_TENSORS, TensorInfo, opened

__all__ = ["BITS", "SafetensorsHeader", "parse_safetensors", "read_safetensors_header"]

BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""Bits of one number, by dtype."""

_LENGTH_BYTES = 8
_HEADER_LIMIT = 16 << 20
"""Bytes; the format allows 100 MB, fifty thousand tensors need 6."""
_STRUCTURE = {b"{": MAX_TENSORS + 2, b"[": 2 * MAX_TENSORS + 2, b",": 10 * MAX_TENSORS}
"""How often these may occur; it bounds the objects that parsing makes, wherever they stand."""
_MOST_AXES = 64
_LARGEST = 2**63
_FIELDS = frozenset(["dtype", "shape", "data_offsets"])
_METADATA = "__metadata__"


class SafetensorsHeader(msgspec.Struct, frozen=True):
    """What a safetensors file says of itself.

    Attributes:
        tensors: In the order of their data.
        metadata: Free text by key, often {"format": "pt"}.
    """

    tensors: tuple[TensorInfo, ...]
    metadata: Mapping[str, str]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors)

    def bytes_by_dtype(self) -> Counter[str]:
        """Bytes of the tensors of each dtype."""
        total: Counter[str] = Counter()
        for tensor in self.tensors:
            total[tensor.dtype] += tensor.nbytes
        return total


def read_safetensors_header(path: Path) -> SafetensorsHeader:
    """The header of a file.

    Raises:
        LoadError: It is damaged, or cannot be read.
    """
    with opened(path) as (file, size):
        return parse_safetensors(file, size)


def parse_safetensors(file: BinaryIO, size: int) -> SafetensorsHeader:
    """The header of an open file of `size` bytes.

    Raises:
        ValueError: What is wrong with it.
    """
    if size < _LENGTH_BYTES:
        raise ValueError("it is too short for a safetensors file")
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > size - _LENGTH_BYTES:
        raise ValueError("its header is cut off")
    if length > _HEADER_LIMIT:
        raise ValueError(f"its header has {length} bytes, more than the {_HEADER_LIMIT} that are read")
    content = _decoded(file.read(length))
    metadata = _metadata(content.pop(_METADATA, None))
    tensors = sorted((_tensor(name, entry) for name, entry in content.items()), key=lambda each: each[:2])
    _check_layout(tensors, size - _LENGTH_BYTES - length)
    return SafetensorsHeader(tuple(tensor for _, _, tensor in tensors), metadata)


def _metadata(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in cast("dict[str, Any]", value).values()):
        raise ValueError("its metadata is no table of texts")
    return cast("dict[str, str]", value)


def _decoded(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise ValueError("its header is no JSON object")
    for sign, most in _STRUCTURE.items():
        if text.count(sign) > most:
            raise ValueError(f"its header describes more than {MAX_TENSORS} tensors")
    return json.loads(text.decode(), object_pairs_hook=_without_twins, parse_constant=_no_constant)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twin = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ValueError(f"its header names {twin!r:.80} twice")
    for name, value in pairs:  # half a surrogate pair is no text
        name.encode()
        if isinstance(value, str):
            value.encode()
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"its header contains {name}")


def _tensor(name: str, entry: object) -> tuple[int, int, TensorInfo]:
    """Where a tensor begins and ends, and what it is."""
    if not isinstance(entry, dict):
        raise ValueError(f"the entry of {name!r:.80} is no object")
    fields = cast("dict[str, Any]", entry)
    if not fields.keys() <= _FIELDS:
        raise ValueError(f"the entry of {name!r:.80} has an unknown field")
    dtype, shape, offsets = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise ValueError(f"tensor {name!r:.80} has the unknown dtype {dtype!r:.40}")
    if not _are_counts(shape) or len(shape) > _MOST_AXES:
        raise ValueError(f"tensor {name!r:.80} has no proper shape")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r:.80} has no proper place in the file")
    bits = BITS[dtype]
    for axis in shape:
        bits *= axis
        if bits >= _LARGEST:
            raise ValueError(f"tensor {name!r:.80} is impossibly large")
    begin, end = offsets
    if bits % 8 or end - begin != bits // 8:
        raise ValueError(f"tensor {name!r:.80} should have {bits / 8:g} bytes and has {end - begin}")
    return begin, end, TensorInfo(name, dtype, tuple(shape), end - begin)


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        type(each) is int and 0 <= each < _LARGEST for each in cast("list[object]", value)
    )


def _check_layout(tensors: list[tuple[int, int, TensorInfo]], size: int) -> None:
    at = 0
    for begin, end, tensor in tensors:
        if begin != at:
            what = "overlaps another" if begin < at else "leaves a gap before it"
            raise ValueError(f"tensor {tensor.name!r:.80} {what}")
        at = end
    if at != size:
        raise ValueError(f"its tensors have {at} bytes, but {size} bytes follow the header")
