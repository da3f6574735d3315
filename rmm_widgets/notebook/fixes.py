"""Which errors a view can help with, and how."""

from __future__ import annotations

from collections.abc import Mapping

from .protocol import Fix

__all__ = ["FIXES"]

FIXES: Mapping[str, Fix] = {
    "DiskFullError": "free-space",
    "GatedModelError": "log-in",
    "RepositoryNotFoundError": "log-in",
    "InsufficientMemoryError": "free-memory",
    "NoCapacityError": "free-memory",
    "MissingDependencyError": "install",
    "IntegrityError": "repair",
    "UnsafeModelError": "allow",
}
"""By the name of the error's class."""
