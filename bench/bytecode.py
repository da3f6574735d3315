"""The bytecode of the package, which pip leaves where it installs one; a checkout may have none."""

from __future__ import annotations

import compileall
from pathlib import Path

import rmm_widgets

__all__ = ["compile_package"]


def compile_package() -> None:
    """Compile what is not; with PYTHONDONTWRITEBYTECODE every process that is measured would do it at its start."""
    compileall.compile_dir(Path(rmm_widgets.__file__).parent, quiet=1)
