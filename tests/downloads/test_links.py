"""Links in the cache: none of them, however and whenever it is planted, leads a write elsewhere."""

from __future__ import annotations

import ctypes
import hashlib
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot
from rmm_widgets.downloads.fetcher.partial import Partial
from rmm_widgets.downloads.folders import HAS_DESCRIPTORS, Descriptor, read_file
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.plan import PlannedFile, TreeEntry
from rmm_widgets.errors import DownloadError

from .fetching import REPO, assert_intact, content, run, spec

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(not HAS_DESCRIPTORS, reason="this system opens folders by path only"),
]
ROOT = "models--rmm-demo--model"
COMMIT = "c" * 40
DATA = content(1000)
DIGEST = hashlib.sha256(DATA).hexdigest()
TREE = {"sub/deep/model.safetensors": TreeEntry(size=1000, blob_id="1" * 40, lfs_sha256=DIGEST)}
FOLDERS = [
    ROOT,
    f"{ROOT}/blobs",
    f"{ROOT}/partials",
    f"{ROOT}/snapshots",
    f"{ROOT}/snapshots/{COMMIT}",
    f"{ROOT}/snapshots/{COMMIT}/sub",
    f"{ROOT}/snapshots/{COMMIT}/sub/deep",
    f"{ROOT}/refs",
    f"{ROOT}/refs/feature",
    f"{ROOT}/trees",
    ".locks",
    f".locks/{ROOT}",
]
EXCHANGE = 2


def everything(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def write_everything(cache: Path) -> None:
    """Each kind of write that a download does."""
    with CacheLayout(cache, REPO) as layout:
        layout.remove_leftovers()
        layout.prepare(COMMIT, TREE)
        lock = layout.lock(DIGEST)
        assert lock is not None
        try:
            planned = PlannedFile("sub/deep/model.safetensors", 1000, DIGEST)
            partial = Partial(layout, planned)
            partial.write(0, memoryview(DATA)[:500])
            partial.close()
            partial = Partial(layout, planned)
            try:
                assert partial.have in {0, 500}
                partial.write(0, memoryview(DATA))
                partial.publish(layout.blob(DIGEST))
            finally:
                partial.close()
            layout.write_blob(DIGEST, DATA)
            layout.add_file(COMMIT, list(TREE), DIGEST)
            layout.write_ref("feature/x", COMMIT)
            layout.remove_partial(DIGEST)
        finally:
            lock.release()


@contextmanager
def swapping(cache: Path, links: Path, chance: random.Random) -> Iterator[None]:
    """Another thread keeps swapping folders of the cache for links, in one step, and back."""
    libc = ctypes.CDLL(None, use_errno=True)
    over = threading.Event()

    def exchange(one: Path, other: Path) -> bool:
        return libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), EXCHANGE) == 0

    def swap() -> None:
        while not over.is_set():
            folder = cache / chance.choice(FOLDERS)
            if exchange(folder, links):
                for _ in range(chance.randrange(2000)):
                    pass
                exchange(folder, links)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="swapping in one step is asked of Linux")
