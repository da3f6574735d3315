"""Unfinished files: what a next try makes of them, whoever left or forged them."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rmm_widgets.demo.server import DemoHub
from rmm_widgets.downloads.cache import find_snapshot, partial_bytes
from rmm_widgets.downloads.fetcher.partial import Partial, PartialClosedError
from rmm_widgets.downloads.fetcher.transfer import Transfer
from rmm_widgets.downloads.layout import CacheLayout
from rmm_widgets.downloads.owners import MACHINE
from rmm_widgets.downloads.plan import PlannedFile
from rmm_widgets.downloads.verify import verify_snapshot
from rmm_widgets.errors import DownloadCancelledError

from .fetching import MIB, REPO, assert_intact, blobs, content, run, spec

pytestmark = pytest.mark.usefixtures("no_leaks")
SIZE = 2 * MIB + 17
DATA = content(SIZE)
DIGEST = hashlib.sha256(DATA).hexdigest()
PLANNED = PlannedFile("model.safetensors", SIZE, DIGEST)


@pytest.fixture
def layout(cache: Path) -> Iterator[CacheLayout]:
    with CacheLayout(cache, REPO) as layout:
        layout.blobs.mkdir(parents=True)
        yield layout


@pytest.fixture
def ended() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leave(layout: CacheLayout, count: int) -> tuple[Path, Path]:
    """Leave the first `count` bytes at rest. Returns the file and its sidecar."""
    partial = Partial(layout, PLANNED)
    partial.write(0, memoryview(DATA)[:count])
    partial.close()
    file = layout.partial(DIGEST)
    return file, file.with_name(file.name + ".json")


def hand_over(layout: CacheLayout, tag: str) -> Path:
    """Make what rests the working file of another process."""
    working = layout.unfinished.working / f"{DIGEST}.{tag}.rmm-part"
    for end in ("", ".json"):
        layout.partial(DIGEST).with_name(f"{DIGEST}.rmm-part{end}").rename(working.with_name(working.name + end))
    return working


def test_what_rests_is_taken_over_and_not_copied(layout: CacheLayout) -> None:
    file, _ = leave(layout, MIB)
    inode = file.stat().st_ino
    partial = Partial(layout, PLANNED)
    assert partial.have == MIB
    partial.write(MIB, memoryview(DATA)[MIB:])
    assert partial.hasher().matches(lambda: False)
    partial.publish(layout.blob(DIGEST))
    assert layout.blob(DIGEST).stat().st_ino == inode
    assert blobs(layout.cache_dir) == [DIGEST]
    assert list(layout.unfinished.working.iterdir()) == []


def test_a_file_that_holds_nothing_leaves_nothing(layout: CacheLayout) -> None:
    partial = Partial(layout, PLANNED)
    partial.close()
    assert (layout.partials(), blobs(layout.cache_dir)) == ([], [])
    with pytest.raises(PartialClosedError):
        partial.write(0, memoryview(b"x"))


def test_the_file_of_an_ended_process_is_taken_over(layout: CacheLayout, ended: int) -> None:
    leave(layout, MIB)
    working = hand_over(layout, f"0-{MACHINE}-{ended:x}")
    inode = working.stat().st_ino
    assert layout.read_sidecar(DIGEST).have == ((0, MIB),)  # type: ignore[union-attr]
    partial = Partial(layout, PLANNED)
    assert (partial.have, working.exists()) == (MIB, False)
    partial.close()
    assert layout.partial(DIGEST).stat().st_ino == inode


def test_what_an_ended_process_left_goes_once_the_content_is_there(layout: CacheLayout, ended: int) -> None:
    leave(layout, MIB)
    working = hand_over(layout, f"0-{MACHINE}-{ended:x}")
    layout.remove_leftovers()
    assert working.exists(), "somebody can go on with it"
    layout.write_blob(DIGEST, DATA)
    layout.remove_leftovers()
    assert list(layout.unfinished.working.iterdir()) == []


def test_the_file_of_a_running_process_is_shown_and_left_alone(layout: CacheLayout) -> None:
    leave(layout, MIB)
    working = hand_over(layout, f"0-{MACHINE}-{os.getppid():x}")
    assert layout.read_sidecar(DIGEST).total == MIB  # type: ignore[union-attr]
    partial = Partial(layout, PLANNED)
    assert partial.have == 0
    partial.write(0, memoryview(DATA))
    partial.publish(layout.blob(DIGEST))
    layout.remove_partial(DIGEST)
    assert working.exists()


def test_a_file_from_elsewhere_is_copied_because_somebody_may_write_to_it(layout: CacheLayout) -> None:
    leave(layout, MIB)
    working = hand_over(layout, f"0-{'0' * 16}-{os.getpid():x}")
    partial = Partial(layout, PLANNED)
    assert partial.have == MIB
    with working.open("r+b") as late:
        late.write(b"late and wrong")
    partial.write(MIB, memoryview(DATA)[MIB:])
    assert partial.hasher().matches(lambda: False)
    partial.publish(layout.blob(DIGEST))
    assert layout.blob(DIGEST).read_bytes() == DATA
    assert list(layout.unfinished.working.iterdir()) == []


def test_two_writers_of_one_process_have_files_of_their_own(layout: CacheLayout) -> None:
    one, other = Partial(layout, PLANNED), Partial(layout, PLANNED)
    one.write(0, memoryview(DATA))
    other.write(0, memoryview(bytes(SIZE)))
    one.publish(layout.blob(DIGEST))
    other.write(0, memoryview(bytes(100)))
    other.close()
    assert layout.blob(DIGEST).read_bytes() == DATA


@pytest.mark.parametrize("loss", ["file", "folder", "replaced"])
def test_a_writer_whose_file_was_taken_away_writes_it_again(layout: CacheLayout, loss: str) -> None:
    partial = Partial(layout, PLANNED)
    partial.write(0, memoryview(DATA))
    assert partial.hasher().matches(lambda: False)
    (file,) = layout.unfinished.working.glob("*.rmm-part")
    match loss:
        case "file":
            file.unlink()
        case "folder":
            shutil.rmtree(layout.root)
        case _:
            file.unlink()
            file.write_bytes(bytes(SIZE))
    partial.publish(layout.blob(DIGEST))
    assert layout.blob(DIGEST).read_bytes() == DATA


def test_modes_S12_files_are_for_all_to_read_and_locks_for_the_group(layout: CacheLayout) -> None:
    mask = os.umask(0o022)
    try:
        file, sidecar = leave(layout, MIB)
        layout.write_blob("a" * 64, b"x")
        lock = layout.lock(DIGEST)
        assert lock is not None
        lock.release()
    finally:
        os.umask(mask)
    modes = [path.stat().st_mode & 0o777 for path in (file, sidecar, layout.blob("a" * 64))]
    assert modes == [0o644] * 3
    assert (layout.locks / f"{DIGEST}.lock").stat().st_mode & 0o777 == 0o664
    assert set(json.loads(sidecar.read_text())) == {"v", "size", "digest", "have"}


def test_our_lock_and_that_of_filelock_exclude_each_other(layout: CacheLayout) -> None:
    from filelock import FileLock, Timeout

    ours = layout.lock(DIGEST)
    assert ours is not None
    theirs = FileLock(layout.locks / f"{DIGEST}.lock", timeout=0)
    with pytest.raises(Timeout):
        theirs.acquire()
    assert layout.lock(DIGEST) is None
    ours.release()
    ours.release()
    with theirs:
        assert layout.lock(DIGEST) is None
    again = layout.lock(DIGEST)
    assert again is not None
    again.release()


# -- D4 -----------------------------------------------------------------------------------------------

Edit = Callable[[Path, Path, Path, random.Random], None]


def _flip(file: Path, sidecar: Path, victim: Path, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[chance.randrange(MIB // 2)] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def _lengthen(file: Path, sidecar: Path, victim: Path, chance: random.Random) -> None:
    with file.open("ab") as end:
        end.write(chance.randbytes(SIZE))


def _shorten(file: Path, sidecar: Path, victim: Path, chance: random.Random) -> None:
    os.truncate(file, chance.randrange(MIB))


def _foreign(file: Path, sidecar: Path, victim: Path, chance: random.Random) -> None:
    file.write_bytes(chance.randbytes(SIZE))
    _claim([[0, SIZE]])(file, sidecar, victim, chance)


def _claim(have: object, **changes: object) -> Edit:
    def edit(file: Path, sidecar: Path, victim: Path, chance: random.Random) -> None:
        sidecar.write_text(json.dumps({"v": 1, "size": SIZE, "digest": DIGEST, "have": have} | changes))

    return edit


def _text(text: str) -> Edit:
    return lambda file, sidecar, victim, chance: (sidecar.write_text(text), None)[1]


def _in_place(kind: str, of: int) -> Edit:
    """Something else in place of the file (0) or its sidecar (1)."""

    def edit(file: Path, sidecar: Path, victim: Path, chance: random.Random) -> None:
        place = (file, sidecar)[of]
        place.unlink()
        match kind:
            case "link":
                place.symlink_to(victim)
            case "hard link":
                place.hardlink_to(victim)
            case "pipe":
                os.mkfifo(place)
            case "folder":
                place.mkdir()
            case "full folder":
                place.mkdir()
                (place / "x").touch()
            case _:
                with place.open("wb") as sparse:
                    sparse.truncate(1 << 40)

    return edit


EDITS: list[Edit] = [
    _flip,
    _lengthen,
    _shorten,
    _foreign,
    _claim([[0, SIZE]]),
    _claim([[0, 10**30], [-5, 10], [9, 3], [MIB, MIB]]),
    _claim([[n % 7, MIB + n % 5] for n in range(5000)]),
    _claim([[n, n + 1] for n in range(0, 60_000, 2)]),
    _claim([[0, MIB]], size=SIZE - 1),
    _claim([[0, MIB]], size=1 << 60),
    _claim([[0, MIB]], digest="b" * 64),
    _claim([[0, MIB]], v=2),
    _claim("everything"),
    _text(""),
    _text("[" * 100_000),
    _text('{"v":1,"have":[[0,' + "9" * 5000 + "]]}"),
    *[_in_place(kind, 0) for kind in ("link", "hard link", "pipe", "folder", "full folder", "huge")],
    *[_in_place(kind, 1) for kind in ("link", "hard link", "pipe", "folder", "huge")],
]


@pytest.mark.slow
def test_D4_no_edited_partial_is_accepted(empty_hub: DemoHub, tmp_path: Path, ended: int) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    empty_hub.add(REPO, {"model.safetensors": DATA})
    chosen = EDITS + [chance.choice(EDITS) for _ in range(max(0, 50 - len(EDITS)))]
    for number, edit in enumerate(chosen):
        layout = CacheLayout(tmp_path / str(number), REPO)
        file, sidecar = leave(layout, MIB)
        victim = tmp_path / f"victim-{number}"
        victim.write_text("precious")
        tag = chance.choice([None, f"0-{MACHINE}-{ended:x}", f"0-{'0' * 16}-1"])
        if tag is not None:
            file = hand_over(layout, tag)
            sidecar = file.with_name(file.name + ".json")
        layout.close()
        edit(file, sidecar, victim, chance)
        run(spec(empty_hub, layout.cache_dir))
        snapshot = find_snapshot(layout.cache_dir, REPO, None)
        assert snapshot is not None
        assert verify_snapshot(snapshot)[:2] == ((), ()), (number, tag)
        assert (victim.read_text(), victim.stat().st_size) == ("precious", 8), (number, tag)


def test_D4_a_planted_link_is_not_followed_and_stays_no_obstacle(
    empty_hub: DemoHub, cache: Path, tmp_path: Path
) -> None:
    empty_hub.add(REPO, {"model.safetensors": DATA})
    folder = cache / "models--rmm-demo--model" / "blobs"
    folder.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / f"{DIGEST}.rmm-part").symlink_to(victim)
    run(spec(empty_hub, cache))
    assert victim.read_text() == "precious"
    assert_intact(cache)


def test_D22_the_clock_may_jump(empty_hub: DemoHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between runs and during one: years forward and back."""
    import time

    empty_hub.add(REPO, {"model.safetensors": DATA, "config.json": b"{}"})
    empty_hub.rate = 8 * MIB
    now, jumps = time.time, iter([10**9, -(10**9), 0.0] * 1000)
    monkeypatch.setattr(time, "time", lambda: now() + next(jumps))
    transfer = Transfer(spec(empty_hub, cache), lambda r: transfer.cancel() if r.downloaded_bytes > MIB else None)
    with pytest.raises(DownloadCancelledError):
        transfer.run()
    kept = partial_bytes(cache, REPO)
    assert kept > 0
    for path in cache.rglob("*"):
        stamp = random.choice([0, 2**31, 10**10])
        os.utime(path, (stamp, stamp), follow_symlinks=False)
    empty_hub.reset_log()
    result = run(spec(empty_hub, cache, stall_timeout=20.0, deadline=60.0))
    assert result.fetched_bytes == SIZE - kept
    assert_intact(cache)
