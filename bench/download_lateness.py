"""What a kernel feels of a download, and how much a cancel or a kill costs.

The kernel is a process with an asyncio loop in which a timer is due every millisecond while eight models
are downloaded; how late it comes is the figure. huggingface_hub does the same in a thread of that process,
as a notebook would do it.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rmm_widgets.demo.log import LoggedRequest
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import partial_bytes
from rmm_widgets.downloads.client import FetchClient
from rmm_widgets.downloads.spec import FetchSpec

REPOSITORY = "bench/model"
MODELS = 8
SIZE = 128 << 20
RATE = 160 << 20
"""Bytes per second of the whole line: a fast one, not the loopback's memory speed."""

_KERNEL = """
import asyncio, sys
from bench.lateness import ticking
how, endpoint, cache = sys.argv[1:]
names = [f"bench/model-{n}" for n in range(MODELS)]

async def download():
    if how == "idle":
        await asyncio.sleep(3)
    elif how == "ours":
        from rmm_widgets.downloads.client import FetchClient
        from rmm_widgets.downloads.spec import FetchSpec
        client = FetchClient()
        specs = [FetchSpec(name, name, None, endpoint, cache, None) for name in names]
        await asyncio.gather(*(client.fetch(spec, lambda progress: None) for spec in specs))
        await client.aclose()
    else:
        from huggingface_hub import snapshot_download
        def one(name):
            snapshot_download(name, endpoint=endpoint, cache_dir=cache, token=False)
        await asyncio.gather(*(asyncio.to_thread(one, name) for name in names))

async def main():
    import huggingface_hub.hf_api
    async with ticking():
        await download()

asyncio.run(main())
"""


def main(rounds: int) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory(prefix="rmm-bench-") as name:
        folder = Path(name)
        _lateness(folder, rounds)
        _cancel_and_kill(folder, rounds)


def _lateness(folder: Path, rounds: int) -> None:
    hub = subprocess.Popen(
        [sys.executable, "-m", "bench.download_lateness", "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert hub.stdin is not None
    assert hub.stdout is not None
    endpoint = hub.stdout.readline().strip()
    figures: dict[str, list[list[float]]] = {"idle": [], "ours": [], "huggingface_hub in a thread": []}
    for round_ in range(rounds):
        for how, found in figures.items():
            code = _KERNEL.replace("MODELS", str(MODELS))
            command = [sys.executable, "-c", code, how, endpoint, str(folder / f"{how}-{round_}")]
            quiet = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
            found.append([float(word) * 1e3 for word in done.stdout.split()])
    hub.stdin.close()
    hub.wait()
    hub.stdout.close()
    print(f"\nLateness of a 1 ms timer in the kernel during {MODELS} downloads, ms")
    print("\n| download | p50 | p99 (at most 5) | longest |\n| --- | --- | --- | --- |")
    for how, found in figures.items():
        print(f"| {how} | " + " | ".join(f"{_median(each):.2f}" for each in zip(*found, strict=True)) + " |")


def _cancel_and_kill(folder: Path, rounds: int) -> None:
    with DemoHub() as hub:
        source = folder / "source.safetensors"
        source.write_bytes(os.urandom(SIZE))
        hub.add(REPOSITORY, {"model.safetensors": source})
        hub.rate = RATE
        cancels = [asyncio.run(_cancel(hub, folder / f"cancel-{round_}")) for round_ in range(rounds)]
        kills = [asyncio.run(_kill(hub, folder / f"kill-{round_}")) for round_ in range(5 * rounds)]
    print("\n| what | median | worst |\n| --- | --- | --- |")
    print(
        f"| cancel until the last byte is read (at most 100 ms) | {_median(cancels):.0f} ms | {max(cancels):.0f} ms |"
    )
    mib = [fetched / ranges / (1 << 20) for fetched, ranges in kills]
    print(f"| kill -9: fetched again (at most 1 MiB a range) | {_median(mib):.2f} MiB | {max(mib):.2f} MiB |")


async def _cancel(hub: DemoHub, cache: Path) -> float:
    """Milliseconds from a cancel until its download has let go of everything."""
    client = FetchClient()
    try:
        task = asyncio.create_task(client.fetch(_spec(hub, cache), lambda _progress: None))
        await _until_half(cache)
        began = time.perf_counter()
        task.cancel()
        await asyncio.wait([task])
        return (time.perf_counter() - began) * 1e3
    finally:
        await client.aclose()


async def _kill(hub: DemoHub, cache: Path) -> tuple[int, int]:
    """Bytes that a kill -9 cost although they were in the file, and how many ranges ran.

    What lay in the system's socket buffers never came to the client and is not counted.
    """
    hub.reset_log()
    client = FetchClient()
    try:
        task = asyncio.create_task(client.fetch(_spec(hub, cache), lambda _progress: None))
        await _until_half(cache)
        await asyncio.sleep(random.uniform(0, 0.2))  # a record has just been written: any moment after that
        assert client.pid is not None
        written = _kill_and_look(client.pid, cache)
        ranges = sum(_is_unfinished(request) for request in hub.requests)
        hub.reset_log()
        await task
    finally:
        await client.aclose()
    return hub.bytes_sent(path="*.safetensors") - (SIZE - written), ranges


def _kill_and_look(pid: int, cache: Path) -> int:
    """Kill a fetch process; returns the bytes that its partial holds, before a second process goes on with it."""
    os.kill(pid, signal.SIGKILL)
    with suppress(FileNotFoundError, ProcessLookupError):  # it may be reaped meanwhile
        while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z":
            pass
    return sum(_data(path) for path in cache.rglob("partials/*.rmm-part"))


def _data(path: Path) -> int:
    """Bytes of a sparse file that are not in a hole."""
    found = end = 0
    with path.open("rb") as file, suppress(OSError):  # the last hole
        while True:
            start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found += end - start
    return found


def _is_unfinished(request: LoggedRequest) -> bool:
    if request.origin != "cdn" or request.range is None:
        return False
    first, _, last = request.range.removeprefix("bytes=").partition("-")
    return request.bytes_sent <= int(last) - int(first)


def _spec(hub: DemoHub, cache: Path) -> FetchSpec:
    return FetchSpec("m", REPOSITORY, None, hub.url, str(cache), None)


async def _until_half(cache: Path) -> None:
    while partial_bytes(cache, REPOSITORY) < SIZE // 2:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.002)


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _serve() -> None:
    """The hub of the lateness measurement, in a process of its own, until its input ends."""
    with tempfile.TemporaryDirectory(prefix="rmm-bench-") as name, DemoHub() as hub:
        source = Path(name) / "source"
        source.write_bytes(os.urandom(SIZE))
        for number in range(MODELS):
            hub.add(f"bench/model-{number}", {"model.safetensors": source})
        hub.rate = RATE
        print(hub.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve() if sys.argv[1:] == ["serve"] else main(3)