def test_S6_folders_swapped_for_links_lead_nowhere(cache: Path, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    canary, link = tmp_path / "canary", tmp_path / "link"
    canary.mkdir()
    link.symlink_to(canary)
    write_everything(cache)
    failures: list[str] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with swapping(cache, link, random.Random(seed)):
            for _ in range(2000):
                try:
                    write_everything(cache)
                except (DownloadError, OSError) as error:
                    failures.append(str(error))
    finally:
        sys.setswitchinterval(interval)
    assert everything(canary) == []
    assert any("is a link" in failure for failure in failures), "the race never happened"
    assert len(failures) < 2000, "nothing ever went through"
    write_everything(cache)


@pytest.mark.parametrize("folder", FOLDERS)
def test_S6_a_folder_that_is_a_link_is_named_and_not_written_to(cache: Path, tmp_path: Path, folder: str) -> None:
    canary, place = tmp_path / "canary", cache / folder
    canary.mkdir()
    place.parent.mkdir(parents=True)
    place.symlink_to(canary)
    with pytest.raises(DownloadError, match="is a link; nothing is written") as caught:
        write_everything(cache)
    assert str(place) in str(caught.value)
    assert "Remove the link" in caught.value.hint
    assert everything(canary) == []
    place.unlink()
    write_everything(cache)


@pytest.mark.parametrize("folder", [f"{ROOT}/blobs", f"{ROOT}/snapshots", f".locks/{ROOT}"])
def test_S6_a_download_says_which_folder_is_a_link(
    empty_hub: DemoHub, cache: Path, tmp_path: Path, folder: str
) -> None:
    empty_hub.add(REPO, {"model.safetensors": DATA, "config.json": b"{}"})
    canary = tmp_path / "canary"
    canary.mkdir()
    (cache / folder).parent.mkdir(parents=True)
    (cache / folder).symlink_to(canary)
    with pytest.raises(DownloadError, match=f"{folder} is a link"):
        run(spec(empty_hub, cache))
    assert everything(canary) == []
    (cache / folder).unlink()
    run(spec(empty_hub, cache))
    assert_intact(cache)


def test_S6_the_cache_itself_may_be_a_link(empty_hub: DemoHub, cache: Path, tmp_path: Path) -> None:
    empty_hub.add(REPO, {"model.safetensors": DATA, "sub/config.json": b"{}"})
    (tmp_path / "real").mkdir()
    cache.symlink_to(tmp_path / "real")
    run(spec(empty_hub, cache))
    assert_intact(cache)
    assert (tmp_path / "real" / ROOT / "blobs" / DIGEST).is_file()


def _plant(path: Path, victim: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(victim)


@pytest.mark.parametrize(
    "name",
    [
        f"{ROOT}/blobs/{DIGEST}",
        f"{ROOT}/blobs/{DIGEST}.rmm-part",
        f"{ROOT}/blobs/{DIGEST}.rmm-part.json",
        f"{ROOT}/refs/main",
        f"{ROOT}/trees/COMMIT.json",
        f"{ROOT}/snapshots/COMMIT/model.safetensors",
        "CACHEDIR.TAG",
    ],
)
def test_S6_a_link_in_place_of_a_file_is_replaced_or_left_and_never_followed(
    empty_hub: DemoHub, cache: Path, tmp_path: Path, name: str
) -> None:
    commit = empty_hub.add(REPO, {"model.safetensors": DATA})
    victim = tmp_path / "victim"
    victim.write_text("precious")
    _plant(cache / name.replace("COMMIT", commit), victim)
    run(spec(empty_hub, cache))
    assert victim.read_text() == "precious"
    assert victim.stat().st_nlink == 1
    snapshot = find_snapshot(cache, REPO, None)
    assert snapshot is not None
    assert (snapshot.path / "model.safetensors").read_bytes() == DATA


def test_S6_a_link_in_place_of_a_lock_is_named(empty_hub: DemoHub, cache: Path, tmp_path: Path) -> None:
    large = content(300_000)
    empty_hub.add(REPO, {"model.safetensors": large})
    lock = cache / ".locks" / ROOT / f"{hashlib.sha256(large).hexdigest()}.lock"
    _plant(lock, tmp_path / "victim")
    with pytest.raises(DownloadError, match=r"The lock file .*\.lock is a link"):
        run(spec(empty_hub, cache))
    assert not (tmp_path / "victim").exists()


def test_what_is_open_is_closed_with_its_layout(cache: Path) -> None:
    layout = CacheLayout(cache, REPO)
    layout.prepare(COMMIT, TREE)
    folder = layout.unfinished.folders.get(layout.blobs, make=False)
    assert os.get_inheritable(folder._descriptor._number) is False  # type: ignore[union-attr]
    layout.close()
    layout.close()
    for write in (lambda: layout.prepare(COMMIT, TREE), lambda: layout.write_blob(DIGEST, DATA), folder.check):
        with pytest.raises(OSError):
            write()
    assert not layout.blob(DIGEST).exists()


def test_a_layout_that_is_dropped_lets_go_of_its_folders(cache: Path) -> None:
    """At once, without the garbage collector."""
    import gc

    gc.disable()
    try:
        before = psutil.Process().num_fds()
        CacheLayout(cache, REPO).prepare(COMMIT, TREE)
        assert psutil.Process().num_fds() == before
    finally:
        gc.enable()


def test_a_folder_that_others_removed_is_made_again(cache: Path) -> None:
    import shutil

    with CacheLayout(cache, REPO) as layout:
        layout.prepare(COMMIT, TREE)
        shutil.rmtree(cache / ROOT)
        layout.write_blob(DIGEST, DATA)
        layout.add_file(COMMIT, list(TREE), DIGEST)
        assert layout.has_file(COMMIT, "sub/deep/model.safetensors", 1000)


def test_a_descriptor_stays_open_for_those_who_use_it(tmp_path: Path) -> None:
    descriptor = Descriptor(os.open(tmp_path, os.O_RDONLY))
    with descriptor as number:
        descriptor.close()
        os.fstat(number)
        with pytest.raises(OSError), descriptor:
            pass
    with pytest.raises(OSError):
        os.fstat(number)


def test_only_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(101))
    (tmp_path / "link").symlink_to(tmp_path / "fits")
    (tmp_path / "fits").write_bytes(bytes(100))
    reads: list[Callable[[], bytes]] = [
        lambda: read_file(tmp_path / "pipe", 100),
        lambda: read_file(tmp_path / "large", 100),
        lambda: read_file(tmp_path / "link", 100, follow=False),
        lambda: read_file(tmp_path, 100),
    ]
    for read in reads:
        with pytest.raises(OSError):
            read()
    assert read_file(tmp_path / "fits", 100) == read_file(tmp_path / "link", 100) == bytes(100)
