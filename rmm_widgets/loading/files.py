"""Reading a model's folder: which files there are, and its small configuration files.

What the files mean is for `detect.py` and the loaders.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from ..errors import LoadError, ModelNotAvailableError

__all__ = ["list_files", "read_optional_json", "read_text", "require_folder"]

_JSON_LIMIT = 8 << 20
"""Bytes; small lists make 20 times as many in memory."""


def require_folder(folder: Path, *, model_id: str | None = None) -> None:
    """Refuse a model whose folder is not there.

    Raises:
        ModelNotAvailableError: It is not.
    """
    if not folder.is_dir():
        raise ModelNotAvailableError(
            "The model's folder is not on disk", model_id=model_id, hint="Download the model first."
        )


def list_files(folder: Path) -> tuple[str, ...]:
    """Paths of all files below the folder, with forward slashes, sorted; hidden folders are left out."""
    found: list[str] = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.extend((Path(root) / name).relative_to(folder).as_posix() for name in files)
    return tuple(sorted(found))


def read_text(path: Path, limit: int) -> str:
    """At most the first `limit` bytes of a file as text; empty where there is no file."""
    try:
        with path.open("rb") as file:
            return file.read(limit).decode(errors="replace")
    except FileNotFoundError:
        return ""


def read_optional_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None where there is no such file.

    Raises:
        LoadError: The file is too large, or no JSON object.
    """
    try:
        if path.stat().st_size > _JSON_LIMIT:
            raise LoadError(f"{path.name} is larger than {_JSON_LIMIT >> 20} MiB", hint="It cannot be what it says.")
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError, OSError) as error:  # damaged text, nested too deeply, unreadable
        raise LoadError(
            f"{path.name} cannot be read: {error}", hint="Run `%rmm verify` on the model, then download it again."
        ) from None
