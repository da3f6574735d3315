"""A real model for the workers' tests: MiniLM through sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rmm_widgets.loading.servable import Loaded, ProbeAnswer


def make() -> Sentences:
    return Sentences()


class Sentences:
    def __init__(self) -> None:
        self.model: Any = None

    def load(self, config: dict[str, Any], device: str | None, cancelled: Callable[[], bool]) -> Loaded:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(config["folder"], device="cpu", local_files_only=True)
        return Loaded(device="cpu")

    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if method == "product":
            return self.product(*args)
        return self.model.encode(*args, show_progress_bar=False)

    def product(self, size: int) -> bool:
        """A product of matrices, by torch and by numpy on several threads each."""
        import numpy as np
        import torch

        torch.set_num_threads(2)
        matrix = np.random.default_rng(1).random((size, size))
        return bool(np.allclose((torch.from_numpy(matrix) @ torch.from_numpy(matrix)).numpy(), matrix @ matrix))

    def probe(self) -> ProbeAnswer:
        return ProbeAnswer(self.model is not None)

    def update_config(self, config: dict[str, Any]) -> None:
        pass

    def unload(self) -> None:
        self.model = None
