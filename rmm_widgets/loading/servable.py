"""What a loader hands to a worker: an object that can load, answer calls and be probed.

This module owns the contract only. Loaders implement it; workers decide where it runs, on which
thread, and for how long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import msgspec

MAIN_METHOD = "__call__"
"""The method that stands for the main function of a model's type."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a load.

    Attributes:
        device: Where the model runs, for example "cpu" or "cuda".
        detail: Plain data (JSON types) worth showing to the user.
    """

    device: str
    detail: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class ProbeAnswer(msgspec.Struct, frozen=True):
    """What a loaded model said when asked whether it is well; `detail` is one sentence, or empty."""

    healthy: bool
    degraded: bool = False
    detail: str = ""


@runtime_checkable
class Closable(Protocol):
    """A servable that holds something beside its model."""

    def close(self) -> None:
        """Give it back; the last call, on the thread of all others, also where nothing was unloaded."""
        ...


@runtime_checkable
class Exposing(Protocol):
    """A servable whose loaded object can be handed out, where it lives in the kernel."""

    @property
    def model(self) -> Any:
        """The object itself; raises where nothing is loaded."""
        ...


class Servable(Protocol):
    """A model that can be loaded, called, probed and unloaded. Calls come one at a time."""

    def load(self, config: dict[str, Any], device: str | None, cancelled: Callable[[], bool]) -> Loaded:
        """Bring the model into memory; blocks.

        Args:
            config: The model's configuration; unknown keys and wrong values are refused.
            device: Where to run, or None for the loader's choice.
            cancelled: Asked between the steps of the load; once it says True, the load gives up.

        Raises:
            LoadError: The model could not be loaded; `LoadCancelledError` where it gave up.
            InvalidConfigError: The configuration is wrong.
        """
        ...

    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a public method of the model, `MAIN_METHOD` for its main function."""
        ...

    def probe(self) -> ProbeAnswer:
        """Ask the model itself, with a tiny real inference."""
        ...

    def update_config(self, config: dict[str, Any]) -> None:
        """Use the configuration, which is complete, from the next call on; all of it or nothing.

        Raises:
            InvalidConfigError: The configuration is wrong; the old one stays in force.
        """
        ...

    def unload(self) -> None:
        """Drop the model; harmless where nothing is loaded."""
        ...
