"""Runs the measurements that are named, or all of them."""

from __future__ import annotations

import argparse

from . import (
    calls,
    completion,
    download,
    imports,
    latency,
    load_lateness,
    loading,
    main_job,
    memory,
    progress,
    side_panel,
    table,
)

MEASUREMENTS = {
    "imports": imports.main,
    "main-job": main_job.main,
    "download": download.main,
    "loading": loading.main,
    "calls": calls.main,
    "responsiveness": load_lateness.main,
    "memory": memory.main,
    "table": table.main,
    "progress": progress.main,
    "latency": latency.main,
    "side-panel": side_panel.main,
    "completion": completion.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASUREMENTS, []], help="which ones; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.names or MEASUREMENTS:
        print(f"## {name}", flush=True)
        MEASUREMENTS[name](arguments.rounds)


if __name__ == "__main__":
    main()
