"""One download against a hub and a network that misbehave. Real HTTP; waits are shortened, tries are not."""

from __future__ import annotations

import itertools
import random
import threading
import time
from pathlib import Path

import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, DemoHub
from rmm_widgets.downloads.cache import find_snapshot, partial_bytes
from rmm_widgets.downloads.spec import FetchProgress
from rmm_widgets.errors import (
    DownloadError,
    DownloadStalledError,
    DownloadTimeoutError,
    HubUnavailableError,
    IntegrityError,
)

from .fetching import MIB, REPO, assert_intact, blobs, content, run, spec

pytestmark = pytest.mark.usefixtures("no_leaks", "quick_retries")
FILE = "model.safetensors"
SIZE = 300_000


@pytest.fixture
def model(no_leaks: None, empty_hub: DemoHub) -> DemoHub:
    empty_hub.add(REPO, {FILE: content(SIZE), "config.json": b"{}"})
    return empty_hub


def assert_nothing_wrong_in_place(cache: Path) -> None:
    """Whatever has its final name has the right bytes; the file that failed has none."""
    assert find_snapshot(cache, REPO, None) is None
    assert all(name == "9e26dfeeb6e641a33dae4961196235bdb965b21b" for name in blobs(cache) if ".rmm" not in name)


PASSING = [
    pytest.param(Fault(path=FILE, status=503, times=3), id="503"),
    pytest.param(Fault(path=FILE, status=429, retry_after=0.2, times=2), id="429"),
    pytest.param(Fault(path="/api/*", status=502, times=3), id="api-502"),
    pytest.param(Fault(path="/api/*", cut_after=20, times=2), id="api-cut"),
    pytest.param(Fault(path=FILE, cut_after=50_000, times=3), id="cut"),
    pytest.param(Fault(path=FILE, reset_after=50_000, times=3), id="reset"),
    pytest.param(Fault(path=FILE, reset_after=0, times=3), id="reset-at-once"),
    pytest.param(Fault(path=FILE, truncate_to=1000, content_length="original", times=2), id="short-body"),
    pytest.param(Fault(path=FILE, truncate_to=1000, times=2), id="short-length"),
    pytest.param(Fault(path=FILE, extra_bytes=5000, times=2), id="long-length"),
    pytest.param(Fault(path=FILE, extra_bytes=5000, content_length="original"), id="long-body"),
    pytest.param(Fault(path=FILE, content_length="absent"), id="no-length"),
    pytest.param(Fault(path=FILE, content_length="absent", truncate_to=7000, times=2), id="no-length-short"),
    pytest.param(Fault(path=FILE, origin="cdn", status=403, times=1), id="expired-address"),
    pytest.param(Fault(path=FILE, gzip=True, times=2), id="packed"),
    pytest.param(Fault(path=FILE, flip_at=12_345, times=1), id="flip-once"),
    pytest.param(Fault(path=FILE, body=b"<html>log in</html>", times=2), id="html"),
]


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_survived(model: DemoHub, cache: Path, fault: Fault) -> None:
    injected = model.inject(fault)
    run(spec(model, cache))
    assert injected.used
    assert_intact(cache)


HOST = r"127\.0\.0\.1:\d+"
HUB_FILE = {"path": FILE, "origin": "hub"}
LASTING = {
    "503": (Fault(path=FILE, status=503), HubUnavailableError, rf"{HOST} answered HTTP 503 \(6 tries\)"),
    "api-500": (Fault(path="/api/*", status=500), HubUnavailableError, rf"{HOST} answered HTTP 500"),
    "hopeless": (
        Fault(path=FILE, status=429, retry_after=3600),
        HubUnavailableError,
        r"429 \(1 try, which asks to wait 3600 s",
    ),
    "cdn-403": (Fault(path=FILE, origin="cdn", status=403), HubUnavailableError, rf"{HOST} refused the address"),
    "404": (Fault(**HUB_FILE, status=404, error_code="EntryNotFound"), HubUnavailableError, "404"),
    "416": (Fault(path=FILE, origin="cdn", status=416), HubUnavailableError, "416"),
    "flip": (Fault(path=FILE, flip_at=12_345), IntegrityError, "bytes differ"),
    "short": (Fault(path=FILE, truncate_to=1000), IntegrityError, "1000 bytes of .* instead of 300000"),
    "packed": (Fault(path=FILE, gzip=True), IntegrityError, "packed"),
    "captive-portal": (Fault(path="/api/*", body=b"<html>log in</html>"), HubUnavailableError, "description"),
    "loop": (Fault(**HUB_FILE, redirect_loop=True), HubUnavailableError, "more than 10 times"),
    "file-url": (Fault(**HUB_FILE, redirect="file:///etc/passwd"), HubUnavailableError, "refused"),
    "login-url": (Fault(**HUB_FILE, redirect="http://u:p@127.0.0.1/"), HubUnavailableError, "password"),
}


