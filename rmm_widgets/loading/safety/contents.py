"""What the bytes of a file are, whatever it is called. Pure, from its first and last bytes.

Whether that is welcome is for `policy`.
"""

from __future__ import annotations

import re
import zlib
from typing import Literal

import msgspec

from .pickles import buried_pickle, leading_pickle

__all__ = ["REACH", "Content", "Format", "Sample", "recognize"]

REACH = 64 * 1024
"""Bytes that are read at each end of a file."""

Format = Literal[
    "empty",
    "text",
    "media",
    "safetensors",
    "gguf",
    "onnx",
    "array",
    "sentencepiece",
    "raw data",
    "pickle",
    "zip",
    "tar",
    "packed",
    "hdf5",
    "program",
    "bytecode",
    "unknown",
]


class Sample(msgspec.Struct, frozen=True):
    """The ends of a file. `tail` is empty where `head` is all of it."""

    head: bytes
    tail: bytes
    size: int


class Content(msgspec.Struct, frozen=True):
    """What a file is, and a detail for people where there is one."""

    format: Format
    detail: str = ""


_MAGIC: tuple[tuple[Format, str, tuple[bytes, ...]], ...] = (
    ("zip", "", (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")),
    ("hdf5", "", (b"\x89HDF\r\n\x1a\n",)),
    ("gguf", "", (b"GGUF",)),
    ("program", "Linux", (b"\x7fELF",)),
    (
        "program",
        "macOS",
        (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"),
    ),
    ("program", "WebAssembly", (b"\x00asm",)),
    (
        "packed",
        "",
        (
            b"\x1f\x8b\x08",  # gzip
            b"\xfd7zXZ\x00",
            b"\x28\xb5\x2f\xfd",  # zstd
            b"\x04\x22\x4d\x18",  # lz4
            b"7z\xbc\xaf\x27\x1c",
            b"Rar!\x1a\x07",
            b"ZF\x30\x78",  # an old joblib
        ),
    ),
    (
        "media",
        "",
        (
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"GIF87a",
            b"GIF89a",
            b"II*\x00",
            b"MM\x00*",
            b"\x00\x00\x01\x00",
            b"%PDF-",
            b"fLaC",
            b"OggS",
            b"ID3",
            b"\xff\xfb",
            b"\xff\xf3",
            b"\xff\xf2",
            b"\x1aE\xdf\xa3",  # Matroska, WebM
            b"wOFF",
            b"wOF2",
            b"OTTO",
            b"\x00\x01\x00\x00",  # TrueType
            b"PAR1",
            b"ARROW1",
        ),
    ),
)
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
_RIFF = (b"WAVE", b"WEBP", b"AVI ")
_BYTECODE_ENDS = b"\r\n"
_PROTOCOL = b"\x80"
"""Begins most pickles, and no text in UTF-8."""
_SAFETENSORS_HEADER = 100_000_000
_ARRAY_HEADER = re.compile(
    r"\{'descr': '[<>|=]?[?biufc][0-9]{0,2}', 'fortran_order': (?:True|False), 'shape': \([0-9, ]*\), \}\s*"
)
_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n\x0b\f\r\x1b"))
_ONE_IN = 512
"""Of so many bytes of text one may be a control character: some vocabularies hold a few."""
_END_OF_ZIP = b"PK\x05\x06"
_ZIP_ENTRY = b"PK\x01\x02"


def recognize(sample: Sample) -> Content:
    """What a file is, by its content alone."""
    head = sample.head
    if not head:
        return Content("empty")
    text = not head.startswith(_PROTOCOL) and _is_text(head) and _is_text(sample.tail)
    named = leading_pickle(head, text=text, whole=len(head) == sample.size)
    if named is not None:
        return Content("pickle", named)
    if found := _by_magic(sample):
        return found
    if text:
        return Content("text")
    return _by_shape(sample)


def _by_magic(sample: Sample) -> Content | None:
    head = sample.head
    for format_, detail, starts in _MAGIC:
        if head.startswith(starts):
            return Content(format_, detail or _detail(format_, sample))
    if _BZIP2.match(head):
        return Content("packed")
    if head.startswith(b"\x93NUMPY"):
        return Content("array" if _is_plain_array(head) else "pickle")
    if (head[:4] == b"RIFF" and head[8:12] in _RIFF) or head[4:8] == b"ftyp":
        return Content("media")
    if head[:2] == b"MZ" and head[(at := int.from_bytes(head[60:64], "little")) : at + 4] == b"PE\x00\x00":
        return Content("program", "Windows")
    return Content("tar") if _is_tar(head) else None


def _by_shape(sample: Sample) -> Content:
    """What binary data without a mark of its own is."""
    head = sample.head
    if _is_safetensors(sample):
        return Content("safetensors")
    if _is_sentencepiece(sample):
        return Content("sentencepiece")
    if head[2:4] == _BYTECODE_ENDS and len(head) > 16 and head[16:17] in {b"\xe3", b"\x63"}:
        return Content("bytecode")
    if head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == sample.size:
        return Content("media")
    if _inflates(head):
        return Content("packed")
    if all(mark in (sample.tail or head) for mark in (_END_OF_ZIP, _ZIP_ENTRY)):
        return Content("zip", _detail("zip", sample))
    named = buried_pickle(head)
    return Content("unknown") if named is None else Content("pickle", named)


def _is_text(data: bytes) -> bool:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            data[: len(data) // 2 * 2].decode("utf-16")
        except UnicodeDecodeError as error:
            return error.start >= len(data) - 4  # half a character at the cut
        return True
    return b"\x00" not in data and len(data) - len(data.translate(None, _CONTROLS)) <= len(data) // _ONE_IN


def _detail(format_: Format, sample: Sample) -> str:
    """The first pickle among the names in a zip archive's directory."""
    if format_ != "zip":
        return ""
    ends = sample.head + sample.tail
    for entry in ends.split(_ZIP_ENTRY)[1:]:
        name = entry[42 : 42 + int.from_bytes(entry[24:26], "little")]
        if name.endswith((b".pkl", b".pickle")):
            return name.decode(errors="replace")
    return ""


def _is_plain_array(head: bytes) -> bool:
    """Whether a NumPy file's own header names a type of plain numbers."""
    long = head[6:7] >= b"\x02"
    start = 12 if long else 10
    length = int.from_bytes(head[8:start], "little")
    return _ARRAY_HEADER.fullmatch(head[start : start + length].decode("latin-1")) is not None


def _is_safetensors(sample: Sample) -> bool:
    length = int.from_bytes(sample.head[:8], "little")
    return 2 <= length <= min(_SAFETENSORS_HEADER, sample.size - 8) and sample.head[8:9] == b"{"


def _is_sentencepiece(sample: Sample) -> bool:
    """Whether it begins with pieces of a vocabulary: each a message with a text and mostly a score."""
    head, at, pieces = sample.head, 0, 0
    while pieces < 3 and at + 2 < len(head) and head[at] == 0x0A:
        end = at + 2 + head[at + 1]
        if head[at + 1] > 0x7F or head[at + 2] != 0x0A or end > sample.size:
            return False
        text_end = at + 4 + head[at + 3]
        if text_end > end or (text_end < end and head[text_end] not in {0x15, 0x18}):
            return False
        at, pieces = end, pieces + 1
    return pieces == 3


def _is_tar(head: bytes) -> bool:
    """Whether the first block carries the checksum of a tar entry; so do all kinds of tar."""
    block = head[:512]
    digits = block[148:156].strip(b" \x00")
    if len(block) < 512 or not digits or digits.strip(b"01234567"):
        return False
    return int(digits, 8) == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])


def _inflates(head: bytes) -> bool:
    if head[:1] != b"\x78":
        return False
    try:
        return bool(zlib.decompressobj().decompress(head, 64))
    except zlib.error:
        return False
