"""Deaths: of the fetch process at any moment, and of the kernel that started it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import partial_bytes
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.messages import Done, Failed, Start, decode_reply, encode_line
from rmm_widgets.downloads.owners import MACHINE
from rmm_widgets.downloads.sidecar import read_sidecar
from rmm_widgets.errors import DownloadError

from .fetching import MIB, REPO, assert_intact, blobs, content, fetch_client, fetch_once, spec, until, wait_until

pytestmark = pytest.mark.usefixtures("no_leaks")
ROOT = Path(__file__).resolve().parents[2]
FILE = "model.safetensors"


async def _fetch_through_kills(hub: DemoHub, cache: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    shown: list[int] = []

    async with fetch_client() as client:
        task = asyncio.create_task(client.fetch(spec(hub, cache), lambda record: shown.append(record.downloaded_bytes)))
        for _ in range(kills):
            came = partial_bytes(cache, REPO)
            await until(lambda came=came: task.done() or (client.pid is not None and partial_bytes(cache, REPO) > came))
            await asyncio.sleep(chance.random() * 0.2)
            if task.done():
                break
            if (pid := client.pid) is not None:
                os.kill(pid, signal.SIGKILL)
        await task
    assert shown == sorted(shown)


def test_D1_a_fetch_outlives_kills_of_its_process(hub_with_model: DemoHub, cache: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    hub_with_model.rate = 3 * MIB
    asyncio.run(_fetch_through_kills(hub_with_model, cache, kills=5, seed=seed))
    assert_intact(cache)


FILES = {
    FILE: content(6 * MIB),
    "middle.safetensors": content(1_300_000, 2),
    "small.safetensors": content(200_000, 3),
    "config.json": b"{}",
}


def _kill_again_and_again(hub: DemoHub, folder: Path, kills: int, chance: random.Random) -> int:
    """Fetch processes of their own, killed at random moments; gives how many got to their end before."""
    finished, cache = 0, folder / "0"
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-m", "rmm_widgets.downloads.fetcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(encode_line(Start(1, spec(hub, cache))) + b"\n")
        process.stdin.flush()
        first = process.stdout.readline()
        killer = threading.Timer(chance.random() * 0.8, process.kill)
        killer.start()
        replies = [decode_reply(line) for line in (first, *process.stdout) if line.endswith(b"\n")]
        assert not [reply for reply in replies if isinstance(reply, Failed)]
        done = any(isinstance(reply, Done) for reply in replies)
        killer.cancel()
        process.kill()
        process.wait()
        killer.join()
        process.stdin.close()
        process.stdout.close()
        _assert_no_lie(cache)
        if done:
            assert_intact(cache)
            finished, cache = finished + 1, folder / str(finished + 1)
    return finished


def _assert_no_lie(cache: Path) -> None:
    """What has its final name is right, and what a sidecar says is there, is there."""
    layout = CacheLayout(cache, REPO)
    by_digest = {hashlib.sha256(data).hexdigest(): data for data in FILES.values()}
    for name in blobs(cache):
        if len(name) == 64:
            assert hashlib.sha256((layout.blobs / name).read_bytes()).hexdigest() == name
    for digest in layout.partials():
        for path in [path for path in layout.unfinished.paths(digest) if path.name.endswith(".rmm-part")]:
            sidecar = read_sidecar(path, path.with_name(f"{path.name}.json"), digest)
            for start, end in sidecar.have if sidecar else ():
                assert path.read_bytes()[start:end] == by_digest[digest][start:end]


def _many_lanes(hub: DemoHub, folder: Path, kills: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    hub.add(REPO, FILES)
    hub.rate = 12 * MIB
    lanes = 4
    with ThreadPoolExecutor(lanes) as pool:
        work = [
            pool.submit(_kill_again_and_again, hub, folder / f"lane-{lane}", kills // lanes, random.Random(seed + lane))
            for lane in range(lanes)
        ]
    print("finished", [each.result() for each in work])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_D1_two_hundred_kills_at_any_moment(empty_hub: DemoHub, tmp_path: Path) -> None:
    _many_lanes(empty_hub, tmp_path, kills=200)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_D1_two_thousand_kills(empty_hub: DemoHub, tmp_path: Path) -> None:
    _many_lanes(empty_hub, tmp_path, kills=2000)


def test_D2_after_a_kill_only_the_rest_is_fetched(empty_hub: DemoHub, cache: Path) -> None:
    size = 64 * MIB
    empty_hub.add(REPO, {FILE: content(size)})
    empty_hub.rate = 40 * MIB

    async def main() -> tuple[int, int]:
        async with fetch_client() as client:
            task = asyncio.create_task(client.fetch(spec(empty_hub, cache), lambda _: None))
            await until(lambda: partial_bytes(cache, REPO) > size // 2)
            pid = client.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            task.cancel()
            await asyncio.wait([task])
        kept = partial_bytes(cache, REPO)
        empty_hub.rate = None
        return kept, (await fetch_once(spec(empty_hub, cache))).fetched_bytes

    kept, fetched = asyncio.run(main())
    assert kept > size // 2
    assert fetched == size - kept
    assert_intact(cache)


def test_a_process_that_always_dies_is_given_up(
    hub_with_model: DemoHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DownloadError, match=r"died 6 times in a row \(exit code 1\)") as caught:
        asyncio.run(fetch_once(spec(hub_with_model, cache)))
    assert caught.value.model_id == "my-model"


KERNEL = """
    import asyncio, sys
    from rmm_widgets.downloads.client import FetchClient
    from rmm_widgets.downloads.spec import FetchSpec

    async def main():
        client = FetchClient()
        spec = FetchSpec("m", sys.argv[1], None, sys.argv[2], sys.argv[3], None)
        task = asyncio.create_task(client.fetch(spec, lambda _: None))
        while client.pid is None:
            await asyncio.sleep(0.01)
        print(client.pid, flush=True)
        result = await task
        print(result.fetched_bytes, flush=True)
        await client.aclose()

    asyncio.run(main())
