"""Pictures of views, kept in `snapshots/` for eyes, and compared by what does not depend on a machine's fonts.

Two pictures are alike if they have the same size and most of their tiles have nearly the same mean colour. Letters of
another font change a tile by little; a missing column, a wrong theme or an empty table changes many by much.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "RMM_UPDATE_SNAPSHOTS"
"""Set in the environment, it has the pictures written anew; look at them before they are committed."""

TILE = 24
"""Pixels; some letters fit into one."""
TOLERANCE = 16.0
"""By how much, of 255, the mean colour of a tile may differ."""
BUDGET = 0.006
"""The part of all tiles that may differ by more: a monospaced font made 0.2 % differ, a column that went 0.9 %."""


def compare(png: bytes, name: str, artefacts: Path) -> None:
    """Fail where a picture is unlike the kept one of that name; the new one is left in `artefacts`."""
    kept = SNAPSHOTS / f"{name}.png"
    if os.environ.get(UPDATE):
        SNAPSHOTS.mkdir(exist_ok=True)
        kept.write_bytes(png)
        return
    artefacts.mkdir(exist_ok=True)
    new = artefacts / f"{name}.png"
    new.write_bytes(png)
    assert kept.is_file(), f"no {kept.name} yet; set {UPDATE}=1 and look at what it writes"
    before, after = _tiles(kept.read_bytes()), _tiles(png)
    assert before.shape == after.shape, f"{new} has another size"
    differing = (np.abs(before - after).max(axis=2) > TOLERANCE).mean()
    assert differing <= BUDGET, f"{differing:.1%} of {new} differs from {kept.name}; if it should, set {UPDATE}=1"


def _tiles(png: bytes) -> NDArray[np.float64]:
    """The mean colour of every tile."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
    rows, columns = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    whole = pixels[: rows * TILE, : columns * TILE]
    return whole.reshape(rows, TILE, columns, TILE, 3).mean(axis=(1, 3))
