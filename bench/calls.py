"""What a call of a model in a worker costs beyond the same call in this process.

The model does nothing: it gives back what it gets (a text), or tells its size (a picture, an array). So what is
measured is the way there and back: `instance(x)` beside the model's own method, in turns, in random order.
"""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from rmm_widgets import ModelManager
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.types import ModelInstance

from .echo import MARK, Echo, installed


class Value(msgspec.Struct, frozen=True):
    """What is sent.

    Attributes:
        both_ways: The model gives it back; otherwise it tells its size.
        calls: In one round.
        aim: Milliseconds that a call may take longer, None where it is only shown.
    """

    name: str
    value: Any
    both_ways: bool
    calls: int
    aim: float | None = None


def main(rounds: int) -> None:
    """Print the table."""
    numbers = np.random.default_rng(1)
    picture = Image.fromarray(numbers.integers(0, 256, (1080, 1920, 3), np.uint8))
    array = numbers.random(25_000_000, np.float32)
    values = (
        Value("text of 60 characters, there and back", "x" * 60, True, 200, 0.2),
        Value("picture of 1920 x 1080, there", picture, False, 40, 1.5),
        Value("picture of 1920 x 1080, there and back", picture, True, 20),
        Value("float32 array of 100 MB, there", array, False, 6, 30.0),
        Value("float32 array of 100 MB, there and back", array, True, 4),
    )
    with installed(), tempfile.TemporaryDirectory(prefix="rmm-bench-") as name, DemoHub() as hub:
        hub.add("bench/echo", {MARK: b"echo", "config.json": b"{}"})
        with ModelManager(endpoint=hub.url, cache_dir=Path(name) / "hub", data_dir=Path(name) / "data") as manager:
            manager.register_from_hub(
                "bench/echo", model_id="echo", model_type="embedding_model", allow_patterns=["*"]
            ).result()
            instance = manager.load_model("echo").result()
            rows = [_row(instance, value, rounds) for value in values]
    print("\n| sent | directly, ms | through the manager, ms | more, ms | aim |\n| --- | --- | --- | --- | --- |")
    print("\n".join(rows))


def _row(instance: ModelInstance, value: Value, rounds: int) -> str:
    echo, x = Echo(), value.value
    ways: dict[str, Callable[[], object]] = {
        "directly": (lambda: echo.call("__call__", (x,), {})) if value.both_ways else (lambda: echo.measure(x)),
        "instance": (lambda: instance(x)) if value.both_ways else (lambda: instance.call("measure", x)),
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    for call in ways.values():
        call()
    for _ in range(rounds * value.calls):
        for way in random.sample(list(ways), len(ways)):
            began = time.perf_counter()
            ways[way]()
            took[way].append((time.perf_counter() - began) * 1e3)
    gc.collect()
    direct, through = (statistics.median(took[way]) for way in ways)
    aim = "" if value.aim is None else f"{value.aim:g}"
    return f"| {value.name} | {direct:.3f} | {through:.3f} | {through - direct:.3f} | {aim} |"


if __name__ == "__main__":
    main(3)
