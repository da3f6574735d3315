"""The kernel's side: cancel, crashes, several jobs, and a process that never outlives its kernel."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from rmm_widgets.demo.faults import Fault
from rmm_widgets.demo.server import MEMBER_TOKEN, DemoHub
from rmm_widgets.downloads.cache import partial_bytes
from rmm_widgets.downloads.client import FetchClient
from rmm_widgets.downloads.spec import FetchProgress
from rmm_widgets.errors import (
    DownloadCancelledError,
    DownloadError,
    HubUnavailableError,
    IntegrityError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .fetching import MIB, REPO, assert_intact, content, fetch_client, fetch_once, spec, until

pytestmark = pytest.mark.usefixtures("no_leaks")
ROOT = Path(__file__).resolve().parents[2]
FILE = "model.safetensors"


def test_a_download_with_progress(hub_with_model: DemoHub, cache: Path) -> None:
    records: list[FetchProgress] = []
    result = asyncio.run(fetch_once(spec(hub_with_model, cache), records.append))
    assert result.fetched_bytes == result.total_bytes == 8 * MIB + 2
    assert records[-1] == FetchProgress("done", 8 * MIB + 2, 8 * MIB + 2, None, 2, 2, 0.0, None)
    assert_intact(cache)


def test_it_works_in_a_loop_of_a_background_thread(hub_with_model: DemoHub, cache: Path) -> None:
    outcome: list[object] = []
    thread = threading.Thread(target=lambda: outcome.append(asyncio.run(fetch_once(spec(hub_with_model, cache)))))
    thread.start()
    thread.join(60)
    assert outcome
    assert_intact(cache)


def test_one_process_serves_several_fetches_and_starts_only_when_needed(empty_hub: DemoHub, cache: Path) -> None:
    repos = [f"rmm-demo/m{n}" for n in range(4)]
    for n, repo in enumerate(repos):
        empty_hub.add(repo, {FILE: content(MIB, n)})

    async def main() -> None:
        async with fetch_client() as client:
            assert client.pid is None
            pids = set[int | None]()
            await asyncio.gather(
                *(client.fetch(spec(empty_hub, cache, repo), lambda _: pids.add(client.pid)) for repo in repos)
            )
            assert pids == {client.pid}
            assert psutil.Process(client.pid).nice() == 10 + os.nice(0)
        assert client.pid is None

    asyncio.run(main())
    for repo in repos:
        assert_intact(cache, repo)


def test_D18_cancel_is_prompt_and_keeps_what_came(hub_with_model: DemoHub, cache: Path) -> None:
    hub_with_model.rate = 8 * MIB

    async def main() -> int:
        async with fetch_client() as client:
            task = asyncio.create_task(client.fetch(spec(hub_with_model, cache), lambda _: None))
            await until(lambda: partial_bytes(cache, REPO) > 2 * MIB)
            pid, began = client.pid, time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 5
            kept = partial_bytes(cache, REPO)
            await asyncio.sleep(0.3)
            assert partial_bytes(cache, REPO) == kept, "nothing is written any more"
            hub_with_model.rate = None
            result = await client.fetch(spec(hub_with_model, cache), lambda _: None)
            assert client.pid == pid, "the process served on"
            assert result.fetched_bytes == 8 * MIB + 2 - kept - 2
            return kept

    assert asyncio.run(main()) > 2 * MIB
    assert_intact(cache)


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.1, 0.25, 0.4])
def test_D18_cancel_at_any_moment_leaves_nothing_behind(hub_with_model: DemoHub, cache: Path, moment: float) -> None:
    hub_with_model.rate = 16 * MIB

    async def main() -> None:
        async with fetch_client() as client:
            task = asyncio.create_task(client.fetch(spec(hub_with_model, cache), lambda _: None))
            await asyncio.sleep(moment)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/api/*", FILE])
def test_cancel_while_the_hub_is_silent(hub_with_model: DemoHub, cache: Path, path: str) -> None:
    hub_with_model.inject(Fault(path=path, latency=60))

    async def main() -> None:
        async with fetch_client() as client:
            task = asyncio.create_task(client.fetch(spec(hub_with_model, cache), lambda _: None))
            await until(lambda: any(path in {"/api/*", r.file} for r in hub_with_model.requests))
            await asyncio.sleep(0.1)
            began, pid = time.monotonic(), client.pid
            task.cancel()
            await asyncio.wait([task])
            assert time.monotonic() - began < 5
            assert client.pid == pid, "it did not have to be killed"

    asyncio.run(main())


def test_a_process_that_does_not_let_go_is_killed_and_the_others_go_on(empty_hub: DemoHub, cache: Path) -> None:
    empty_hub.add("one", {FILE: content(4 * MIB, 1)})
    empty_hub.add("two", {FILE: content(4 * MIB, 2)})
    empty_hub.rate = 4 * MIB
    two = "rmm-demo/two"

    async def main() -> None:
        async with fetch_client() as client:
            first = asyncio.create_task(client.fetch(spec(empty_hub, cache, "rmm-demo/one"), lambda _: None))
            second = asyncio.create_task(client.fetch(spec(empty_hub, cache, two), lambda _: None))
            await until(lambda: partial_bytes(cache, two) > MIB // 2 and partial_bytes(cache, "rmm-demo/one") > 0)
            pid = client.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            first.cancel()
            await asyncio.wait([first])
            assert not psutil.pid_exists(pid)
            empty_hub.rate = None
            await second
            assert client.pid != pid

    asyncio.run(main())
    assert_intact(cache, two)


def test_cancelling_one_fetch_leaves_the_others_alone(empty_hub: DemoHub, cache: Path) -> None:
    for name in ("one", "two"):
        empty_hub.add(name, {FILE: content(3 * MIB, len(name))})
    empty_hub.rate = 6 * MIB

    async def main() -> None:
        async with fetch_client() as client:
            first = asyncio.create_task(client.fetch(spec(empty_hub, cache, "rmm-demo/one"), lambda _: None))
            second = asyncio.create_task(client.fetch(spec(empty_hub, cache, "rmm-demo/two"), lambda _: None))
            await until(lambda: partial_bytes(cache, "rmm-demo/one") > 0)
            first.cancel()
            await asyncio.wait([first])
            assert (await second).fetched_bytes == 3 * MIB

    asyncio.run(main())


def test_two_jobs_for_one_model_fetch_it_once(hub_with_model: DemoHub, cache: Path) -> None:
    async def main() -> None:
        async with fetch_client() as client:
            wanted = spec(hub_with_model, cache)
            results = await asyncio.gather(*(client.fetch(wanted, lambda _: None) for _ in range(3)))
            assert sum(result.fetched_bytes for result in results) == 8 * MIB + 2

    asyncio.run(main())
    assert hub_with_model.bytes_sent(path="*") == 8 * MIB + 2


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"repo_id": "../x"}, RepositoryNotFoundError),
        ({"repo_id": "a/b?x=1"}, RepositoryNotFoundError),
        ({"repo_id": "http://127.0.0.1/x"}, RepositoryNotFoundError),
        ({"repo_id": "a" * 5_000_000}, RepositoryNotFoundError),
        ({"repo_id": "\u0430pple/x"}, RepositoryNotFoundError),
        ({"revision": "../../x"}, RevisionNotFoundError),
        ({"revision": ""}, RevisionNotFoundError),
        ({"endpoint": "file:///etc"}, HubUnavailableError),
        ({"endpoint": "http://u:p@127.0.0.1"}, HubUnavailableError),
        ({"token": "hf_x\r\nX-Evil: 1"}, DownloadError),
        ({"stall_timeout": 0.0}, DownloadError),
        ({"deadline": float("nan")}, DownloadError),
        ({"connections": 0}, DownloadError),
    ],
    ids=lambda value: str(value)[:40],
)
def test_S7_bad_input_is_an_error_and_nothing_happens(
    hub_with_model: DemoHub, cache: Path, changes: dict[str, object], error: type[DownloadError]
) -> None:
    async def main() -> None:
        async with fetch_client() as client:
            with pytest.raises(error) as caught:
                await client.fetch(
                    spec(hub_with_model, cache, **{"repo": REPO, **_as_arguments(changes)}), lambda _: None
                )
            assert caught.value.hint
            assert caught.value.model_id == "my-model"
            assert "hf_x" not in str(caught.value)
            assert client.pid is None

    asyncio.run(main())
    assert hub_with_model.requests == []
    assert not cache.exists()


def _as_arguments(changes: dict[str, object]) -> dict[str, object]:
    return {"repo" if name == "repo_id" else name: value for name, value in changes.items()}


def test_errors_of_the_process_arrive_with_model_and_hint(hub_with_model: DemoHub, cache: Path) -> None:
    hub_with_model.inject(Fault(path=FILE, flip_at=5))
    with pytest.raises(IntegrityError) as caught:
        asyncio.run(fetch_once(spec(hub_with_model, cache)))
    assert caught.value.model_id == "my-model"
    assert caught.value.hint


def test_a_callback_that_fails_harms_nothing(
    hub_with_model: DemoHub, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: FetchProgress) -> None:
        raise RuntimeError("mine")

    asyncio.run(fetch_once(spec(hub_with_model, cache), fail))
    assert "progress callback" in caplog.text
    assert_intact(cache)


def test_closing_ends_running_fetches_and_refuses_new_ones(hub_with_model: DemoHub, cache: Path) -> None:
    hub_with_model.rate = MIB

    async def main() -> None:
        client = FetchClient()
        task = asyncio.create_task(client.fetch(spec(hub_with_model, cache), lambda _: None))
        await until(lambda: partial_bytes(cache, REPO) > 0)
        await client.aclose()
        with pytest.raises(DownloadCancelledError):
            await task
        with pytest.raises(DownloadCancelledError):
            await client.fetch(spec(hub_with_model, cache), lambda _: None)
        await client.aclose()

    asyncio.run(main())


def test_S10_the_token_is_in_neither_arguments_nor_environment(
    hub_with_model: DemoHub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", MEMBER_TOKEN)
    log = tmp_path / "fetcher.log"

    async def main() -> None:
        client = FetchClient(log_path=log)
        try:
            await client.fetch(spec(hub_with_model, cache, token=MEMBER_TOKEN), lambda _: None)
            process = psutil.Process(client.pid)
            assert MEMBER_TOKEN not in repr(process.cmdline()) + repr(process.environ())
        finally:
            await client.aclose()

    asyncio.run(main())
    assert hub_with_model.requests[0].authorized
    assert MEMBER_TOKEN not in log.read_text()


def test_a_file_in_the_working_folder_is_not_taken_for_a_module(
    hub_with_model: DemoHub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('mine')")
    (tmp_path / "msgspec.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    asyncio.run(fetch_once(spec(hub_with_model, cache)))
    assert_intact(cache)
