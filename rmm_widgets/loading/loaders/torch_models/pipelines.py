"""diffusion_lm: the text pipelines of diffusers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ....errors import UnsafeModelError
from ...config import DiffusionLMConfig
from ...files import read_optional_json
from ..diffusion import DiffusionLM, Ids, read_block
from ..holder import stop_if
from ..texts import open_tokenizer
from .devices import torch_dtype
from .inputs import to_numpy
from .opening import Opening

__all__ = ["open_model"]

_LIBRARIES = (None, "transformers", "diffusers")
_SCHEDULER_SETTINGS = ("threshold", "editing_threshold", "minimal_topk")


class _Denoiser:
    """Uncovers tokens with the sampler of diffusers' LLaDA2Pipeline."""

    def __init__(self, pipe: Any, mask: int) -> None:
        self._pipe = pipe
        self._mask = mask
        own = {name: pipe.scheduler.config.get(name) for name in _SCHEDULER_SETTINGS}
        # What the scheduler leaves open is for the pipeline to decide; no editing is a decision too.
        self._settings = {name: value for name, value in own.items() if value is not None or name.startswith("editing")}

    def denoise(
        self, start: Ids, config: DiffusionLMConfig, steps: int, on_step: Callable[[int, Ids], None] | None
    ) -> Ids:
        torch: Any = importlib.import_module("torch")
        known = len(start) - _trailing(start, self._mask)
        prompt = torch.tensor(start[None, :known])

        def tell(_pipe: Any, step: int, _timestep: int, values: dict[str, Any]) -> dict[str, Any]:
            if on_step is not None:
                on_step(step, values["block_x"][0, : len(start)].cpu().numpy())
            return values

        written = self._pipe(
            input_ids=prompt,
            gen_length=len(start) - known,
            num_inference_steps=steps,
            temperature=config.temperature,
            mask_token_id=self._mask,
            generator=self._generator(config.seed),
            output_type="seq",
            callback_on_step_end=tell,
            **self._settings,
        ).sequences[0]
        return np.concatenate([start[:known], self._until_end(written.cpu().numpy())])

    def probe(self, start: Ids) -> list[NDArray[Any]]:
        torch: Any = importlib.import_module("torch")
        model = self._pipe.model
        row = torch.tensor(start[None], device=model.device)
        places = torch.arange(len(start), device=model.device)[None]
        with torch.inference_mode():
            return [to_numpy(model(row, attention_mask=torch.ones_like(row), position_ids=places).logits)]

    def _generator(self, seed: int | None) -> Any:
        torch: Any = importlib.import_module("torch")
        generator = torch.Generator(device=self._pipe.model.device)
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        return generator

    def _until_end(self, ids: Ids) -> Ids:
        """Up to the end mark: behind it, the pipeline leaves masks."""
        ends = np.flatnonzero(ids == self._pipe.eos_token_id)
        return ids[: ends[0] + 1] if len(ends) else ids


def open_model(opening: Opening) -> DiffusionLM:
    """Open the pipeline in a folder.

    Raises:
        UnsafeModelError: A part of it comes from another library, and it is not trusted.
        LoadError: It cannot be opened.
    """
    _refuse_other_libraries(opening)
    transformers: Any = importlib.import_module("transformers")
    diffusers: Any = importlib.import_module("diffusers")
    # diffusers cannot open the tokenizer itself, because the pipeline calls it optional.
    hub_tokenizer = opening.part(transformers.AutoTokenizer, opening.folder / "tokenizer")
    stop_if(opening.cancelled)
    dtype = {} if opening.dtype == "auto" else {"torch_dtype": torch_dtype(opening.dtype)}
    pipe = diffusers.DiffusionPipeline.from_pretrained(
        str(opening.folder),
        tokenizer=hub_tokenizer,
        use_safetensors=None if opening.trusted else True,
        **opening.offline(),
        **dtype,
    )
    stop_if(opening.cancelled)
    pipe.to(opening.device)
    pipe.set_progress_bar_config(disable=True)
    tokenizer = open_tokenizer(opening.folder)
    block = read_block(opening.folder, tokenizer)
    return DiffusionLM(_Denoiser(pipe, block.mask), tokenizer, block)


def _refuse_other_libraries(opening: Opening) -> None:
    """model_index.json names the modules that are imported; only those two are known to be harmless."""
    index = read_optional_json(opening.folder / "model_index.json") or {}
    parts = [cast("list[object]", part) for part in index.values() if isinstance(part, list)]
    named = {str(part[0]) for part in parts if part and part[0] not in _LIBRARIES}
    if named and not opening.trusted:
        raise UnsafeModelError(
            f"model_index.json asks for code from {', '.join(sorted(named))}",
            hint="Read that code first; then allow this very commit, or choose a repository that needs none.",
        )


def _trailing(ids: Ids, mask: int) -> int:
    others = np.flatnonzero(ids != mask)
    return len(ids) - 1 - int(others[-1]) if len(others) else len(ids)
