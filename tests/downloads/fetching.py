"""What the download tests share: making content and specs, and running a transfer or a client."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot
from rmm_widgets.downloads.client import FetchClient
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.spec import FetchProgress, FetchResult, FetchSpec
from rmm_widgets.downloads.verify import verify_snapshot

MIB = 1 << 20
REPO = "rmm-demo/model"


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def spec(hub: DemoHub, cache: Path, repo: str = REPO, **changes: Any) -> FetchSpec:
    fields: dict[str, Any] = {
        "model_id": "my-model",
        "repo_id": repo,
        "revision": None,
        "endpoint": hub.url,
        "cache_dir": str(cache),
        "token": None,
    }
    return FetchSpec(**(fields | changes))


def run(wanted: FetchSpec, records: list[FetchProgress] | None = None) -> FetchResult:
    """One job in this process: all of the fetcher but its pipes."""
    return Transfer(wanted, (records if records is not None else []).append).run()


@contextlib.asynccontextmanager
async def fetch_client() -> AsyncGenerator[FetchClient]:
    client = FetchClient()
    try:
        yield client
    finally:
        await client.aclose()


async def fetch_once(wanted: FetchSpec, on_progress: Callable[[FetchProgress], None] = lambda _: None) -> FetchResult:
    async with fetch_client() as client:
        return await client.fetch(wanted, on_progress)


async def until(condition: Callable[[], bool], timeout: float = 30.0) -> None:
    deadline = asyncio.get_running_loop().time() + timeout
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], bool], timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def blobs(cache: Path, repo: str = REPO) -> list[str]:
    folder = cache / f"models--{repo.replace('/', '--')}" / "blobs"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def unfinished(cache: Path, repo: str = REPO) -> list[str]:
    return [name for name in blobs(cache, repo) if ".rmm" in name]


def assert_intact(cache: Path, repo: str = REPO) -> None:
    snapshot = find_snapshot(cache, repo, None)
    assert snapshot is not None
    assert verify_snapshot(snapshot)[:2] == ((), ())
    assert unfinished(cache, repo) == []
