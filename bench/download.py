"""Downloads beside huggingface_hub and curl: the same server, the same run, fresh caches, whole processes.

Ours checks every hash and writes the Hub cache's layout; huggingface_hub writes the layout and checks sizes;
curl only writes files; dd, which forces zeros to the disk, shows what the disk alone takes. Wall time is from
process start to its end, CPU is user and system time of the process, memory its peak (VmHWM). The clients take
turns in random order; figures are medians.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from rmm_widgets.downloads.messages import Done, Failed, Start, decode_reply, encode_line
from rmm_widgets.downloads.spec import FetchSpec

from .bytecode import compile_package
from .download_lateness import main as download_lateness
from .static_hub import nginx_hub, slow_hub

REPOSITORY = "bench/model"
MIB = 1 << 20


class Run(msgspec.Struct, frozen=True):
    """What one download cost: seconds of wall time and of CPU, MiB of memory at the peak."""

    wall: float
    cpu: float
    memory: float


class Workload(msgspec.Struct, frozen=True):
    """What is downloaded, from which server, and where to.

    Attributes:
        sizes: Bytes of each file.
        rate: nginx's limit for each connection, or empty.
        latency: Seconds before every answer.
        to_disk: Write to the disk instead of to memory (/dev/shm).
        limits: What the issue asks for: the figure, the peer, the most that ours may be of it.
    """

    name: str
    sizes: tuple[int, ...]
    peers: tuple[str, ...]
    limits: tuple[tuple[str, str, float], ...]
    rate: str = ""
    latency: float = 0.0
    to_disk: bool = False


WORKLOADS = (
    Workload(
        "8 x 256 MiB",
        (256 * MIB,) * 8,
        ("hf", "curl"),
        (("wall", "hf", 0.6), ("cpu", "hf", 0.65)),
    ),
    Workload("1 x 1 GiB, to disk", (1024 * MIB,), ("hf", "curl", "dd"), (("wall", "hf", 0.5),), to_disk=True),
    Workload("2,000 x 50 kB", (50_000,) * 2000, ("hf", "curl"), (("wall", "hf", 0.15),)),
    Workload(
        "2,000 x 50 kB, 50 ms a request",
        (50_000,) * 2000,
        ("hf", "hf, 32 workers", "curl"),
        (("wall", "hf", 0.2), ("wall", "hf, 32 workers", 0.5)),
        latency=0.05,
    ),
    Workload(
        "1 x 1 GiB, 20 MiB/s a connection",
        (1024 * MIB,),
        ("hf", "curl"),
        (("wall", "hf", 0.12),),
        rate="20m",
    ),
)

_HUB = """
import sys
from huggingface_hub import snapshot_download
snapshot_download(sys.argv[1], endpoint=sys.argv[2], cache_dir=sys.argv[3], token=False, max_workers=int(sys.argv[4]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def main(rounds: int, only: str = "") -> None:
    compile_package()
    rows: list[str] = []
    for workload in WORKLOADS:
        if only in workload.name:
            rows += _measure(workload, rounds)
    print("\n| workload | client | wall | CPU s/GB | peak MiB | wall, x ours is of it | CPU, x |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))
    if not only or only in "responsiveness":
        download_lateness(rounds)


def _measure(workload: Workload, rounds: int) -> list[str]:
    print(f"{workload.name} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="rmm-bench-") as source:
        files = _make_files(Path(source), workload.sizes)
        hub = (
            slow_hub(REPOSITORY, files, latency=workload.latency)
            if workload.latency
            else nginx_hub(REPOSITORY, files, rate=workload.rate)
        )
        with hub as endpoint:
            clients: dict[str, Callable[[Path], Run]] = {
                "ours": lambda folder: _ours(endpoint, folder),
                "hf": lambda folder: _huggingface_hub(endpoint, folder, 8),
                "hf, 32 workers": lambda folder: _huggingface_hub(endpoint, folder, 32),
                "curl": lambda folder: _curl(endpoint, files, folder),
                "dd": lambda folder: _disk_alone(sum(workload.sizes), folder),
            }
            wanted = ["ours", *workload.peers]
            runs: dict[str, list[Run]] = {name: [] for name in wanted}
            for _ in range(rounds):
                for name in random.sample(wanted, len(wanted)):
                    runs[name].append(_fresh(clients[name], to_disk=workload.to_disk))
    return _rows(workload, {name: _median(each) for name, each in runs.items()})


def _make_files(folder: Path, sizes: tuple[int, ...]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    large = max(sizes) > MIB
    for number, size in enumerate(sizes):
        name = f"model-{number:05d}.safetensors" if large else f"data/{number:05d}.json"
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(size))
        files[name] = path
    return files


def _fresh(client: Callable[[Path], Run], *, to_disk: bool) -> Run:
    memory = Path("/dev/shm")
    parent = None if to_disk or not memory.is_dir() else memory
    folder = Path(tempfile.mkdtemp(prefix="rmm-bench-", dir=parent))
    try:
        os.sync()  # what the former client left to write is not this one's burden
        return client(folder)
    finally:
        shutil.rmtree(folder)


def _ours(endpoint: str, folder: Path) -> Run:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "rmm_widgets.downloads.fetcher"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(encode_line(Start(1, FetchSpec("m", REPOSITORY, None, endpoint, str(folder), None))) + b"\n")
    process.stdin.flush()
    for line in process.stdout:
        match decode_reply(line):
            case Failed(_, _, message, _):
                raise SystemExit(message)
            case Done():
                break
            case _:
                pass
    status = Path(f"/proc/{process.pid}/status").read_text()
    process.stdin.close()
    usage = os.wait4(process.pid, 0)[2]
    process.returncode = 0
    process.stdout.close()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return Run(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, peak / 1024)


def _huggingface_hub(endpoint: str, folder: Path, workers: int) -> Run:
    command = [sys.executable, "-c", _HUB, REPOSITORY, endpoint, str(folder), str(workers)]
    return _whole(command, lambda output: int(output) / 1024)


def _curl(endpoint: str, files: Mapping[str, Path], folder: Path) -> Run:
    status = subprocess.run(
        ["curl", "-fsS", f"{endpoint}/api/models/{REPOSITORY}/revision/main"], capture_output=True, check=True
    )
    commit = msgspec.json.decode(status.stdout)["sha"]
    listing = folder / "list"
    listing.write_text(
        "".join(
            f'url = "{endpoint}/{REPOSITORY}/resolve/{commit}/{name}"\noutput = "{folder / name}"\n' for name in files
        )
    )
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
    command = ["curl", "-fsSZ", "--no-progress-meter", "--parallel-max", "32", "-K", str(listing)]
    return _whole(command, lambda _output: 0.0)


def _disk_alone(size: int, folder: Path) -> Run:
    """The disk's own time for as many bytes that are forced to it, without any download."""
    command = ["dd", "if=/dev/zero", f"of={folder / 'file'}", "bs=1M", f"count={size // MIB}", "conv=fsync"]
    return _whole([*command, "status=none"], lambda _output: 0.0)


def _whole(command: list[str], peak: Callable[[str], float]) -> Run:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **_QUIET})
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    return Run(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, peak(output))


def _median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(getattr(run, name) for run in runs) for name in Run.__struct_fields__))


def _rows(workload: Workload, runs: Mapping[str, Run]) -> list[str]:
    ours, gigabytes = runs["ours"], sum(workload.sizes) / 1e9
    limits = {(figure, peer): most for figure, peer, most in workload.limits}

    def ratio(figure: str, peer: str) -> str:
        value = getattr(ours, figure) / getattr(runs[peer], figure)
        most = limits.get((figure, peer))
        return f"{value:.2f}" + (f" (at most {most:g})" if most else "")

    return [
        f"| {workload.name} | {name} | {run.wall:.2f} s | {run.cpu / gigabytes:.2f} | "
        + (f"{run.memory:.0f}" if run.memory else "")
        + " | "
        + (" | " if name == "ours" else f"{ratio('wall', name)} | {ratio('cpu', name)}")
        + " |"
        for name, run in runs.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a workload's name")
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.only)
