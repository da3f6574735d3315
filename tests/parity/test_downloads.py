"""Downloads: progress, joining, the queue, failures, cancelling, and what "downloaded" means."""

from __future__ import annotations

import logging
import math
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rmm_widgets import (
    DownloadCancelledError,
    DownloadError,
    DownloadTimeoutError,
    Job,
    ModelDownloadProgress,
    ModelManager,
    ModelNotRegisteredError,
    ModelStatus,
)

from .custom import TIMEOUT, Gate, Scripted, add, last, story

Make = Callable[..., ModelManager]


def held(manager: ModelManager, model_id: str = "m") -> tuple[Scripted, Gate]:
    """A model whose download waits at a gate, after its first report."""
    model = add(manager, model_id)
    gate = model.gates["download"] = Gate()
    return model, gate


def test_kept_progress_never_falls_and_ends_with_downloaded_and_100(manager: ModelManager) -> None:
    add(manager)
    seen: list[ModelDownloadProgress] = []
    manager.download_model("m", seen.append).result(TIMEOUT)
    percents = [progress.progress for progress in seen]
    assert percents == sorted(percents)
    end = seen[-1]
    assert (end.status, end.progress, end.current_file, end.error) == (ModelStatus.DOWNLOADED, 100.0, None, None)
    assert end.estimated_time_remaining == 0
    assert manager.get_download_progress("m") == end


def test_kept_progress_of_a_real_download_never_falls_and_ends_with_downloaded_and_100(
    hub_manager: ModelManager,
) -> None:
    info = hub_manager.register_from_hub("rmm-demo/vit-digits").result(TIMEOUT)
    seen: list[ModelDownloadProgress] = []
    folder = hub_manager.download_model("vit-digits", seen.append).result(TIMEOUT)
    percents = [progress.progress for progress in seen]
    assert percents == sorted(percents)
    end = seen[-1]
    assert (end.status, end.progress, end.current_file) == (ModelStatus.DOWNLOADED, 100.0, None)
    assert end.downloaded_bytes == end.total_bytes == info.total_size_estimate
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) == end.total_bytes


def test_kept_an_unknown_id_is_not_registered_and_leaves_no_record(manager: ModelManager) -> None:
    with pytest.raises(ModelNotRegisteredError, match=r"(?m)^Model x is not registered$") as refused:
        manager.download_model("x")
    assert refused.value.model_id == "x"
    assert refused.value.hint
    assert manager.get_model_status("x") is ModelStatus.NOT_DOWNLOADED
    assert manager.get_download_progress("x") is None


def test_changed_over_the_limit_means_queued_in_order(manager: ModelManager) -> None:
    names = ["a", "b", "c", "d", "e"]
    gates = [held(manager, name)[1] for name in names]
    jobs = [manager.download_model(name) for name in names]
    for gate in gates[:3]:
        gate.wait_until_reached()
    statistics = manager.get_statistics()
    assert (statistics.active_downloads, statistics.queued_downloads) == (3, 2)
    assert [manager.get_model_status(name) for name in names] == [ModelStatus.DOWNLOADING] * 5
    waiting = manager.get_download_progress("d")
    assert waiting is not None
    assert waiting.phase == "queued"
    assert not gates[3].reached
    gates[1].open()
    gates[3].wait_until_reached()
    assert not gates[4].reached, "first come, first served"
    for gate in gates:
        gate.open()
    for job in jobs:
        job.result(TIMEOUT)


def test_kept_a_download_asked_for_twice_runs_once_and_both_callers_finish(manager: ModelManager) -> None:
    model, gate = held(manager)
    jobs = [manager.download_model("m") for _ in range(3)]
    gate.wait_until_reached()
    gate.open()
    results = [job.result(TIMEOUT) for job in jobs]
    assert results == [results[0]] * 3
    assert model.steps.count("download") == 1
    assert story(manager).count(("download_start", "download_started")) == 1


