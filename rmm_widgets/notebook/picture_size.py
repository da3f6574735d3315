"""How large a picture is, from the first bytes of its file: nothing is decoded, so nothing can blow up. Pure."""

from __future__ import annotations

__all__ = ["picture_size"]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_GIFS = (b"GIF87a", b"GIF89a")

_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers of JPEG after which no segment follows."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG whose segment tells the size."""


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, JPEG, GIF or WebP file; None where it is none of these, or damaged."""
    if content.startswith(_PNG):
        return _png(content)
    if content.startswith(_JPEG):
        return _jpeg(content)
    if content.startswith(_GIFS):
        return _gif(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _webp(content)
    return None


def _png(content: bytes) -> tuple[int, int] | None:
    if content[12:16] != b"IHDR" or len(content) < 24:
        return None
    return _some(int.from_bytes(content[16:20]), int.from_bytes(content[20:24]))


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """The largest of the sizes that it tells: a decoder may believe any of them."""
    largest: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker == 0xDA:  # the picture itself
            break
        else:
            if marker in _FRAMES and at + 9 <= len(content):
                height, width = int.from_bytes(content[at + 5 : at + 7]), int.from_bytes(content[at + 7 : at + 9])
                size = _some(width, height)
                if size and (largest is None or width * height > largest[0] * largest[1]):
                    largest = size
            at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return largest


def _webp(content: bytes) -> tuple[int, int] | None:
    form = content[12:16]
    if form == b"VP8X" and len(content) >= 30:
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if form == b"VP8L" and len(content) >= 25 and content[20] == 0x2F:
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if form == b"VP8 " and content[23:26] == b"\x9d\x01\x2a" and len(content) >= 30:
        return _some(
            int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(content[28:30], "little") & 0x3FFF
        )
    return None


def _gif(content: bytes) -> tuple[int, int] | None:
    """The size of the screen, or of the first picture where that reaches beyond it, as decoders allow."""
    width, height = _little(content, 6), _little(content, 8)
    at = 13 + (3 << (content[10] & 7) + 1 if content[10:11] and content[10] & 0x80 else 0)
    while content[at : at + 1] == b"!":  # an extension: its kind, then blocks up to an empty one
        at += 2
        while at < len(content) and content[at]:
            at += 1 + content[at]
        at += 1
    if content[at : at + 1] != b"," or len(content) < at + 9:
        return None
    left, top, wide, high = (_little(content, at + each) for each in (1, 3, 5, 7))
    return _some(max(width, left + wide), max(height, top + high))


def _little(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "little")


def _some(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width > 0 and height > 0 else None
