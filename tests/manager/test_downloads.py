"""Downloads as the manager runs them: the queue, cancel and pause, progress, and a hub that misbehaves."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from rmm_widgets.commands.views import progress_text
from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, STRANGER_TOKEN, DemoHub
from rmm_widgets.errors import (
    DownloadCancelledError,
    GatedModelError,
    HubUnavailableError,
    IntegrityError,
    ModelNotAvailableError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook import rows
from rmm_widgets.types import ModelDownloadProgress, ModelStatus

from ..downloads.fetching import MIB, content, wait_until
from .conftest import DIGITS
from .models import info

SIZE = 4 * MIB


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


def add(hub: DemoHub, manager: ModelManager, name: str, size: int = SIZE, seed: int = 1) -> str:
    """A model with one file of so many random bytes, on the hub and registered."""
    hub.add(f"rmm-demo/{name}", {"model.safetensors": content(size, seed)})
    manager.register_model(info(name, repo_id=f"rmm-demo/{name}"))
    return name


def downloading(manager: ModelManager, *names: str) -> Callable[[], bool]:
    """Whether all of these have got bytes."""
    return lambda: all((p := manager.get_download_progress(name)) and p.downloaded_bytes for name in names)


def test_queue_keeps_its_limit_and_its_order(make_manager: Callable[..., ModelManager], hub: DemoHub) -> None:
    manager = make_manager(max_concurrent_downloads=2)
    hub.rate = 4 * MIB
    names = [add(hub, manager, f"model-{n}", MIB, n) for n in range(6)]
    jobs = [manager.download_model(name) for name in names]
    statistics = manager.get_statistics()
    assert (statistics.active_downloads, statistics.queued_downloads) == (2, 4)
    queued = manager.get_download_progress(names[5])
    assert queued is not None
    assert queued.phase == "queued"
    most = 0
    while not all(job.done() for job in jobs):
        most = max(most, manager.get_statistics().active_downloads)
        time.sleep(0.005)
    assert most == 2
    assert all(job.result(0).is_dir() for job in jobs)
    first = [next(r.time for r in hub.requests if name in r.path) for name in names]
    assert all(one <= other + 0.5 for one, other in pairwise(first)), "the third starts when one of two has ended"
    assert sorted(first[:2]) + first[2:] == sorted(first[:2]) + sorted(first[2:])


def test_limits_may_be_changed_while_downloads_run(manager: ModelManager, hub: DemoHub) -> None:
    hub.rate = MIB
    manager.max_concurrent_downloads = 1
    names = [add(hub, manager, f"model-{n}", seed=n) for n in range(4)]
    jobs = [manager.download_model(name) for name in names]
    assert manager.get_statistics().active_downloads == 1
    manager.max_concurrent_downloads = 3
    assert manager.get_statistics().active_downloads == 3
    with pytest.raises(ValueError, match="greater than 0"):
        manager.max_concurrent_downloads = 0
    assert manager.max_concurrent_downloads == 3
    manager.max_concurrent_downloads = 1
    assert manager.get_statistics().active_downloads == 3, "what runs goes on"
    hub.rate = None
    for job in jobs:
        job.result(60)


def test_pause_keeps_the_job_open_and_resume_goes_on(manager: ModelManager, hub: DemoHub) -> None:
    name = add(hub, manager, "model")
    hub.rate = 2 * MIB
    job = manager.download_model(name)
    wait_until(downloading(manager, name))
    assert manager.pause_download(name)
    wait_until(lambda: manager.describe(name).stage.value == "paused")
    assert not job.done()
    paused = job.progress
    assert paused is not None
    assert paused.phase == "paused"
    sent = hub.bytes_sent(path="*")
    time.sleep(0.4)
    assert hub.bytes_sent(path="*") - sent < MIB // 4, "nothing but what was on its way moves while it is paused"
    assert job.progress == paused
    assert not manager.pause_download(name)
    hub.rate = None
    assert manager.resume_download(name) is job
    assert (job.result(60) / "model.safetensors").stat().st_size == SIZE
    assert hub.bytes_sent(path="*") < SIZE + MIB + sent


def test_a_paused_download_gives_its_slot_to_the_next(manager: ModelManager, hub: DemoHub) -> None:
    manager.max_concurrent_downloads = 1
    hub.rate = 2 * MIB
    first, second = add(hub, manager, "first"), add(hub, manager, "second", seed=2)
    held, queued = manager.download_model(first), manager.download_model(second)
    wait_until(downloading(manager, first))
    manager.pause_download(first)
    hub.rate = None
    queued.result(60)
    assert not held.done()
    assert manager.cancel_download(first)
    assert isinstance(held.exception(30), DownloadCancelledError)


def test_a_second_download_joins_the_first(manager: ModelManager, hub: DemoHub) -> None:
    name = add(hub, manager, "model")
    jobs = [manager.download_model(name) for _ in range(5)]
    assert all(job is jobs[0] for job in jobs)
    folder = jobs[0].result(60)
    assert hub.bytes_sent(path="*") < SIZE + MIB
    before = hub.bytes_sent()
    again = manager.download_model(name)
    assert again.done()
    assert again.result(0) == folder
    assert hub.bytes_sent() == before


def test_D23_progress_is_monotone_exact_and_seldom(manager: ModelManager, hub: DemoHub) -> None:
    name = add(hub, manager, "model")
    hub.rate = 4 * MIB
    seen: list[tuple[float, ModelDownloadProgress]] = []
    manager.download_model(name, lambda progress: seen.append((time.monotonic(), progress))).result(60)
    wait_until(lambda: seen[-1:] != [] and seen[-1][1].phase == "done")
    percents = [progress.progress for _, progress in seen]
    done = [progress.downloaded_bytes for _, progress in seen]
    assert percents == sorted(percents)
    assert done == sorted(done)
    assert percents[-1] == 100.0
    assert done[-1] == seen[-1][1].total_bytes == SIZE
    assert seen[-1][1].files_done == seen[-1][1].files_total == 1
    assert max(percents) <= 100.0
    lasted = seen[-1][0] - seen[0][0]
    assert len(seen) <= 10 * lasted + 4
    reported = [event for event in manager.events(name, limit=1000) if event.type == "download_progress"]
    assert len(reported) == len(seen)
    assert manager.get_download_progress(name) == seen[-1][1]


def test_D17_hub_down(manager: ModelManager, digits: str, hub: DemoHub) -> None:
    other = add(hub, manager, "other")
    hub.offline = True
    hub.reset_log()
    assert manager.load_model(digits).result(60).model_id == digits
    manager.unload_model(digits).result(30)
    with pytest.raises(HubUnavailableError) as caught:
        manager.download_model(other).result(60)
    assert caught.value.hint
    assert manager.get_model_status(other) is ModelStatus.ERROR
    assert hub.requests == [], "a model on disk is loaded without a single request"
    manager.enable_auto_download = False
    manager.cancel_download(other)
    with pytest.raises(ModelNotAvailableError):
        manager.load_model(other)
    hub.offline = False
    manager.download_model(other).result(60)


@pytest.mark.parametrize("token", [False, STRANGER_TOKEN])
def test_gated_says_so_before_the_first_byte(
    make_manager: Callable[..., ModelManager], hub: DemoHub, token: str | bool
) -> None:
    manager = make_manager(token=token)
    hub.add("rmm-demo/gated", {"model.safetensors": content(1000)}, gated=True)
    manager.register_model(info("gated", repo_id="rmm-demo/gated"))
    with pytest.raises(GatedModelError) as caught:
        manager.download_model("gated").result(60)
    assert f"{hub.url}/rmm-demo/gated" in f"{caught.value} {caught.value.hint}"
    assert hub.bytes_sent(path="*.safetensors") == 0
    manager.token = MEMBER_TOKEN
    manager.download_model("gated").result(60)


def test_unknown_repository_and_revision(manager: ModelManager) -> None:
    manager.register_model(info("nothing", repo_id="rmm-demo/nothing"))
    manager.register_model(info("old", repo_id="rmm-demo/vit-digits", version="v0"))
    with pytest.raises(RepositoryNotFoundError):
        manager.download_model("nothing").result(60)
    with pytest.raises(RevisionNotFoundError):
        manager.download_model("old").result(60)
    assert manager.get_statistics().failed_downloads == 2


def test_D3_wrong_bytes_are_refused_and_never_loaded(manager: ModelManager, hub: DemoHub) -> None:
    manager.register_model(DIGITS)
    hub.inject(Fault(path="*.onnx", flip_at=1000))
    with pytest.raises(IntegrityError):
        manager.load_model("digits").result(60)
    assert not manager.is_model_available("digits")
    assert manager.get_model_status("digits") is ModelStatus.ERROR
    hub.clear_faults()
    manager.download_model("digits").result(60)
    assert manager.verify_model("digits").result(30).ok


def test_S20_the_first_downloads_commit_is_kept(
    make_manager: Callable[..., ModelManager], hub: DemoHub, tmp_path: Path
) -> None:
    manager = make_manager()
    add(hub, manager, "model")
    first = manager.download_model("model").result(60)
    manager.close()
    hub.update("rmm-demo/model", {"model.safetensors": content(SIZE, 2)})
    shutil.rmtree(tmp_path / "cache")
    later = make_manager()
    assert later.describe("model").commit == first.name
    again = later.download_model("model").result(60)
    assert again == first
    assert (again / "model.safetensors").read_bytes() == content(SIZE)


def test_a_killed_fetcher_is_replaced(manager: ModelManager, hub: DemoHub) -> None:
    name = add(hub, manager, "model")
    hub.rate = 2 * MIB
    seen: list[int] = []
    job = manager.download_model(name, lambda progress: seen.append(progress.downloaded_bytes))
    wait_until(downloading(manager, name))
    client = manager._engine.transfers._client
    assert client is not None
    assert client.pid is not None
    subprocess.run(["kill", "-9", str(client.pid)], check=True)
    hub.rate = None
    assert (job.result(60) / "model.safetensors").read_bytes() == content(SIZE)
    assert seen == sorted(seen)


def test_many_threads_start_and_cancel_one_download(manager: ModelManager, hub: DemoHub) -> None:
    name = add(hub, manager, "model")
    hub.rate = 2 * MIB
    stop = threading.Event()

    def cancel() -> None:
        while not stop.is_set():
            manager.cancel_download(name)

    threads = [threading.Thread(target=cancel) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert isinstance(manager.download_model(name).exception(30), DownloadCancelledError)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    hub.rate = None
    manager.download_model(name).result(60)


def test_a_file_that_comes_by_xet_only_says_so(manager: ModelManager, hub: DemoHub) -> None:
    hub.xet = True
    hub.inject(Fault(path="/rmm-demo/large/*/model.safetensors", origin="cdn", status=400))
    name = add(hub, manager, "large")
    shown: list[ModelDownloadProgress] = []
    manager.download_model(name, progress_callback=shown.append).result(60)
    wait_until(lambda: bool(shown) and shown[-1].status is ModelStatus.DOWNLOADED)
    noted = [record for record in shown if record.note.startswith("model.safetensors: through huggingface_hub (Xet)")]
    assert noted
    assert noted[0].note in progress_text(noted[0])
    assert rows.progress(noted[0]).note == noted[0].note
    assert shown[-1].note == ""
    assert [record.progress for record in shown] == sorted(record.progress for record in shown)
