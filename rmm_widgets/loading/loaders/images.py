"""Pictures to numbers: reading what a user gives, and the steps of `preprocessor_config.json`.

Follows what transformers' image processors do. Which model eats the numbers is not its business.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...errors import LoadError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImageRecipe", "blank_image", "image_recipe", "pixels", "read_image", "read_images"]

_BILINEAR = 2
_CONVNEXT_FULL_SIZE = 384
_LARGEST_SIDE = 16_384


class ImageRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a picture becomes numbers, in this order.

    Attributes:
        size: Exact height and width, or None.
        shortest_edge: Length to scale the shorter side to where `size` is None; None leaves the size alone.
        longest_edge: Limit for the longer side then.
        crop: Height and width to cut from the middle, or None.
        resample: PIL's number for the filter.
        scale: Factor for the bytes, or None.
        mean, std: For each channel; empty for none.
        channels: 3 for colour, 1 for grey.
    """

    size: tuple[int, int] | None = None
    shortest_edge: int | None = None
    longest_edge: int | None = None
    crop: tuple[int, int] | None = None
    resample: int = _BILINEAR
    scale: float | None = 1 / 255
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    channels: int = 3


def image_recipe(
    config: dict[str, Any], *, model_size: tuple[int, int] | None = None, channels: int = 3
) -> ImageRecipe:
    """The recipe that a `preprocessor_config.json` describes.

    Args:
        config: Its content; may be empty.
        model_size: Height and width that the model is built for; used where the configuration is silent.
        channels: How many the model takes.

    Raises:
        LoadError: A value makes no sense.
    """
    try:
        recipe = _resizing(config) if config.get("do_resize", True) else ImageRecipe()
        if recipe == ImageRecipe() and model_size:
            recipe = ImageRecipe(size=model_size)
        crop = recipe.crop
        if config.get("do_center_crop") and config.get("crop_size") is not None:
            crop = _square_or_pair(config["crop_size"])
        normalize = config.get("do_normalize", bool(config.get("image_mean")))
        return msgspec.structs.replace(
            recipe,
            crop=crop,
            resample=int(config.get("resample") or _BILINEAR),
            scale=float(config.get("rescale_factor") or 1 / 255) if config.get("do_rescale", True) else None,
            mean=_per_channel(config["image_mean"], channels) if normalize else (),
            std=_per_channel(config["image_std"], channels) if normalize else (),
            channels=channels,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LoadError(
            f"preprocessor_config.json makes no sense: {error!r}", hint="Download the model again, or report it."
        ) from None


def read_image(value: object) -> Image.Image:
    """A picture from what a user may give: PIL image, uint8 array (H, W[, 1, 3 or 4]), file content, path.

    Raises:
        TypeError: It is none of these.
        ValueError: It cannot be read as a picture.
    """
    from PIL import Image

    if isinstance(value, Image.Image):
        return value
    if isinstance(value, np.ndarray):
        return _from_array(cast("NDArray[Any]", value))
    if isinstance(value, bytes | bytearray):
        return _from_file(io.BytesIO(value), "these bytes")
    if isinstance(value, str | Path):
        if str(value).startswith(("http://", "https://")):
            raise ValueError(f"{str(value)[:80]!r} is an address; fetch the picture first and give its bytes")
        return _from_file(value, repr(str(value)[:200]))
    raise TypeError(
        f"an image must be a PIL image, a uint8 array, the bytes of an image file or a path, not {type(value).__name__}"
    )


def blank_image() -> Image.Image:
    """A small grey picture, to try a model with."""
    from PIL import Image

    return Image.new("RGB", (32, 32), (128, 128, 128))


def read_images(value: object) -> tuple[list[Image.Image], bool]:
    """The pictures that a user gave, one or a list of them, and whether it was one.

    Raises:
        TypeError, ValueError: See `read_image`.
    """
    if isinstance(value, list | tuple):
        return [read_image(each) for each in cast("list[object]", value)], False
    return [read_image(value)], True


def pixels(image: Image.Image, recipe: ImageRecipe) -> NDArray[np.float32]:
    """The picture as float32 (channels, height, width)."""
    image = image.convert("RGB" if recipe.channels != 1 else "L")
    target = _target_size(image.height, image.width, recipe)
    if target != (image.height, image.width):
        image = image.resize((target[1], target[0]), recipe.resample)
    values = np.asarray(image, np.float64)
    if recipe.crop:
        values = _crop(values, *recipe.crop)
    values = values.reshape(*values.shape[:2], recipe.channels)
    if recipe.scale is not None:
        values = values * recipe.scale
    if recipe.mean:
        values = (values - recipe.mean) / recipe.std
    return np.ascontiguousarray(values.astype(np.float32).transpose(2, 0, 1))


def _resizing(config: dict[str, Any]) -> ImageRecipe:
    """The part of a configuration that says how large; it has taken many forms over the years."""
    size = config.get("size")
    if size is None:
        return ImageRecipe()
    if isinstance(size, dict):
        sides = cast("dict[str, Any]", size)
        if "height" in sides:
            return ImageRecipe(size=_pair(sides["height"], sides["width"]))
        shortest = _side(sides["shortest_edge"])
        longest = sides.get("longest_edge")
        if "crop_pct" in config:
            return _convnext(shortest, config)
        return ImageRecipe(shortest_edge=shortest, longest_edge=None if longest is None else _side(longest))
    if isinstance(size, list | tuple):
        return ImageRecipe(size=_pair(*cast("list[Any]", size)))
    if config.get("max_size"):
        return ImageRecipe(shortest_edge=_side(size), longest_edge=_side(config["max_size"]))
    if config.get("do_center_crop"):
        return ImageRecipe(shortest_edge=_side(size))
    return ImageRecipe(size=_pair(size, size))


def _convnext(shortest: int, config: dict[str, Any]) -> ImageRecipe:
    if shortest >= _CONVNEXT_FULL_SIZE:
        return ImageRecipe(size=(shortest, shortest))
    fraction = float(config["crop_pct"] or 224 / 256)
    return ImageRecipe(shortest_edge=int(shortest / fraction), crop=(shortest, shortest))


def _square_or_pair(size: Any) -> tuple[int, int]:
    return _pair(size["height"], size["width"]) if isinstance(size, dict) else _pair(size, size)


def _pair(height: Any, width: Any) -> tuple[int, int]:
    return _side(height), _side(width)


def _side(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= _LARGEST_SIDE:
        raise ValueError(f"{value!r} is no length in pixels")
    return value


def _per_channel(value: Any, channels: int) -> tuple[float, ...]:
    values = tuple(float(each) for each in value)
    if len(values) not in {1, channels} and channels != 1:
        raise ValueError(f"{len(values)} values for {channels} channels")
    return values if len(values) == channels else (sum(values) / len(values),) * channels


def _target_size(height: int, width: int, recipe: ImageRecipe) -> tuple[int, int]:
    if recipe.size:
        return recipe.size
    if recipe.shortest_edge is None:
        return height, width
    short, long = min(height, width), max(height, width)
    wanted = recipe.shortest_edge
    if recipe.longest_edge and wanted * long / short > recipe.longest_edge:
        wanted = max(1, round(recipe.longest_edge * short / long))
    other = max(1, int(wanted * long / short))
    return (wanted, other) if height <= width else (other, wanted)


def _crop(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """The middle; where the picture is smaller, black is added around it."""
    missing = [(max(0, want - have) + 1) // 2 for want, have in zip((height, width), values.shape[:2], strict=True)]
    padding = [(each, each) for each in missing] + [(0, 0)] * (values.ndim - 2)
    padded = np.pad(values, padding)
    top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
    return padded[top : top + height, left : left + width]


def _from_array(array: NDArray[Any]) -> Image.Image:
    from PIL import Image

    if array.dtype != np.uint8:
        raise ValueError(f"an image array must be uint8 (0 to 255), not {array.dtype}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {3, 4})):
        raise ValueError(f"an image array must have the shape (height, width[, 1, 3 or 4]), not {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array))


def _from_file(source: io.BytesIO | str | Path, shown: str) -> Image.Image:
    from PIL import Image, ImageOps

    try:
        with Image.open(source) as opened:
            opened.load()
            return ImageOps.exif_transpose(opened)
    except FileNotFoundError:
        raise ValueError(f"there is no image file {shown}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{shown} cannot be read as an image: {error}") from None
