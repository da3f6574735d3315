"""What an ONNX file draws from outside of itself: files with weights, and operators that are no standard ones.

An ONNX file may name any path for its weights; older runtimes follow it anywhere. Only the fields on
the way to those names are looked at (onnx.proto), over a memory map, so that size does not matter.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ....errors import LoadError, UnsafeModelError
from ....names import check_file_path

__all__ = ["References", "check_external_data", "external_files", "read_references"]

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
    "tensor": {},
}
_GRAPH, _LOCATION, _OPERATOR_DOMAIN, _FUNCTION_DOMAIN = ("model", 7), ("tensor", 13), ("node", 7), ("function", 10)
_KEY, _VALUE = 1, 2
_MOST_FIELDS = 5_000_000
"""More than any model has that was not made to keep a reader busy."""
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


class References(NamedTuple):
    """What an ONNX file asks for: paths of files with weights, and domains of operators that it does not define."""

    files: frozenset[str]
    domains: frozenset[str]
    has_graph: bool


def external_files(path: Path) -> frozenset[str]:
    """The paths that an ONNX file names for its weights, as they stand there.

    Raises:
        ValueError: The file is no ONNX file.
    """
    return read_references(path).files


def read_references(path: Path) -> References:
    """The files and the domains of operators that an ONNX file names, as they stand there.

    Raises:
        ValueError: The file is no ONNX file.
    """
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    files: set[str] = set()
    used: set[str] = set()
    defined: set[str] = set()
    has_graph = False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for place, span in _walk(data):
            if place == _LOCATION:
                files |= _location(data, span)
            elif place == _OPERATOR_DOMAIN:
                used.add(_text(data, span))
            elif place == _FUNCTION_DOMAIN:
                defined.add(_text(data, span))
            has_graph |= place == _GRAPH
    return References(frozenset(files), frozenset(used - defined), has_graph)


def _walk(data: mmap.mmap) -> Iterator[tuple[tuple[str, int], _Span]]:
    """The fields of all messages that matter: message and number, and where the content lies."""
    todo: list[tuple[str, _Span]] = [("model", (0, len(data)))]
    seen = 0
    while todo:
        message, span = todo.pop()
        children = _CHILDREN[message]
        for number, inner in _fields(data, span):
            seen += 1
            if seen > _MOST_FIELDS:
                raise ValueError("it has more parts than any model")
            yield (message, number), inner
            if number in children:
                todo.append((children[number], inner))


def _location(data: mmap.mmap, span: _Span) -> set[str]:
    """The path in one entry about external data; empty where the entry is about something else."""
    entry = {number: _text(data, inner) for number, inner in _fields(data, span)}
    return {entry.get(_VALUE, "")} if entry.get(_KEY) == "location" else set()


def _text(data: mmap.mmap, span: _Span) -> str:
    return data[span[0] : span[1]].decode(errors="replace")


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
