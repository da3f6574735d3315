"""The settings of the manager in a terminal: those that notebooks have, from IPython's configuration files.

Read as IPython reads them, from the same places and in the same order, but without IPython, which takes longer to
import than most commands take to run. Only what they say of `ModelManager` is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from traitlets.config import Application, Config

from ..errors import RMMError

__all__ = ["notebook_settings"]

_NAMES = ("ipython_config", "ipython_kernel_config")
_SECTION = "ModelManager"


def notebook_settings() -> tuple[Config, list[RMMError]]:
    """What the configuration files say of the manager, and what is wrong with those that cannot be read."""
    reader = Application()
    reader.raise_config_file_errors = True
    troubles: list[RMMError] = []
    for name in _NAMES:
        for folder in _folders():
            try:
                reader.load_config_file(name, path=str(folder))
            except Exception as error:  # noqa: BLE001 - the file is the user's own program
                place = folder / f"{name}.py"
                troubles.append(
                    RMMError(f"{place} raised {type(error).__name__}: {error}", hint="Its settings are left out.")
                )
    config = Config()
    if _SECTION in reader.config:
        config[_SECTION] = reader.config[_SECTION]
    return config, troubles


def _folders() -> Iterator[Path]:
    """The folders with such files, the least important first."""
    if os.name == "nt":
        if program_data := os.environ.get("PROGRAMDATA"):
            yield Path(program_data) / "ipython"
    else:
        yield Path("/etc/ipython")
        yield Path("/usr/local/etc/ipython")
    yield Path(sys.prefix) / "etc" / "ipython"
    yield Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser() / "profile_default"
