"""The loaders on torch in processes of their own: each once, for they take seconds to start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from rmm_widgets.demo import MODELS_DIR, sample
from rmm_widgets.workers.process import start_process_worker

from .conftest import Runtime, spec_for


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loader", "name", "model_type", "call", "answer"),
    [
        (
            "transformers",
            "blip-shapes",
            "caption_generator",
            lambda: (Image.open(sample("caption-1.png")),),
            [{"generated_text": "a red triangle"}],
        ),
        ("masked-diffusion", "mdlm-stories", "diffusion_lm", lambda: ("",), "the queen found a map after the rain."),
        ("diffusers", "mdlm-stories", "diffusion_lm", lambda: ("",), "the farmer read a book after the rain."),
    ],
    ids=["transformers", "masked-diffusion", "diffusers"],
)
async def test_a_model_on_torch(
    runtime: Runtime, log: Path, loader: str, name: str, model_type: str, call: Any, answer: Any
) -> None:
    config = {"seed": 0} if model_type == "diffusion_lm" else {}
    spec = spec_for(config, log, loader=loader, model_type=model_type, path=str(MODELS_DIR / name), device="cpu")
    worker = await start_process_worker(spec)
    try:
        loaded = await worker.load(100)
        assert loaded.device == "cpu"
        assert await worker.call("__call__", call(), {}) == answer
        assert (await worker.probe(60)).healthy
    finally:
        pid = worker.pid
        await worker.stop(grace=0.5, unload=False)
    assert pid is not None
    assert not psutil.pid_exists(pid)
