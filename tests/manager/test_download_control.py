"""Downloads under the user's hand: order, cancel and discard, a kernel's death, many kernels, each file."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.fetcher.partial import SAVE_EVERY
from rmm_widgets.errors import DownloadCancelledError, DownloadError, ModelNotAvailableError, ModelNotRegisteredError
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook.snapshots import take_snapshot
from rmm_widgets.types import ModelStatus

from ..downloads.fetching import MIB, content, unfinished, wait_until
from .models import Barrier, info
from .test_downloads import add, downloading

ROOT = Path(__file__).parents[2]
SIZE = 4 * MIB


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


def begun(manager: ModelManager, hub: DemoHub, name: str = "model", size: int = SIZE) -> str:
    """A model whose download was cancelled midway."""
    add(hub, manager, name, size)
    hub.rate = 2 * MIB
    job = manager.download_model(name)
    wait_until(lambda: (p := manager.get_download_progress(name)) is not None and p.downloaded_bytes > MIB // 2)
    manager.cancel_download(name)
    assert isinstance(job.exception(30), DownloadCancelledError)
    hub.rate = None
    return name


def shown(manager: ModelManager, name: str) -> tuple[str, tuple[str, ...]]:
    row = take_snapshot(manager, "").rows[name]
    return row.stage, row.actions


# Order and limits


def test_a_waiting_download_can_be_moved(make_manager: Callable[..., ModelManager], hub: DemoHub) -> None:
    manager = make_manager(max_concurrent_downloads=1)
    hub.rate = MIB
    names = [add(hub, manager, f"model-{n}", MIB, n) for n in range(5)]
    jobs = {name: manager.download_model(name) for name in names}
    assert [(each.model_id, each.position) for each in manager.get_download_queue()] == list(
        zip(names, [0, 1, 2, 3, 4], strict=True)
    )
    assert manager.move_download("model-4")
    assert manager.move_download("model-1", 10)
    assert not manager.move_download("model-0"), "it runs"
    moved = [event for event in manager.events() if event.data.get("action") == "download_moved"]
    assert [(event.model_id, event.data["position"]) for event in moved] == [("model-4", 1), ("model-1", 4)]
    order = ["model-0", "model-4", "model-2", "model-3", "model-1"]
    assert [each.model_id for each in manager.get_download_queue()] == order
    progress = take_snapshot(manager, "").progress
    assert [progress[name].place for name in order] == [0, 1, 2, 3, 4]
    assert manager.move_download("model-4", 0)
    assert len([e for e in manager.events() if e.data.get("action") == "download_moved"]) == 2, "nothing changed"
    hub.rate = None
    for job in jobs.values():
        job.result(60)
    started = {name: next(r.time for r in hub.requests if name in r.path) for name in names}
    assert sorted(order, key=started.__getitem__) == order
    assert manager.get_download_queue() == []


def test_what_cannot_be_moved_is_refused(manager: ModelManager, hub: DemoHub) -> None:
    name = add(hub, manager, "model")
    assert not manager.move_download(name)
    for position in (-1, True, 1.5):
        with pytest.raises(ValueError, match="whole number"):
            manager.move_download(name, position)  # type: ignore[arg-type]
    with pytest.raises(ModelNotRegisteredError):
        manager.move_download("unknown")


def test_a_lowered_limit_starts_nothing_until_enough_has_ended(manager: ModelManager, hub: DemoHub) -> None:
    manager.max_concurrent_downloads = 3
    hub.rate = MIB
    names = [add(hub, manager, f"model-{n}", 2 * MIB, n) for n in range(5)]
    jobs = [manager.download_model(name) for name in names]
    manager.max_concurrent_downloads = 1
    manager.cancel_download(names[0])
    jobs[0].exception(30)
    assert [each.position for each in manager.get_download_queue()] == [0, 0, 1, 2]
    manager.cancel_download(names[1])
    jobs[1].exception(30)
    assert [each.position for each in manager.get_download_queue()] == [0, 1, 2]
    manager.cancel_download(names[2])
    jobs[2].exception(30)
    assert [(each.model_id, each.position) for each in manager.get_download_queue()] == [(names[3], 0), (names[4], 1)]
    hub.rate = None
    for job in jobs[3:]:
        job.result(60)


# Cancel and discard


@pytest.mark.slow
@pytest.mark.parametrize("times", [60, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_D18_cancel_at_random_moments(
    manager: ModelManager, hub: DemoHub, tmp_path: Path, numbers: random.Random, times: int
) -> None:
    """60 real cancels, a fifth of them discards (200 in a soak). The virtual ones: tests/lifecycle/test_cancels.py."""
    size = 32 * MIB
    name = add(hub, manager, "model", size)
    hub.rate = MIB
    slowest, kept = 0.0, 0
    for turn in range(times):
        job = manager.download_model(name)
        time.sleep(numbers.random() * 0.2)
        discard = turn % 5 == 4
        before = time.monotonic()
        assert manager.cancel_download(name, discard=discard)
        with pytest.raises(DownloadCancelledError):
            job.result(30)
        wait_until(lambda: manager.describe(name).stage.value == "registered")
        slowest = max(slowest, time.monotonic() - before)
        assert manager.get_model_status(name) is ModelStatus.NOT_DOWNLOADED
        found = manager.describe(name).partial_bytes
        assert found == 0 if discard else found >= kept
        assert unfinished(tmp_path / "cache", "rmm-demo/model") == [] or not discard
        assert shown(manager, name)[0] == ("partial" if found else "registered")
        assert not manager.cancel_download(name)
        kept = found
    assert slowest < 1 + 2, "a second, and some for a busy machine"
    hub.rate = None
    hub.reset_log()
    folder = manager.download_model(name).result(60)
    assert (folder / "model.safetensors").read_bytes() == content(size)
    assert hub.bytes_sent(path="*.safetensors") <= size - kept + MIB, "what was fetched is kept"


def test_a_cancel_of_a_download_that_has_just_failed_ends_it(
    make_manager: Callable[..., ModelManager], barrier: Barrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was lost while the missing files were named for the error, and the download was cancelled for ever."""
    manager = make_manager(endpoint="http://127.0.0.1:9")
    manager.register_model(info("model", repo_id="rmm-demo/model"))
    disk = manager._engine.disk
    tell = disk.missing_text

    def tell_late(entry: Any) -> str:
        barrier()
        return tell(entry)

    monkeypatch.setattr(disk, "missing_text", tell_late)
    job = manager.download_model("model")
    assert barrier.reached.wait(60)
    assert manager.cancel_download("model")
    assert isinstance(job.exception(30), DownloadCancelledError)
    assert manager.get_model_status("model") is ModelStatus.NOT_DOWNLOADED


