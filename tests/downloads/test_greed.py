"""Servers that give too little, too much or nothing at all: the fetch process neither waits for ever nor swells."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.fetcher.connection import MAX_REDIRECTS
from rmm_widgets.downloads.spec import FetchSpec
from rmm_widgets.errors import DownloadError, DownloadStalledError, HubUnavailableError, IntegrityError

from .fetching import MIB, REPO, assert_intact, content, fetch_client, spec

FILE = "model.safetensors"
SIZE = 200_000
MUCH = 300 * MIB


class Case(NamedTuple):
    """What the server does, and what comes of it."""

    fault: Fault
    error: type[DownloadError] | None
    says: str = ""
    requests: int = 6


PACE = 4.0 * MIB
"""Bytes per second: slow enough to see when the server is left."""
CASES = {
    "1 byte/s": Case(Fault(path=FILE, rate=1.0), DownloadStalledError, "Next to no bytes|too slowly"),
    "silent": Case(Fault(path=FILE, stall_after=0), DownloadStalledError, "Next to no bytes|no answer in time"),
    "silent before the head": Case(Fault(path=FILE, latency=600), DownloadStalledError, "bytes|no answer in time"),
    "redirects without end": Case(
        Fault(path=FILE, origin="hub", redirect_loop=True),
        HubUnavailableError,
        "more than 10 times",
        MAX_REDIRECTS + 1,
    ),
    "packed": Case(Fault(path=FILE, extra_bytes=MUCH, gzip=True), IntegrityError, "packed, which was not asked for"),
    "packed description": Case(
        Fault(path="/api/*", extra_bytes=MUCH, gzip=True), HubUnavailableError, "did not answer with", 0
    ),
    "longer than declared": Case(
        Fault(path=FILE, extra_bytes=MUCH, content_length="original", rate=PACE), None, requests=1
    ),
    "longer, of no declared length": Case(
        Fault(path=FILE, extra_bytes=MUCH, content_length="absent", rate=PACE), None, requests=1
    ),
    "declared longer": Case(Fault(path=FILE, extra_bytes=MUCH, rate=PACE), IntegrityError, "bytes of .* instead of"),
    "description without end": Case(
        Fault(path="/api/*", extra_bytes=1 << 40, content_length="absent"), HubUnavailableError, "more than 32 MiB", 0
    ),
}


def peak_memory(pid: int) -> int:
    """Bytes: the most that a process ever had."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in {"packed", "declared longer"} else []) for name in CASES],
)
def test_D15_a_bad_server_costs_little(no_leaks: None, empty_hub: DemoHub, tmp_path: Path, name: str) -> None:
    asyncio.run(_download(empty_hub, tmp_path, CASES[name]))


async def _download(empty_hub: DemoHub, tmp_path: Path, case: Case) -> None:
    empty_hub.add(REPO, {FILE: content(SIZE)})
    async with fetch_client() as client:
        # What a usual download takes comes first: the rest is what the fault costs.
        await client.fetch(spec(empty_hub, tmp_path / "usual"), lambda _: None)
        assert client.pid is not None
        before = peak_memory(client.pid)
        empty_hub.reset_log()
        empty_hub.inject(case.fault)
        wanted, began = spec(empty_hub, tmp_path / "cache", stall_timeout=1.0), time.monotonic()
        if case.error is None:
            assert (await client.fetch(wanted, lambda _: None)).fetched_bytes == SIZE
            assert_intact(tmp_path / "cache")
        else:
            with pytest.raises(case.error, match=case.says):
                await client.fetch(wanted, lambda _: None)
        assert time.monotonic() - began < 60
        assert peak_memory(client.pid) - before < 64 * MIB
    asked = [r for r in empty_hub.requests if r.file == FILE and r.origin == (case.fault.origin or "cdn")]
    assert len(asked) <= case.requests
    assert all(request.bytes_sent < SIZE + MIB for request in asked if case.fault.rate)


def test_D15_the_limit_is_a_minute_where_nobody_sets_another() -> None:
    assert FetchSpec("id", "a/b", None, "http://127.0.0.1", "/", None).stall_timeout <= 60
