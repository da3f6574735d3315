"""Which loader fits a folder, from its files alone, offline: no library is imported, no weights are read.

The table of what repositories are is `hub.identify`, the choice among several loaders that fit is `choice`;
here both meet a folder and the loaders.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..downloads.gguf_files import pick_gguf_file
from ..errors import LoadError, UnsupportedModelError
from ..hub.card import parse_card
from ..hub.identify import Evidence, Identity, identify
from ..types import ModelType
from .choice import Candidate, choose, in_order
from .dependencies import missing_packages
from .files import list_files, read_optional_json, read_text, require_folder
from .headers.gguf import read_gguf_header
from .loaders import all_loaders, get_loader, other_loaders, set_aside

__all__ = ["Alternative", "Detection", "detect", "find_candidates", "read_evidence"]

_CARD_LIMIT = 1 << 18


class Alternative(msgspec.Struct, frozen=True):
    """Another loader that takes the same folder; `installed` tells whether its library is there."""

    loader: str
    library: str
    installed: bool


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """How a folder can be loaded.

    Attributes:
        loader: Name for `loaders.open_servable`.
        library: The Python library that the loader needs.
        model_type: What the repository seems to be; None where nothing tells.
        detail: The evidence, in a few words.
        reason: Why this loader and no other, in a few words.
        alternatives: The other loaders that fit, the next best first.
        preload: Modules that the loader imports anyway.
        needs_code: The repository brings Python code.
        pickle_only: Some of its weights come as pickles only.
    """

    loader: str
    library: str
    model_type: ModelType | None
    detail: str
    reason: str = ""
    alternatives: tuple[Alternative, ...] = ()
    preload: tuple[str, ...] = ()
    needs_code: bool = False
    pickle_only: bool = False

    @property
    def usable_alternatives(self) -> tuple[str, ...]:
        """The names of the alternatives whose libraries are installed."""
        return tuple(each.loader for each in self.alternatives if each.installed)


_WEIGHTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("safetensors", (".safetensors",)),
    ("GGUF", (".gguf",)),
    ("pickled", (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".joblib")),
    ("TensorFlow", (".h5", ".keras", ".tflite", ".pb")),
    ("Flax", (".msgpack",)),
)


def detect(folder: Path, *, loader: str | None = None, model_type: ModelType | None = None) -> Detection:
    """The loader, library and type for a model's folder.

    Args:
        loader: The name of the one that the user asked for.
        model_type: The type it was registered as, for a folder that does not tell.

    Raises:
        ModelNotAvailableError: There is no such folder.
        UnsupportedModelError: No loader takes what is in it, or not the one that was asked for.
        MissingDependencyError: A loader would take it, and its library is not installed.
        LoadError: A configuration file is damaged, or the loader asked for cannot be imported.
    """
    evidence, identity = _look(folder)
    candidates = find_candidates(evidence, identity, model_type)
    if not candidates:
        raise _unsupported(evidence, identity)
    if loader is not None and all(loader != candidate.loader.name for candidate in candidates):
        raise _refused(loader, candidates)
    chosen, reason = choose(candidates, identity, loader)
    return Detection(
        loader=chosen.loader.name,
        library=chosen.loader.library,
        model_type=chosen.match.model_type,
        detail=chosen.match.detail,
        reason=reason,
        alternatives=tuple(
            Alternative(each.loader.name, each.loader.library, not each.missing)
            for each in candidates
            if each is not chosen
        ),
        preload=chosen.loader.preload,
        needs_code=identity.needs_code,
        pickle_only=identity.pickle_only,
    )


def find_candidates(
    evidence: Evidence, identity: Identity, model_type: ModelType | None = None
) -> tuple[Candidate, ...]:
    """The loaders that take a repository, the one to use first.

    Args:
        model_type: What it shall be taken for where its files do not tell.
    """
    told = msgspec.structs.replace(identity, model_type=identity.model_type or model_type)
    found: list[Candidate] = []
    for loader in other_loaders() if identity.none_of_ours else all_loaders():
        try:
            match = loader.match(evidence, told)
        except Exception as error:  # noqa: BLE001 - a loader of another package may raise anything
            set_aside(loader.name, error)
            continue
        if match is not None:
            found.append(Candidate(loader, match, missing_packages(loader)))
    return in_order(found, identity)


def _look(folder: Path) -> tuple[Evidence, Identity]:
    require_folder(folder)
    evidence = read_evidence(folder)
    return evidence, identify(evidence)


def read_evidence(folder: Path) -> Evidence:
    """What the small files of a folder, and the header of its GGUF file, say about it."""
    card = parse_card(read_text(folder / "README.md", _CARD_LIMIT))
    files = list_files(folder)
    return Evidence(
        files=files,
        config=read_optional_json(folder / "config.json") or {},
        index=read_optional_json(folder / "model_index.json") or {},
        pipeline_tag=card.pipeline_tag,
        library=card.library,
        tags=card.tags,
        gguf_architecture=_gguf_architecture(folder, files),
    )


def _gguf_architecture(folder: Path, files: Sequence[str]) -> str | None:
    file = pick_gguf_file(files)
    if file is None:
        return None
    try:
        return read_gguf_header(folder / file).architecture or None
    except LoadError:
        return None  # the loader says what is wrong with it


def _refused(loader: str, candidates: Sequence[Candidate]) -> UnsupportedModelError:
    """The error about a loader that was asked for in vain; one that is broken says so itself."""
    try:
        get_loader(loader)
        reason = f"The loader {loader!r} does not fit this repository"
    except UnsupportedModelError as error:
        reason = error.message
    return UnsupportedModelError(reason, hint=f"These fit: {', '.join(each.loader.name for each in candidates)}.")


def _unsupported(evidence: Evidence, identity: Identity) -> UnsupportedModelError:
    reason = f" ({identity.reason})" if identity.reason else ""
    if identity.none_of_ours:
        return UnsupportedModelError(
            f"This repository is of none of the types that can be loaded{reason}",
            hint=f"The types are: {', '.join(each.value for each in ModelType)}.",
        )
    kinds = [kind for kind, endings in _WEIGHTS if evidence.has(*endings)]
    found = f"{' and '.join(kinds)} weights" if kinds else "no weights that we know"
    made_for = f" for {identity.library}" if identity.library else ""
    return UnsupportedModelError(
        f"No loader takes this repository: it has {found}{made_for}{reason}",
        hint="Choose a repository of one of our types with safetensors or ONNX files (search for 'onnx'), or install "
        "a package that brings a loader for this one.",
    )
