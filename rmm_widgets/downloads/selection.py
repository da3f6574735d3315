"""Which files of a repository are worth fetching, and why not the others. Pure, by names alone.

The automatic choice takes every file except what no loader needs: second copies of the weights, all but
one quantisation, precision or ONNX variant, and what is left over from training. `copies`, `gguf_files` and
`onnx_files` know the names; here they are put in order. With `allow_patterns` the caller chooses instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from .copies import is_weights, spare_copies, spare_indexes, spare_precisions, training_leftovers
from .gguf_files import spare_gguf_files
from .onnx_files import spare_onnx_files

__all__ = ["FileChoice", "choose", "choose_files", "is_weights"]

_OF_GIT = frozenset([".gitattributes", ".gitignore", ".DS_Store"])
_STEPS: tuple[Callable[[Sequence[str]], dict[str, str]], ...] = (
    training_leftovers,
    spare_copies,
    spare_precisions,
    spare_gguf_files,
    spare_onnx_files,
)


class FileChoice(msgspec.Struct, frozen=True):
    """What a download takes of a repository.

    Attributes:
        files: The chosen files, in the order they were listed.
        left_out: Why each of the others is not fetched, in a few words.
    """

    files: tuple[str, ...]
    left_out: Mapping[str, str]


def choose(
    paths: Sequence[str],
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
) -> FileChoice:
    """The files to fetch, and why not the others; the order of the listing changes nothing.

    With `allow_patterns` the caller chooses and nothing is left out on its own account. Patterns are
    globs over the whole path; one that ends with `/` means everything in that folder.
    """
    if allow_patterns is None:
        left_out = _automatic(paths)
    else:
        left_out = {path: "matches no allow_patterns" for path in paths if not _matches(path, allow_patterns)}
    left_out |= {path: "matches ignore_patterns" for path in paths if _matches(path, ignore_patterns or ())}
    return FileChoice(
        files=tuple(path for path in paths if path not in left_out),
        left_out={path: left_out[path] for path in paths if path in left_out},
    )


def choose_files(
    paths: Sequence[str],
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """The files of `choose`, without the reasons."""
    return choose(paths, allow_patterns, ignore_patterns).files


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, f"{pattern}*" if pattern.endswith("/") else pattern) for pattern in patterns)


def _automatic(paths: Sequence[str]) -> dict[str, str]:
    left_out = {path: "of git, not of the model" for path in paths if path.rpartition("/")[2] in _OF_GIT}
    for step in _STEPS:
        left_out |= step([path for path in paths if path not in left_out])
    return left_out | spare_indexes(paths, left_out)
