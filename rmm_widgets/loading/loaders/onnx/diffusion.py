"""diffusion_lm: the denoiser of a masked diffusion language model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ....errors import UnsupportedModelError
from ...config import DiffusionLMConfig
from ..diffusion import DiffusionLM, Ids, read_block
from ..sampling import sample
from ..texts import open_tokenizer
from .names import WHOLE
from .session import Array, Opener, Session, find_file

__all__ = ["open_model"]

_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


class _Denoiser:
    """Uncovers tokens with the sampler of ours."""

    def __init__(self, session: Session, mask: int) -> None:
        self._session = session
        self._mask = mask

    def denoise(
        self, start: Ids, config: DiffusionLMConfig, steps: int, on_step: Callable[[int, Ids], None] | None
    ) -> Ids:
        draw = np.random.RandomState(config.seed)
        return sample(
            self._logits,
            start,
            mask=self._mask,
            steps=steps,
            temperature=config.temperature,
            draw=draw,
            on_step=on_step,
        )

    def probe(self, start: Ids) -> list[Array]:
        return [self._logits(start)]

    def _logits(self, ids: Ids) -> Array:
        row = ids[None]
        feed = {
            "input_ids": row,
            "attention_mask": np.ones_like(row),
            "token_type_ids": np.zeros_like(row),
            "position_ids": np.arange(len(ids), dtype=np.int64)[None],
        }
        return self._session.run(feed, ["logits"])[0][0]


def open_model(folder: Path, open_session: Opener) -> DiffusionLM:
    """Open the diffusion language model in a folder.

    Raises:
        LoadError: It cannot be opened, or is of another kind.
    """
    session = open_session(find_file(folder, *WHOLE))
    if "input_ids" not in session.inputs or "logits" not in session.outputs:
        raise UnsupportedModelError(
            f"{session.name} takes {', '.join(session.inputs)} and gives {', '.join(session.outputs)}: no denoiser",
            hint="Choose a masked diffusion model that takes input_ids and gives logits.",
        )
    session.expect(*_INPUTS)
    tokenizer = open_tokenizer(folder)
    block = read_block(folder, tokenizer)
    return DiffusionLM(_Denoiser(session, block.mask), tokenizer, block)