def test_changed_every_caller_of_a_joined_download_gets_progress(manager: ModelManager) -> None:
    _, gate = held(manager)
    seen: tuple[list[ModelDownloadProgress], ...] = ([], [], [])
    first = manager.download_model("m", seen[0].append)
    gate.wait_until_reached()
    others = [manager.download_model("m", one.append) for one in seen[1:]]
    gate.open()
    for job in (first, *others):
        job.result(TIMEOUT)
    assert all(one[-1].progress == 100.0 for one in seen)
    assert all(one[-1].status is ModelStatus.DOWNLOADED for one in seen)


def test_kept_downloading_what_is_downloaded_reports_nothing(manager: ModelManager) -> None:
    add(manager)
    manager.download_model("m").result(TIMEOUT)
    seen: list[ModelDownloadProgress] = []
    before = story(manager)
    manager.download_model("m", seen.append).result(TIMEOUT)
    assert seen == []
    assert story(manager) == before


def test_kept_a_slot_is_free_again_after_a_download_ended(manager: ModelManager) -> None:
    manager.max_concurrent_downloads = 1
    add(manager, "bad").fails["download"] = RuntimeError("no")
    add(manager, "good")
    bad, good = manager.download_model("bad"), manager.download_model("good")
    assert isinstance(bad.exception(TIMEOUT), DownloadError)
    good.result(TIMEOUT)
    assert manager.get_statistics().active_downloads == 0


def test_kept_a_retry_after_a_failure_works_and_clears_the_error(manager: ModelManager) -> None:
    model = add(manager)
    model.fails["download"] = RuntimeError("no such bytes")
    with pytest.raises(DownloadError, match="no such bytes"):
        manager.download_model("m").result(TIMEOUT)
    model.fails.clear()
    manager.download_model("m").result(TIMEOUT)
    progress = manager.get_download_progress("m")
    assert progress is not None
    assert (progress.status, progress.error) == (ModelStatus.DOWNLOADED, None)
    assert manager.describe("m").error == ""


def test_changed_a_failed_download_reads_error_until_retried(manager: ModelManager) -> None:
    model = add(manager)
    model.fails["download"] = RuntimeError("no such bytes")
    assert manager.download_model("m").exception(TIMEOUT) is not None
    assert manager.get_model_status("m") is ModelStatus.ERROR
    progress = manager.get_download_progress("m")
    assert progress is not None
    assert progress.status is ModelStatus.ERROR
    assert progress.error is not None
    assert "no such bytes" in progress.error
    model.fails.clear()
    gate = model.gates["download"] = Gate()
    job = manager.download_model("m")
    gate.wait_until_reached()
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADING
    gate.open()
    job.result(TIMEOUT)
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADED


def test_changed_a_failed_download_reads_error_until_cleared(manager: ModelManager) -> None:
    add(manager).fails["download"] = RuntimeError("no such bytes")
    assert manager.download_model("m").exception(TIMEOUT) is not None
    assert manager.cancel_download("m") is True
    assert manager.get_model_status("m") is ModelStatus.NOT_DOWNLOADED
    assert manager.get_statistics().failed_downloads == 0


def test_kept_the_error_of_a_download_is_told_with_its_last_report(manager: ModelManager) -> None:
    add(manager).fails["download"] = RuntimeError("no such bytes")
    seen: list[ModelDownloadProgress] = []
    assert manager.download_model("m", seen.append).exception(TIMEOUT) is not None
    assert seen[-1].status is ModelStatus.ERROR
    assert seen[-1].error is not None
    assert "no such bytes" in seen[-1].error


