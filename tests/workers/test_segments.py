"""Shared memory between the kernel and a worker: values arrive whole, nothing changes later, nobody can do harm."""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from rmm_widgets.errors import WorkerDiedError
from rmm_widgets.workers import wire
from rmm_widgets.workers.frames import FrameError, FrameSocket, Limits
from rmm_widgets.workers.messages import Done
from rmm_widgets.workers.segments import (
    MAX_SEGMENTS,
    SHARED_FROM,
    KernelSegments,
    Notice,
    Subject,
    WorkerSegments,
    can_share,
)

from .conftest import Start
from .placements import OWN_PROCESS, PLACEMENTS, Placement
from .test_conformance import until

MIB = 1 << 20
pytestmark = pytest.mark.skipif(not can_share(), reason="needs memory without a name")


@pytest.fixture(params=OWN_PROCESS)
def placement(request: pytest.FixtureRequest) -> Placement:
    return PLACEMENTS[request.param]


def segments(worker: Any) -> KernelSegments:
    return worker._link._frames.segments


class Pair:
    """A kernel's and a worker's end of one socket."""

    def __init__(self) -> None:
        left, right = socket.socketpair()
        self.kernel, self.worker = FrameSocket(left), FrameSocket(right)
        self.posted: list[Notice] = []
        self.kernel.segments = KernelSegments(Limits().block, self.kernel.notify, self.post)
        self.worker.takes_memory, self.worker.segments = True, WorkerSegments(self.worker.notify)
        self._left = left

    def post(self, notice: Notice) -> None:
        """As the kernel's writer thread, but at once."""
        self.posted.append(notice)
        self.kernel.notify(notice)

    def close(self) -> None:
        for end in (self.kernel, self.worker):
            end.close()
            assert end.segments
            end.segments.close()


@pytest.fixture
def pair(no_leaks: None) -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def block(size: int, value: int) -> list[memoryview]:
    return [memoryview(np.full(size, value, np.uint8))]


# Frames


