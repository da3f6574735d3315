"""Values that may travel between the kernel and a worker's process, as a tree for msgpack and raw buffers.

Plain scalars and dicts stand for themselves in the tree; every other value is a list that starts with its
kind. Large bytes, arrays and images are kept out of the tree, in buffers that are sent as they lie in memory.
Nothing here can run code of the other side: there is no pickle, and what is read is checked first.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from .pixels import COLOURS, PIXEL, image_of, pixels_of

__all__ = ["Packer", "unpack"]

MAX_DEPTH = 100
_INLINE = 4096
"""Smaller buffers travel in the tree itself."""
_ALIGNMENT = 64
_DTYPE = re.compile(r"[<>|=](?:[biufc]\d{1,2}|[SU]\d{1,9}|[mM]8(?:\[\w{1,12}\])?)")
_PIXEL_BYTES = {
    "L": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4, "RGBX": 4,
    "CMYK": 4, "YCbCr": 3, "LAB": 3, "HSV": 3, "I": 4, "F": 4, "I;16": 2,
}  # fmt: skip
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
_SENDABLE = (
    "None, bool, int, float, str, bytes, list, tuple, dict with text keys, numpy array or number, PIL image, "
    "datetime or Path"
)


class Packer:
    """Turns the values of one message into trees; `buffers` are what the trees refer to, in order."""

    def __init__(self) -> None:
        self.buffers: list[memoryview] = []
        self.size = 0

    def pack(self, value: Any, what: str) -> Any:
        """The tree of a value; `what` names it in errors.

        Raises:
            TypeError: The value, or something in it, is of a type that cannot be sent.
            ValueError: It is nested too deeply, or holds itself.
        """
        try:
            return self._tree(value, 0)
        except _UnsendableError as error:
            holds = "is" if error.value is value else "holds"
            raise TypeError(
                f"{what} {holds} {error.found}, which cannot be sent to or from a model's process; "
                f"what can be: {_SENDABLE}"
            ) from None
        except _NestingError:
            raise ValueError(f"{what} is nested more than {MAX_DEPTH} levels deep, or holds itself") from None

    def _tree(self, value: Any, depth: int) -> Any:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        if value is None or kind is bool or kind is float:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else ["int", hex(value)]
        if kind is str:
            return _text(value)
        if depth >= MAX_DEPTH:
            raise _NestingError
        if isinstance(value, dict):
            return {self._key(k): self._tree(v, depth + 1) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if isinstance(value, list | tuple):
            name = "list" if isinstance(value, list) else "tuple"
            return [name, *[self._tree(item, depth + 1) for item in value]]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(memoryview(value))  # pyright: ignore[reportUnknownArgumentType]
        return self._other(value)

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise _UnsendableError(key, f"a dict with a key of type {_name(key)}")
        return _text(str.__str__(key))

    def _other(self, value: Any) -> Any:
        if isinstance(value, str):
            return _text(str.__str__(value))
        if _is_a(value, "numpy", "generic"):
            return ["number", _dtype(value, value.dtype), value.tobytes()]
        if _is_a(value, "numpy", "ndarray"):
            return self._array(value)
        if _is_a(value, "PIL.Image", "Image"):
            return self._image(value)
        if isinstance(value, datetime):
            return ["datetime", value.isoformat()]
        if isinstance(value, PurePath):
            return _text(str(value))
        for plain, convert in _SUBCLASSES:
            if isinstance(value, plain):
                return self._tree(convert(value), 0)
        raise _UnsendableError(value, f"a value of type {_name(value)}")

    def _bytes(self, view: memoryview) -> Any:
        if view.nbytes <= _INLINE:
            return view.tobytes()
        return ["bytes", self._reference(view.cast("B") if view.contiguous else memoryview(view.tobytes()))]

    def _array(self, value: Any) -> Any:
        import numpy as np

        if type(value) not in {np.ndarray, np.memmap}:
            raise _UnsendableError(value, f"a value of type {_name(value)}")
        dtype = _dtype(value, value.dtype)
        flat = np.ascontiguousarray(value).reshape(-1)
        data = flat.view(np.uint8).data if flat.size else memoryview(b"")
        return ["array", dtype, list(value.shape), self._reference(data)]

    def _image(self, image: Any) -> Any:
        if image.mode not in _PIXEL_BYTES and image.mode != "1":
            image = image.convert(_full_colour(image))
        pixels = pixels_of(image)
        if pixels is not None:
            return ["pixels", image.mode, list(image.size), self._reference(pixels)]
        return ["image", image.mode, list(image.size), self._reference(memoryview(image.tobytes()))]

    def _reference(self, data: memoryview) -> Any:
        if data.nbytes <= _INLINE:
            return bytes(data)
        padding = -self.size % _ALIGNMENT
        if padding:
            self.buffers.append(memoryview(bytes(padding)))
        start = self.size + padding
        self.buffers.append(data)
        self.size = start + data.nbytes
        return [start, data.nbytes]


def unpack(tree: Any, block: bytearray | memoryview) -> Any:
    """The value of a tree whose buffers lie in `block`. Arrays may be written to.

    They share the block's memory, and images may, but for a read-only block, of which nothing is kept.

    Raises:
        ValueError: The tree is none that `Packer` makes.
    """
    return _value(tree, memoryview(block), 0)


def _value(tree: Any, block: memoryview, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("values are nested too deeply")
    if isinstance(tree, dict):
        if not all(isinstance(key, str) for key in tree):  # pyright: ignore[reportUnknownVariableType]
            raise ValueError("a dict has a key that is no text")
        return {key: _value(item, block, depth + 1) for key, item in tree.items()}  # pyright: ignore[reportUnknownVariableType]
    if type(tree) in _SCALARS:
        return tree
    match tree:  # pyright: ignore[reportUnknownVariableType]
        case ["list", *items]:
            return [_value(item, block, depth + 1) for item in items]  # pyright: ignore[reportUnknownVariableType]
        case ["tuple", *items]:
            return tuple([_value(item, block, depth + 1) for item in items])  # pyright: ignore[reportUnknownVariableType]
        case ["int", str(text)]:
            return int(text, 16)
        case ["bytes", reference]:
            return bytes(_buffer(reference, block))  # pyright: ignore[reportUnknownArgumentType]
        case ["number", str(dtype), bytes(data)]:
            return _array(dtype, [], memoryview(data))[()]
        case ["array", str(dtype), list(shape), reference]:  # pyright: ignore[reportUnknownVariableType]
            return _array(dtype, shape, _buffer(reference, block))  # pyright: ignore[reportUnknownArgumentType]
        case ["image", str(mode), [int(width), int(height)], reference]:
            return _image(mode, width, height, _buffer(reference, block))  # pyright: ignore[reportUnknownArgumentType]
        case ["pixels", str(mode), [int(width), int(height)], reference]:
            return _pixels(mode, width, height, _buffer(reference, block))  # pyright: ignore[reportUnknownArgumentType]
        case ["datetime", str(text)]:
            return datetime.fromisoformat(text)
        case _:
            raise ValueError("a value is of no known kind")


def _buffer(reference: Any, block: memoryview) -> memoryview:
    match reference:
        case bytes(data):
            return memoryview(bytearray(data))
        case [int(start), int(size)] if 0 <= start <= start + size <= block.nbytes:
            return block[start : start + size]
        case _:
            raise ValueError("a buffer lies outside its message")


def _array(dtype_text: str, shape: Sequence[Any], data: memoryview) -> Any:
    import numpy as np

    if not _DTYPE.fullmatch(dtype_text):
        raise ValueError("an array has a type that is not allowed")
    dtype = np.dtype(dtype_text)
    if len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**48 for n in shape) or dtype.itemsize == 0:
        raise ValueError("an array has a shape that cannot be")
    if math.prod(shape) * dtype.itemsize != data.nbytes:
        raise ValueError("an array's shape does not fit its bytes")
    if not data.nbytes:
        return np.empty(shape, dtype)
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.copy() if data.readonly else array


def _image(mode: str, width: int, height: int, data: memoryview) -> Any:
    if width < 0 or height < 0 or (mode != "1" and mode not in _PIXEL_BYTES):
        raise ValueError("an image is of an unknown mode or size")
    row = (width + 7) // 8 if mode == "1" else width * _PIXEL_BYTES[mode]
    if row * height != data.nbytes:
        raise ValueError("an image's size does not fit its bytes")
    from PIL import Image

    return Image.frombytes(mode, (width, height), data) if data.nbytes else Image.new(mode, (width, height))


def _pixels(mode: str, width: int, height: int, data: memoryview) -> Any:
    if min(width, height) <= 0 or mode not in COLOURS or width * height * PIXEL != data.nbytes:
        raise ValueError("an image's size does not fit its pixels")
    return image_of(mode, width, height, data)


class _UnsendableError(Exception):
    def __init__(self, value: object, found: str) -> None:
        super().__init__(found)
        self.value = value
        self.found = found


class _NestingError(Exception):
    pass


_SUBCLASSES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__),
    (float, float.__float__),
)
"""Subclasses of plain types, such as enums, travel as the plain value they are."""


def _is_a(value: object, module: str, name: str) -> bool:
    """Whether a value is of a class whose module may not even be imported; then it cannot be."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name, ()))


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _UnsendableError(value, "text with lone surrogates") from None
    return value


def _name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _dtype(value: object, dtype: Any) -> str:
    if not _DTYPE.fullmatch(dtype.str) or dtype.itemsize == 0:
        raise _UnsendableError(value, f"a numpy value with dtype {dtype}")
    return dtype.str


def _full_colour(image: Any) -> str:
    """The mode that holds all a palette or rare image shows."""
    if image.mode.startswith("I;"):
        return "I"
    return "RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB"
