"""The header of a GGUF file, versions 2 and 3: what the model is, and which tensors are in it.

Reads past long texts and lists, above all the vocabulary, so that it takes milliseconds where a reader that
keeps them takes seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

import msgspec

from .tensors import MAX_TENSORS, TensorInfo, opened

__all__ = ["TYPES", "GgufHeader", "GgufValue", "parse_gguf", "read_gguf_header"]

GgufValue: TypeAlias = bool | int | float | str | tuple[bool | int | float, ...]

TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
"""By number: a tensor type's name, how many numbers make a block of it, and the bytes of a block."""

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9

_MOST_KEYS = 4096
_MOST_TEXTS = 2_000_000
"""Texts in lists, all together; the largest vocabularies with their merges have under a million."""
_LONGEST_KEY = 1024
_LONGEST_NAME = 256
_MOST_AXES = 4
_LARGEST = 2**63
_LONGEST_KEPT_TEXT = 4096
_LONGEST_KEPT_LIST = 512


class GgufHeader(msgspec.Struct, frozen=True):
    """What a GGUF file says of itself.

    Attributes:
        version: Of the format.
        metadata: Numbers, short texts and short lists of numbers by key; the others are left out.
        tensors: In the order of their data.
    """

    version: int
    metadata: Mapping[str, GgufValue]
    tensors: tuple[TensorInfo, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors)

    @property
    def architecture(self) -> str:
        """`general.architecture`, for example "llama" or "bert"; empty where the file names none."""
        found = self.metadata.get("general.architecture")
        return found if isinstance(found, str) else ""

    @property
    def context_length(self) -> int:
        """The longest input in tokens that the model was trained for; 0 where the file does not say."""
        return self.count("context_length")

    @property
    def is_causal(self) -> bool:
        """True for a model that writes on from a text; encoders say that they are not, or how they pool."""
        causal = self.metadata.get(f"{self.architecture}.attention.causal", True)
        return bool(causal) and f"{self.architecture}.pooling_type" not in self.metadata

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows, by the table of their vectors; 0 where it has none."""
        tables = (tensor.shape for tensor in self.tensors if tensor.name == "token_embd.weight")
        return next((shape[-1] for shape in tables if len(shape) == 2), 0)

    def count(self, key: str) -> int:
        """A whole number from 0 to 2^32 under the architecture's own `key`; 0 where there is none."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if type(value) is int and 0 <= value <= 2**32 else 0

    def kv_cache_bytes(self, context: int) -> int:
        """Bytes of keys and values for `context` tokens, in 16 bits; 0 where the file lacks the numbers."""
        heads = self.count("attention.head_count")
        width = self.count("embedding_length") // heads if heads else 0
        widths = sum(self.count(f"attention.{part}_length") or width for part in ("key", "value"))
        return 2 * context * self._kv_heads(default=heads) * widths

    def _kv_heads(self, default: int) -> int:
        """Heads with keys and values, in all layers."""
        listed = self.metadata.get(f"{self.architecture}.attention.head_count_kv")
        if isinstance(listed, tuple):  # layers differ
            return sum(each for each in listed if type(each) is int and each > 0)
        return self.count("block_count") * (self.count("attention.head_count_kv") or default)


def read_gguf_header(path: Path) -> GgufHeader:
    """The header of a file.

    Raises:
        LoadError: It is damaged, or cannot be read.
    """
    with opened(path) as (file, size):
        return parse_gguf(file, size)


def parse_gguf(file: BinaryIO, size: int) -> GgufHeader:
    """The header of an open file of `size` bytes.

    Raises:
        ValueError: What is wrong with it.
    """
    return _Parser(file, size).header()