@pytest.mark.parametrize(("fault", "error", "text"), LASTING.values(), ids=LASTING)
def test_what_lasts_ends_in_a_clear_error_and_no_wrong_file(
    model: DemoHub, cache: Path, fault: Fault, error: type[DownloadError], text: str
) -> None:
    model.inject(fault)
    with pytest.raises(error, match=text) as caught:
        run(spec(model, cache, token=MEMBER_TOKEN))
    told = f"{caught.value} {caught.value.hint}"
    assert caught.value.hint
    assert MEMBER_TOKEN not in told
    assert "Signature" not in told
    assert_nothing_wrong_in_place(cache)


def test_D16_no_more_than_six_tries_of_a_file(model: DemoHub, cache: Path) -> None:
    injected = model.inject(Fault(path=FILE, status=500))
    with pytest.raises(HubUnavailableError):
        run(spec(model, cache))
    assert injected.used == 6


def test_D3_flipped_bytes_are_refused_at_every_position(empty_hub: DemoHub, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    files = {f"{n}.safetensors": content(2000, n) for n in range(100)}
    empty_hub.add(REPO, files)
    injected = [empty_hub.inject(Fault(path=name, flip_at=chance.randrange(2000))) for name in files]
    with pytest.raises(IntegrityError):
        run(spec(empty_hub, tmp_path / "refused"))
    kept = blobs(tmp_path / "refused")
    assert kept
    assert all(name.endswith(".rmm-bad") for name in kept), "in quarantine, not in the store"
    assert_nothing_wrong_in_place(tmp_path / "refused")
    empty_hub.clear_faults()
    injected = [empty_hub.inject(Fault(path=name, flip_at=chance.randrange(2000), times=1)) for name in files]
    run(spec(empty_hub, tmp_path / "repaired"))
    assert all(each.used == 1 for each in injected), "each file was fetched a second time"
    assert_intact(tmp_path / "repaired")


@pytest.mark.parametrize(
    "kind", ["poisoned", "overlong", "foreign sidecar", "truncated", "no sidecar", "hostile sidecar"]
)
def test_D4_a_false_partial_never_reaches_the_store(model: DemoHub, cache: Path, kind: str) -> None:
    model.inject(Fault(path=FILE, cut_after=200_000, times=1))
    model.inject(Fault(path=FILE, origin="cdn", status=503))
    with pytest.raises(HubUnavailableError):
        run(spec(model, cache))
    assert partial_bytes(cache, REPO) == 200_000
    part = next((cache / "models--rmm-demo--model" / "blobs").glob("*.rmm-part"))
    sidecar = part.with_name(f"{part.name}.json")
    match kind:
        case "poisoned":
            part.write_bytes(bytes(200_000))
        case "overlong":
            part.write_bytes(part.read_bytes() + bytes(500_000))
        case "foreign sidecar":
            sidecar.write_text(f'{{"v":1,"size":{SIZE},"digest":"{"0" * 64}","have":[[0,{SIZE}]]}}')
        case "truncated":
            part.write_bytes(b"")
        case "no sidecar":
            sidecar.unlink()
        case _:
            sidecar.write_text(f'{{"v":1,"size":{SIZE},"digest":"{part.stem}","have":[[-9,9],[5,1],[0,1e99]]}}')
    model.clear_faults()
    run(spec(model, cache))
    assert_intact(cache)


def test_D11_cuts_everywhere_cost_no_byte_twice(empty_hub: DemoHub, cache: Path) -> None:
    """A hundred stretches between random cuts, each fetched by one request."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    size = 3 * MIB
    empty_hub.add(REPO, {FILE: content(size)})
    points = sorted(random.Random(seed).sample(range(1, size), 99))
    for start, end in itertools.pairwise([0, *points]):
        empty_hub.inject(Fault(path=FILE, origin="cdn", cut_after=end - start, times=1))
    result = run(spec(empty_hub, cache))
    assert result.fetched_bytes == size
    assert empty_hub.count(origin="cdn", path=FILE) <= 100
    assert_intact(cache)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path=FILE, ignore_range=True),
        Fault(path=FILE, shift_range=1000),
        Fault(path=FILE, method="GET", origin="cdn", status=416, times=1),
    ],
    ids=["200", "wrong-range", "416"],
)
def test_D12_a_server_without_ranges_is_read_from_the_start(model: DemoHub, tmp_path: Path, fault: Fault) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    for number in range(20):
        model.clear_faults()
        model.inject(Fault(path=FILE, origin="cdn", cut_after=chance.randrange(1, SIZE - 2000), times=1))
        model.inject(fault)
        cache = tmp_path / str(number)
        run(spec(model, cache))
        assert_intact(cache)
        assert [r.range for r in model.requests if r.origin == "cdn"][-1] is None


@pytest.mark.parametrize("fault", [Fault(path=FILE, ignore_range=True), Fault(path=FILE, shift_range=1000)])
def test_D12_large_files_too(empty_hub: DemoHub, cache: Path, fault: Fault) -> None:
    empty_hub.add(REPO, {FILE: content(70 * MIB)})
    empty_hub.inject(fault)
    run(spec(empty_hub, cache))
    assert_intact(cache)


def test_D13_content_that_changes_midway_is_refetched_from_one_commit(model: DemoHub, cache: Path) -> None:
    model.inject(Fault(path=FILE, origin="cdn", cut_after=100_000, times=1))
    model.inject(Fault(path=FILE, origin="cdn", flip_at=250_000, times=1))
    model.update(REPO, {"new.txt": b"later"})
    commit = model.commit(REPO)
    assert run(spec(model, cache)).commit == commit
    assert_intact(cache)
    assert all(commit in r.path for r in model.requests if r.file)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path=FILE, stall_after=0),
        Fault(path=FILE, rate=50),
        Fault(path="/api/*", latency=60),
    ],
    ids=["silent", "trickle", "silent-api"],
)
def test_D15_silence_ends_in_time(model: DemoHub, cache: Path, fault: Fault) -> None:
    model.inject(Fault(path=FILE, origin="cdn", stall_after=100_000, times=1))
    model.inject(fault)
    began = time.monotonic()
    with pytest.raises(DownloadStalledError):
        run(spec(model, cache, stall_timeout=1.0))
    assert 0.9 < time.monotonic() - began < 15
    model.clear_faults()
    assert_nothing_wrong_in_place(cache)


def test_a_connection_that_stalls_is_replaced(model: DemoHub, cache: Path) -> None:
    model.inject(Fault(path=FILE, origin="cdn", stall_after=100_000, times=1))
    run(spec(model, cache, stall_timeout=4.0))
    assert_intact(cache)


def test_a_deadline_counts_for_the_whole_download(model: DemoHub, cache: Path) -> None:
    model.rate = 50_000
    began = time.monotonic()
    with pytest.raises(DownloadTimeoutError, match=r"within 0\.7 s"):
        run(spec(model, cache, deadline=0.7))
    assert time.monotonic() - began < 15
    model.rate = None
    run(spec(model, cache))
    assert_intact(cache)


def test_a_description_without_end_is_refused(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add(REPO, {FILE: b"x"})
    empty_hub.inject(Fault(path="/api/*", extra_bytes=1 << 40, content_length="absent"))
    with pytest.raises(HubUnavailableError, match="more than 32 MiB"):
        run(spec(empty_hub, cache))


def test_S11_a_hub_that_redirects_its_api_elsewhere_does_not_pass_the_token_on(empty_hub: DemoHub, cache: Path) -> None:
    with DemoHub() as other:
        other.add(REPO, {FILE: b"stolen"})
        empty_hub.inject(Fault(path="/api/*", redirect=f"{other.url}/api/models/{REPO}/revision/main?blobs=true"))
        empty_hub.add(REPO, {FILE: b"own"})
        with pytest.raises(DownloadError):
            run(spec(empty_hub, cache, token=MEMBER_TOKEN))
        assert [request.authorized for request in other.requests] == [False]


def test_files_that_others_fetch_are_waited_for(model: DemoHub, cache: Path) -> None:
    import hashlib

    from rmm_widgets.downloads.layout import CacheLayout

    lock = CacheLayout(cache, REPO).lock(hashlib.sha256(content(SIZE)).hexdigest())
    assert lock is not None
    records: list[FetchProgress] = []
    threading.Timer(1.0, lock.release).start()
    run(spec(model, cache, stall_timeout=0.5), records)
    assert "waiting_for_other" in [record.phase for record in records]
    assert_intact(cache)


def test_D23_progress_of_a_bumpy_download(empty_hub: DemoHub, cache: Path) -> None:
    size = 3 * MIB
    empty_hub.add(REPO, {FILE: content(size), "config.json": b"{}"})
    empty_hub.rate = 2 * MIB
    empty_hub.inject(Fault(path=FILE, reset_after=MIB, times=2))
    empty_hub.inject(Fault(path=FILE, flip_at=5, times=1))
    times: list[float] = []
    records: list[FetchProgress] = []

    def note(record: FetchProgress) -> None:
        times.append(time.monotonic())
        records.append(record)

    from rmm_widgets.downloads.fetcher.transfer import Transfer

    Transfer(spec(empty_hub, cache), note).run()
    shown = [record.downloaded_bytes for record in records]
    assert shown == sorted(shown)
    assert records[-1].phase == "done"
    assert shown[-1] == records[-1].total_bytes == size + 2
    assert {record.total_bytes for record in records if record.phase != "resolving"} == {size + 2}
    assert all(later - earlier > 0.95 for earlier, later in zip(times, times[10:], strict=False)), (
        "ten a second at most"
    )
    assert any(record.bytes_per_second > 0 and record.eta is not None for record in records)
