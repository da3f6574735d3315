"""The pixels of Pillow images: seen where they lie, shared with the image that is made of them."""

from __future__ import annotations

import ctypes
import gc
import random
import weakref
from typing import Any

import pytest
from PIL import Image

from rmm_widgets.workers.pixels import COLOURS, PIXEL, image_of, pixels_of
from rmm_widgets.workers.values import Packer, unpack


def picture(mode: str, width: int = 320, height: int = 200) -> Image.Image:
    data = random.Random(width).randbytes(width * height * len(mode))
    return Image.frombytes(mode, (width, height), data)


def pixels(image: Image.Image) -> memoryview:
    found = pixels_of(image)
    assert found is not None
    return found


@pytest.mark.parametrize("mode", sorted(COLOURS))
@pytest.mark.parametrize("copied", [False, True])
def test_an_image_made_of_pixels_is_the_image(mode: str, copied: bool) -> None:
    image = picture(mode)
    data = bytearray(pixels(image))
    assert len(data) == 320 * 200 * PIXEL
    back = image_of(mode, 320, 200, memoryview(bytes(data)) if copied else memoryview(data))
    assert (back.mode, back.size, back.tobytes()) == (mode, image.size, image.tobytes())


def test_the_view_outlives_its_image() -> None:
    image = picture("RGB")
    expected = image.tobytes("raw", "RGBX")
    view = pixels(image)
    del image
    gc.collect()
    assert view == expected


def test_images_that_do_not_lie_in_one_piece_have_no_view() -> None:
    large = Image.new("RGB", (4096, 4096))  # Pillow takes memory in pieces of 16 MiB
    assert pixels_of(large) is None
    tree, buffers = packed(large)
    assert tree[0] == "image"
    assert sum(map(len, buffers)) == 3 * 4096 * 4096
    assert pixels_of(Image.new("L", (4, 4))) is None


@pytest.mark.parametrize("mode", sorted(COLOURS))
def test_changing_a_shared_image_changes_no_shared_memory(mode: str) -> None:
    memory = bytearray(pixels(picture(mode)))
    before = bytes(memory)
    lent: Any = (ctypes.c_ubyte * len(memory)).from_buffer(memory)
    returned: list[bool] = []
    weakref.finalize(lent, returned.append, True)
    image = image_of(mode, 320, 200, memoryview(lent).cast("B"))
    del lent
    assert not returned
    image.putpixel((3, 3), 0)
    assert bytes(memory) == before
    gc.collect()
    assert returned  # the image has pixels of its own now


@pytest.mark.parametrize(
    "tree",
    [
        ["pixels", "RGB", [2, 2], b"x" * 15],
        ["pixels", "RGB", [2, 2], b"x" * 17],
        ["pixels", "RGB", [-2, -2], b"x" * 16],
        ["pixels", "RGB", [0, 0], b""],
        ["pixels", "L", [2, 2], b"x" * 16],
        ["pixels", "RGB", [2, 2], [0, 1 << 40]],
        ["pixels", "RGB", [1 << 40, 1 << 40], b"x" * 16],
    ],
    ids=str,
)
def test_pixels_that_do_not_fit_their_size_are_refused(tree: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"image|buffer"):
        unpack(tree, bytearray(64))


def packed(value: object) -> tuple[Any, list[memoryview]]:
    packer = Packer()
    return packer.pack(value, "it"), packer.buffers
