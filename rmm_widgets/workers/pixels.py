"""The pixels of a Pillow image as they lie in memory: found without a copy, and made an image again without one.

Pillow keeps colour as four bytes a pixel, and shows images of one piece by the Arrow C data interface
(https://arrow.apache.org/docs/format/CDataInterface.html), whose two structures are read here. Older versions of
Pillow, and images in several pieces, have no such view; then there is none here either.
"""

from __future__ import annotations

import ctypes
from typing import Any, cast

__all__ = ["COLOURS", "PIXEL", "image_of", "pixels_of"]

COLOURS = frozenset({"RGB", "RGBA"})
"""The modes that this is for."""
PIXEL = 4
"""Bytes of one."""


class _ArrowArray(ctypes.Structure):
    pass


_ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype = ctypes.c_void_p
_pointer_in.argtypes = [ctypes.py_object, ctypes.c_char_p]


def pixels_of(image: Any) -> memoryview | None:
    """The pixels of an image, four bytes each, row by row; None where they do not lie so.

    The view keeps the memory, and shows what becomes of the image.
    """
    if image.mode not in COLOURS or not hasattr(image, "__arrow_c_array__"):
        return None
    try:
        _, capsule = image.__arrow_c_array__()
    except ValueError:  # the image is in several pieces
        return None
    array = _ArrowArray.from_address(_pointer_in(capsule, b"arrow_array"))
    size = image.width * image.height * PIXEL
    if array.length * PIXEL != size or array.offset or array.n_children != 1:
        return None
    values = array.children[0].contents
    if values.length != size or values.offset or values.n_buffers != 2 or not values.buffers[1]:
        return None
    lent: Any = (ctypes.c_ubyte * size).from_address(values.buffers[1])
    lent.owner = capsule  # whoever has the view keeps what the memory belongs to
    return memoryview(lent).cast("B").toreadonly()


def image_of(mode: str, width: int, height: int, pixels: memoryview) -> Any:
    """An image of such pixels. It shares memory that may be written to, until somebody changes the image."""
    from PIL import Image

    size, data = (width, height), cast("bytes", pixels)  # any buffer will do
    if pixels.readonly or not hasattr(Image, "fromarrow"):
        return Image.frombytes(mode, size, data, "raw", "RGBX" if mode == "RGB" else mode)
    if mode == "RGBA":
        return Image.frombuffer(mode, size, data, "raw", mode, 0, 1)
    whole = Image.frombuffer("RGBX", size, data, "raw", "RGBX", 0, 1)
    return Image.fromarrow(whole, mode, size)
