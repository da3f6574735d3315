"""Disks that are full, read-only or not there: a clear error, nothing half-done."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rmm_widgets.errors import RegistryError
from rmm_widgets.registry.store import RegistryStore

from .samples import event, model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB; needs the right to mount one."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mounted)], capture_output=True)
    if made.returncode:
        pytest.skip(f"cannot mount: {made.stderr.decode()}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def refusal(action: Callable[..., object], *arguments: object) -> str | None:
    """The hint of the error that an action ends with, None where it works."""
    try:
        action(*arguments)
    except RegistryError as error:
        return error.hint
    return None


def fill_up(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break


def test_full_disk_refuses_clearly_and_keeps_everything(small_disk: Path) -> None:
    folder = small_disk / "data"
    store = RegistryStore(folder)
    store.open()
    store.put_many(model(n) for n in range(10))
    fill_up(small_disk / "ballast")
    kept = [model(n) for n in range(10)]
    while (hint := refusal(store.put, model(len(kept), description="x" * 5000))) is None:
        kept.append(model(len(kept), description="x" * 5000))
    assert "space" in hint
    assert "space" in (refusal(store.append_events, [event(n, text="x" * 1000) for n in range(1, 1000)], "s") or "")
    assert store.models() == kept
    store.close()
    (small_disk / "ballast").unlink()
    report = store.open()
    assert not report.damaged
    assert store.models() == kept
    store.put(model(100))
    assert store.models() == [*kept, model(100)]
    store.close()


def test_full_disk_at_the_first_opening(small_disk: Path) -> None:
    fill_up(small_disk / "ballast")
    store = RegistryStore(small_disk / "data")
    with pytest.raises(RegistryError) as caught:
        store.open()
    assert "space" in caught.value.hint
    (small_disk / "ballast").unlink()
    report = store.open()
    assert (report.damaged, report.message) == (False, "")
    store.close()


def test_damage_on_a_full_disk_is_not_made_worse(small_disk: Path) -> None:
    folder = small_disk / "data"
    store = RegistryStore(folder)
    store.open()
    store.put_many(model(n) for n in range(10))
    store.close()
    data = bytearray((folder / "registry.sqlite").read_bytes())
    data[:100] = bytes(100)
    (folder / "registry.sqlite").write_bytes(data)
    fill_up(small_disk / "ballast")
    with pytest.raises(RegistryError):
        store.open()
    (small_disk / "ballast").unlink()
    report = store.open()
    assert report.damaged
    assert store.models() == [model(n) for n in range(10)]
    store.close()


def test_read_only_file_system(small_disk: Path) -> None:
    folder = small_disk / "data"
    store = RegistryStore(folder)
    store.open()
    store.put(model(1))
    store.close()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for target in (folder, small_disk / "new"):
        with pytest.raises(RegistryError) as caught:
            RegistryStore(target).open()
        assert "RMM_DATA_DIR" in caught.value.hint
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    fallback = RegistryStore.in_memory()
    assert not fallback.open().damaged
    fallback.put(model(1))
    fallback.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from rmm_widgets.errors import RegistryError
from rmm_widgets.registry.store import RegistryStore
from tests.registry.samples import model
store = RegistryStore(Path(sys.argv[1]))
store.open()
store.put(model(1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
saved = 0
try:
    for number in range(2, 200):
        store.put(model(number, description="x" * 5000))
        saved += 1
except RegistryError as error:
    print(saved, error.hint)
assert len(store.models()) == saved + 1
store.close()
"""


@pytest.mark.skipif(os.name != "posix", reason="needs resource limits")
def test_file_size_limit_refuses_clearly_and_keeps_everything(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    command = [sys.executable, "-c", LIMITED, str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    saved, hint = run.stdout.split(" ", 1)
    assert 10 < int(saved) < 100
    assert hint.strip()
    store = RegistryStore(folder)
    report = store.open()
    assert not report.damaged
    assert len(store.models()) == int(saved) + 1
    store.put(model(500))
    store.close()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RegistryError) as caught:
            RegistryStore(folder).open()
        assert "RMM_DATA_DIR" in caught.value.hint
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    with pytest.raises(RegistryError) as caught:
        RegistryStore(folder).open()
    assert "RMM_DATA_DIR" in caught.value.hint


@pytest.mark.parametrize("name", ["registry.sqlite", "registry.journal", "registry.lock"])
def test_folder_in_the_place_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(RegistryError) as caught:
        RegistryStore(tmp_path).open()
    assert caught.value.hint
    assert (tmp_path / name).is_dir()


def test_folder_removed_under_an_open_store(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    store = RegistryStore(folder)
    store.open()
    store.put(model(1))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    store.put(model(2))
    assert store.models() == [model(2)]
    store.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