def test_changed_a_throwing_progress_callback_is_reported_and_harms_nothing(
    manager: ModelManager, caplog: pytest.LogCaptureFixture
) -> None:
    add(manager)
    seen: list[ModelDownloadProgress] = []

    def throw(progress: ModelDownloadProgress) -> None:
        raise RuntimeError("a bad callback")

    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        jobs = [manager.download_model("m", throw), manager.download_model("m", seen.append)]
        for job in jobs:
            job.result(TIMEOUT)
    assert "a bad callback" in caplog.text
    assert seen[-1].progress == 100.0
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADED
    assert all(kind != "download_error" for kind, _ in story(manager))


def test_changed_starting_a_download_from_its_own_first_report_joins_it(manager: ModelManager) -> None:
    model, gate = held(manager)
    joined: list[Job[Path]] = []
    called = threading.Event()

    def again(progress: ModelDownloadProgress) -> None:
        if not joined:
            joined.append(manager.download_model("m"))
            called.set()

    job = manager.download_model("m", again)
    gate.wait_until_reached()
    assert called.wait(TIMEOUT)
    gate.open()
    assert joined[0].result(TIMEOUT) == job.result(TIMEOUT)
    assert model.steps.count("download") == 1


def test_changed_cancel_really_cancels(manager: ModelManager) -> None:
    model, gate = held(manager)
    job = manager.download_model("m")
    gate.wait_until_reached()
    assert manager.cancel_download("m") is True
    with pytest.raises(DownloadCancelledError) as raised:
        job.result(TIMEOUT)
    assert job.cancelled()
    assert raised.value.model_id == "m"
    assert manager.get_model_status("m") is ModelStatus.NOT_DOWNLOADED
    assert not model.on_disk
    progress = manager.get_download_progress("m")
    assert progress is not None
    assert progress.error == "Download cancelled"
    assert story(manager)[-1] == ("download_error", "download_cancelled")
    assert last(manager, "download_error")["error"] == "Download cancelled"
    assert manager.get_statistics().active_downloads == 0


def test_changed_a_cancelled_download_can_be_started_again(manager: ModelManager) -> None:
    _, gate = held(manager)
    job = manager.download_model("m")
    gate.wait_until_reached()
    job.cancel()
    following = manager.download_model("m")
    assert isinstance(job.exception(TIMEOUT), DownloadCancelledError)
    gate.open()
    following.result(TIMEOUT)
    assert manager.get_model_status("m") is ModelStatus.DOWNLOADED


def test_changed_a_queued_download_can_be_cancelled(manager: ModelManager) -> None:
    manager.max_concurrent_downloads = 1
    _, gate = held(manager, "running")
    waiting, _ = held(manager, "waiting")
    running_job, waiting_job = manager.download_model("running"), manager.download_model("waiting")
    gate.wait_until_reached()
    assert manager.cancel_download("waiting") is True
    assert isinstance(waiting_job.exception(TIMEOUT), DownloadCancelledError)
    assert waiting.steps == []
    gate.open()
    running_job.result(TIMEOUT)


def test_kept_cancelling_what_does_not_download_does_nothing(manager: ModelManager) -> None:
    add(manager)
    before = story(manager)
    assert manager.cancel_download("m") is False
    assert story(manager) == before


def test_changed_a_download_timeout_ends_the_work(manager: ModelManager) -> None:
    manager.download_timeout = 0.001
    _, gate = held(manager)
    with pytest.raises(DownloadTimeoutError):
        manager.download_model("m").result(TIMEOUT)
    assert manager.get_model_status("m") is ModelStatus.ERROR
    assert manager.get_statistics().active_downloads == 0
    gate.open()
    manager.download_timeout = None
    manager.download_model("m").result(TIMEOUT)


def test_changed_deleting_during_a_download_cancels_it_and_leaves_no_record(manager: ModelManager) -> None:
    _, gate = held(manager)
    job = manager.download_model("m")
    gate.wait_until_reached()
    manager.delete_model("m").result(TIMEOUT)
    assert isinstance(job.exception(TIMEOUT), DownloadCancelledError)
    assert manager.get_all_models() == {}
    assert manager.get_all_download_progress() == {}
    assert manager.get_model_status("m") is ModelStatus.NOT_DOWNLOADED


