"""The kernel's memory over many loads and unloads, and how soon a worker's memory is back.

The slope is a straight line through the resident memory after each cycle, without the first ones, in which
modules are imported and pools are filled. "Gone" is from the end of the unload job until the worker's process is.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time

import msgspec
import psutil

from .models import Place, load, open_manager, places

CYCLES = 100
WARM_UP = 20
SLOPE = 0.1
"""MiB a cycle, at most."""
GONE = 100.0
"""Milliseconds, at most."""


def main(rounds: int) -> None:
    """Print the table; each round is 100 cycles in a kernel of its own, three rounds at most."""
    figures: list[list[float]] = []
    with places() as found:
        place = found["onnxruntime"]
        for _ in range(min(rounds, 3)):
            command = [sys.executable, "-m", "bench.memory", msgspec.json.encode(place).decode()]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            figures.append([float(word) for word in done.stdout.split()[-3:]])
    slope, middle, longest = (statistics.median(each) for each in zip(*figures, strict=True))
    print(f"\n| over {CYCLES} loads and unloads | median | aim |\n| --- | --- | --- |")
    print(f"| growth of the kernel's memory, MiB a cycle | {slope:.3f} | {SLOPE} |")
    print(f"| worker gone after the unload job's end, ms, middle one | {middle:.1f} | |")
    print(f"| the slowest of them, ms | {longest:.1f} | {GONE:.0f} |")


def _kernel(place: Place) -> None:
    kernel = psutil.Process()
    resident: list[float] = []
    gone: list[float] = []
    with open_manager(place) as manager:
        for _ in range(CYCLES):
            load(manager, place.names[0], place)
            before = kernel.children(recursive=True)
            worker = max(before, key=lambda process: process.create_time())
            manager.unload_model(place.names[0]).result()
            ended = time.perf_counter()
            while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.001)
            gone.append((time.perf_counter() - ended) * 1e3)
            gc.collect()
            resident.append(kernel.memory_info().rss / (1 << 20))
    slope = statistics.linear_regression(range(CYCLES - WARM_UP), resident[WARM_UP:]).slope
    print(slope, statistics.median(gone), max(gone))


if __name__ == "__main__":
    _kernel(msgspec.json.decode(sys.argv[1], type=Place))
