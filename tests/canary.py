"""Looks for tokens in what a test session left on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rmm_widgets.demo.server import MEMBER_TOKEN, STRANGER_TOKEN

CANARY = "hf_canaryCANARYcanary0123456789"
"""A token that only tests give out; every test may use it."""
_CHUNK = 4 << 20
_OWN_SOURCE = tuple(str(Path("site-packages", "rmm_widgets", "demo", part)) for part in ("", "__pycache__"))
TOKENS = (MEMBER_TOKEN, STRANGER_TOKEN, CANARY)


def files_with_tokens(folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The files that hold one of the tokens, whatever else is in them. Links are not followed.

    An installed demo hub is passed over: its own tokens stand in its source.
    """
    for folder in folders:
        for parent, _, names in os.walk(folder):
            if parent.endswith(_OWN_SOURCE):
                continue
            for path in (Path(parent) / name for name in names):
                yield from ((path, token) for token in _tokens_in(path))


def _tokens_in(path: Path) -> list[str]:
    if path.is_symlink() or not path.is_file():
        return []
    found: set[str] = set()
    overlap = max(map(len, TOKENS))
    try:
        with path.open("rb") as file:
            tail = b""
            while chunk := file.read(_CHUNK):
                text = tail + chunk
                found |= {token for token in TOKENS if token.encode() in text}
                tail = chunk[-overlap:]
    except OSError:  # not to be read by us
        return []
    return [token for token in TOKENS if token in found]
