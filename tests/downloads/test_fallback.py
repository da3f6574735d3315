"""Files that plain HTTP does not serve: through huggingface_hub and the real hf_xet, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from huggingface_hub import scan_cache_dir, snapshot_download  # pyright: ignore[reportUnknownVariableType]

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, DemoHub
from rmm_widgets.downloads.client import FetchClient
from rmm_widgets.downloads.deletion import delete_snapshot
from rmm_widgets.downloads.fetcher.fallback import delivery
from rmm_widgets.downloads.fetcher.fallback.process import environment_for
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.spec import PLAIN_HTTP_LIMIT, FetchProgress, FetchSpec
from rmm_widgets.errors import (
    DiskFullError,
    DownloadError,
    DownloadStalledError,
    GatedModelError,
    HubUnavailableError,
    IntegrityError,
)

from .fetching import MIB, REPO, assert_intact, blobs, content, fetch_client, fetch_once, run, spec, unfinished, until
from .test_disk_full import small_disk as small_disk

pytestmark = pytest.mark.usefixtures("no_leaks")
FILE = "model.safetensors"
SIZE = 8 * MIB
NOTE = f"{FILE}: through huggingface_hub (Xet); cannot resume inside this file"
BRIDGE = f"/{REPO}/*/{FILE}"
"""The file at the storage's address for plain HTTP."""


@pytest.fixture
def xet_hub(hub_with_model: DemoHub) -> DemoHub:
    """A hub with one model of 8 MiB that can be had by Xet too."""
    hub_with_model.xet = True
    return hub_with_model


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries, at once after each other."""
    monkeypatch.setattr(delivery, "WAITS", (0.0, 0.0))


def large(hub: DemoHub, cache: Path, limit: int = MIB, **changes: Any) -> FetchSpec:
    """A spec for which the model's file is too large for plain HTTP."""
    return spec(hub, cache, plain_http_limit=limit, **changes)


def children(pid: int | None = None) -> list[psutil.Process]:
    """The processes that run huggingface_hub for this process or another one."""
    found: list[psutil.Process] = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            if any("fallback.child" in part for part in process.cmdline()):
                found.append(process)
    return found


def is_gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def xorbs(hub: DemoHub) -> int:
    return sum(request.path.startswith("/xorbs/") for request in hub.requests)


def plain_bytes(hub: DemoHub) -> int:
    """Bytes of the file that came by plain HTTP."""
    return sum(each.bytes_sent for each in hub.requests if each.path.endswith(f"/{FILE}") and each.status in {200, 206})


def assert_whole(cache: Path) -> None:
    """Right bytes, nothing left over, and huggingface_hub takes it for complete without asking anybody."""
    assert_intact(cache)
    assert not scan_cache_dir(cache).warnings
    folder = Path(snapshot_download(REPO, cache_dir=cache, local_files_only=True))
    assert (folder / FILE).read_bytes() == content(SIZE)


def test_the_limit_is_the_one_of_huggingface_hub() -> None:
    from huggingface_hub import constants

    assert constants.MAX_HTTP_DOWNLOAD_SIZE == PLAIN_HTTP_LIMIT


def test_a_file_too_large_for_plain_http_comes_by_xet(xet_hub: DemoHub, cache: Path) -> None:
    records: list[FetchProgress] = []
    xet_hub.rate = 8 * MIB
    result = asyncio.run(fetch_once(large(xet_hub, cache), records.append))
    assert result.total_bytes == SIZE + 2
    assert SIZE < result.fetched_bytes < SIZE * 1.01, "the file with its frames, and once"
    assert plain_bytes(xet_hub) == 0
    assert_whole(cache)
    notes = {record.note for record in records}
    assert NOTE in notes
    assert records[-1].phase == "done"
    assert records[-1].note == ""
    assert all(one.downloaded_bytes <= other.downloaded_bytes for one, other in pairwise(records))
    moving = {record.downloaded_bytes for record in records if record.note == NOTE}
    assert len(moving) > 3, "it moves while it comes"
    assert max(moving) < SIZE + 2
    assert sum(request.method == "HEAD" for request in xet_hub.requests) == 1


def test_a_file_below_the_limit_comes_by_plain_http(xet_hub: DemoHub, cache: Path) -> None:
    run(large(xet_hub, cache, limit=SIZE))
    assert plain_bytes(xet_hub) == SIZE
    assert xorbs(xet_hub) == 0


