"""What every model of this loader offers to the servable that holds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

from .session import Array, Session

__all__ = ["OnnxModel", "Opener"]

Opener = Callable[[Path], Session]
"""Opens an ONNX file on the device that was chosen; gives up where the load was cancelled."""


class OnnxModel(Protocol):
    """A model in memory. Calls may come while `configure` runs: a call reads its settings once."""

    methods: ClassVar[tuple[str, ...]]
    """The methods that users may call."""

    def configure(self, config: Any) -> None:
        """Use the settings (the type's record of `loading.config`) from the next call on.

        Raises:
            InvalidConfigError: This model cannot do that; nothing changes.
        """
        ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The main function of the type."""
        ...

    def probe(self) -> list[Array]:
        """Raw outputs for a tiny input that the model itself makes up."""
        ...
