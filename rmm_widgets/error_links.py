"""The words that lead from an error to its entry in the guide, which `%rmm help NAME` shows.

Light, as errors are made with them. They name the entry only: they do not need the guide.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["in_one_line", "pointer", "pointer_here"]


def pointer(name: str) -> str:
    """The sentence for what commands and views show, as notebooks have it; empty where there is no entry."""
    return f"`%rmm help {name}` tells more." if name else ""


def pointer_here(name: str) -> str:
    """The sentence for a traceback: what can be typed where this program runs."""
    ipython: Any = sys.modules.get("IPython")
    get_shell = getattr(ipython, "get_ipython", None)  # absent while IPython is being imported
    shell = get_shell() if get_shell is not None else None
    if shell is None:
        return f"`rmm help {name}` in a terminal tells more."
    if shell.find_line_magic("rmm") is None:
        return f"`%load_ext rmm_widgets` and then `%rmm help {name}` tell more."
    return pointer(name)


def in_one_line(message: str, hint: str, name: str) -> str:
    """What happened, what to do, and where more is said; of these what is not empty."""
    return " — ".join(filter(None, (message, hint, pointer(name))))