def test_a_cancelled_download_is_shown_with_what_it_keeps(manager: ModelManager, hub: DemoHub) -> None:
    name = begun(manager, hub)
    description = manager.describe(name)
    assert description.partial_bytes > MIB // 2
    assert shown(manager, name) == ("partial", ("download", "discard"))
    progress = take_snapshot(manager, "").progress[name]
    assert (progress.phase, progress.done, progress.total) == ("paused", description.partial_bytes, SIZE)
    assert (progress.rate, progress.eta) == (0, None)
    manager.resume_download(name).result(60)
    assert shown(manager, name) == ("downloaded", ("load",))


def test_a_resumed_download_begins_with_what_is_there(manager: ModelManager, hub: DemoHub) -> None:
    name = begun(manager, hub)
    kept = manager.describe(name).partial_bytes
    hub.rate = MIB
    seen: list[tuple[int, int, float]] = []
    job = manager.download_model(name, lambda p: seen.append((p.downloaded_bytes, p.total_bytes, p.progress)))
    queued = job.progress
    assert queued is not None
    assert (queued.downloaded_bytes, queued.total_bytes) == (kept, SIZE)
    hub.rate = None
    job.result(60)
    assert seen[0][0] >= kept
    assert {total for _, total, _ in seen} == {SIZE}
    assert seen == sorted(seen)