"""


def start_kernel(hub: DemoHub, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(KERNEL), REPO, hub.url, str(cache)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def kernels(no_leaks: None) -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for kernel in started:
        kernel.kill()
        kernel.wait()
        assert kernel.stdout is not None
        kernel.stdout.close()


def test_the_process_ends_with_its_kernel(
    hub_with_model: DemoHub, cache: Path, kernels: list[subprocess.Popen[str]]
) -> None:
    hub_with_model.rate = MIB
    kernel = start_kernel(hub_with_model, cache)
    kernels.append(kernel)
    assert kernel.stdout is not None
    fetcher = psutil.Process(int(kernel.stdout.readline()))
    wait_until(lambda: partial_bytes(cache, REPO) > 0)
    kernel.kill()
    kernel.wait()
    wait_until(lambda: not fetcher.is_running() or fetcher.status() == psutil.STATUS_ZOMBIE, timeout=10)


def test_D8_kernels_side_by_side_fetch_every_byte_once(
    hub_with_model: DemoHub, cache: Path, kernels: list[subprocess.Popen[str]]
) -> None:
    hub_with_model.rate = 16 * MIB
    kernels += [start_kernel(hub_with_model, cache) for _ in range(4)]
    fetched = 0
    for kernel in kernels:
        assert kernel.stdout is not None
        kernel.stdout.readline()
        fetched += int(kernel.stdout.readline())
        assert kernel.wait(60) == 0
    assert fetched == 8 * MIB + 2 == hub_with_model.bytes_sent(path="*")
    assert_intact(cache)


def test_D9_a_killed_holder_is_followed_at_once(
    hub_with_model: DemoHub, cache: Path, kernels: list[subprocess.Popen[str]]
) -> None:
    hub_with_model.rate = 4 * MIB
    kernels.append(start_kernel(hub_with_model, cache))
    wait_until(lambda: partial_bytes(cache, REPO) > MIB)
    phases: list[str] = []

    async def main() -> None:
        async with fetch_client() as client:
            wanted = spec(hub_with_model, cache)
            task = asyncio.create_task(client.fetch(wanted, lambda record: phases.append(record.phase)))
            await until(lambda: "waiting_for_other" in phases)
            kernels[0].kill()
            hub_with_model.rate = None
            result = await asyncio.wait_for(task, 30)
            assert result.fetched_bytes < 8 * MIB, "it went on where the other stopped"

    asyncio.run(main())
    assert_intact(cache)


def test_what_dead_processes_left_half_written_is_removed(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add(REPO, {FILE: content(40_000)})
    layout = CacheLayout(cache, REPO)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    running = os.getppid()
    for folder in (layout.blobs, layout.unfinished.working):
        folder.mkdir(parents=True)
        for name in ("x.{}.rmm-tmp", f"{'a' * 64}.{{}}.rmm-part", f"{'b' * 64}.{{}}.rmm-part.json"):
            for tag in (f"1-{MACHINE}-{dead.pid:x}", f"1-{MACHINE}-{running:x}", f"1-{'0' * 16}-{dead.pid:x}"):
                (folder / name.format(tag)).touch()
    asyncio.run(fetch_once(spec(empty_hub, cache)))
    left = [path.name for path in layout.unfinished.working.iterdir()]
    assert len(left) == 6
    assert not [name for name in left if f"{MACHINE}-{dead.pid:x}." in name]
    left = [path.name for path in layout.blobs.glob("*.rmm-tmp")]
    assert len(left) == 2
    assert not [name for name in left if f"{MACHINE}-{dead.pid:x}." in name]
