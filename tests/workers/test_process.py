"""What only a process of its own can promise: hard ends, contained crashes, a clean environment."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from rmm_widgets.errors import (
    CallError,
    InsufficientMemoryError,
    InvalidConfigError,
    LoadError,
    LoadTimeoutError,
    WorkerDiedError,
)
from rmm_widgets.workers.api import Worker
from rmm_widgets.workers.folders import WorkerFolder, remove_abandoned
from rmm_widgets.workers.frames import Limits
from rmm_widgets.workers.nursery import Nurseries
from rmm_widgets.workers.process import start_process_worker

from .conftest import Runtime, Start, spec_for
from .placements import LIGHT, OWN_PROCESS, PLACEMENTS, Placement
from .test_conformance import begun, until

MIB = 1 << 20


@pytest.fixture(params=OWN_PROCESS)
def placement(request: pytest.FixtureRequest) -> Placement:
    return PLACEMENTS[request.param]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Deaths


async def die_in(start: Start, phase: str, what: str, marker: Path) -> tuple[WorkerDiedError, Worker]:
    """The error that a death in the load, the call, the probe or the unload gives."""
    config = {"marker": str(marker)} | ({phase: what} if phase != "call" else {})
    worker = await start(config, loaded=phase != "load")
    operation = {
        "load": lambda: worker.load(60),
        "call": lambda: worker.call("do", (what,), {}),
        "probe": lambda: worker.probe(60),
        "unload": lambda: worker.unload(60),
    }[phase]()
    with pytest.raises(WorkerDiedError) as caught:
        await operation
    return caught.value, worker


@pytest.mark.parametrize("phase", ["load", "call", "probe", "unload"])
@pytest.mark.parametrize(
    ("what", "number", "reason"),
    [
        ("kill:9", signal.SIGKILL, "was killed by signal 9 (SIGKILL)"),
        ("kill:15", signal.SIGTERM, "was killed by signal 15 (SIGTERM)"),
        ("segfault", signal.SIGSEGV, "segmentation fault"),
        ("abort", signal.SIGABRT, "aborted itself (signal 6, SIGABRT)"),
        ("abort_for_memory", signal.SIGABRT, "out of memory"),
    ],
)
async def test_L6_a_death_by_signal_is_told_with_its_reason(
    start: Start, tmp_path: Path, phase: str, what: str, number: int, reason: str
) -> None:
    error, worker = await die_in(start, phase, what, tmp_path / "marker")
    assert reason in str(error)
    assert (error.signal, error.exitcode, error.model_id) == (number, None, "gadget")
    assert worker.exited.result().kind == "signal"


@pytest.mark.parametrize("phase", ["load", "call", "probe", "unload"])
async def test_L6_an_exit_of_the_process_is_told_with_its_code(start: Start, tmp_path: Path, phase: str) -> None:
    error, worker = await die_in(start, phase, "exit:3", tmp_path / "marker")
    assert "ended itself with exit code 3" in str(error)
    assert (error.signal, error.exitcode) == (None, 3)
    assert worker.exited.result().kind == "exited"


async def test_L6_an_exit_with_code_zero_that_nobody_asked_for_is_a_death(start: Start, tmp_path: Path) -> None:
    error, worker = await die_in(start, "call", "exit:0", tmp_path / "marker")
    assert error.exitcode == 0
    assert worker.exited.result().kind == "exited"


async def test_L6_sys_exit_is_an_error_of_the_model(start: Start) -> None:
    worker = await start({"load": "raise:exit"}, loaded=False)
    with pytest.raises(LoadError, match="SystemExit: 3"):
        await worker.load(60)


async def test_L6_memory_that_runs_out_is_told(start: Start) -> None:
    worker = await start({"load": "exhaust"}, loaded=False)
    with pytest.raises((InsufficientMemoryError, WorkerDiedError), match=r"[Mm]emory"):
        await worker.load(60)


async def test_a_segmentation_fault_leaves_its_traceback_in_the_detail(start: Start, tmp_path: Path) -> None:
    error, worker = await die_in(start, "call", "segfault", tmp_path / "marker")
    exit_ = worker.exited.result()
    assert "servables.py" in exit_.detail
    assert "_do_segfault" in exit_.detail
    assert any("_do_segfault" in note for note in error.__notes__)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_L5_a_death_is_known_within_half_a_second(start: Start, tmp_path: Path, number: int) -> None:
    marker = tmp_path / "marker"
    took: list[float] = []
    for phase in ("idle", "call") * 2:
        worker = await start({"marker": str(marker)})
        task = asyncio.create_task(worker.call("do", ("wait:1000",), {})) if phase == "call" else None
        if task:
            await begun(marker, "call")
        assert worker.pid
        began = time.monotonic()
        os.kill(worker.pid, number)
        exit_ = await asyncio.shield(worker.exited)
        took.append(time.monotonic() - began)
        assert (exit_.kind, exit_.signal) == ("signal", number)
        if task:
            with pytest.raises(WorkerDiedError):
                await task
    assert min(took) < 0.5
    assert max(took) < 5


async def kill_at_random(start: Start, rng: random.Random, marker: Path) -> None:
    """Kill a worker at some moment of its life; every operation has to end, with this error or well."""
    worker = await start({"marker": str(marker), "megabytes": 2}, loaded=False)
    assert worker.pid
    pid = worker.pid

    async def life() -> None:
        await worker.load(60)
        for _ in range(3):
            await worker.call("echo", (np.zeros(MIB, np.uint8),), {})
            await worker.probe(60)
        await worker.call("steps", (200,), {"on_step": lambda *_, **__: None})
        await worker.unload(60)

    task = asyncio.create_task(life())
    await asyncio.sleep(rng.random() * 0.15)
    os.kill(pid, signal.SIGKILL)
    exit_ = await asyncio.wait_for(asyncio.shield(worker.exited), 30)
    assert (exit_.kind, exit_.signal) == ("signal", signal.SIGKILL)
    done, _ = await asyncio.wait({task}, timeout=30)
    assert done, "an operation never ended"
    assert task.exception() is None or isinstance(task.exception(), WorkerDiedError)
    assert not alive(pid)
    with pytest.raises(WorkerDiedError, match="signal 9"):
        await worker.call("echo", (1,), {})


async def _random_kills(start: Start, marker: Path, rounds: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(rounds // 4):
        await asyncio.gather(*(kill_at_random(start, rng, marker) for _ in range(4)))


async def test_L5_random_kills(start: Start, tmp_path: Path) -> None:
    await _random_kills(start, tmp_path / "marker", 32)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_L5_many_random_kills(start: Start, tmp_path: Path) -> None:
    await _random_kills(start, tmp_path / "marker", 200)


@pytest.mark.parametrize("phase", ["load", "call", "unload"])
async def test_L5_a_kill_from_outside_in_each_phase(start: Start, tmp_path: Path, phase: str) -> None:
    marker = tmp_path / "marker"
    config = {"marker": str(marker)} | ({phase: "sleep"} if phase != "call" else {})
    worker = await start(config, loaded=phase != "load")
    assert worker.pid
    operation = {
        "load": lambda: worker.load(60),
        "call": lambda: worker.call("do", ("sleep",), {}),
        "unload": lambda: worker.unload(60),
    }[phase]()
    tasks = [asyncio.create_task(operation)]
    await begun(marker, phase)
    if phase == "call":
        tasks += [asyncio.create_task(worker.call("echo", (n,), {})) for n in range(20)]
        tasks += [asyncio.create_task(worker.update_config({}))]
        await asyncio.sleep(0)
    os.kill(worker.pid, signal.SIGKILL)
    for task in tasks:
        with pytest.raises(WorkerDiedError, match=r"killed by signal 9 \(SIGKILL\)"):
            await task


async def test_a_death_takes_along_what_the_model_had_started(start: Start) -> None:
    worker = await start()
    pids = await worker.call("start_children", (False,), {})
    assert worker.pid
    assert all(alive(pid) for pid in pids)
    os.kill(worker.pid, signal.SIGKILL)
    await asyncio.shield(worker.exited)
    await until(lambda: not any(alive(pid) for pid in pids))


async def test_a_child_that_left_the_session_does_not_hide_the_death(start: Start) -> None:
    worker = await start()
    pids = await worker.call("start_children", (True,), {})
    assert worker.pid
    try:
        began = time.monotonic()
        os.kill(worker.pid, signal.SIGKILL)
        exit_ = await asyncio.wait_for(asyncio.shield(worker.exited), 30)
        assert time.monotonic() - began < 5
        assert exit_.signal == signal.SIGKILL
    finally:
        for pid in pids:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


# Hangs


@pytest.mark.parametrize("how", ["sleep", "hold_asleep", "hold_computing"])
async def test_L7_a_load_that_hangs_is_ended_in_time(start: Start, how: str) -> None:
    worker = await start({"load": how}, loaded=False)
    began = time.monotonic()
    with pytest.raises(LoadTimeoutError):
        await worker.load(1.0)
    assert time.monotonic() - began < 1.0 + 3.0
    assert worker.exited.result().kind == "killed"
    assert worker.pid
    assert not alive(worker.pid)


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("how", ["sleep", "hold_asleep", "hold_computing"])
async def test_L7_many_loads_that_hang(start: Start, how: str) -> None:
    for _ in range(20):
        await test_L7_a_load_that_hangs_is_ended_in_time(start, how)


async def test_L7_a_cancelled_load_that_hangs_is_ended_at_once(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"load": "hold_computing", "marker": str(marker)}, loaded=False)
    task = asyncio.create_task(worker.load(None))
    await begun(marker, "load")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 5
    assert worker.pid
    assert not alive(worker.pid)


async def test_L7_stop_ends_what_holds_the_interpreter(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    task = asyncio.create_task(worker.call("do", ("hold_asleep",), {}))
    await begun(marker, "call")
    exit_ = await worker.stop(grace=0.5)
    assert (exit_.kind, exit_.signal) == ("killed", signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match="did not stop when asked to"):
        await task


async def test_L12_a_frozen_worker_is_noticed_and_stopped(start: Start) -> None:
    worker = await start()
    assert worker.pid
    os.kill(worker.pid, signal.SIGSTOP)
    probe = await worker.probe(0.5)
    assert probe.healthy is False
    assert "no answer" in probe.detail
    began = time.monotonic()
    exit_ = await worker.stop()
    assert time.monotonic() - began < 5
    assert exit_.kind == "killed"
    assert not alive(worker.pid)


async def test_L12_a_thawed_worker_is_healthy_again(start: Start) -> None:
    worker = await start()
    assert worker.pid
    os.kill(worker.pid, signal.SIGSTOP)
    assert (await worker.probe(0.2)).healthy is False
    os.kill(worker.pid, signal.SIGCONT)
    assert (await worker.probe(60)).healthy is True


async def test_L13_a_model_that_computes_with_the_lock_held_is_busy_not_sick(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    task = asyncio.create_task(worker.call("do", ("hold_computing",), {}))
    await begun(marker, "call")
    probe = await worker.probe(1.0)
    assert probe.healthy is None
    assert probe.busy_for > 0.5
    assert probe.detail == "busy computing"
    await worker.stop(grace=0.2)
    with pytest.raises(WorkerDiedError):
        await task


async def test_a_model_that_sleeps_with_the_lock_held_is_not_healthy(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    worker = await start({"marker": str(marker)})
    task = asyncio.create_task(worker.call("do", ("hold_asleep",), {}))
    await begun(marker, "call")
    probe = await worker.probe(0.5)
    assert probe.healthy is False
    assert probe.busy_for > 0.3
    await worker.stop(grace=0.2)
    with pytest.raises(WorkerDiedError):
        await task


# The process


def text_of(path: Path | str) -> str:
    return Path(path).read_text()


def exists(path: Path) -> bool:
    return path.exists()


def entries(folder: Path) -> list[str]:
    return os.listdir(folder)  # noqa: PTH208 - names are enough


def mode(path: Path) -> int:
    return path.stat().st_mode


def connection(facts: dict[str, Any]) -> int:
    """The descriptor of a worker's socket, the only one that it has beside the standard ones."""
    return int(facts["argv"][1])


