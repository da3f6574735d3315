"""The environment of a worker's process: what the kernel has, without its secrets and without the network."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

__all__ = ["worker_environment"]

_SECRET_WORDS = ("TOKEN", "SECRET", "KEY", "PASSWORD", "PASSWD", "CREDENTIAL")
_HARMLESS = frozenset({"TOKENIZERS_PARALLELISM"})
_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
}


def worker_environment(base: Mapping[str, str], temporary: str) -> dict[str, str]:
    """The variables of `base` that are no secrets, with our settings and a folder for temporary files.

    `PYTHONPATH` is the kernel's own `sys.path`, so that both import the same modules. A plotting backend that
    draws into notebook cells is left out.
    """
    kept = {name: value for name, value in base.items() if not _is_secret(name) and name != "MPLBACKEND"}
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109 - text, as in sys.path
    return {
        **kept,
        **_SETTINGS,
        "PYTHONPATH": path,
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TMP": temporary,
    }


def _is_secret(name: str) -> bool:
    upper = name.upper()
    return upper not in _HARMLESS and any(word in upper for word in _SECRET_WORDS)