def test_a_large_file_that_xet_does_not_have_comes_by_plain_http(hub_with_model: DemoHub, cache: Path) -> None:
    run(large(hub_with_model, cache))
    assert plain_bytes(hub_with_model) == SIZE
    assert_whole(cache)


@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_a_file_that_the_storage_refuses_for_good_comes_by_xet(xet_hub: DemoHub, cache: Path, status: int) -> None:
    refused = xet_hub.inject(Fault(path=BRIDGE, origin="cdn", status=status))
    records: list[FetchProgress] = []
    run(spec(xet_hub, cache), records)
    assert refused.used >= 3
    assert NOTE in {record.note for record in records}
    assert_whole(cache)


def test_what_the_hub_itself_refuses_and_has_in_xet_comes_by_xet(xet_hub: DemoHub, cache: Path) -> None:
    told = {"X-Xet-Hash": "0" * 64}
    xet_hub.inject(Fault(path=FILE, method="GET", origin="hub", status=400, headers=told))
    run(spec(xet_hub, cache))
    assert plain_bytes(xet_hub) == 0
    assert_whole(cache)


def test_bytes_that_came_before_the_storage_refused_do_not_harm(
    xet_hub: DemoHub, cache: Path, quick_retries: None
) -> None:
    xet_hub.inject(Fault(path=BRIDGE, origin="cdn", cut_after=3 * MIB, times=1))
    xet_hub.inject(Fault(path=BRIDGE, origin="cdn", status=403))
    records: list[FetchProgress] = []
    run(spec(xet_hub, cache), records)
    assert plain_bytes(xet_hub) == 3 * MIB
    assert all(one.downloaded_bytes <= other.downloaded_bytes for one, other in pairwise(records))
    assert_whole(cache)


def test_an_address_that_expired_is_no_reason(xet_hub: DemoHub, cache: Path, quick_retries: None) -> None:
    xet_hub.inject(Fault(path=BRIDGE, origin="cdn", status=403, times=2))
    run(spec(xet_hub, cache))
    assert plain_bytes(xet_hub) == SIZE
    assert xorbs(xet_hub) == 0


def test_a_gated_file_stays_gated(xet_hub: DemoHub, cache: Path) -> None:
    told = {"X-Xet-Hash": "0" * 64, "X-Error-Code": "GatedRepo"}
    xet_hub.inject(Fault(path=FILE, origin="hub", status=403, headers=told))
    with pytest.raises(GatedModelError):
        run(spec(xet_hub, cache))
    assert xorbs(xet_hub) == 0
    with pytest.raises(GatedModelError):
        run(large(xet_hub, cache))


def test_a_storage_that_refuses_what_xet_does_not_have_is_told_as_ever(
    hub_with_model: DemoHub, cache: Path, quick_retries: None
) -> None:
    hub_with_model.inject(Fault(path=BRIDGE, origin="cdn", status=403))
    with pytest.raises(HubUnavailableError, match="refused the address"):
        run(spec(hub_with_model, cache))


# -- wrong bytes, and failures --------------------------------------------------------------------------