@pytest.mark.parametrize(
    "reports",
    [
        [(0, 0, None)],
        [(0, 0, "a"), (5, 0, "a")],
        [(50, 10, None), (500, 10, None)],
        [(-5, 10, None), (10, -1, None)],
        [(8, 10, None), (2, 10, None)],
    ],
    ids=["nothing", "no total", "beyond the total", "negative", "backwards"],
)
def test_changed_odd_sizes_give_no_odd_progress(
    manager: ModelManager, reports: list[tuple[int, int, str | None]]
) -> None:
    add(manager).reports = reports
    seen: list[ModelDownloadProgress] = []
    manager.download_model("m", seen.append).result(TIMEOUT)
    percents = [progress.progress for progress in seen]
    assert all(math.isfinite(percent) and 0 <= percent <= 100 for percent in percents)
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert all(progress.downloaded_bytes >= 0 and progress.total_bytes >= 0 for progress in seen)
    remaining = [progress.estimated_time_remaining for progress in seen]
    assert all(seconds is None or (math.isfinite(seconds) and seconds >= 0) for seconds in remaining)


def test_changed_the_time_remaining_is_in_seconds_and_unknown_at_first(manager: ModelManager) -> None:
    _, gate = held(manager)
    seen: list[ModelDownloadProgress] = []
    reported = threading.Event()

    def note(progress: ModelDownloadProgress) -> None:
        seen.append(progress)
        if progress.downloaded_bytes:
            reported.set()

    job = manager.download_model("m", note)
    queued = manager.get_download_progress("m")
    assert queued is not None
    gate.wait_until_reached()
    assert reported.wait(TIMEOUT)
    report = next(progress for progress in seen if progress.downloaded_bytes)
    assert report.start_time is not None
    elapsed = (datetime.now(UTC) - report.start_time).total_seconds()
    assert report.estimated_time_remaining is not None
    # 100 of 300 bytes took at most what has gone by since, so the other 200 take at most twice that.
    assert 0 <= report.estimated_time_remaining <= 2 * elapsed
    gate.open()
    job.result(TIMEOUT)
    assert all(progress.estimated_time_remaining is None for progress in seen if not progress.downloaded_bytes)


def test_changed_downloaded_is_what_is_on_disk(make_manager: Make, hub_url: str) -> None:
    first = make_manager(endpoint=hub_url)
    first.register_from_hub("rmm-demo/vit-digits").result(TIMEOUT)
    assert first.is_model_available("vit-digits") is False
    folder = first.download_model("vit-digits").result(TIMEOUT)
    first.close()

    second = make_manager(endpoint=hub_url)
    assert second.is_model_available("vit-digits") is True
    assert second.get_model_status("vit-digits") is ModelStatus.DOWNLOADED
    assert second.download_model("vit-digits").result(TIMEOUT) == folder
    second.close()

    shutil.rmtree(folder)
    third = make_manager(endpoint=hub_url)
    assert third.is_model_available("vit-digits") is False
    assert third.get_model_status("vit-digits") is ModelStatus.NOT_DOWNLOADED


def test_changed_a_custom_model_is_downloaded_when_it_says_that_it_is_available(manager: ModelManager) -> None:
    add(manager, "here", on_disk=True)
    add(manager, "absent")
    assert manager.get_model_status("here") is ModelStatus.DOWNLOADED
    assert manager.get_model_status("absent") is ModelStatus.NOT_DOWNLOADED


def test_pausing_keeps_the_job_open_until_it_is_resumed(manager: ModelManager) -> None:
    model, gate = held(manager)
    job = manager.download_model("m")
    gate.wait_until_reached()
    assert manager.pause_download("m") is True
    resumed = manager.resume_download("m")
    gate.open()
    assert resumed.result(TIMEOUT) == job.result(TIMEOUT)
    assert model.on_disk
