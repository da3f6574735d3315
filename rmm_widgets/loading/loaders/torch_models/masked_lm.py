"""diffusion_lm: a masked language model as denoiser, with the sampler of ours."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...files import read_optional_json
from ..diffusion import DiffusionLM, Ids, open_masked
from .inputs import to_numpy
from .opening import Opening

__all__ = ["open_model", "weights_folder"]

_CLASSES = ("AutoModelForMaskedLM", "AutoModelForCausalLM", "AutoModel")


def open_model(opening: Opening) -> DiffusionLM:
    """Open the denoiser in a folder, or in its `model/` where the repository has the layout of diffusers.

    Raises:
        LoadError: It cannot be opened.
    """
    transformers: Any = importlib.import_module("transformers")
    folder = weights_folder(opening.folder)
    model = opening.model(getattr(transformers, _class_name(folder)), folder)
    return open_masked(opening.folder, functools.partial(_logits, model))


def _logits(model: Any, ids: Ids) -> NDArray[np.float32]:
    torch: Any = importlib.import_module("torch")
    row = torch.tensor(ids[None], device=model.device)
    with torch.inference_mode():
        return to_numpy(model(input_ids=row, attention_mask=torch.ones_like(row)).logits[0])


def weights_folder(folder: Path) -> Path:
    """Where a repository keeps its denoiser."""
    inner = folder / "model"
    return inner if (inner / "config.json").is_file() else folder


def _class_name(folder: Path) -> str:
    """The Auto class: repositories with code of their own say by which one they are to be opened."""
    own: dict[str, Any] = (read_optional_json(folder / "config.json") or {}).get("auto_map") or {}
    return next((name for name in _CLASSES if name in own), _CLASSES[0])