def test_wrong_bytes_are_fetched_once_more(xet_hub: DemoHub, cache: Path) -> None:
    damage = xet_hub.inject(Fault(path="/xorbs/*", flip_at=5000, times=1))
    records: list[FetchProgress] = []
    run(large(xet_hub, cache), records)
    assert damage.used == 1
    assert xorbs(xet_hub) > 2 * (SIZE // (4 * MIB)) - 1, "from the beginning"
    assert all(one.downloaded_bytes <= other.downloaded_bytes for one, other in pairwise(records))
    assert_whole(cache)


def test_bytes_that_stay_wrong_never_get_the_files_place(xet_hub: DemoHub, cache: Path) -> None:
    damage = xet_hub.inject(Fault(path="/xorbs/*", flip_at=5000))
    seen: set[str] = set()

    class Watch(list[FetchProgress]):
        def append(self, record: FetchProgress, /) -> None:
            seen.update(name for name in blobs(cache) if len(name) == 64)

    with pytest.raises(IntegrityError, match=rf"{FILE}: the bytes differ .* twice"):
        run(large(xet_hub, cache), Watch())
    assert damage.used >= 2
    assert seen == set()
    assert [name for name in blobs(cache) if len(name) != 40 and not name.endswith(".rmm-bad")] == []


@pytest.mark.parametrize("etag", ["/tmp/rmm-evil", "../../../evil", "0" * 64])
def test_S8_a_hub_that_names_another_content_writes_nowhere(xet_hub: DemoHub, cache: Path, etag: str) -> None:
    xet_hub.inject(Fault(path=FILE, method="HEAD", headers={"X-Linked-Etag": f'"{etag}"'}))
    with pytest.raises(IntegrityError, match="describes"):
        run(large(xet_hub, cache))
    assert xorbs(xet_hub) == 0
    assert not Path("/tmp/rmm-evil").exists()
    assert list(cache.parent.glob("evil*")) == []


def test_a_storage_that_fails_is_tried_again_and_then_told(xet_hub: DemoHub, cache: Path, no_waits: None) -> None:
    failing = xet_hub.inject(Fault(path="/v1/reconstructions/*", status=404))
    with pytest.raises(HubUnavailableError, match="Xet storage failed") as caught:
        run(large(xet_hub, cache))
    assert failing.used == 3
    assert "from its beginning" in caught.value.hint
    assert "Signature" not in str(caught.value)
    xet_hub.clear_faults()
    run(large(xet_hub, cache))
    assert_whole(cache)


def test_without_the_xet_library_it_says_what_to_do(
    xet_hub: DemoHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with pytest.raises(DownloadError, match="only be fetched by the Xet protocol") as caught:
        run(large(xet_hub, cache))
    assert "HF_HUB_DISABLE_XET" in caught.value.hint


def test_D15_a_storage_that_goes_silent_is_a_stall(xet_hub: DemoHub, cache: Path) -> None:
    xet_hub.inject(Fault(path="/xorbs/*", stall_after=1000))
    with pytest.raises(DownloadStalledError):
        run(large(xet_hub, cache, stall_timeout=8.0))
    assert xorbs(xet_hub) > 0
    assert children() == []
    assert not list(CacheLayout(cache, REPO).blobs.glob("*.rmm-hub"))


def test_D6_space_for_the_whole_file_is_asked_first(xet_hub: DemoHub, small_disk: Path) -> None:
    xet_hub.add(REPO, {FILE: content(9 * MIB)})
    with pytest.raises(DiskFullError, match=r"needs 9\.4 MB, has 8\.4 MB"):
        run(large(xet_hub, small_disk / "cache"))
    assert xorbs(xet_hub) == 0


def test_D7_a_disk_that_fills_up_meanwhile(xet_hub: DemoHub, small_disk: Path, no_waits: None) -> None:
    xet_hub.add(REPO, {FILE: content(6 * MIB)})
    cache, ballast = small_disk / "cache", small_disk / "ballast"
    xet_hub.inject(Fault(path="/xorbs/*", latency=0.5))

    def fill() -> None:
        while not (stopped.is_set() or ballast.exists()):
            if xorbs(xet_hub):
                ballast.write_bytes(bytes(4 * MIB))
            stopped.wait(0.01)

    stopped = threading.Event()
    filler = threading.Thread(target=fill)
    filler.start()
    try:
        with pytest.raises(DiskFullError, match="too full"):
            run(large(xet_hub, cache))
    finally:
        stopped.set()
        filler.join()
    assert not list(CacheLayout(cache, REPO).blobs.glob("*.rmm-hub"))
    ballast.unlink()
    run(large(xet_hub, cache))
    assert_intact(cache)


# -- cancel and deaths ----------------------------------------------------------------------------------


async def begin(
    hub: DemoHub, client: FetchClient, wanted: FetchSpec, records: list[FetchProgress]
) -> asyncio.Task[object]:
    """A fetch that has got something by Xet and gets no more until the faults are cleared."""
    hub.inject(Fault(path="/xorbs/*", stall_after=2 * MIB))
    task: asyncio.Task[object] = asyncio.create_task(client.fetch(wanted, records.append))
    await until(lambda: any(record.downloaded_bytes > 2 and record.note == NOTE for record in records))
    return task


def test_D18_cancel_ends_the_child_at_once(xet_hub: DemoHub, cache: Path) -> None:
    async def main() -> None:
        async with fetch_client() as client:
            task = await begin(xet_hub, client, large(xet_hub, cache), [])
            (child,) = children(client.pid)
            pid = client.pid
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert client.pid == pid, "the fetch process let go in time, it did not have to be killed"
            await until(lambda: is_gone(child), 1.0)
            await until(lambda: not list(CacheLayout(cache, REPO).blobs.glob("*.rmm-hub")))
            assert children(client.pid) == []
            assert not scan_cache_dir(cache).warnings
            xet_hub.clear_faults()
            await client.fetch(large(xet_hub, cache), lambda _: None)

    asyncio.run(main())
    assert_whole(cache)


def test_D1_a_killed_child_is_started_again(xet_hub: DemoHub, cache: Path) -> None:
    records: list[FetchProgress] = []

    async def main() -> None:
        async with fetch_client() as client:
            task = await begin(xet_hub, client, large(xet_hub, cache), records)
            pid, (child,), came = client.pid, children(client.pid), xorbs(xet_hub)
            assert not scan_cache_dir(cache).warnings, "what is half there disturbs nobody"
            xet_hub.clear_faults()
            child.kill()
            await task
            assert client.pid == pid
            assert xorbs(xet_hub) >= came + 2, "from the beginning"

    asyncio.run(main())
    assert all(one.downloaded_bytes <= other.downloaded_bytes for one, other in pairwise(records))
    assert_whole(cache)


def test_a_child_that_is_always_killed_is_told(xet_hub: DemoHub, cache: Path, no_waits: None) -> None:
    stopped = threading.Event()
    xet_hub.rate = 4 * MIB
    killed: set[int] = set()

    def kill() -> None:
        while not stopped.wait(0.02):
            for child in children():
                with suppress(psutil.Error):
                    child.kill()
                    killed.add(child.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(DownloadError, match=r"was killed \(signal 9\), 3 times") as caught:
            run(large(xet_hub, cache))
    finally:
        stopped.set()
        killer.join()
    assert "memory" in caught.value.hint
    assert len(killed) == 3


def test_D1_the_child_dies_with_the_fetch_process(xet_hub: DemoHub, cache: Path) -> None:
    async def main() -> psutil.Process:
        async with fetch_client() as client:
            task = await begin(xet_hub, client, large(xet_hub, cache), [])
            (child,) = children(client.pid)
            assert client.pid is not None
            os.kill(client.pid, signal.SIGKILL)
            task.cancel()
            await asyncio.wait([task])
            await until(lambda: is_gone(child))
            return child

    asyncio.run(main())
    left = [name for name in unfinished(cache) if name.endswith(".rmm-hub")]
    assert len(left) == 1
    assert not scan_cache_dir(cache).warnings
    xet_hub.clear_faults()
    # By plain HTTP: any run of the repository cleans up, not only one that comes to the same file.
    asyncio.run(fetch_once(spec(xet_hub, cache)))
    assert_whole(cache)


def test_D1_a_fetch_outlives_its_process(xet_hub: DemoHub, cache: Path) -> None:
    records: list[FetchProgress] = []

    async def main() -> None:
        async with fetch_client() as client:
            task = await begin(xet_hub, client, large(xet_hub, cache), records)
            assert client.pid is not None
            xet_hub.clear_faults()
            os.kill(client.pid, signal.SIGKILL)
            await task

    asyncio.run(main())
    assert all(one.downloaded_bytes <= other.downloaded_bytes for one, other in pairwise(records))
    assert_whole(cache)


@pytest.mark.slow
def test_D18_D1_cancels_and_kills_at_any_moment(xet_hub: DemoHub, cache: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    xet_hub.rate = 6 * MIB

    async def main() -> None:
        async with fetch_client() as client:
            for _ in range(12):
                task = asyncio.create_task(client.fetch(large(xet_hub, cache), lambda _: None))
                await until(lambda: client.pid is not None)
                await asyncio.sleep(chance.random() * 1.5)
                found = children(client.pid) if client.pid else []
                match chance.choice(["cancel", "kill the child", "kill the fetcher"]):
                    case "kill the child" if found:
                        found[0].kill()
                    case "kill the fetcher" if client.pid:
                        os.kill(client.pid, signal.SIGKILL)
                    case _:
                        pass
                task.cancel()
                await asyncio.wait([task])
                await until(lambda found=found: all(map(is_gone, found)))
                layout = CacheLayout(cache, REPO)
                assert all(layout.blob(n).read_bytes() == content(SIZE) for n in blobs(cache) if len(n) == 64)
            xet_hub.rate = None
            await client.fetch(large(xet_hub, cache), lambda _: None)

    asyncio.run(main())
    assert_whole(cache)


# -- secrets and memory ---------------------------------------------------------------------------------


def contains(folder: Path, *secrets: str) -> list[str]:
    """Files under a folder that hold one of these."""
    found: list[str] = []
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
                found.append(str(path))
    return found


def test_S10_the_token_is_nowhere(
    xet_hub: DemoHub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", MEMBER_TOKEN)
    xet_hub.add(REPO, {FILE: content(SIZE), "config.json": b"{}"}, private=True)
    log = tmp_path / "fetcher.log"

    async def main() -> None:
        client = FetchClient(log_path=log)
        try:
            task = await begin(xet_hub, client, large(xet_hub, cache, token=MEMBER_TOKEN), [])
            (child,) = children(client.pid)
            assert MEMBER_TOKEN not in repr(child.cmdline()) + repr(child.environ())
            assert contains(tmp_path, MEMBER_TOKEN, "Signature=") == []
            xet_hub.clear_faults()
            child.kill()
            await task
        finally:
            await client.aclose()

    asyncio.run(main())
    assert contains(tmp_path, MEMBER_TOKEN, "Signature=") == []
    heads = [request for request in xet_hub.requests if request.method == "HEAD"]
    assert all(request.authorized for request in heads)
    assert not any(request.authorized for request in xet_hub.requests if request.path.startswith("/xorbs/"))
    assert not any("telemetry" in request.path or "agent" in request.path for request in xet_hub.requests)
    assert_intact(cache)


def test_S11_without_a_token_none_is_sent(xet_hub: DemoHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", MEMBER_TOKEN)
    run(large(xet_hub, cache))
    assert not any(request.authorized for request in xet_hub.requests if request.origin == "hub")


def test_the_fetch_process_itself_stays_small(xet_hub: DemoHub, cache: Path) -> None:
    async def main() -> None:
        async with fetch_client() as client:
            xet_hub.add(REPO, {FILE: content(64 * MIB), "config.json": b"{}"})
            await client.fetch(large(xet_hub, cache), lambda _: None)
            process = psutil.Process(client.pid)
            assert not [each.path for each in process.memory_maps() if "hf_xet" in each.path]
            peak = (Path("/proc") / str(client.pid) / "status").read_text().partition("VmHWM:")[2].split()[0]
            assert int(peak) < 100 << 10

    asyncio.run(main())


def test_one_child_at_a_time(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.xet = True
    empty_hub.add(REPO, {f"{n}.safetensors": content(3 * MIB, n) for n in range(3)})
    empty_hub.rate = 8 * MIB
    most = 0
    notes: set[str] = set()

    async def main() -> None:
        nonlocal most
        async with fetch_client() as client:
            task = asyncio.create_task(client.fetch(large(empty_hub, cache), lambda record: notes.add(record.note)))
            while not task.done():
                most = max(most, len(children(client.pid)) if client.pid else 0)
                await asyncio.sleep(0.02)
            await task

    asyncio.run(main())
    assert most == 1
    assert_intact(cache)


def test_the_childs_environment(tmp_path: Path) -> None:
    given = {
        "HF_TOKEN": "secret",
        "HF_HUB_OFFLINE": "1",
        "HF_XET_HIGH_PERFORMANCE": "1",
        "REQUESTS_CA_BUNDLE": "/ca.pem",
        "HTTPS_PROXY": "http://proxy:3128",
        "HF_HUB_DISABLE_XET": "1",
    }
    made = environment_for(tmp_path, given)
    assert not {"HF_TOKEN", "HF_HUB_OFFLINE", "HF_XET_HIGH_PERFORMANCE"} & set(made)
    assert made["SSL_CERT_FILE"] == "/ca.pem"
    assert made["HTTPS_PROXY"] == "http://proxy:3128"
    assert made["HF_HUB_DISABLE_XET"] == "1"
    assert made["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert made["HF_XET_CACHE"].startswith(str(tmp_path))
    assert made["HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_LIMIT"] == "256mb"


def test_deleting_a_model_takes_what_killed_processes_left(xet_hub: DemoHub, cache: Path) -> None:
    result = run(large(xet_hub, cache))
    layout = CacheLayout(cache, REPO)
    digest = next(name for name in blobs(cache) if len(name) == 64)
    staging = layout.new_staging(digest)
    (staging / "models--x").mkdir(parents=True)
    with layout.locked(digest):
        layout.remove_leftovers()
        assert staging.exists(), "somebody works in it"
    delete_snapshot(cache, REPO, result.commit)
    assert not layout.root.exists()
