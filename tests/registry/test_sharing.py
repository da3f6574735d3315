"""Several kernels, one registry; and kernels that are killed while they write to it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rmm_widgets.errors import RegistryError
from rmm_widgets.registry import recovery
from rmm_widgets.registry import store as store_module
from rmm_widgets.registry.store import RegistryStore

from .samples import event, model, seeded

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextmanager
def opened(folder: Path) -> Iterator[RegistryStore]:
    store = RegistryStore(folder)
    assert not store.open().damaged
    try:
        yield store
    finally:
        store.close()


def spawn(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.registry.writer", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_kernels_see_each_other(folder: Path) -> None:
    with opened(folder) as one, opened(folder) as two:
        assert not one.changed()
        one.put(model(1))
        assert not one.changed(), "its own change is no news"
        assert two.changed()
        assert not two.changed()
        assert two.models() == [model(1)]
        two.put(model(2))
        two.remove("model-1")
        assert one.changed()
        assert one.models() == [model(2)]
        two.put(model(3))
        one.put(model(4))
        assert one.changed(), "the change before its own is still news"
        two.append_events([event(1)], "two")
        assert not one.changed(), "history is no change of a model"
        assert one.events() == [event(1)]


def test_reading_counts_as_a_look(folder: Path) -> None:
    with opened(folder) as one, opened(folder) as two:
        one.put(model(1))
        assert two.models() == [model(1)]
        assert not two.changed()


def test_last_writer_of_a_row_wins(folder: Path) -> None:
    with opened(folder) as one, opened(folder) as two:
        one.put(model(1, description="one"))
        two.put(model(1, description="two"))
        assert one.models() == two.models() == [model(1, description="two")]
        one.put(model(1, description="one again"))
        assert one.models() == two.models() == [model(1, description="one again")]


def test_eight_processes_write_at_once(folder: Path) -> None:
    with opened(folder) as store:
        processes = [spawn("share", str(folder), str(name), "50") for name in range(8)]
        try:
            answers = [process.communicate(timeout=100)[0] for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
        assert answers == ["ok\n"] * 8
        assert store.changed()
        models = {each.model_id: each for each in store.models()}
        assert set(models) == {f"model-{n + 1000 * base}" for base in range(9) for n in range(50)}
        assert all(models[f"model-{n}"].info.description in set("01234567") for n in range(50))
        assert len(store.events(limit=1000)) == 400
    with opened(folder) as store:
        assert {each.model_id: each for each in store.models()} == models


def test_repair_by_one_kernel_reaches_the_other(folder: Path) -> None:
    """The second kernel finds the file damaged and replaces it; the first goes on with the new one."""
    with opened(folder) as one:
        one.put_many([model(1), model(2)])
        data = (folder / recovery.DATABASE).read_bytes()
        (folder / recovery.DATABASE).rename(folder / "elsewhere")
        (folder / recovery.DATABASE).write_bytes(b"garbage" * 1000)
        two = RegistryStore(folder)
        assert two.open().damaged
        assert two.models() == [model(1), model(2)]
        one.put(model(3))
        assert two.changed()
        assert two.models() == one.models() == [model(1), model(2), model(3)]
        two.put(model(4))
        assert one.changed()
        one.close()
        two.put(model(5))
        assert two.models() == [model(n) for n in range(1, 6)]
        two.close()
    assert data[:6] == b"SQLite"
    with opened(folder) as store:
        assert store.models() == [model(n) for n in range(1, 6)]


def write_and_die(nursery: subprocess.Popen[str], folder: Path, numbers: random.Random) -> Iterator[list[str]]:
    """Start a writer, kill it at a random moment, and yield everything it said."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{folder}\n")
    nursery.stdin.flush()
    saves_left = numbers.randrange(8)
    pid = 0
    for line in nursery.stdout:
        word, *rest = line.split()
        if word == "ended":
            assert rest == [str(-signal.SIGKILL)]
            return
        if word == "pid":
            pid = int(rest[0])
        else:
            yield [word, *rest]
            saves_left -= word == "done"
        if pid and saves_left <= 0:
            wait_busily(numbers.random() * 0.003)
            os.kill(pid, signal.SIGKILL)
            pid = 0
            saves_left = 10**9
    raise AssertionError("the nursery ended")


def wait_busily(seconds: float) -> None:
    # A sleep would be rounded up to more than a save takes.
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_L21_killed_writers_lose_nothing_they_acknowledged(quick_path: Path, no_leaks: None) -> None:
    folder = quick_path / "data"
    numbers = seeded()
    saves = in_doubt = 0
    known: dict[str, str] = {}
    nursery = spawn("nursery")
    try:
        observer = RegistryStore(folder)
        observer.open()
        for number in range(200):
            if number == 100:
                observer.close()  # from here on, nobody keeps the -wal file alive
            unsure: tuple[str, str] | None = None
            for word, of, value in write_and_die(nursery, folder, numbers):
                unsure = (f"model-{of}", value) if word == "try" else None
                if word == "done":
                    saves += 1
                    known[f"model-{of}"] = value
            with opened(folder) as store:
                found = {each.model_id: each.info.description for each in store.models()}
            if unsure is not None:
                in_doubt += 1
                model_id, value = unsure
                if found.get(model_id, "removed") == value:
                    known[model_id] = value
            assert found == {model_id: value for model_id, value in known.items() if value != "removed"}
    finally:
        nursery.communicate(timeout=30)
    assert saves > 200
    assert in_doubt > 20, "the kills must hit saves"


HOLD = """
import sys, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print(1, flush=True)
sys.stdin.read()
"""


def test_frozen_kernel_stops_nobody_for_ever_and_a_killed_one_nobody_at_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LOCK_TIMEOUT", 0.2)
    with opened(folder) as store:
        store.put(model(1))
        arguments = [sys.executable, "-c", HOLD, str(folder / recovery.LOCK)]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"1\n"
            os.kill(holder.pid, signal.SIGSTOP)
            with pytest.raises(RegistryError, match="could not be written") as caught:
                store.put(model(2))
            assert "Another kernel" in caught.value.hint
            assert store.models() == [model(1)], "reading needs no lock"
            holder.kill()
        store.put(model(2))
        assert store.models() == [model(1), model(2)]
