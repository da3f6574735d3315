"""classification_model: pictures or texts to logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ....errors import UnsupportedModelError
from ...config import ClassificationModelConfig
from ...files import read_optional_json
from ..classification import ClassificationModel, Input
from ..images import blank_image, read_images
from ..texts import TEXT_INPUTS, TextEncoder, texts_of
from .image_input import ImageInput, image_input_name
from .names import WHOLE
from .session import Array, Opener, Session, find_file

__all__ = ["open_model"]


class _Pictures:
    """Logits for pictures."""

    takes: ClassVar[Input] = "picture"

    def __init__(self, session: Session, name: str, folder: Path) -> None:
        self._session = session
        self._input = ImageInput(session, name, folder)

    def logits(self, value: object, config: ClassificationModelConfig) -> tuple[list[Array], bool]:
        images, single = read_images(value)
        rows: list[Array] = []
        for feed in self._input.feeds(images, config.batch_size):
            rows.extend(self._session.run(feed, [_logits_of(self._session)])[0])
        return rows, single

    def probe(self) -> list[Array]:
        rows, _ = self.logits(blank_image(), ClassificationModelConfig())
        return rows


class _Texts:
    """Logits for texts."""

    takes: ClassVar[Input] = "text"

    def __init__(self, session: Session, folder: Path, config: dict[str, Any]) -> None:
        session.expect(*TEXT_INPUTS)
        self._session = session
        self._encoder = TextEncoder(folder, config)

    def logits(self, value: object, config: ClassificationModelConfig) -> tuple[list[Array], bool]:
        texts, single = texts_of(value)
        rows: list[Array] = []
        for start in range(0, len(texts), config.batch_size):
            feed = self._encoder.encode(texts[start : start + config.batch_size], config.max_sequence_length)
            rows.extend(self._session.run(feed, [_logits_of(self._session)])[0])
        return rows, single

    def probe(self) -> list[Array]:
        rows, _ = self.logits("probe", ClassificationModelConfig())
        return rows


def open_model(folder: Path, open_session: Opener) -> ClassificationModel:
    """Open the classifier in a folder.

    Raises:
        LoadError: It cannot be opened, or takes neither pictures nor texts.
    """
    session = open_session(find_file(folder, *WHOLE))
    config = read_optional_json(folder / "config.json") or {}
    name = image_input_name(session)
    if name is not None:
        return ClassificationModel(_Pictures(session, name, folder), config)
    if "input_ids" in session.inputs:
        return ClassificationModel(_Texts(session, folder, config), config)
    raise UnsupportedModelError(
        f"{session.name} takes {_listed(session.inputs)}, neither pictures nor texts",
        hint="Choose a classifier for pictures (input pixel_values) or texts (input input_ids).",
    )


def _logits_of(session: Session) -> str:
    return "logits" if "logits" in session.outputs else session.outputs[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