def test_a_failed_download_can_be_resumed_or_discarded(manager: ModelManager, hub: DemoHub) -> None:
    name = add(hub, manager, "model")
    manager.download_timeout = 1.0
    hub.rate = MIB
    assert manager.download_model(name).exception(60) is not None
    assert manager.get_model_status(name) is ModelStatus.ERROR
    assert shown(manager, name) == ("error", ("download", "discard"))
    assert take_snapshot(manager, "").progress[name].done == manager.describe(name).partial_bytes > 0
    assert manager.discard_download(name).result(30) > 0
    assert manager.get_model_status(name) is ModelStatus.NOT_DOWNLOADED
    assert shown(manager, name) == ("registered", ("download",))
    assert manager.get_download_progress(name) is None


@pytest.mark.parametrize("state", ["running", "paused", "cancelled", "restarted"])
def test_D18_discard_frees_the_bytes_in_every_state(
    make_manager: Callable[..., ModelManager], hub: DemoHub, tmp_path: Path, state: str
) -> None:
    manager = make_manager()
    name = begun(manager, hub)
    if state in {"running", "paused"}:
        hub.rate = MIB
        job = manager.download_model(name)
        wait_until(downloading(manager, name))
        if state == "paused":
            manager.pause_download(name)
            wait_until(lambda: manager.describe(name).stage.value == "paused")
    if state == "restarted":
        manager.close()
        manager = make_manager()
    assert manager.cancel_download(name, discard=True)
    freed = manager.discard_download(name)
    assert freed.result(30) > MIB // 2, "the same discard"
    assert manager.describe(name).partial_bytes == 0
    assert unfinished(tmp_path / "cache", "rmm-demo/model") == []
    assert shown(manager, name) == ("registered", ("download",))
    (event,) = [e for e in manager.events(name) if e.data.get("action") == "download_discarded"]
    assert event.data["freed_bytes"] == freed.result()
    if state in {"running", "paused"}:
        error = job.exception(30)
        assert isinstance(error, DownloadCancelledError)
        assert "removed" in error.hint
    assert not manager.cancel_download(name, discard=True)
    assert manager.discard_download(name).result(30) == 0
    hub.rate = None
    folder = manager.download_model(name).result(60)
    assert (folder / "model.safetensors").read_bytes() == content(SIZE)
    assert manager.discard_download(name).result(30) == 0
    assert manager.is_model_available(name)


def test_a_discard_leaves_the_download_of_another_model_alone(manager: ModelManager, hub: DemoHub) -> None:
    one = begun(manager, hub, "one")
    other = begun(manager, hub, "other")
    kept = manager.describe(other).partial_bytes
    assert manager.discard_download(one).result(30) > 0
    assert manager.describe(other).partial_bytes == kept
    hub.reset_log()
    manager.download_model(other).result(60)
    assert hub.bytes_sent(path="*.safetensors") <= SIZE - kept + MIB


def test_deleting_a_model_frees_what_its_download_left(manager: ModelManager, hub: DemoHub, tmp_path: Path) -> None:
    name = begun(manager, hub)
    kept = manager.describe(name).partial_bytes
    assert manager.delete_model(name, remove_files=True).result(30) >= kept
    assert unfinished(tmp_path / "cache", "rmm-demo/model") == []


# Loading what is not there


@pytest.mark.parametrize("state", ["absent", "partial", "paused"])
def test_enable_auto_download_decides_about_what_is_not_there(manager: ModelManager, hub: DemoHub, state: str) -> None:
    name = add(hub, manager, "model") if state == "absent" else begun(manager, hub)
    if state == "paused":
        hub.rate = MIB
        manager.download_model(name)
        wait_until(downloading(manager, name))
        manager.pause_download(name)
        wait_until(lambda: manager.describe(name).stage.value == "paused")
    hub.rate = None
    before = (manager.describe(name).stage, manager.describe(name).partial_bytes)
    manager.enable_auto_download = False
    with pytest.raises(ModelNotAvailableError) as caught:
        manager.load_model(name)
    assert caught.value.hint
    assert (manager.describe(name).stage, manager.describe(name).partial_bytes) == before
    manager.enable_auto_download = True
    hub.reset_log()
    manager.load_model(name).exception(60)  # random bytes: no loader wants them
    assert manager.is_model_available(name)
    sent = hub.bytes_sent(path="*.safetensors")
    assert sent == SIZE if state == "absent" else 0 < sent < SIZE


