"""Values, frames and texts: round trips, limits, and hostile bytes."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import PurePosixPath
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rmm_widgets.types import FrozenDict
from rmm_widgets.workers import wire
from rmm_widgets.workers.exits import describe_exit
from rmm_widgets.workers.faults import call_error, clean_text, load_error
from rmm_widgets.workers.frames import FrameError, FrameSocket, Limits
from rmm_widgets.workers.messages import (
    Busy,
    CallbackCall,
    CallRequest,
    CancelRequest,
    ConfigRequest,
    Done,
    ErrorRecord,
    Failed,
    LoadRequest,
    OpenRequest,
    ProbeRequest,
    UnloadRequest,
)

MIB = 1 << 20


@pytest.fixture
def pair() -> Iterator[tuple[FrameSocket, FrameSocket]]:
    left, right = (FrameSocket(sock) for sock in socket.socketpair())
    yield left, right
    left.close()
    right.close()


def there(value: Any) -> Any:
    """The value after a trip through bytes."""
    header, buffers = wire.encode(Done(id=1, generation=2, value=value))
    reply = wire.decode_reply(bytearray(header), bytearray(b"".join(buffers)))
    assert isinstance(reply, Done)
    return reply.value


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and (left == right or left != left)  # or not a number


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=9000)
values = st.recursive(
    scalars | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert same(there(value), value)


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


Point = namedtuple("Point", "x y")  # noqa: PYI024 - an untyped one on purpose


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Point(1, 2), (1, 2)),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (FrozenDict(a=(1,)), {"a": (1,)}),
        (bytearray(b"ab"), b"ab"),
        (memoryview(np.arange(12, dtype=np.uint8).reshape(3, 4)[:, ::2]), bytes([0, 2, 4, 6, 8, 10])),
        (memoryview(np.arange(5000, dtype=np.uint16)), np.arange(5000, dtype=np.uint16).tobytes()),
        (PurePosixPath("/a/b"), "/a/b"),
        (datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)),
        (np.str_("text"), "text"),
        ({Colour.RED: 1}, {"red": 1}),
    ],
)
def test_relatives_of_plain_values_become_plain(sent: Any, got: Any) -> None:
    back = there(sent)
    assert back == got
    assert type(back) is type(got)


@pytest.mark.parametrize("dtype", ["?", "i1", "<u8", ">i4", "<f2", ">f8", "<c16", "S5", "<U3", "<M8[ns]", "<m8[s]"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (7,), (2, 3), (40, 50)])
def test_arrays_come_back_as_they_were(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape).astype(dtype)
    back = there(array)
    assert (back.dtype, back.shape, back.flags.writeable) == (array.dtype, array.shape, True)
    np.testing.assert_array_equal(back, array)


def test_arrays_in_other_orders_and_numbers() -> None:
    array = np.arange(10_000, dtype=np.float32).reshape(100, 100)
    for view in (array.T, array[::-2, 3:], np.asfortranarray(array)):
        np.testing.assert_array_equal(there(view), view)
    for number in (np.float32(1.5), np.float64("nan"), np.int8(-3), np.bool_(True), np.datetime64("2024-01-01")):
        back = there(number)
        assert type(back) is type(number)
        assert back.tobytes() == number.tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"])
@pytest.mark.parametrize("size", [(0, 0), (13, 7), (200, 100)])
def test_images_come_back_as_they_were(mode: str, size: tuple[int, int]) -> None:
    image = Image.new(mode, size)
    if image.tobytes():
        image.frombytes(random.Random(1).randbytes(len(image.tobytes())))
    back = there({"image": image})["image"]
    assert (back.mode, back.size) == (mode, size)
    assert back.tobytes() == image.tobytes()


def test_images_with_a_palette_come_back_in_full_colour() -> None:
    image = Image.new("P", (5, 4), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    assert there(image).convert("RGB").getpixel((2, 2)) == (10, 200, 30)
    image.info["transparency"] = 1
    assert there(image).getpixel((2, 2)) == (10, 200, 30, 0)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1},
        {2: 1},
        len,
        1j,
        np.ma.masked_array([1, 2], [True, False]),
        np.array([None]),
        np.zeros(2, [("a", "i4")]),
        np.zeros(3, "V8"),
        [[[{"a": (object,)}]]],
        "\ud800",
        {"\ud800": 1},
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused_with_what_can_be_sent(value: Any) -> None:
    with pytest.raises(TypeError, match=r"the result (is|holds) .*cannot be sent.*numpy array") as caught:
        there(value)
    caught.value.args[0].encode()


MESSAGES = [
    OpenRequest(loader="onnx", model_id="m", model_type="t", path="/p", generation=1),
    LoadRequest(id=1, config={"a": (1, [b"x" * 5000])}, device=None),
    CallRequest(id=2, method="f", args=[(1,), "a"], kwargs={"k": [1]}, callbacks=["on_step"]),
    ProbeRequest(id=3),
    ConfigRequest(id=4, config={}),
    UnloadRequest(id=5),
    CancelRequest(target=None),
    Done(id=1, generation=1, value={"a": [1, (2,)]}),
    Failed(id=1, generation=1, error=ErrorRecord(type="E", message="m", phase="call")),
    Busy(id=1, generation=1, operation="call", seconds=1.5),
    CallbackCall(id=1, generation=1, name="on_step", args=[(1,)], kwargs={"total": 3}),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_through_a_socket(pair: tuple[FrameSocket, FrameSocket], message: Any) -> None:
    pair[0].send(*wire.encode(message))
    frame = pair[1].receive()
    assert frame
    is_reply = isinstance(message, Done | Failed | Busy | CallbackCall)
    assert (wire.decode_reply if is_reply else wire.decode_request)(*frame) == message
    with pytest.raises(FrameError):
        (wire.decode_request if is_reply else wire.decode_reply)(*frame)


def test_many_buffers_from_many_threads_stay_whole(pair: tuple[FrameSocket, FrameSocket]) -> None:
    def send(number: int) -> None:
        for _ in range(5):
            arrays = [np.full(5000 + n, number, np.uint8) for n in range(300)]
            pair[0].send(*wire.encode(Done(id=number, generation=1, value=arrays)))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        frame = pair[1].receive()
        assert frame
        reply = wire.decode_reply(*frame)
        assert isinstance(reply, Done)
        assert [len(array) for array in reply.value] == list(range(5000, 5300))
        assert all((array == reply.id).all() for array in reply.value)
    for thread in threads:
        thread.join()


def test_the_end_of_a_stream(pair: tuple[FrameSocket, FrameSocket]) -> None:
    pair[0].send(b"header", [memoryview(b"block")])
    pair[0].end_sending()
    pair[0].end_sending()
    assert pair[1].receive() == (b"header", b"block")
    assert pair[1].receive() is None
    pair[1].shut()
    pair[1].shut()
    with pytest.raises(OSError, match="pipe"):
        pair[0].send(b"x")


@pytest.mark.parametrize("kept", [1, 16, 18, 25])
def test_a_stream_that_ends_inside_a_frame(kept: int) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall((b"rmm1" + (6).to_bytes(4, "big") + (9).to_bytes(8, "big") + b"header" + b"block")[:kept])
        left.shutdown(socket.SHUT_WR)
        assert FrameSocket(right).receive() is None


def test_limits_hold_before_anything_is_sent_or_received() -> None:
    left, right = socket.socketpair()
    with left, right:
        narrow, wide = FrameSocket(left, Limits(header=10, block=20)), FrameSocket(right)
        with pytest.raises(FrameError, match="over the limit"):
            narrow.send(b"x" * 11)
        with pytest.raises(FrameError, match="over the limit"):
            narrow.send(b"x", [memoryview(bytes(21))])
        for header, block in ((b"x" * 11, b""), (b"x", bytes(21))):
            wide.send(header, [memoryview(block)])
            with pytest.raises(FrameError, match="over the limit"):
                narrow.receive()
            left.recv(MIB)
        narrow.send(b"x" * 10, [memoryview(bytes(20))])
        assert wide.receive() == (b"x" * 10, bytes(20))


# Hostile bytes


def hostile_values(rng: random.Random) -> Any:
    """Trees that a worker might send to do harm, next to what is right."""
    dtype = rng.choice(["<f4", "O", "|O8", "V8", "<f99", "<U0", "M8[x]", "x" * 99])
    shape = [rng.choice([-1, 3, 2**40])] * rng.randrange(40)
    reference = rng.choice([b"", b"abcd", [0, 4], [-1, 2], [2**62, 2**62], None])
    size = [rng.choice([-5, 0, 10**6]), rng.choice([1, 10**6])]
    return rng.choice(
        [
            ["array", dtype, shape, reference],
            ["image", rng.choice(["RGB", "1", "XYZ", "P"]), size, b"abc"],
            ["number", "<f8", rng.randbytes(rng.randrange(12))],
            ["int", rng.choice(["0x", "ff" * 1000, "zz", ""])],
            ["bytes", [rng.randrange(-5, 5), rng.randrange(-5, 2**40)]],
            ["datetime", rng.choice(["", "2024-13-45", "9" * 999])],
            ["pickle", b"cos\nsystem\n(S'true'\ntR."],
            [],
            [["list"]],
            msgspec.msgpack.Ext(rng.randrange(100), rng.randbytes(8)),
            {1: 2},
        ]
    )


def hostile_header(rng: random.Random, good: list[bytes]) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(64))
    if kind == 1:
        message = {"type": "done", "id": 1, "generation": 1, "value": hostile_values(rng), "unknown": 1}
        return msgspec.msgpack.encode(message)
    data = bytearray(rng.choice(good))
    for _ in range(rng.randrange(1, 4)):
        position = rng.randrange(len(data))
        if kind == 2:
            data[position] = rng.randrange(256)
        else:
            data[position : position + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        data = data or bytearray(b"\0")
    return bytes(data)


def is_refused(header: bytearray, block: bytearray) -> bool:
    """Whether a frame is refused in the one way there is; any other exception fails the test."""
    try:
        wire.decode_reply(header, block)
    except FrameError:
        return True
    return False


def test_S19_a_refusal_is_short() -> None:
    value = ["datetime", "9" * MIB]
    header = msgspec.msgpack.encode({"type": "done", "id": 1, "generation": 1, "value": value})
    with pytest.raises(FrameError) as caught:
        wire.decode_reply(bytearray(header), bytearray())
    assert len(str(caught.value)) < 300


def test_S19_an_error_record_of_a_hostile_worker_is_cut() -> None:
    huge = "\x1b[1m" + "x" * MIB
    record = ErrorRecord(type=huge, message=huge, phase="call", traceback=huge, hint=huge)
    for error in (call_error(record, "m"), load_error(record, "m")):
        assert "\x1b" not in str(error)
        assert len(str(error)) < 10_000
        assert sum(map(len, error.__notes__)) < 20_000


def fuzz(rounds: int) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    rng = random.Random(seed)
    good = [wire.encode(message)[0] for message in MESSAGES]
    process = psutil.Process()
    before = process.memory_info().rss
    refused = 0
    for _ in range(rounds):
        header, block = bytearray(hostile_header(rng, good)), bytearray(rng.randbytes(rng.randrange(16)))
        refused += is_refused(header, block)
    assert refused > rounds // 3
    assert process.memory_info().rss - before < 100 * MIB


def test_S19_hostile_frames_are_refused_and_cost_no_memory() -> None:
    fuzz(5_000)


@pytest.mark.soak
def test_S19_many_hostile_frames() -> None:
    fuzz(100_000)


def test_S19_lengths_that_lie_cost_no_memory() -> None:
    before = psutil.Process().memory_info().rss
    for data in (b"\xdd\xff\xff\xff\xff\x01", b"\xdf\xff\xff\xff\xff\x01", b"\xc6\xff\xff\xff\xffx", b"\x91" * 100_000):
        with pytest.raises(FrameError):
            wire.decode_reply(bytearray(data), bytearray())
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"rmm1" + (60 * MIB).to_bytes(4, "big") + (1000 * MIB).to_bytes(8, "big") + b"little")
        left.shutdown(socket.SHUT_WR)
        assert FrameSocket(right).receive() is None
    assert psutil.Process().memory_info().rss - before < 100 * MIB


def test_S19_deep_values_are_refused() -> None:
    tree: Any = 1
    for _ in range(200):
        tree = ["list", tree]
    header = msgspec.msgpack.encode({"type": "done", "id": 1, "generation": 1, "value": tree})
    with pytest.raises(FrameError, match="nested too deeply"):
        wire.decode_reply(bytearray(header), bytearray())


def test_S19_unknown_keys_are_dropped() -> None:
    header = msgspec.msgpack.encode(
        {"type": "done", "id": 1, "generation": 1, "value": 2, "pickle": b"x", "__class__": 1}
    )
    assert wire.decode_reply(bytearray(header), bytearray()) == Done(id=1, generation=1, value=2)


# Texts


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters()), st.integers(4, 200), st.booleans())
def test_clean_text_fits_and_has_no_control_characters(text: str, limit: int, tail: bool) -> None:
    clean = clean_text("\x1b[1m" + text * 3, limit, tail=tail)
    assert len(clean.encode()) <= limit
    assert all(c in "\t\n" or (ord(c) >= 32 and not 127 <= ord(c) < 160) for c in clean)


def test_clean_text_keeps_the_asked_end() -> None:
    assert clean_text("0123456789", 8) == "01234..."
    assert clean_text("0123456789", 8, tail=True) == "...56789"
    assert clean_text("progress 1%\rprogress 2%\r\ndone", 99) == "progress 1%\nprogress 2%\ndone"


@pytest.mark.parametrize(
    ("returncode", "more", "kind", "reason"),
    [
        (0, {"asked": True}, "stopped", "was stopped"),
        (0, {}, "exited", "ended itself with exit code 0"),
        (3, {"asked": True}, "exited", "ended itself with exit code 3"),
        (-9, {}, "signal", "was killed by signal 9 (SIGKILL)"),
        (-9, {"killed": "it hung"}, "killed", "was ended: it hung"),
        (-11, {"killed": "it hung"}, "signal", "ended by a segmentation fault (signal 11, SIGSEGV)"),
        (-9, {"oom_killed": True}, "signal",
         "was killed by signal 9 (SIGKILL), most likely because the system ran out of memory"),
        (-6, {"detail": "std::bad_alloc"}, "signal", "aborted itself (signal 6, SIGABRT): out of memory"),
        (-63, {}, "signal", "was killed by signal 63 (unknown)"),
    ],
)  # fmt: skip
def test_how_a_process_ended_in_words(returncode: int, more: dict[str, Any], kind: str, reason: str) -> None:
    arguments: dict[str, Any] = {"asked": False, "killed": None, "oom_killed": False, "detail": ""}
    exit_ = describe_exit(returncode, **{**arguments, **more})
    assert (exit_.kind, exit_.reason) == (kind, reason)
    assert exit_.signal == (-returncode if returncode < 0 else None)
    assert exit_.exitcode == (returncode if returncode >= 0 else None)
