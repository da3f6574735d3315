"""diffusion_lm: prompts to texts, with a masked diffusion language model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ....errors import InvalidConfigError, LoadError, UnsupportedModelError
from ....types import ModelType
from ...config import DiffusionLMConfig, parse_config
from ...files import read_optional_json
from ..masked_diffusion import sample
from ..texts import open_tokenizer
from .model import Opener
from .names import WHOLE
from .session import Array, Session, find_file

__all__ = ["DiffusionLM", "open_model"]

_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
_DEFAULT_BLOCK = 32
_DEFAULT_STEPS = 16


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """What the model was trained to write.

    Attributes:
        length: Tokens that it writes and reads at once, prompt included.
        steps: Denoising steps that the repository recommends.
        mask: Id of the mask token.
    """

    length: int
    steps: int
    mask: int


class DiffusionLM:
    """Writes a text by uncovering its tokens in the order of certainty."""

    methods: ClassVar[tuple[str, ...]] = ("__call__",)

    def __init__(self, session: Session, tokenizer: Any, block: Block) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._block = block
        self._config = DiffusionLMConfig()

    def configure(self, config: DiffusionLMConfig) -> None:
        """Use these settings from the next call on."""
        self._config = config

    def __call__(
        self,
        prompt: str = "",
        max_new_tokens: int | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        on_step: Callable[[int, str], None] | None = None,
    ) -> str:
        """The prompt and what the model wrote after it.

        Args:
            prompt: How the text begins.
            max_new_tokens: At most so many tokens after the prompt; never more than fit the model's block.
            steps, temperature, seed: Override the settings for this call.
            on_step: Told the step's number (from 0) and the text so far, masks included.
        """
        if not isinstance(prompt, str):
            raise TypeError(f"the prompt must be a text, not {type(prompt).__name__}")
        if on_step is not None and not callable(on_step):
            raise TypeError("on_step must be a function of the step's number and the text")
        config = self._overridden(max_new_tokens=max_new_tokens, steps=steps, temperature=temperature, seed=seed)
        tokenizer = self._tokenizer

        def tell(step: int, ids: NDArray[np.int64]) -> None:
            if on_step is not None:
                on_step(step, str(tokenizer.decode(ids.tolist(), skip_special_tokens=False)))

        ids = sample(
            self._logits,
            self._start(prompt, config.max_new_tokens),
            mask=self._block.mask,
            steps=config.steps or self._block.steps,
            temperature=config.temperature,
            draw=np.random.RandomState(config.seed),
            on_step=tell,
        )
        return str(tokenizer.decode(ids.tolist()))

    def probe(self) -> list[Array]:
        """Raw outputs for a tiny input."""
        return [self._logits(self._start("", 1))]

    def _overridden(self, **given: Any) -> DiffusionLMConfig:
        changes = {key: value for key, value in given.items() if value is not None}
        try:
            parse_config(ModelType.DIFFUSION_LM, changes)
        except InvalidConfigError as error:
            raise ValueError(error.message) from None
        return msgspec.structs.replace(self._config, **changes)

    def _start(self, prompt: str, new_tokens: int | None) -> NDArray[np.int64]:
        """The prompt's tokens, and masks where the model shall write."""
        encoding = self._tokenizer.encode(prompt)
        known: list[int] = list(encoding.ids)
        if known and encoding.special_tokens_mask[-1]:
            known.pop()  # the end mark; the text goes on
        room = self._block.length - len(known)
        if room < 1:
            raise ValueError(
                f"the prompt has {len(known)} tokens and leaves no room to write: the model's texts have "
                f"{self._block.length} in all; shorten it"
            )
        masks = room if new_tokens is None else min(room, new_tokens)
        return np.array(known + [self._block.mask] * masks, np.int64)

    def _logits(self, ids: NDArray[np.int64]) -> Array:
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
    return DiffusionLM(session, tokenizer, _block(folder, tokenizer))


def _block(folder: Path, tokenizer: Any) -> Block:
    config = read_optional_json(folder / "config.json") or {}
    scheduler = read_optional_json(folder / "scheduler" / "scheduler_config.json") or {}
    settings = read_optional_json(folder / "tokenizer_config.json") or {}
    token = settings.get("mask_token")
    mask = config.get("mask_token_id") or tokenizer.token_to_id(token if isinstance(token, str) else "[MASK]")
    if not isinstance(mask, int):
        raise LoadError(
            "The tokenizer has no mask token, so nothing could be uncovered",
            hint="Choose a masked diffusion model; other language models are not supported.",
        )
    length = _positive(scheduler.get("block_length")) or _DEFAULT_BLOCK
    positions = _positive(config.get("max_position_embeddings")) or length
    return Block(
        length=min(length, positions),
        steps=_positive(scheduler.get("num_inference_steps")) or _DEFAULT_STEPS,
        mask=mask,
    )


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
