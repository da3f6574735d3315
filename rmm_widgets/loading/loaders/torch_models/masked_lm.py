"""diffusion_lm: a masked language model as denoiser, with the sampler of ours."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...config import DiffusionLMConfig
from ...files import read_optional_json
from ..diffusion import DiffusionLM, Ids, read_block
from ..sampling import sample
from ..texts import open_tokenizer
from .inputs import to_numpy
from .opening import Opening

__all__ = ["open_model", "weights_folder"]

_CLASSES = ("AutoModelForMaskedLM", "AutoModelForCausalLM", "AutoModel")


class _Denoiser:
    """Uncovers tokens; numpy draws, so that a seed gives the same text whatever computes the logits."""

    def __init__(self, model: Any, mask: int) -> None:
        self._model = model
        self._mask = mask

    def denoise(
        self, start: Ids, config: DiffusionLMConfig, steps: int, on_step: Callable[[int, Ids], None] | None
    ) -> Ids:
        return sample(
            self._logits,
            start,
            mask=self._mask,
            steps=steps,
            temperature=config.temperature,
            draw=np.random.RandomState(config.seed),
            on_step=on_step,
        )

    def probe(self, start: Ids) -> list[NDArray[Any]]:
        return [self._logits(start)]

    def _logits(self, ids: Ids) -> NDArray[np.float32]:
        torch: Any = importlib.import_module("torch")
        row = torch.tensor(ids[None], device=self._model.device)
        with torch.inference_mode():
            return to_numpy(self._model(input_ids=row, attention_mask=torch.ones_like(row)).logits[0])


def open_model(opening: Opening) -> DiffusionLM:
    """Open the denoiser in a folder, or in its `model/` where the repository has the layout of diffusers.

    Raises:
        LoadError: It cannot be opened.
    """
    transformers: Any = importlib.import_module("transformers")
    folder = weights_folder(opening.folder)
    model = opening.model(getattr(transformers, _class_name(folder)), folder)
    tokenizer = open_tokenizer(opening.folder)
    block = read_block(opening.folder, tokenizer)
    return DiffusionLM(_Denoiser(model, block.mask), tokenizer, block)


def weights_folder(folder: Path) -> Path:
    """Where a repository keeps its denoiser."""
    inner = folder / "model"
    return inner if (inner / "config.json").is_file() else folder


def _class_name(folder: Path) -> str:
    """The Auto class: repositories with code of their own say by which one they are to be opened."""
    own: dict[str, Any] = (read_optional_json(folder / "config.json") or {}).get("auto_map") or {}
    return next((name for name in _CLASSES if name in own), _CLASSES[0])
