"""Tiny GGUF files made by hand, so that they may also be wrong."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

U32, F32, BOOL, TEXT, LIST, U64 = 4, 6, 7, 8, 9, 10
_FORMS = {0: "B", 1: "b", 2: "H", 3: "h", U32: "I", 5: "i", F32: "f", BOOL: "?", U64: "Q", 11: "q", 12: "d"}


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(content)) + content


def value(kind: int, content: Any) -> bytes:
    """A value without its kind; a list is (kind of its elements, elements)."""
    if kind == TEXT:
        return text(content)
    if kind == LIST:
        inner, elements = content
        return struct.pack("<IQ", inner, len(elements)) + b"".join(value(inner, each) for each in elements)
    return struct.pack(f"<{_FORMS[kind]}", content)


def key(name: str, kind: int, content: Any) -> bytes:
    return text(name) + struct.pack("<I", kind) + value(kind, content)


def tensor(name: str | bytes, shape: Sequence[int], kind: int, offset: int) -> bytes:
    head = text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
    return head + struct.pack("<IQ", kind, offset)


def model(
    keys: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    data: int = 0,
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
) -> bytes:
    """A whole file with `data` bytes for its tensors; `counts` (tensors, keys) may lie."""
    said = counts or (len(tensors), len(keys))
    head = b"GGUF" + struct.pack("<IQQ", version, *said) + b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % alignment) + bytes(data)


def small() -> bytes:
    """A llama of two layers in miniature, with all kinds of metadata."""
    return model(
        [
            key("general.architecture", TEXT, "llama"),
            key("general.alignment", U32, 32),
            key("llama.block_count", U32, 2),
            key("llama.context_length", U32, 128),
            key("llama.embedding_length", U32, 64),
            key("llama.attention.head_count", U32, 4),
            key("llama.attention.head_count_kv", U32, 2),
            key("llama.rope.freq_base", F32, 1e4),
            key("tokenizer.ggml.add_bos_token", BOOL, False),
            key("tokenizer.ggml.tokens", LIST, (TEXT, [f"token {n}" for n in range(50)])),
            key("tokenizer.ggml.scores", LIST, (F32, [0.5] * 50)),
            key("tokenizer.ggml.token_type", LIST, (5, [-1] * 600)),
            key("tokenizer.chat_template", TEXT, "{{ x }}" * 1000),
        ],
        [
            tensor("token_embd.weight", [64, 50], 0, 0),
            tensor("blk.0.weight", [64, 64], 8, 12800),
            tensor("norm", [64], 1, 17152),
        ],
        17152 + 128,
    )
