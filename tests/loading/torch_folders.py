"""Small repositories for the loaders on torch: copies of the demo models, changed, and others made on the spot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.loading.loaders import open_servable
from rmm_widgets.loading.servable import Servable

TYPES = {
    "vit-digits": "classification_model",
    "yolos-shapes": "detection_model",
    "blip-shapes": "caption_generator",
    "minilm-toy": "embedding_model",
    "mdlm-stories": "diffusion_lm",
}

LOADERS = {
    "vit-digits": "transformers",
    "yolos-shapes": "transformers",
    "blip-shapes": "transformers",
    "minilm-toy": "sentence-transformers",
    "mdlm-stories": "masked-diffusion",
}
"""The loader on torch that each demo model gets where it has no ONNX files."""


def opened(
    name: str,
    folder: Path | None = None,
    *,
    loader: str | None = None,
    model_type: str | None = None,
    trusted: bool = False,
) -> Servable:
    """A demo model, or a folder like it, by its loader on torch."""
    return open_servable(
        loader or LOADERS[name],
        model_id="m",
        model_type=model_type or TYPES[name],
        path=str(folder or MODELS_DIR / name),
        trusted=trusted,
    )


def copied(name: str, to: Path) -> Path:
    """A demo model's folder without its ONNX files."""
    return Path(shutil.copytree(MODELS_DIR / name, to / name, ignore=shutil.ignore_patterns("onnx")))


def change(file: Path, **values: Any) -> None:
    """Set keys of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def ask(servable: Servable, *args: Any, **kwargs: Any) -> Any:
    return servable.call("__call__", args, kwargs)
