"""Looks for tokens in what a test session left on disk."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rmm_widgets.demo.server import MEMBER_TOKEN, STRANGER_TOKEN

CANARY = "hf_canaryCANARYcanary0123456789"
"""A token that only tests give out; every test may use it."""
TOKENS = (MEMBER_TOKEN, STRANGER_TOKEN, CANARY)


def files_with_tokens(folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The files that hold one of the tokens, whatever else is in them. Links are not followed."""
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for path in (Path(parent) / name for name in names):
                yield from ((path, token) for token in TOKENS if _holds(path, token.encode()))


def _holds(path: Path, text: bytes) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(text) >= 0
    except (OSError, ValueError):  # not to be read by us, or empty
        return False
