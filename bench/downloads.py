"""A download of ours beside `snapshot_download` of huggingface_hub: the same hub, the same run, fresh caches."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.client import FetchClient
from rmm_widgets.downloads.spec import FetchSpec

REPOSITORY = "bench/one-large-file"
SIZE = 256 << 20

_PEER = """
import sys
from huggingface_hub import snapshot_download
snapshot_download(sys.argv[1], endpoint=sys.argv[2], cache_dir=sys.argv[3], token=False)
"""


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, DemoHub() as hub:
        source = Path(folder) / "source"
        source.mkdir()
        (source / "model.safetensors").write_bytes(os.urandom(SIZE))
        hub.add(REPOSITORY, source)
        ours: list[float] = []
        peers: list[float] = []
        for round_ in range(rounds):
            ours.append(asyncio.run(_ours(hub.url, Path(folder) / f"ours-{round_}")))
            peers.append(_peer(hub.url, Path(folder) / f"peer-{round_}"))
    middle, peer = statistics.median(ours), statistics.median(peers)
    print(f"{SIZE >> 20} MiB, sha256 checked: {middle:.2f} s; huggingface_hub, unchecked: {peer:.2f} s")
    print(f"ratio {middle / peer:.2f}, both from process start")


async def _ours(url: str, cache: Path) -> float:
    began = time.perf_counter()
    client = FetchClient()
    try:
        spec = FetchSpec("bench", REPOSITORY, None, url, str(cache), None)
        await client.fetch(spec, lambda _progress: None)
    finally:
        await client.aclose()
    return time.perf_counter() - began


def _peer(url: str, cache: Path) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-c", _PEER, REPOSITORY, url, str(cache)]
    subprocess.run(command, check=True, env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"})
    return time.perf_counter() - began