def leave_behind(folder: Path) -> None:
    folder.mkdir()
    (folder / "file").write_bytes(b"x")


async def test_S21_the_environment_of_a_worker(
    runtime: Runtime, placement: Placement, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "HF_TOKEN": "hf_canary1",
        "HUGGING_FACE_HUB_TOKEN": "hf_canary2",
        "MY_API_KEY": "canary3",
        "AWS_SECRET_ACCESS_KEY": "canary4",
        "jpy_api_token": "canary5",
        "DB_PASSWORD": "canary6",
    }
    harmless = {"HARMLESS": "kept", "TOKENIZERS_PARALLELISM": "false"}
    for name, value in {**secrets, **harmless, "HF_HUB_OFFLINE": "0", "MPLBACKEND": "module://nowhere"}.items():
        monkeypatch.setenv(name, value)
    nurseries = Nurseries()
    worker = await placement.start(spec_for({}, log), nurseries)
    await worker.load(60)
    facts = await worker.call("facts", (), {})
    raw = text_of(f"/proc/{worker.pid}/environ") + text_of(f"/proc/{worker.pid}/cmdline")
    assert "canary" not in raw
    environment = facts["environment"]
    assert not secrets.keys() & environment.keys()
    assert harmless.items() <= environment.items()
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TRANSFORMERS_OFFLINE"):
        assert environment[name] == "1"
    assert not {"MPLBACKEND", "PYTHONPATH"} & environment.keys()
    assert facts["umask"] == 0o077
    assert facts["core"] == [0, 0]
    assert facts["mode"] == 0o700
    assert facts["session"] == facts["pid"] == worker.pid
    assert facts["inheritable"] == []
    assert list(await worker.call("descriptors", (), {})) == [str(connection(facts))]
    assert {entry for entry in sys.path if entry} <= set(facts["python"])
    temporary = Path(facts["temporary"])
    assert temporary.name.startswith("rmm-worker-")
    leave_behind(temporary / "folder")
    await worker.stop()
    await asyncio.to_thread(nurseries.close)
    assert not exists(temporary)
    assert mode(log) & 0o077 == 0


