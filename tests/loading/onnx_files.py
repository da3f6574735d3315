"""Tiny ONNX files made by hand: just enough of the protobuf format for graphs of a few nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT, INT64 = 1, 7
_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | str | bytes) -> bytes:
    """One protobuf field."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value & (2**64 - 1))
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def tensor(name: str, values: NDArray[Any], *, external: str | None = None) -> bytes:
    """An initializer; with `external` its bytes are to be found in that file."""
    head = b"".join(field(1, size) for size in values.shape) + field(2, _TYPES[values.dtype]) + field(8, name)
    if external is None:
        return head + field(9, values.tobytes())
    entries = {"location": external, "offset": "0", "length": str(values.nbytes)}
    return head + b"".join(field(13, field(1, k) + field(2, v)) for k, v in entries.items()) + field(14, 1)


def node(operator: str, inputs: Sequence[str], output: str, **attributes: list[int] | int) -> bytes:
    """A node with one output."""
    out = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator)
    for name, value in attributes.items():
        if isinstance(value, int):
            out += field(5, field(1, name) + field(3, value) + field(20, 2))
        else:
            out += field(5, field(1, name) + b"".join(field(8, each) for each in value) + field(20, 7))
    return out


def value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """An input or output; a word in the shape is an axis of any length."""
    axes = b"".join(field(1, field(1, axis) if isinstance(axis, int) else field(2, axis)) for axis in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, axes)))


def model(
    inputs: Sequence[bytes], outputs: Sequence[bytes], nodes: Sequence[bytes], tensors: Sequence[bytes] = ()
) -> bytes:
    """A whole file, opset 13."""
    graph = b"".join(field(1, each) for each in nodes) + field(2, "graph")
    graph += b"".join(field(5, each) for each in tensors)
    graph += b"".join(field(11, each) for each in inputs) + b"".join(field(12, each) for each in outputs)
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def text_encoder(table: NDArray[np.float32], *, output: str = "last_hidden_state") -> bytes:
    """Looks each token up in a table: input_ids, attention_mask -> (n, tokens, dim)."""
    return model(
        [value("input_ids", INT64, ["n", "t"]), value("attention_mask", INT64, ["n", "t"])],
        [value(output, FLOAT, ["n", "t", table.shape[1]])],
        [node("Gather", ["table", "input_ids"], output, axis=0)],
        [tensor("table", table)],
    )


def text_classifier(table: NDArray[np.float32]) -> bytes:
    """The mean of the tokens' rows as logits: input_ids -> (n, classes)."""
    return model(
        [value("input_ids", INT64, ["n", "t"])],
        [value("logits", FLOAT, ["n", table.shape[1]])],
        [
            node("Gather", ["table", "input_ids"], "rows", axis=0),
            node("ReduceMean", ["rows"], "logits", axes=[1], keepdims=0),
        ],
        [tensor("table", table)],
    )


def constant_detector(logits: NDArray[np.float32], boxes: NDArray[np.float32]) -> bytes:
    """Answers every picture of 8x8, one at a time, with the same queries."""
    return model(
        [value("pixel_values", FLOAT, [1, 3, 8, 8])],
        [value("logits", FLOAT, [1, *logits.shape]), value("pred_boxes", FLOAT, [1, *boxes.shape])],
        [node("Identity", ["l"], "logits"), node("Identity", ["b"], "pred_boxes")],
        [tensor("l", logits[None]), tensor("b", boxes[None])],
    )


def with_external_table(location: str) -> bytes:
    """x (1, 2) plus two weights that are kept in another file."""
    return model(
        [value("pixel_values", FLOAT, [1, 2])],
        [value("logits", FLOAT, [1, 2])],
        [node("Add", ["pixel_values", "w"], "logits")],
        [tensor("w", np.array([[1, 2]], np.float32), external=location)],
    )


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
