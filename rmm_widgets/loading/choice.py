"""Which of the loaders that take a repository is used, and why. Pure.

ONNX files come first: without torch a model is ready in a fraction of the time and the memory. Otherwise the
library decides that the repository was made for. A loader whose library is not installed is passed over, as
long as another one fits. The user may name one instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ..hub.identify import Identity
from .dependencies import not_installed
from .loader import Loader, Match

__all__ = ["Candidate", "choose", "in_order"]

_ONNX = "onnxruntime"
_LIGHT = frozenset(["model2vec"])
"""Libraries that need no torch either, so that nothing is won by taking ONNX files."""


class Candidate(msgspec.Struct, frozen=True):
    """A loader that takes a repository.

    Attributes:
        missing: What pip would have to install before it can be used.
    """

    loader: Loader
    match: Match
    missing: tuple[str, ...] = ()


def in_order(candidates: Iterable[Candidate], identity: Identity) -> tuple[Candidate, ...]:
    """The same, the one to take first; of equals the one that was asked first."""

    def rank(candidate: Candidate) -> tuple[bool, bool]:
        own = candidate.loader.library == identity.library
        first = candidate.loader.library in _LIGHT if identity.library in _LIGHT else candidate.loader.name == _ONNX
        return not first, not own

    return tuple(sorted(candidates, key=rank))


def choose(candidates: Sequence[Candidate], identity: Identity, wanted: str | None = None) -> tuple[Candidate, str]:
    """The loader to use, and why this one.

    Args:
        candidates: `in_order`, at least one.
        wanted: The name of the one that the user asked for; it is among them.

    Raises:
        MissingDependencyError: The library of the wanted one is not installed, or that of none of them.
    """
    if wanted is not None:
        named = next(candidate for candidate in candidates if candidate.loader.name == wanted)
        if named.missing:
            raise not_installed(named.missing)
        return named, "as asked"
    chosen = next((candidate for candidate in candidates if not candidate.missing), None)
    if chosen is None:
        raise not_installed(candidates[0].missing)
    passed_over = candidates[: candidates.index(chosen)]
    return chosen, _reason(chosen, identity, passed_over)


def _reason(chosen: Candidate, identity: Identity, passed_over: Sequence[Candidate]) -> str:
    if passed_over:
        needs = [f"{each.loader.name} needs {' and '.join(each.missing)}" for each in passed_over]
        return f"{'; '.join(needs)}, not installed"
    if chosen.loader.name == _ONNX:
        return "it has ONNX files"
    return f"it was made for {identity.library}" if chosen.loader.library == identity.library else "it fits its files"