async def test_an_empty_worker_is_small_and_light(start: Start) -> None:
    worker = await start()
    modules = set((await worker.call("facts", (), {}))["modules"])
    heavy = {"asyncio", "numpy", "psutil", "traitlets", "IPython", "torch", "huggingface_hub", "ipywidgets"}
    assert not modules & (heavy | {"rmm_widgets.manager", "rmm_widgets.runtime", "rmm_widgets.hub"})
    assert worker.memory_bytes() < 60 * MIB


async def test_output_goes_to_the_log_and_its_tail_to_the_exit(start: Start, log: Path) -> None:
    worker = await start()
    await worker.call("talk", ("\x1b[31mhello\x1b[0m\r\n" + "x" * 5000 + "\x07 the end",), {})
    assert text_of(log).count("hello") == 2
    exit_ = await worker.stop()
    assert exit_.detail.endswith("the end")
    assert len(exit_.detail.encode()) <= 2048
    assert "\x1b" not in exit_.detail
    again = await start()
    assert (await again.stop()).detail == ""
    assert text_of(log).count("hello") == 2


async def test_output_without_a_log_is_dropped(runtime: Runtime, capfd: pytest.CaptureFixture[str]) -> None:
    worker = await start_process_worker(spec_for({}))
    await worker.load(60)
    await worker.call("talk", ("nothing of this is seen",), {})
    assert (await worker.stop()).detail == ""
    assert "nothing of this" not in "".join(capfd.readouterr())


