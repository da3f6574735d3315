"""The masked-diffusion loader: masked language models trained as denoisers, with the sampler of `sampling`.

Owns which repositories it takes and what is needed; the denoiser is in `torch_models/masked_lm.py`.
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
from .torch_models.masked_lm import open_model, weights_folder
from .torch_models.opening import TRANSFORMERS, Opening, check_folder
from .torch_models.weights import weight_files

__all__ = ["LOADER", "MaskedDiffusionLoader", "MaskedDiffusionServable"]

_ENDING = "ForMaskedLM"
_OWN_CODE = ("LLaDAModelLM",)
"""Architectures with code in their repositories that our sampler is right for: plain masks, no time, no shift."""


class MaskedDiffusionLoader:
    """Masked diffusion language models; see `loading.loader.Loader`."""

    name = "masked-diffusion"
    library = "transformers"
    preload = TRANSFORMERS

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """A diffusion language model that is a plain masked language model."""
        if identity.model_type is not ModelType.DIFFUSION_LM or not evidence.has(".safetensors", ".bin"):
            return None
        named = _model_class(evidence)
        own = evidence.architecture in _OWN_CODE and bool(evidence.config.get("auto_map"))
        if not named.endswith(_ENDING) and not own:
            return None
        return Match(model_type=identity.model_type, detail=f"a {named}, {identity.reason}")

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """The weights of the denoiser."""
        inside = "model/" if weights_folder(folder) != folder else ""
        return torch_estimate(folder, weight_files(folder, inside=inside), model_type=model_type, config=config)

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> MaskedDiffusionServable:
        """A servable for the model in a folder; see `Loader.open`.

        Raises:
            UnsupportedModelError: Models of this type are not made by denoising masks.
        """
        check_folder(
            path, "torch", "transformers", "tokenizers", extra="transformers", trusted=trusted, model_id=model_id
        )
        if model_type is not ModelType.DIFFUSION_LM:
            raise UnsupportedModelError(
                f"The loader masked-diffusion does not load a {model_type.value}",
                model_id=model_id,
                hint="Use the loader transformers.",
            )
        return MaskedDiffusionServable(model_id, model_type, path, trusted=trusted)


class MaskedDiffusionServable(TorchServable):
    """A masked language model that writes by denoising."""

    loader = "masked-diffusion"
    library = "transformers"

    def build(self, opening: Opening) -> LoadedModel:
        """See `TorchServable.build`."""
        return open_model(opening)


def _model_class(evidence: Evidence) -> str:
    """The class of the denoiser: at the root, or the part `model` of a pipeline."""
    match evidence.index.get("model"):
        case [_, str(named)]:
            return named
        case _:
            return evidence.architecture


LOADER: Loader = MaskedDiffusionLoader()
