"""Feeding pictures to an ONNX file: the recipe of the repository, batches of equal size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ....errors import InvalidConfigError
from ...files import read_optional_json
from ..images import ImageRecipe, image_recipe, pixels
from .session import Array, Session

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImageInput", "image_input_name"]

_MASK = "pixel_mask"


def image_input_name(session: Session) -> str | None:
    """The input that takes pictures, or None where the file takes none."""
    if "pixel_values" in session.inputs:
        return "pixel_values"
    flat = [name for name in session.inputs if session.rank(name) == 4]
    return flat[0] if len(flat) == 1 and len(session.inputs) == 1 else None


class ImageInput:
    """Turns pictures into the feeds of a session."""

    def __init__(self, session: Session, name: str, folder: Path) -> None:
        """Read the repository's recipe for the session's input `name`.

        Raises:
            LoadError: The recipe makes no sense.
        """
        session.expect(name, _MASK)
        self._session = session
        self._name = name
        self._fixed = (session.size(name, 2), session.size(name, 3))
        height, width = self._fixed
        config: dict[str, Any] = read_optional_json(folder / "preprocessor_config.json") or {}
        self.recipe = image_recipe(
            config,
            model_size=(height, width) if height and width else None,
            channels=session.size(name, 1) or 3,
        )

    def resized(self, size: tuple[int, int] | None) -> ImageRecipe:
        """The recipe with another size (height, width); None: as it is.

        Raises:
            InvalidConfigError: The model is built for another size.
        """
        if size is None:
            return self.recipe
        for wanted, fixed in zip(size, self._fixed, strict=True):
            if fixed is not None and wanted != fixed:
                raise InvalidConfigError(
                    f"input_size is {size}, but the model takes only {self._fixed[0]}x{self._fixed[1]} pixels",
                    hint="Leave input_size out.",
                )
        return msgspec.structs.replace(self.recipe, size=size, crop=None)

    def feeds(
        self, images: Sequence[Image.Image], batch_size: int, recipe: ImageRecipe | None = None
    ) -> Iterator[dict[str, Array]]:
        """Feeds for all pictures, in order; pictures of different sizes never share one."""
        largest = min(batch_size, self._session.size(self._name, 0) or batch_size)
        batch: list[Array] = []
        for image in images:
            values = pixels(image, recipe or self.recipe)
            if batch and (len(batch) == largest or batch[0].shape != values.shape):
                yield self._feed(batch)
                batch = []
            batch.append(values)
        if batch:
            yield self._feed(batch)

    def _feed(self, batch: list[Array]) -> dict[str, Array]:
        values = np.stack(batch)
        height = self._session.size(_MASK, 1) or values.shape[2]
        width = self._session.size(_MASK, 2) or values.shape[3]
        return {self._name: values, _MASK: np.ones((len(batch), height, width), np.int64)}
