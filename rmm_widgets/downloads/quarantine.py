"""Taking damaged files out of the cache, so that nobody uses them and the next download fetches them anew.

A damaged blob becomes `blobs/<digest>.rmm-bad`, for a look at it; its links go too, in every snapshot, so
that huggingface_hub sees a file that is missing and not a broken cache. Content of the store that
repositories share is left alone: only this repository's link to it is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from .cache import Snapshot
from .contents import files_below
from .digest import Fingerprint
from .layout import CacheLayout
from .verify import DamagedFile


def set_aside(snapshot: Snapshot, damaged: Iterable[DamagedFile]) -> Mapping[str, str]:
    """Put damaged files into quarantine; returns by path why some could not be.

    A file that has changed since it was read is left alone: it may have been replaced by the right one.
    """
    layout = CacheLayout.of_snapshot(snapshot.path)
    left: dict[str, str] = {}
    for file in damaged:
        try:
            with layout.locked(file.digest) as ours:
                if ours:
                    _move(layout, snapshot.path / file.path, file)
                else:
                    left[file.path] = "another program is fetching it"
        except OSError as error:
            left[file.path] = error.strerror or str(error)
    return left


def _move(layout: CacheLayout, place: Path, file: DamagedFile) -> None:
    try:
        if Fingerprint.of(place.stat()) != file.fingerprint:
            return
    except FileNotFoundError:
        return  # gone with its content, which has another name in this snapshot
    layout.blobs.mkdir(exist_ok=True)
    if not place.is_symlink():
        place.replace(layout.quarantine(file.digest))
        return
    blob = _hop(place)
    if blob.parent == layout.blobs:
        if blob.is_symlink():
            blob.unlink()
        else:
            blob.replace(layout.quarantine(file.digest))
    for link in [path for path in files_below(layout.snapshots) if path.is_symlink()]:
        if link == place or _hop(link) == blob:
            link.unlink(missing_ok=True)


def _hop(link: Path) -> Path:
    """Where a link leads, one step far."""
    return Path(os.path.normpath(link.parent / link.readlink()))
