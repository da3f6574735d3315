"""The main job on the demo models: seconds until loaded from the cache, and this process's memory around it.

The peer of a load in a worker is the same load in the kernel itself.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from rmm_widgets import ModelManager, demo
from rmm_widgets.demo.server import DemoHub


def _resident() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def main(rounds: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        DemoHub(demo.MODELS_DIR) as hub,
        ModelManager(endpoint=hub.url, cache_dir=Path(folder) / "hub", data_dir=Path(folder) / "data") as manager,
    ):
        for model in demo.MODELS:
            manager.register_from_hub(model.repo_id).result()
            manager.download_model(model.model_id).result()
        for isolation in ("process", "kernel"):
            for model in demo.MODELS:
                _measure(manager, model.model_id, isolation, rounds)


def _measure(manager: ModelManager, model_id: str, isolation: str, rounds: int) -> None:
    before = _resident()
    seconds: list[float] = []
    loaded = worker = 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        instance = manager.load_model(model_id, isolation=isolation).result()
        seconds.append(time.perf_counter() - began)
        loaded, worker = _resident(), instance.memory_bytes / 1e6
        manager.unload_model(model_id).result()
    print(
        f"{model_id:14} {isolation:8} load median {statistics.median(seconds):.3f} s   "
        f"kernel {before:.1f} -> {loaded:.1f} -> {_resident():.1f} MB   worker {worker:.1f} MB"
    )
