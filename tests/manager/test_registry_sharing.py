"""The registry across kernels: restarts, two at once, damage, and a kill in the middle of a registration."""

from __future__ import annotations

import asyncio
import logging
import random
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import ModelAlreadyRegisteredError
from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime.job import Job
from rmm_widgets.types import ModelStatus

from ..downloads.fetching import wait_until
from .conftest import DIGITS
from .models import Barrier, Scripted, info

ROOT = Path(__file__).parents[2]

KERNEL = """
import sys
from rmm_widgets import ModelManager
from tests.manager.models import info

manager = ModelManager(data_dir=sys.argv[1], cache_dir=sys.argv[2], endpoint="http://127.0.0.1:9", token=False)
print("open", flush=True)
for line in sys.stdin:
    verb, name = line.split()
    if verb == "register":
        manager.register_model(info(name, description="of the other kernel"))
    elif verb == "delete":
        manager.delete_model(name).result(30)
    elif verb == "count":
        for number in range(10**6):
            manager.register_model(info(f"{name}-{number}"))
            print(number, flush=True)
    print(*sorted(manager.get_all_models()), flush=True)
"""


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return [str(tmp_path / "data"), str(tmp_path / "cache")]


def other_kernel(folders: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", KERNEL, *folders], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def ask(kernel: subprocess.Popen[str], line: str) -> list[str]:
    assert kernel.stdin is not None
    assert kernel.stdout is not None
    kernel.stdin.write(f"{line}\n")
    kernel.stdin.flush()
    return kernel.stdout.readline().split()


def test_a_restart_finds_everything_again(make_manager: Callable[..., ModelManager], hub: DemoHub) -> None:
    with make_manager(endpoint=hub.url) as first:
        first.register_model(DIGITS)
        first.register_model(info("other", description="text", tags=("a", "b"), metadata={"deep": {"er": [1]}}))
        first.download_model("digits").result(60)
        first.update_model_config("digits", {"top_k": 2})
        first.pin("other")
        first.load_model("digits").result(60)
        known, seen = first.get_all_models(), first.events(limit=1000)
    second = make_manager(endpoint=hub.url)
    assert second.get_all_models() == known
    assert second.get_model_status("digits") is ModelStatus.DOWNLOADED, "loaded is nothing that lasts"
    assert second.is_model_available("digits")
    assert second.get_model_status("other") is ModelStatus.NOT_DOWNLOADED
    assert second.describe("digits").config == {"top_k": 2}
    assert second.describe("other").pinned
    earlier = [event.data.get("action") for event in second.events(limit=1000)]
    assert earlier[: len([e for e in seen if e.data.get("action")])] == [
        e.data.get("action") for e in seen if e.data.get("action")
    ]
    hub.reset_log()
    second.download_model("digits").result(60)
    assert second.load_model("digits").result(60).config["top_k"] == 2
    assert hub.requests == [], "nothing is fetched twice"


def while_it_is_read(manager: ModelManager, barrier: Barrier, *changes: Coroutine[Any, Any, Any]) -> list[Any]:
    """Make changes between a question to the registry's store and its answer."""
    registrar = manager._registrar

    async def change() -> list[Any]:
        held = asyncio.ensure_future(registrar.keeper.in_store(lambda _: barrier()))
        reads = asyncio.ensure_future(registrar._refresh())
        await asyncio.sleep(0)
        changing = [asyncio.ensure_future(each) for each in changes]
        await asyncio.sleep(0)
        barrier.open.set()
        await asyncio.gather(held, reads)
        return await asyncio.gather(*changing)

    return manager._loop.run(change())


def test_what_is_changed_while_the_registry_is_read_stays_changed(manager: ModelManager, barrier: Barrier) -> None:
    manager.register_model(info("model"))
    registrar = manager._registrar
    changes = registrar.configure("model", {"dimension": 8}), registrar.pin("model", True)
    while_it_is_read(manager, barrier, *changes)
    shown = manager.describe("model")
    assert (dict(shown.config), shown.pinned) == ({"dimension": 8}, True)


def test_what_is_deleted_while_the_registry_is_read_stays_deleted(manager: ModelManager, barrier: Barrier) -> None:
    manager.register_model(info("model"))
    registrar = manager._registrar

    async def delete() -> Job[int]:
        return registrar.delete("model", remove_files=False)

    (job,) = while_it_is_read(manager, barrier, delete())
    job.result(30)
    kept = manager._loop.run(registrar.keeper.in_store(lambda store: store.models()))
    assert (manager.get_all_models(), kept) == ({}, [])


def test_N1_run_all_again_changes_nothing(
    make_manager: Callable[..., ModelManager], hub: DemoHub, numbers: random.Random
) -> None:
    manager = make_manager(endpoint=hub.url)
    model = Scripted("custom")
    cells: list[Callable[[], object]] = [
        lambda: manager.register_model(DIGITS),
        lambda: manager.register_model(info("custom"), model=model),
        lambda: manager.download_model("digits").result(60),
        lambda: manager.load_model("custom").result(30),
        lambda: manager.update_model_config("digits", {"top_k": 3}),
        lambda: manager.pin("digits"),
    ]
    for cell in cells:
        cell()
    events, sent = manager.events(limit=1000), hub.bytes_sent()
    for _ in range(20):
        for cell in numbers.sample(cells, len(cells)):
            cell()
    assert manager.events(limit=1000) == events
    assert hub.bytes_sent() == sent
    assert model.ran["load"] == 1


def test_two_kernels_share_one_registry(make_manager: Callable[..., ModelManager], folders: list[str]) -> None:
    manager = make_manager()
    manager.register_model(info("mine"))
    manager.register_model(info("loaded"), model=Scripted("loaded"))
    manager.load_model("loaded").result(30)
    with other_kernel(folders) as other:
        try:
            assert ask(other, "register theirs") == ["loaded", "mine", "theirs"]
            wait_until(lambda: manager.get_model_info("theirs") is not None)
            found = manager.get_model_info("theirs")
            assert found is not None
            assert found.description == "of the other kernel"
            manager.register_model(info("theirs", description="changed here"))
            manager.register_model(info("mine-2"))
            wait_until(lambda: "mine-2" in ask(other, "register theirs-2"))
            ask(other, "delete mine")
            ask(other, "delete loaded")
            wait_until(lambda: manager.get_model_info("mine") is None)
            assert manager.is_model_loaded("loaded"), "what is in use here stays"
            with pytest.raises(ModelAlreadyRegisteredError):
                manager.register_model(info("theirs", repo_id="another/repository"))
        finally:
            other.kill()


def test_L21_a_damaged_registry_is_repaired_and_said(
    make_manager: Callable[..., ModelManager], folders: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with make_manager() as first:
        for number in range(5):
            first.register_model(info(f"model-{number}"))
        known = first.get_all_models()
    database = max(Path(folders[0]).glob("*"), key=lambda path: path.read_bytes()[:6] == b"SQLite")
    assert database.read_bytes()[:6] == b"SQLite"
    database.write_bytes(b"garbage" * 1000)
    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        second = make_manager()
    assert second.get_all_models() == known, "the last good copy is used"
    assert any("damaged" in record.getMessage().lower() for record in caplog.records), "and the damage is said"
    second.register_model(info("after"))
    second.close()
    assert "after" in make_manager().get_all_models()


def test_an_unusable_data_folder_leaves_a_manager_in_memory(
    make_manager: Callable[..., ModelManager], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        manager = make_manager(data_dir=tmp_path / "file")
    assert any("memory only" in record.getMessage() for record in caplog.records)
    manager.register_model(info("custom"), model=Scripted("custom"))
    assert manager.load_model("custom").result(30)(1) == 1


def test_L21_killed_while_it_registers(
    make_manager: Callable[..., ModelManager], folders: list[str], numbers: random.Random
) -> None:
    manager = make_manager()
    for round_ in range(4):
        with other_kernel(folders) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write(f"count round{round_}\n")
            other.stdin.flush()
            told = [int(other.stdout.readline()) for _ in range(3)]
            time.sleep(numbers.random() * 0.1)
            other.kill()
            told += [int(line) for line in other.stdout.read().split("\n")[:-1]]
        expected = {f"round{round_}-{number}" for number in told}
        wait_until(lambda expected=expected: expected <= set(manager.get_all_models()))
        with make_manager() as fresh:
            assert expected <= set(fresh.get_all_models()), "what was acknowledged is there"
            assert len(set(fresh.get_all_models())) - len(set(manager.get_all_models())) <= 1


def test_history_reaches_back_into_earlier_sessions(make_manager: Callable[..., ModelManager]) -> None:
    first = make_manager()
    for number in range(30):
        first.register_model(info(f"early-{number}"))
    first.close()
    second = make_manager()
    for number in range(20):
        second.register_model(info(f"late-{number}"))
    wanted = [f"early-{number}" for number in range(25, 30)] + [f"late-{number}" for number in range(20)]
    assert [event.model_id for event in second.events(limit=25)] == wanted
    assert [event.model_id for event in second.events(limit=3)] == wanted[-3:]
    assert [event.model_id for event in second.events("early-7")] == ["early-7"]
    assert second.events(limit=0) == []
