"""caption_generator: which of the sentences that a model writes about pictures are given to the user, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec
from numpy.typing import NDArray

from ..config import CaptionGeneratorConfig
from .images import read_images

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Caption", "CaptionGenerator", "Captioner"]


class Caption(msgspec.Struct, frozen=True):
    """A sentence; `sureness` is the geometric mean of its tokens' probabilities."""

    text: str
    sureness: float


class Captioner(Protocol):
    """Writes, greedily: the likeliest token at each place."""

    def captions(self, images: list[Image.Image], config: CaptionGeneratorConfig) -> list[Caption]:
        """One for each picture, in order; without special tokens where the settings say so."""
        ...

    def probe(self) -> list[NDArray[Any]]:
        """Raw outputs for a tiny input."""
        ...


class CaptionGenerator:
    """Describes pictures."""

    methods: ClassVar[tuple[str, ...]] = ("__call__",)

    def __init__(self, source: Captioner) -> None:
        self._source = source
        self._config = CaptionGeneratorConfig()

    def configure(self, config: CaptionGeneratorConfig) -> None:
        """Use these settings from the next call on."""
        self._config = config

    def __call__(self, image: object) -> list[Any]:
        """`[{"generated_text": str}]` for a picture; for a list of pictures, a list of those."""
        config = self._config
        images, single = read_images(image)
        answers = [
            [{"generated_text": " ".join(caption.text.split()) if config.post_process else caption.text}]
            if caption.sureness >= config.threshold
            else []
            for caption in self._source.captions(images, config)
        ]
        return answers[0] if single else answers

    def probe(self) -> list[NDArray[Any]]:
        """Raw outputs for a tiny input."""
        return self._source.probe()