class _Parser:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._texts_left = _MOST_TEXTS

    def header(self) -> GgufHeader:
        if self._file.read(4) != b"GGUF":
            raise ValueError("it is no GGUF file")
        version = cast("int", self._number("I"))
        if version not in {2, 3}:
            raise ValueError(
                "its numbers are big-endian" if version & 0xFFFF == 0 else f"its format has the version {version}"
            )
        tensor_count, key_count = cast("int", self._number("Q")), cast("int", self._number("Q"))
        if tensor_count > MAX_TENSORS or key_count > _MOST_KEYS:
            raise ValueError(f"it claims {tensor_count} tensors and {key_count} keys")
        metadata: dict[str, GgufValue] = {}
        keys: set[str] = set()
        for _ in range(key_count):
            key = self._text(_LONGEST_KEY, "a key")
            if key in keys:
                raise ValueError(f"it names the key {key!r:.80} twice")
            keys.add(key)
            value = self._value(cast("int", self._number("I")))
            if value is not None:
                metadata[key] = value
        tensors = [self._tensor() for _ in range(tensor_count)]
        if len({tensor.name for _, tensor in tensors}) != tensor_count:
            raise ValueError("two of its tensors have one name")
        return GgufHeader(version, metadata, self._placed(tensors, _alignment(metadata)))

    def _value(self, kind: int) -> GgufValue | None:
        """A value worth keeping; None for a long one, which is read past."""
        if kind == _TEXT:
            length = self._length()
            if length > _LONGEST_KEPT_TEXT:
                return self._skip(length)
            return self._take(length).decode(errors="replace")
        if kind == _LIST:
            return self._list()
        if kind not in _NUMBERS:
            raise ValueError(f"it holds a value of the unknown kind {kind}")
        return self._number(_NUMBERS[kind])

    def _list(self) -> tuple[bool | int | float, ...] | None:
        kind, count = cast("int", self._number("I")), cast("int", self._number("Q"))
        if kind == _TEXT:
            return self._skip_texts(count)
        if kind not in _NUMBERS:
            raise ValueError(f"it holds a list of the unknown kind {kind}")
        form = _NUMBERS[kind]
        size = count * struct.calcsize(form)
        if count > _LONGEST_KEPT_LIST:
            return self._skip(size)
        return struct.unpack(f"<{count}{form}", self._take(size))

    def _tensor(self) -> tuple[int, TensorInfo]:
        """Where a tensor begins, counted from the first one, and what it is."""
        name = self._text(_LONGEST_NAME, "a tensor's name")
        axes = cast("int", self._number("I"))
        if axes > _MOST_AXES:
            raise ValueError(f"tensor {name!r:.80} has {axes} axes")
        shape = struct.unpack(f"<{axes}Q", self._take(8 * axes))
        kind, offset = cast("int", self._number("I")), cast("int", self._number("Q"))
        if kind not in TYPES:
            raise ValueError(f"tensor {name!r:.80} has the unknown type {kind}")
        dtype, block, block_bytes = TYPES[kind]
        elements = 1
        for length in shape:
            elements *= length
        if (shape[0] if shape else 1) % block:
            raise ValueError(f"tensor {name!r:.80} has rows that are no multiple of {block} numbers")
        nbytes = elements // block * block_bytes
        if elements >= _LARGEST or nbytes >= _LARGEST:
            raise ValueError(f"tensor {name!r:.80} is impossibly large")
        return offset, TensorInfo(name, dtype, shape, nbytes)

    def _placed(self, tensors: list[tuple[int, TensorInfo]], alignment: int) -> tuple[TensorInfo, ...]:
        """The tensors in the order of their data, after a check that they lie side by side in the file."""
        here = self._file.tell()
        room = self._size - (here + -here % alignment)
        ordered = sorted(tensors, key=lambda each: (each[0], each[1].nbytes))
        at = 0
        for offset, tensor in ordered:
            if offset % alignment:
                raise ValueError(f"tensor {tensor.name!r:.80} begins in the middle of a block")
            if offset < at:
                raise ValueError(f"tensor {tensor.name!r:.80} overlaps another")
            at = offset + tensor.nbytes
            if at > room:
                raise ValueError(f"tensor {tensor.name!r:.80} ends after the end of the file")
        return tuple(tensor for _, tensor in ordered)

    def _number(self, form: str) -> bool | int | float:
        form = f"<{form}"
        (value,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return value

    def _length(self) -> int:
        length = cast("int", self._number("Q"))
        if length > self._size:
            raise ValueError("a text in it is longer than the file")
        return length

    def _text(self, longest: int, what: str) -> str:
        length = self._length()
        if length > longest:
            raise ValueError(f"{what} has {length} bytes")
        return self._take(length).decode()

    def _take(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) != count:
            raise ValueError("its header is cut off")
        return found

    def _skip(self, count: int) -> None:
        if count > self._size - self._file.tell():
            raise ValueError("its header is cut off")
        self._file.seek(count, 1)

    def _skip_texts(self, count: int) -> None:
        self._texts_left -= count
        if self._texts_left < 0:
            raise ValueError(f"it claims more than {_MOST_TEXTS} texts")
        read, seek, number, size = self._file.read, self._file.seek, int.from_bytes, self._size
        for _ in range(count):
            found = read(8)
            length = number(found, "little")
            if len(found) != 8 or length > size:
                raise ValueError("its header is cut off")
            seek(length, 1)
        self._skip(0)


def _alignment(metadata: Mapping[str, GgufValue]) -> int:
    value = metadata.get("general.alignment", 32)
    if type(value) is not int or not 0 < value <= 1 << 20 or value & (value - 1):
        raise ValueError(f"its alignment is {value!r:.40}")
    return value
