"""The diffusers loader: pipelines that write texts. Those that paint are none of our types.

Owns which repositories it takes and what is needed; the pipeline is in `torch_models/pipelines.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import UnsupportedModelError
from ...hub.identify import Evidence, Identity
from ...types import ModelType
from ..estimate import torch_estimate
from ..loader import Loader, Match, MemoryEstimate
from .model import LoadedModel
from .torch_models.holder import TorchServable
from .torch_models.opening import TRANSFORMERS, Opening, check_folder
from .torch_models.pipelines import open_model
from .torch_models.weights import weight_files

__all__ = ["LOADER", "DiffusersLoader", "DiffusersServable"]

_PIPELINES = ("LLaDA2Pipeline",)


class DiffusersLoader:
    """Text pipelines of diffusers; see `loading.loader.Loader`."""

    name = "diffusers"
    library = "diffusers"
    preload = ("diffusers.pipelines.llada2", *TRANSFORMERS)

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """A pipeline that writes texts."""
        if evidence.pipeline_class not in _PIPELINES or not evidence.has(".safetensors", ".bin"):
            return None
        return Match(model_type=ModelType.DIFFUSION_LM, detail=identity.reason)

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """The weights of all parts."""
        return torch_estimate(
            folder, [path for path in weight_files(folder) if "/" in path], model_type=model_type, config=config
        )

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> DiffusersServable:
        """A servable for the pipeline in a folder; see `Loader.open`.

        Raises:
            UnsupportedModelError: diffusers has nothing for models of this type.
        """
        check_folder(
            path,
            "torch",
            "diffusers",
            "transformers",
            "tokenizers",
            extra="diffusers",
            trusted=trusted,
            model_id=model_id,
        )
        if model_type is not ModelType.DIFFUSION_LM:
            raise UnsupportedModelError(
                f"The loader diffusers does not load a {model_type.value}",
                model_id=model_id,
                hint="It loads pipelines that write texts.",
            )
        return DiffusersServable(model_id, model_type, path, trusted=trusted)


class DiffusersServable(TorchServable):
    """A pipeline of diffusers."""

    loader = "diffusers"
    library = "diffusers"

    def build(self, opening: Opening) -> LoadedModel:
        """See `TorchServable.build`."""
        return open_model(opening)


LOADER: Loader = DiffusersLoader()
