"""diffusion_lm: the denoiser of a masked diffusion language model."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from ....errors import UnsupportedModelError
from ..diffusion import DiffusionLM, Ids, open_masked
from .names import WHOLE
from .session import Array, Opener, Session, find_file

__all__ = ["open_model"]

_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


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
    return open_masked(folder, functools.partial(_logits, session))


def _logits(session: Session, ids: Ids) -> Array:
    row = ids[None]
    feed = {
        "input_ids": row,
        "attention_mask": np.ones_like(row),
        "token_type_ids": np.zeros_like(row),
        "position_ids": np.arange(len(ids), dtype=np.int64)[None],
    }
    return session.run(feed, ["logits"])[0][0]
