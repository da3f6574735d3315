"""The contract of a loader: which folders it takes, what a model will need, and how one is opened.

Loaders are asked in the kernel, so their modules import no heavy library before `open`. What a loaded model
can do is the matter of `servable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..types import ModelType
from .servable import Servable

if TYPE_CHECKING:  # a worker needs nothing of the Hub
    from ..hub.identify import Evidence, Identity

__all__ = ["Loader", "Match", "MemoryEstimate"]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Why a loader takes a folder.

    Attributes:
        model_type: What it will be loaded as; None where nothing tells.
        detail: The evidence, in a few words.
    """

    model_type: ModelType | None
    detail: str


class MemoryEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a loaded model will take, in bytes.

    Attributes:
        weights: Parameters, in the precision they are loaded in.
        working: What calls need beside them: activations, caches.
        libraries: What a process of its own imports; nothing where the model lives in the kernel.
    """

    weights: int
    working: int = 0
    libraries: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.working + self.libraries


class Loader(Protocol):
    """One library's way to load models."""

    @property
    def name(self) -> str:
        """Its own name, by which a user can ask for it."""
        ...

    @property
    def library(self) -> str:
        """The distribution it needs, as pip knows it."""
        ...

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that take long to import and that all its models need: workers may share them."""
        ...

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        """Why it takes this repository, or None where it does not; pure."""
        ...

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        """What the model will take, from the headers of its files; imports nothing heavy.

        Raises:
            LoadError: A file is damaged.
        """
        ...

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> Servable:
        """A servable for the model in a folder; nothing is loaded yet.

        Args:
            trusted: The user allowed this very commit to bring code or pickles; False refuses both.

        Raises:
            MissingDependencyError: A library that this model needs is not installed.
            UnsafeModelError: It needs code or pickles, and is not trusted.
        """
        ...
