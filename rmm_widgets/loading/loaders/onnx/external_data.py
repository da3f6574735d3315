"""Which other files an ONNX file draws its weights from, read from the file itself.

An ONNX file may name any path for its weights; older runtimes follow it anywhere. Only the fields on
the way to those names are looked at (onnx.proto), over a memory map, so that size does not matter.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from ....errors import LoadError, UnsafeModelError
from ....names import check_file_path

__all__ = ["check_external_data", "external_files"]

_Span: TypeAlias = tuple[int, int]

# Message -> field number -> message inside it.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def check_external_data(path: Path) -> None:
    """Refuse a file whose weights would come from outside its own folder, or are not there.

    Raises:
        UnsafeModelError: A path leaves the folder.
        LoadError: The file is damaged, or a file that it names is missing.
    """
    try:
        named = external_files(path)
    except ValueError as error:
        raise LoadError(f"{path.name} is no ONNX file: {error}", hint="Download the model again.") from None
    for name in sorted(named):
        try:
            check_file_path(name)
        except ValueError as error:
            raise UnsafeModelError(
                f"{path.name} takes weights from outside its folder: {error}",
                hint="Do not use this repository; report it to its host.",
            ) from None
        if not (path.parent / name).is_file():
            raise LoadError(
                f"{path.name} needs {name!r}, which is not there", hint="Download the model again, with all its files."
            )


def external_files(path: Path) -> frozenset[str]:
    """The paths that an ONNX file names for its weights, as they stand there.

    Raises:
        ValueError: The file is no ONNX file.
    """
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return frozenset(_locations(data))


def _locations(data: mmap.mmap) -> Iterator[str]:
    todo: list[tuple[str, _Span]] = [("model", (0, len(data)))]
    while todo:
        message, span = todo.pop()
        if message == "entry":
            fields = {number: data[start:end] for number, (start, end) in _fields(data, span)}
            if fields.get(_KEY) == b"location":
                yield fields.get(_VALUE, b"").decode(errors="replace")
            continue
        children = _CHILDREN[message]
        todo.extend((children[number], inner) for number, inner in _fields(data, span) if number in children)


def _fields(data: mmap.mmap, span: _Span) -> Iterator[tuple[int, _Span]]:
    """The length-delimited fields of one protobuf message: number, and where the content lies."""
    at, end = span
    while at < end:
        key, at = _varint(data, at, end)
        kind = key & 7
        if kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind == _LENGTH:
            length, at = _varint(data, at, end)
            if length > end - at:
                raise ValueError("a field is longer than the file")
            yield key >> 3, (at, at + length)
            at += length
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a field has an unknown form")


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is cut off")
