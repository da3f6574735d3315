"""diffusion_lm: prompts to texts. Prepares the masked text and reads the finished one; who uncovers it is all one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidConfigError, LoadError
from ...types import ModelType
from ..config import DiffusionLMConfig, parse_config
from ..files import read_optional_json
from .sampling import sample
from .texts import open_tokenizer

__all__ = ["Block", "Denoiser", "DiffusionLM", "Ids", "open_masked", "read_block"]

Ids = NDArray[np.int64]

_USUAL = 32
_DEFAULT_STEPS = 16


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """What the model was trained to write.

    Attributes:
        length: Tokens that it writes and reads at once, prompt included.
        usual: Tokens to write where nobody says how many; None fills the block.
        steps: Denoising steps that the repository recommends.
        mask: Id of the mask token.
    """

    length: int
    usual: int | None
    steps: int
    mask: int


class Denoiser(Protocol):
    """Uncovers masked tokens."""

    def denoise(
        self, start: Ids, config: DiffusionLMConfig, steps: int, on_step: Callable[[int, Ids], None] | None
    ) -> Ids:
        """The tokens of `start` with all masks replaced; `on_step` is told each step's number and tokens."""
        ...

    def probe(self, start: Ids) -> list[NDArray[Any]]:
        """Raw outputs for these tokens."""
        ...


class DiffusionLM:
    """Writes a text by uncovering its tokens in the order of certainty."""

    methods: ClassVar[tuple[str, ...]] = ("__call__",)

    def __init__(self, denoiser: Denoiser, tokenizer: Any, block: Block) -> None:
        """`tokenizer` is a `tokenizers.Tokenizer`."""
        self._denoiser = denoiser
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

        def tell(step: int, ids: Ids) -> None:
            if on_step is not None:
                on_step(step, str(tokenizer.decode(ids.tolist(), skip_special_tokens=False)))

        start = self._start(prompt, config.max_new_tokens)
        ids = self._denoiser.denoise(start, config, config.steps or self._block.steps, tell if on_step else None)
        return str(tokenizer.decode(ids.tolist()))

    def probe(self) -> list[NDArray[Any]]:
        """Raw outputs for a tiny input."""
        return self._denoiser.probe(self._start("", 1))

    def _overridden(self, **given: Any) -> DiffusionLMConfig:
        changes = {key: value for key, value in given.items() if value is not None}
        try:
            parse_config(ModelType.DIFFUSION_LM, changes)
        except InvalidConfigError as error:
            raise ValueError(error.message) from None
        return msgspec.structs.replace(self._config, **changes)

    def _start(self, prompt: str, new_tokens: int | None) -> Ids:
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
        masks = min(room, new_tokens or self._block.usual or room)
        return np.array(known + [self._block.mask] * masks, np.int64)


class _Sampler:
    """A denoiser from a function that gives logits; numpy draws, so a seed means the same text for all of them."""

    def __init__(self, logits: Callable[[Ids], NDArray[Any]], mask: int) -> None:
        self._logits = logits
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


def open_masked(folder: Path, logits: Callable[[Ids], NDArray[Any]]) -> DiffusionLM:
    """The diffusion language model in a folder, uncovered by `sampling.sample`.

    Args:
        logits: Token ids (length,) to scores (length, vocabulary).

    Raises:
        LoadError: Its tokenizer cannot be opened, or the repository does not say what its mask is.
    """
    tokenizer = open_tokenizer(folder)
    block = read_block(folder, tokenizer)
    return DiffusionLM(_Sampler(logits, block.mask), tokenizer, block)


def read_block(folder: Path, tokenizer: Any) -> Block:
    """What the repository says about the texts that its model writes.

    Raises:
        LoadError: It has no mask token.
    """
    config = read_optional_json(folder / "config.json") or read_optional_json(folder / "model" / "config.json") or {}
    scheduler = read_optional_json(folder / "scheduler" / "scheduler_config.json") or {}
    settings = (
        read_optional_json(folder / "tokenizer_config.json")
        or read_optional_json(folder / "tokenizer" / "tokenizer_config.json")
        or {}
    )
    token = settings.get("mask_token")
    mask = config.get("mask_token_id") or tokenizer.token_to_id(token if isinstance(token, str) else "[MASK]")
    if not isinstance(mask, int):
        raise LoadError(
            "The tokenizer has no mask token, so nothing could be uncovered",
            hint="Choose a masked diffusion model; other language models are not supported.",
        )
    block = _positive(scheduler.get("block_length"))
    positions = _positive(config.get("max_position_embeddings")) or _positive(config.get("max_sequence_length"))
    return Block(
        length=min(block or positions or _USUAL, positions or block or _USUAL),
        usual=None if block else _USUAL,
        steps=_positive(scheduler.get("num_inference_steps")) or _DEFAULT_STEPS,
        mask=mask,
    )


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