def test_a_block_in_shared_memory_arrives_and_its_memory_is_used_again(pair: Pair) -> None:
    for value in range(20):
        pair.kernel.send(b"header", block(2 * MIB, value))
        frame = pair.worker.receive()
        assert frame
        header, data = frame
        assert header == b"header"
        assert len(data) == 2 * MIB
        assert set(bytes(data[:: MIB // 2])) == {value}
        del frame, data
        pair.worker.send(b"reply")
        assert pair.kernel.receive() == (b"reply", b"")
    assert isinstance(pair.kernel.segments, KernelSegments)
    assert len(pair.kernel.segments._arguments) == 1


def test_what_is_kept_is_not_overwritten_and_more_than_there_is_room_for_goes_by_the_socket(pair: Pair) -> None:
    kept: list[Any] = []
    for value in range(MAX_SEGMENTS + 2):
        sender = threading.Thread(target=pair.kernel.send, args=(b"h", block(2 * MIB, value)))
        sender.start()
        kept.append(pair.worker.receive()[1])  # type: ignore[index]
        sender.join()
    assert [set(bytes(data[::1000])) for data in kept] == [{value} for value in range(MAX_SEGMENTS + 2)]
    assert [isinstance(data, bytearray) for data in kept] == [False] * MAX_SEGMENTS + [True, True]
    kept.clear()
    pair.worker.send(b"")
    assert pair.kernel.receive() == (b"", b"")
    pair.kernel.send(b"h", block(2 * MIB, 99))
    assert isinstance(pair.worker.receive()[1], memoryview)  # type: ignore[index]


def test_a_larger_block_replaces_the_memory(pair: Pair) -> None:
    for size in (2 * MIB, 9 * MIB, 3 * MIB, 40 * MIB):
        pair.kernel.send(b"h", block(size, 7))
        assert len(pair.worker.receive()[1]) == size  # type: ignore[index]
        pair.worker.send(b"")
        pair.kernel.receive()
    assert isinstance(pair.kernel.segments, KernelSegments)
    assert [segment.size for segment in pair.kernel.segments._arguments.values()] == [64 * MIB]


def test_small_blocks_go_by_the_socket(pair: Pair) -> None:
    pair.kernel.send(b"h", block(SHARED_FROM - 1, 1))
    assert isinstance(pair.worker.receive()[1], bytearray)  # type: ignore[index]


def test_the_size_of_the_memory_cannot_be_changed(pair: Pair) -> None:
    notice = pair.kernel.segments._make({}, Subject.ARGUMENTS, MIB)  # type: ignore[union-attr]
    assert notice
    assert notice.descriptor
    for size in (0, 4 * notice.size):
        with pytest.raises(PermissionError):
            os.ftruncate(notice.descriptor, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(notice.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    assert not os.get_inheritable(notice.descriptor)
    os.close(notice.descriptor)


# Workers


async def test_arguments_and_results_of_every_size(start: Start) -> None:
    worker = await start()
    for size in (SHARED_FROM - 1, SHARED_FROM, 3 * MIB, 20 * MIB, 5 * MIB, 3):
        array = np.random.default_rng(size).integers(0, 255, size, np.uint8)
        np.testing.assert_array_equal(await worker.call("echo", (array,), {}), array)
    many = [np.full(MIB // 4 + n, n, np.float32) for n in range(20)]
    for sent, got in zip(many, await worker.call("echo", (many,), {}), strict=True):
        np.testing.assert_array_equal(sent, got)
    text = "x" * 3 * MIB
    assert await worker.call("echo", (text,), {}) == text
    assert await worker.call("echo", (b"y" * 3 * MIB,), {}) == b"y" * 3 * MIB


async def test_arguments_that_a_model_keeps_never_change(start: Start) -> None:
    worker = await start()
    for value in range(8):
        assert await worker.call("remember", (np.full(2 * MIB, value, np.uint8),), {}) == value + 1
    assert await worker.call("remembered", (), {}) == list(range(8))
    assert len(segments(worker)._arguments) == MAX_SEGMENTS
    await worker.call("forget", (), {})
    await worker.call("total", (np.zeros(2 * MIB, np.uint8),), {})
    assert all(segment.free for segment in segments(worker)._arguments.values())


async def test_a_model_may_write_to_its_arguments_and_nobody_else_sees_it(start: Start) -> None:
    worker = await start()
    array = np.zeros(2 * MIB, np.uint8)
    for _ in range(3):
        assert (await worker.call("overwrite", (array,), {}) == 1).all()
    assert not array.any()


async def test_results_belong_to_the_caller(start: Start) -> None:
    worker = await start()
    results = [await worker.call("make_array", (2 * MIB, value), {}) for value in range(6)]
    assert [int(result.max()) for result in results] == list(range(6))
    assert all(result.flags.writeable and result.flags.owndata for result in results)
    assert len(segments(worker)._results) == 1
    await worker.stop()
    assert [int(result.min()) for result in results] == list(range(6))


async def test_pictures_go_there_and_back(start: Start) -> None:
    worker = await start()
    for mode, value in (("RGB", (1, 2, 3)), ("RGBA", (4, 5, 6, 7)), ("L", 8)) * 2:
        image = Image.new(mode, (1200, 1000), value)
        back = await worker.call("echo", (image,), {})
        assert (back.mode, back.size, back.tobytes()) == (mode, image.size, image.tobytes())
        back.putpixel((0, 0), 0)
    assert len(segments(worker)._results) == 1


async def test_memory_for_many_calls_is_that_of_one(start: Start) -> None:
    worker = await start()
    array = np.zeros(16 * MIB, np.uint8)
    for _ in range(20):
        assert await worker.call("total", (array,), {}) == 0
    assert len(segments(worker)._arguments) == 1


def named_memory() -> set[Path]:
    return set(Path("/dev/shm").iterdir())


async def test_nothing_with_a_name_is_made_and_nothing_stays(start: Start) -> None:
    names = named_memory()
    process = psutil.Process()
    before = process.num_fds()
    worker = await start()
    await worker.call("echo", (np.zeros(4 * MIB, np.uint8),), {})
    assert named_memory() == names
    await worker.stop()
    await until(lambda: process.num_fds() <= before)
    assert "rmm-values" not in Path("/proc/self/maps").read_text()  # noqa: ASYNC240


async def test_callbacks_with_large_arrays(start: Start) -> None:
    worker = await start()
    seen: list[Any] = []
    assert await worker.call("pictures", (10, 2), {"on_step": seen.append}) == 10
    assert [int(picture.max()) for picture in seen] == list(range(10))
    assert all(picture.flags.owndata for picture in seen)


async def test_without_shared_memory_all_goes_by_the_socket(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_size: int) -> int:
        raise OSError("no memory")

    monkeypatch.setattr("rmm_widgets.workers.segments._sealed_memory", fail)
    worker = await start()
    array = np.arange(MIB, dtype=np.uint32)
    np.testing.assert_array_equal(await worker.call("echo", (array,), {}), array)


# Hostile workers


def prelude(magic: bytes, first: int, second: int) -> bytes:
    return magic + first.to_bytes(4, "big") + second.to_bytes(8, "big")


@pytest.mark.parametrize(
    "data",
    [
        prelude(b"rmmS", 0, 2 * MIB) + (77).to_bytes(4, "big"),
        prelude(b"rmmS", 0, 2 * MIB) + (1).to_bytes(4, "big"),
        prelude(b"rmmF", 99, 0),
        prelude(b"rmmD", 1, 0),
        prelude(b"rmmW", 0, 1 << 60),
        prelude(b"rmmW", 0, 0),
        prelude(b"rmmA", 5, 4 * MIB),
        prelude(b"rmmR", 5, 4 * MIB),
    ],
    ids=["unknown", "not for results", "free unknown", "drop unknown", "want all", "want none", "give", "give back"],
)
async def test_S19_a_worker_that_lies_about_shared_memory_is_ended(start: Start, data: bytes) -> None:
    worker = await start()
    await worker.call("total", (np.zeros(2 * MIB, np.uint8),), {})
    with pytest.raises(WorkerDiedError, match="broke the protocol"):
        await worker.call("write_to_kernel", (data,), {})


async def test_S19_a_block_that_is_larger_than_its_segment_is_refused(start: Start) -> None:
    worker = await start()
    await worker.call("make_array", (2 * MIB, 1), {})
    (number,) = segments(worker)._results
    with pytest.raises(WorkerDiedError, match=r"broke the protocol .*does not hold it"):
        await worker.call("write_to_kernel", (prelude(b"rmmS", 0, 512 * MIB) + number.to_bytes(4, "big"),), {})


def test_S19_asking_for_ever_more_memory_gives_no_more(pair: Pair) -> None:
    before = psutil.Process().num_fds()
    for _ in range(50):
        pair.worker.notify(Notice(Subject.WANTED, size=64 * MIB))
    pair.worker.send(b"end")
    assert pair.kernel.receive() == (b"end", b"")
    assert len(pair.kernel.segments._results) == MAX_SEGMENTS  # type: ignore[union-attr]
    assert sum(notice.descriptor is None for notice in pair.posted) == 50 - MAX_SEGMENTS
    assert psutil.Process().num_fds() <= before + 3 * MAX_SEGMENTS  # the mapping, and one under way


def test_S19_memory_that_a_worker_hands_over_is_dropped(no_leaks: None) -> None:
    left, right = socket.socketpair()
    with left, right:
        kernel = FrameSocket(left)
        kernel.segments = KernelSegments(MIB, kernel.notify, lambda _: None)
        descriptors = psutil.Process().num_fds()
        memory = os.memfd_create("hostile")
        socket.send_fds(right, [prelude(b"rmm1", 0, 0)], [memory] * 50)
        os.close(memory)
        assert kernel.receive() == (b"", b"")
        assert psutil.Process().num_fds() == descriptors


def fuzz(rounds: int) -> None:
    """Streams of frames and notices, right and wrong, to a kernel's end that has segments of every kind."""
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    rng = random.Random(seed)
    process = psutil.Process()
    before = process.memory_info().rss
    refused = 0
    magics = [b"rmm1", *[subject.value for subject in Subject], b"rmmS", b"rmmS", b"rmm?", b"\0\0\0\0"]
    good = bytes(wire.encode(Done(id=1, generation=1, value=3))[0])
    for _ in range(rounds // 10):
        left, right = socket.socketpair()
        with left, right:
            posted: list[Notice] = []
            kernel = FrameSocket(left)
            kernel.segments = own = KernelSegments(MIB, lambda notice: drop(notice), posted.append)
            own.fill(block(MIB, 1), MIB)
            own.take(Notice(Subject.WANTED, size=MIB))
            data = b""
            for _ in range(10):
                magic = rng.choice(magics)
                size = rng.choice([0, 1, len(good), 4096, MIB, 1 << 31, 1 << 40, 2**64 - 1])
                number = rng.choice([0, 1, 2, 3, 2**32 - 1])
                first = rng.choice([0, len(good), number]) if magic in {b"rmm1", b"rmmS"} else number
                data += prelude(magic, first, size)
                if magic == b"rmmS":
                    data += number.to_bytes(4, "big")
                data += good if rng.random() < 0.5 else rng.randbytes(rng.randrange(40))
            right.sendall(data)
            right.shutdown(socket.SHUT_WR)
            refused += is_refused(kernel)
            own.close()
            for notice in posted:
                drop(notice)
    assert refused > rounds // 30
    assert process.memory_info().rss - before < 100 * MIB


def drop(notice: Notice) -> None:
    if notice.descriptor is not None:
        os.close(notice.descriptor)


def is_refused(kernel: FrameSocket) -> bool:
    """Whether a stream is refused in the one way there is; any other exception fails the test."""
    try:
        while (frame := kernel.receive()) is not None:
            wire.decode_reply(*frame)
    except FrameError:
        return True
    return False


def test_S19_hostile_streams_are_refused_and_cost_no_memory(no_leaks: None) -> None:
    fuzz(3_000)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_S19_many_hostile_streams(no_leaks: None) -> None:
    fuzz(100_000)


async def test_the_kernel_goes_on_while_a_large_array_is_copied(start: Start) -> None:
    """The copy gives way: other threads of the kernel run meanwhile."""
    worker = await start()
    array = np.zeros(64 * MIB, np.uint8)
    ticks = 0
    stopping = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stopping.is_set():
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        await asyncio.gather(*(worker.call("total", (array,), {}) for _ in range(3)))
    finally:
        stopping.set()
        thread.join()
    assert ticks > 1000


def test_seals_are_known_here() -> None:
    """What the promise rests on."""
    descriptor = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, mmap.PAGESIZE)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    os.close(descriptor)
