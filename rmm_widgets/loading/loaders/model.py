"""What every model of ours offers to the servable that holds it, whichever library it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

__all__ = ["LoadedModel"]


class LoadedModel(Protocol):
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

    def probe(self) -> Sequence[NDArray[Any]]:
        """Raw outputs for a tiny input that the model itself makes up."""
        ...
