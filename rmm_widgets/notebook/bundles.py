"""The built front end: JavaScript and CSS files beside this package."""

from __future__ import annotations

import functools
from pathlib import Path

from ..errors import FrontEndNotBuiltError

__all__ = ["STATIC", "read_bundle"]

STATIC = Path(__file__).parent.parent / "static"


@functools.lru_cache(maxsize=16)
def read_bundle(name: str) -> str:
    """The text of a built file; read once.

    Raises:
        FrontEndNotBuiltError: The file is not there: this is a source checkout that was never built.
    """
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FrontEndNotBuiltError(
            f"the front end is not built: {name} is missing",
            hint="Run `make dev` in the checkout, then restart the kernel.",
        ) from None
