"""The store in which huggingface_hub keeps content once for all repositories of a cache.

`<cache>/blobs/<2 digits>/<xet hash>` holds the bytes, a repository's own blob is a link to it, and
`<xet hash>.refs` beside it lists the links. The store belongs to everybody: nothing in it is changed or
renamed here, and bytes are removed only under their lock, once no repository links to them any more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from .locks import take_lock_at

_HASH = re.compile(r"[0-9a-f]{64}")
_MARKER = ".huggingface-shared-blobs"
_LAYOUT = "1\n"


class SharedStore:
    """The shared store of one cache; also where there is none."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache = Path(os.path.abspath(cache_dir))  # noqa: PTH100 - without following links
        self._folder = self._cache / "blobs"

    def target(self, blob: Path) -> Path | None:
        """Where the bytes of a repository's blob are, if that is in this store."""
        try:
            target = Path(os.path.abspath(blob.parent / blob.readlink()))  # noqa: PTH100
        except OSError:
            return None
        name = target.name
        fits = _HASH.fullmatch(name) and target.parent == self._folder / name[:2]
        return target if fits and target.is_file() and not target.is_symlink() else None

    def freed_without(self, blobs: Iterable[Path]) -> int:
        """Bytes that `release` would free once these blobs are unlinked."""
        gone = set(blobs)
        targets = {target for blob in gone if (target := self.target(blob)) is not None}
        if not targets or not self._is_marked():
            return 0
        free = {target for target in targets if self._references(target) is not None} - self._linked_from(gone)
        return sum(target.stat().st_size for target in free)

    def release(self, targets: Iterable[Path]) -> int:
        """Remove content to which no repository links any more; returns the bytes freed.

        As in huggingface_hub, content whose list of links is lost is kept: nobody can tell who needs it.
        """
        wanted = set(targets)
        if not wanted or not self._is_marked():
            return 0
        return sum(self._remove(target) for target in wanted - self._linked_from(()))

    def _remove(self, target: Path) -> int:
        lock = take_lock_at(target.with_name(f"{target.name}.lock"))
        if lock is None:
            return 0  # somebody links to it at this moment
        try:
            links = self._references(target)
            if links is None or any(self.target(link) == target for link in links):
                return 0
            size = target.lstat().st_size
            target.unlink()
            target.with_name(f"{target.name}.refs").unlink(missing_ok=True)
        except FileNotFoundError:
            return 0
        finally:
            lock.release()
        return size

    def _is_marked(self) -> bool:
        """True where the store is one of the layout that is known here."""
        try:
            return (self._folder / _MARKER).read_text(encoding="ascii") == _LAYOUT
        except (OSError, ValueError):
            return False

    def _references(self, target: Path) -> list[Path] | None:
        """The links that were ever made to a content; None where nobody knows."""
        try:
            lines = target.with_name(f"{target.name}.refs").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return None
        return [self._cache / line for line in lines]

    def _linked_from(self, but: Iterable[Path]) -> set[Path]:
        """All content of the store that a blob of any repository leads to, apart from these blobs."""
        without = set(but)
        blobs = (blob for blob in self._cache.glob("*--*/blobs/*") if blob.is_symlink() and blob not in without)
        return {target for blob in blobs if (target := self.target(blob)) is not None}
