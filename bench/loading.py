"""Load times through the manager beside the same library called directly in a fresh process.

Each round runs in random order: the direct call, as a whole process from its start until the model has answered
once; and a fresh kernel whose manager loads a first and then a second model of the kind, each from the request
until the model has answered its first probe. Files are on disk and verified before.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time

import msgspec

from .bytecode import compile_package
from .models import CASES, Case, Place, load, open_manager, places

AIMS = {"first": 1.05, "second": 0.25}


def main(rounds: int) -> None:
    """Print the table."""
    compile_package()
    with places() as found:
        rows = [row for case in CASES if case.loader in found for row in _rows(case, found[case.loader], rounds)]
    print("\n| library | load | median | of the direct call | aim |\n| --- | --- | --- | --- | --- |")
    print("\n".join(rows))


def _rows(case: Case, place: Place, rounds: int) -> list[str]:
    seconds: dict[str, list[float]] = {"direct": [], "first": [], "second": []}
    for _ in range(rounds):
        for how in random.sample(("direct", "kernel"), 2):
            if how == "direct":
                seconds["direct"].append(_direct(case, place))
            else:
                first, second = _in_kernel(place)
                seconds["first"].append(first)
                seconds["second"].append(second)
    middle = {how: statistics.median(each) for how, each in seconds.items()}
    return [f"| {case.loader} | directly, in a fresh process | {middle['direct']:.2f} s | 1 | |"] + [
        f"| | {how} of its kind, through the manager | {middle[how]:.2f} s | {middle[how] / middle['direct']:.2f} "
        f"| {aim} |"
        for how, aim in AIMS.items()
    ]


def _direct(case: Case, place: Place) -> float:
    began = time.perf_counter()
    code = case.direct.format(folder=place.folder)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - began


def _in_kernel(place: Place) -> tuple[float, float]:
    command = [sys.executable, "-m", "bench.loading", msgspec.json.encode(place).decode()]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    first, second = map(float, done.stdout.split()[-2:])
    return first, second


def _kernel(place: Place) -> None:
    """A kernel that loads one model after the other, and both stay."""
    seconds: list[float] = []
    with open_manager(place) as manager:
        for name in place.names:
            began = time.perf_counter()
            load(manager, name, place)
            seconds.append(time.perf_counter() - began)
        print(*seconds)


if __name__ == "__main__":
    _kernel(msgspec.json.decode(sys.argv[1], type=Place))