# Kernels that die


KERNEL = """
import json, sys
from rmm_widgets import ModelManager
manager = ModelManager(endpoint=sys.argv[1], cache_dir=sys.argv[2], data_dir=sys.argv[3], token=False)
found, progress = manager.describe("model"), manager.get_download_progress("model")
print(json.dumps({
    "stage": found.stage_word,
    "status": found.status,
    "kept": found.partial_bytes,
    "shown": progress and [progress.phase, progress.downloaded_bytes, progress.total_bytes],
    "active": manager.get_statistics().active_downloads,
}), flush=True)
if len(sys.argv) > 4:
    lines = []
    def tell(progress):
        if progress.phase == "downloading" and not lines:
            lines.append(print("downloading", flush=True))
    manager.download_model("model", tell).result()
    print(manager.verify_model("model").result().ok, flush=True)
"""


@contextmanager
def kernel(hub: DemoHub, folder: Path, *, resume: bool = True) -> Iterator[subprocess.Popen[str]]:
    """A process with a manager; killed at the end of the block, and its fetch process has ended then."""
    arguments = [hub.url, str(folder / "cache"), str(folder / "data"), *(["resume"] if resume else [])]
    process = subprocess.Popen([sys.executable, "-c", KERNEL, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        yield process
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        process.wait()
    _, left = psutil.wait_procs(children, timeout=10)
    assert left == [], "the fetch process ends with its kernel"


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the kernel died"
    return line


def last_line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.read().splitlines()[-1]


def bytes_in(folder: Path) -> int:
    """What the sidecars say, and the finished files: counted without the package."""
    root = folder / "cache" / "models--rmm-demo--model"
    blobs = root / "blobs"
    if not blobs.exists():
        return 0
    sidecars: list[dict[str, Any]] = []
    for path in [*root.glob("blobs/*.rmm-part.json"), *root.glob("partials/*.rmm-part.json")]:
        with contextlib.suppress(FileNotFoundError):  # it is replaced, or its file finished, at this moment
            sidecars.append(json.loads(path.read_bytes()))
    whole = [path.stat().st_size for path in blobs.iterdir() if "." not in path.name]
    return sum(end - start for each in sidecars for start, end in each["have"]) + sum(whole)


def kill_again_and_again(hub: DemoHub, folder: Path, times: int, seed: int) -> int:
    """Let kernels download and kill each at a random moment; returns how many found a part of it."""
    numbers, partial = random.Random(seed), 0
    for _ in range(times):
        kept = bytes_in(folder)
        with kernel(hub, folder) as process:
            found = json.loads(line_of(process))
            assert found["kept"] == kept, f"seed {seed}"
            assert found["stage"] == ("partial" if kept else "registered"), f"seed {seed}"
            assert (found["status"], found["active"]) == ("not_downloaded", 0)
            assert found["shown"] == (["paused", kept, 24 * MIB + 1000] if kept else None)
            partial += kept > 0
            if numbers.random() < 0.8:
                line_of(process)  # its fetch process takes a while to start
            time.sleep(numbers.random() * 0.3)
    return partial


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_D20_a_killed_kernel_leaves_a_partial_that_the_next_one_shows_and_resumes(
    make_manager: Callable[..., ModelManager], hub: DemoHub, tmp_path: Path, numbers: random.Random
) -> None:
    """50 kernels, killed at random moments after their start, two at a time on folders of their own."""
    hub.add("rmm-demo/model", {"model.safetensors": content(24 * MIB), "config.json": content(1000, 2)})
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        manager = make_manager(cache_dir=folder / "cache", data_dir=folder / "data")
        manager.register_model(info("model", repo_id="rmm-demo/model"))
        manager.close()
    hub.rate = MIB
    seeds = [numbers.randrange(1 << 30) for _ in folders]
    with ThreadPoolExecutor(2) as pool:
        partial = sum(pool.map(lambda at: kill_again_and_again(hub, folders[at], 25, seeds[at]), range(2)))
    assert partial > 25, "most kernels were killed in a download"
    hub.rate = None
    for folder in folders:
        kept = bytes_in(folder)
        hub.reset_log()
        with kernel(hub, folder) as process:
            assert json.loads(line_of(process))["kept"] == kept
            assert last_line_of(process) == "True"
        assert hub.bytes_sent(path="*.safetensors") <= 24 * MIB + 1000 - kept + SAVE_EVERY
        with kernel(hub, folder, resume=False) as process:
            found = json.loads(line_of(process))
        assert (found["stage"], found["kept"], found["shown"]) == ("downloaded", 0, None)


# Many kernels


def test_another_kernels_download_is_waited_for_and_shown(manager: ModelManager, hub: DemoHub, tmp_path: Path) -> None:
    size = 12 * MIB
    name = add(hub, manager, "model", size)
    hub.rate = MIB
    seen: list[tuple[str, int]] = []
    with kernel(hub, tmp_path) as other:
        line_of(other)
        wait_until(lambda: bytes_in(tmp_path) > MIB)
        job = manager.download_model(name, lambda p: seen.append((p.phase, p.downloaded_bytes)))
        waiting = lambda: [done for phase, done in list(seen) if phase == "waiting_for_other"]  # noqa: E731
        wait_until(lambda: len(set(waiting())) > 2)
        files = manager.get_download_files(name).result(30)
        assert [each.state for each in files] == ["waiting_for_other"]
        row = take_snapshot(manager, "")
        assert row.progress[name].phase == "waiting_for_other"
        hub.rate = None
        assert last_line_of(other) == "True"
        folder = job.result(60)
    assert waiting() == sorted(waiting())
    assert waiting()[-1] > waiting()[0] >= MIB, "the other's bytes are counted"
    assert (folder / "model.safetensors").read_bytes() == content(size)
    assert hub.bytes_sent(path="*.safetensors") < size + MIB, "fetched once"


def test_what_another_kernel_fetches_cannot_be_discarded(manager: ModelManager, hub: DemoHub, tmp_path: Path) -> None:
    name = add(hub, manager, "model", 8 * MIB)
    hub.rate = MIB
    with kernel(hub, tmp_path) as other:
        line_of(other)
        wait_until(lambda: bytes_in(tmp_path) > MIB)
        error = manager.discard_download(name).exception(30)
        assert isinstance(error, DownloadError)
        assert error.model_id == name
        assert "being downloaded" in error.message
        assert manager.get_model_status(name) is ModelStatus.NOT_DOWNLOADED
        hub.rate = None
        assert last_line_of(other) == "True"


# Each file


def test_the_files_of_a_download_are_told_while_it_runs_and_at_rest(manager: ModelManager, hub: DemoHub) -> None:
    hub.add("rmm-demo/model", {"model.safetensors": content(SIZE), "config.json": content(1000, 2)})
    manager.register_model(info("model", repo_id="rmm-demo/model"))

    def files() -> dict[str, tuple[str, int]]:
        return {
            each.path: (each.state, each.downloaded_bytes) for each in manager.get_download_files("model").result(30)
        }

    assert files() == {}
    hub.rate = MIB
    manager.download_model("model")
    wait_until(lambda: files().get("model.safetensors", ("", 0))[1] > MIB // 4)
    running = manager.get_download_files("model").result(30)
    assert [each.path for each in running] == ["config.json", "model.safetensors"]
    assert running[1].state == "downloading"
    assert running[1].connections > 0
    manager.pause_download("model")
    wait_until(lambda: manager.describe("model").stage.value == "paused")
    state, kept = files()["model.safetensors"]
    assert state == "waiting"
    assert kept >= running[1].downloaded_bytes
    hub.rate = None
    manager.resume_download("model").result(60)
    assert files() == {"config.json": ("done", 1000), "model.safetensors": ("done", SIZE)}
    with pytest.raises(ModelNotRegisteredError):
        manager.get_download_files("unknown")