async def test_a_loader_that_cannot_be_opened_is_an_error_of_the_load(runtime: Runtime, log: Path) -> None:
    for loader, text in (
        ("python:tests.workers.servables:fail_to_make", "a library of this loader is broken"),
        ("python:tests.workers.nothing:make", "tests.workers.nothing"),
        ("python:tests.workers.servables:nothing", "nothing"),
    ):
        worker = await start_process_worker(spec_for({}, log, loader=loader))
        with pytest.raises(LoadError, match=text):
            await worker.load(60)
        await worker.stop()


async def test_a_worker_that_cannot_be_started_is_a_load_error(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(tmp_path / "folder")
    with pytest.raises(LoadError, match="could not be started") as caught:
        await start_process_worker(spec_for({}, tmp_path / "folder" / "file" / "worker.log"))
    assert caught.value.hint
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(LoadError, match="could not be started"):
        await start_process_worker(spec_for({}))


async def test_a_cancelled_start_leaves_nothing(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(psutil.Process().children())
    for pause in (0.0, 0.001, 0.005):
        task = asyncio.create_task(start_process_worker(spec_for({})))
        await asyncio.sleep(pause)
        if not task.cancel():
            await task.result().stop()
        await asyncio.wait({task})
        await until(lambda: not set(psutil.Process().children()) - before and not entries(tmp_path))


KERNEL = """
import asyncio, os, sys, time
from rmm_widgets.workers.api import WorkerSpec
from rmm_widgets.workers.nursery import Nurseries
from rmm_widgets.workers.process import start_process_worker

async def main():
    workers, nurseries = [], Nurseries()
    for what in ("well", "well", "hold_asleep", "well"):
        loader = "python:tests.workers.servables:make"
        spec = WorkerSpec(model_id="m", model_type="t", generation=1, path="", loader=loader, preload=PRELOAD)
        worker = await start_process_worker(spec, nurseries=nurseries)
        await worker.load(60)
        workers.append(worker)
        if what != "well":
            task = asyncio.create_task(worker.call("do", (what,), {}))
    os.kill(workers[-1].pid, 19)
    await asyncio.sleep(0.3)
    print(*(worker.pid for worker in workers), *nurseries.pids(), flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("preload", [(), LIGHT], ids=["anew", "forked"])
def test_L16_workers_end_with_the_kernel(no_leaks: None, tmp_path: Path, number: int, preload: tuple[str, ...]) -> None:
    kernel = subprocess.Popen(
        [sys.executable, "-c", f"PRELOAD = {preload!r}\n" + textwrap.dedent(KERNEL)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert kernel.stdout
    with kernel.stdout:
        pids = [int(pid) for pid in kernel.stdout.readline().split()]
    assert len(pids) == 4 + bool(preload)
    assert all(alive(pid) for pid in pids)
    kernel.send_signal(number)
    deadline = time.monotonic() + 2
    kernel.wait()
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its kernel"
        time.sleep(0.01)
    for folder in entries(tmp_path):
        os.utime(tmp_path / folder, (0, 0))
    remove_abandoned(str(tmp_path))
    assert entries(tmp_path) == []


def test_folders_of_living_and_young_workers_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_leaks: None
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living = WorkerFolder()
    (tmp_path / "rmm-worker-young").mkdir()
    (tmp_path / "rmm-worker-old" / "inner").mkdir(parents=True)
    (tmp_path / "rmm-worker-link").symlink_to(tmp_path / "rmm-worker-young")
    (tmp_path / "other").mkdir()
    for name in (living.path, tmp_path / "rmm-worker-old", tmp_path / "other"):
        os.utime(name, (0, 0))
    os.utime(tmp_path / "rmm-worker-link", (0, 0), follow_symlinks=False)
    remove_abandoned(str(tmp_path))
    assert set(entries(tmp_path)) == {Path(living.path).name, "rmm-worker-young", "rmm-worker-link", "other"}
    living.remove()
    assert not exists(Path(living.path))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_L16_many_kernels_that_die(no_leaks: None, tmp_path: Path) -> None:
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        test_L16_workers_end_with_the_kernel(None, folder, signal.SIGKILL, LIGHT if number % 2 else ())


# Values


async def test_large_arrays_go_there_and_back(start: Start) -> None:
    worker = await start()
    array = np.random.default_rng(1).integers(0, 255, 64 * MIB, np.uint8).reshape(4096, -1)
    back = await worker.call("echo", (array,), {})
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)
    many = [np.full(MIB // 4 + n, n, np.float32) for n in range(40)]
    for sent, got in zip(many, await worker.call("echo", (many,), {}), strict=True):
        np.testing.assert_array_equal(sent, got)


async def test_values_that_cannot_be_sent_are_named(start: Start) -> None:
    worker = await start()
    circle: list[Any] = []
    circle.append(circle)
    for args, kwargs, text in (
        ((object(),), {}, r"argument 1 is a value of type object, which cannot be sent"),
        ((1, {"a": [{1, 2}]}), {}, r"argument 2 holds a value of type set"),
        ((), {"image": {1: 2}}, r"argument 'image' holds a dict with a key of type int"),
        ((len,), {}, r"builtin_function_or_method"),
        ((np.array([object()]),), {}, r"dtype object"),
        (("\ud800",), {}, r"lone surrogates"),
    ):
        with pytest.raises(TypeError, match=text):
            await worker.call("__call__", args, kwargs)
    with pytest.raises(ValueError, match="argument 1 is nested more than 100 levels deep, or holds itself"):
        await worker.call("__call__", (circle,), {})
    with pytest.raises(CallError, match=r"TypeError: the result holds a value of type object") as caught:
        await worker.call("unsendable", (), {})
    assert caught.value.remote_type == "TypeError"
    with pytest.raises(CallError, match=r"TypeError: argument 1 is a value of type object"):
        await worker.call("send_object", (), {"callback": print})
    assert await worker.call("echo", (1,), {}) == 1


async def test_a_configuration_that_cannot_be_sent_is_invalid(start: Start) -> None:
    worker = await start({"callback": print}, loaded=False)
    with pytest.raises(InvalidConfigError, match="configuration 'callback' is a value of type") as caught:
        await worker.load(60)
    assert caught.value.hint
    worker = await start({"a": 1})
    with pytest.raises(InvalidConfigError, match="configuration 'a' holds a value of type set"):
        await worker.update_config({"a": [{1}]})
    assert await worker.call("now_config", (), {}) == {"a": 1}


async def test_values_over_the_limits_are_refused_on_both_sides(runtime: Runtime, log: Path) -> None:
    worker = await start_process_worker(spec_for({}, log), limits=Limits(header=1 << 16, block=1 << 20))
    await worker.load(60)
    with pytest.raises(ValueError, match="over the limit"):
        await worker.call("echo", (["x" * 1000] * 100,), {})
    with pytest.raises(ValueError, match="over the limit"):
        await worker.call("echo", (np.zeros(2 * MIB, np.uint8),), {})
    assert await worker.call("echo", (np.zeros(MIB // 2, np.uint8),), {}) is not None
    with pytest.raises(WorkerDiedError, match=r"broke the protocol .*over the limit"):
        await worker.call("talk_back", (2 * MIB,), {})


# Hostile workers


@pytest.mark.parametrize(
    "data",
    [
        b"this is no frame at all, and it goes on and on",
        b"rmm1" + b"\xff" * 12,
        b"rmm1" + (5).to_bytes(4, "big") + (0).to_bytes(8, "big") + b"\xc1\xc1\xc1\xc1\xc1",
        b"rmm1" + (2).to_bytes(4, "big") + (0).to_bytes(8, "big") + b"\x81\xa1",
    ],
    ids=["text", "sizes", "no msgpack", "truncated"],
)
async def test_S19_a_worker_that_breaks_the_protocol_is_ended(start: Start, data: bytes) -> None:
    worker = await start()
    with pytest.raises(WorkerDiedError, match="broke the protocol"):
        await worker.call("write_to_kernel", (data,), {})
    assert worker.exited.result().kind == "killed"


async def test_S19_a_worker_that_closes_its_connection_is_ended(start: Start) -> None:
    worker = await start()
    with pytest.raises(WorkerDiedError, match="it closed its connection"):
        await worker.call("close_connection", (), {})


async def test_S19_a_flood_of_callbacks_is_cut(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Callbacks that come faster than they are handled cost the kernel a bounded amount of memory."""
    worker = await start()
    before = psutil.Process().memory_info().rss
    calls: list[int] = []

    def slow(payload: bytes) -> None:
        calls.append(len(payload))
        time.sleep(0.03)

    with caplog.at_level(logging.WARNING, "rmm_widgets"):
        task = asyncio.create_task(worker.call("flood", (200, MIB), {"callback": slow}))
        await until(lambda: "some were dropped" in caplog.text)
        assert psutil.Process().memory_info().rss - before < 300 * MIB
        assert await task == 200
    assert len(calls) < 200
    assert caplog.text.count("some were dropped") == 1


def test_the_record_of_a_worker_is_plain_data() -> None:
    import msgspec

    spec = spec_for({"a": 1})
    assert msgspec.json.decode(msgspec.json.encode(spec), type=type(spec)) == spec
    assert json.loads(msgspec.json.encode(spec))["generation"] == 3
