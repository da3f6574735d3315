"""A loader of somebody else's package, for the measurement of calls: its model gives back what it gets.

`installed` makes a package of it for the length of a measurement, as `pip install` would.
"""

# ruff: noqa: ARG002 - the contracts of loaders and servables name their arguments

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from rmm_widgets.hub.identify import Evidence, Identity
from rmm_widgets.loading.loader import Match, MemoryEstimate
from rmm_widgets.loading.servable import Loaded, ProbeAnswer
from rmm_widgets.types import ModelType

__all__ = ["LOADER", "Echo", "installed"]

MARK = "bench-echo.txt"
"""The file by which the loader knows its models."""


class Echo:
    """Gives back what it gets, or only its size."""

    def load(self, config: dict[str, Any], device: str | None, cancelled: Callable[[], bool]) -> Loaded:
        return Loaded(device="cpu")

    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return args[0] if method == "__call__" else self.measure(args[0])

    def measure(self, value: Any) -> int:
        """Bytes of an array, pixels of a picture."""
        return int(value.nbytes) if isinstance(value, np.ndarray) else int(value.width * value.height)

    def probe(self) -> ProbeAnswer:
        return ProbeAnswer(True)

    def update_config(self, config: dict[str, Any]) -> None: ...

    def unload(self) -> None: ...


class _Loader:
    name = "bench-echo"
    library = "rmm-bench-echo"
    preload = ("numpy",)

    def match(self, evidence: Evidence, identity: Identity) -> Match | None:
        if MARK not in evidence.files:
            return None
        return Match(model_type=ModelType.EMBEDDING_MODEL, detail=MARK)

    def estimate(self, folder: Path, model_type: ModelType, config: Mapping[str, Any]) -> MemoryEstimate:
        return MemoryEstimate(weights=0)

    def open(self, *, model_id: str, model_type: ModelType, path: Path, trusted: bool) -> Echo:
        return Echo()


LOADER = _Loader()


@contextmanager
def installed() -> Generator[None]:
    """While this lasts, the loader is an installed package for this process and those it starts."""
    with TemporaryDirectory(prefix="rmm-bench-") as folder:
        package = Path(folder) / "rmm_bench_echo-1.dist-info"
        package.mkdir()
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: rmm-bench-echo\nVersion: 1\n")
        (package / "entry_points.txt").write_text("[rmm_widgets.loaders]\nbench-echo = bench.echo:LOADER\n")
        sys.path.append(folder)
        try:
            yield
        finally:
            sys.path.remove(folder)
