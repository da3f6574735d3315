"""What a kernel feels of a load: lateness of a timer that is due every millisecond in its event loop."""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys

import msgspec

from .lateness import ticking
from .models import Place, load, open_manager, places

WAYS = ("idle", "process", "kernel")
AIM = 5.0
"""Milliseconds, for the 99th percentile with a worker."""


def main(rounds: int) -> None:
    """Print the table, for the heaviest library there is."""
    with places() as found:
        place = list(found.values())[-1]
        late: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in random.sample(WAYS, len(WAYS)):
                late[way].append(_in_kernel(place, way))
    print(f"\nLateness of a 1 ms timer in the kernel during a load with {place.loader}, ms")
    print("\n| load | p50 | p99 | longest | aim for p99 |\n| --- | --- | --- | --- | --- |")
    names = {"idle": "none", "process": "in a worker", "kernel": "in the kernel"}
    for way, name in names.items():
        figures = " | ".join(f"{statistics.median(each):.2f}" for each in zip(*late[way], strict=True))
        print(f"| {name} | {figures} | {AIM if way == 'process' else ''} |")


def _in_kernel(place: Place, way: str) -> list[float]:
    command = [sys.executable, "-m", "bench.load_lateness", way, msgspec.json.encode(place).decode()]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) * 1e3 for word in done.stdout.split()[-3:]]


async def _kernel(way: str, place: Place) -> None:
    with open_manager(place) as manager:
        async with ticking():
            if way == "idle":
                await asyncio.sleep(2)
            else:
                await asyncio.to_thread(load, manager, place.names[0], place, isolation=way)


if __name__ == "__main__":
    asyncio.run(_kernel(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Place)))
