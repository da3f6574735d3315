"""A servable around a model on torch: device, threads, quiet libraries, memory given back."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

from ....types import ModelType
from ...config import ModelConfig
from ...dependencies import version_of
from ...servable import Loaded
from ..holder import ModelHolder, stop_if
from ..model import LoadedModel
from .devices import choose_device, limit_threads, release_memory
from .opening import Opening, library_errors, quiet

__all__ = ["TorchServable"]


class TorchServable(ModelHolder):
    """Holds a model on torch; what is opened is the matter of each loader."""

    library: str
    """The distribution that opens it."""
    fixed = ("file",)

    def __init__(self, model_id: str, model_type: ModelType, folder: Path, *, trusted: bool) -> None:
        super().__init__(model_id, model_type, folder)
        self._trusted = trusted

    @abstractmethod
    def build(self, opening: Opening) -> LoadedModel:
        """The model, opened and tried once."""

    def open_model(
        self, settings: ModelConfig, device: str | None, cancelled: Callable[[], bool]
    ) -> tuple[LoadedModel, Loaded]:
        """Open the repository on "cpu", "cuda", "cuda:1", "mps"; None for a GPU where there is one."""
        stop_if(cancelled)
        place = choose_device(device, force_cpu=settings.force_cpu)
        limit_threads()
        opening = Opening(self._folder, place, settings.dtype, self._trusted, cancelled)
        with quiet(), library_errors(self.library):
            model = self.build(opening)
            model.probe()  # a repository that cannot be used is found out here rather than by the first call
        libraries = f"{self.library} {version_of(self.library.replace('-', '_'))}, torch {version_of('torch')}"
        return model, Loaded(device=place, detail={"library": libraries, "dtype": settings.dtype})

    def unload(self) -> None:
        """Drop the model and give its memory back."""
        super().unload()
        if "torch" in sys.modules:
            release_memory()
