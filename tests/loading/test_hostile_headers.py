"""S2 and S3: whatever a header says, reading it ends soon, takes little memory, and gives the truth or an error."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.errors import InvalidConfigError, LoadError
from rmm_widgets.loading.estimate import gguf_estimate, onnx_estimate, torch_estimate
from rmm_widgets.loading.files import read_optional_json
from rmm_widgets.loading.headers.gguf import parse_gguf, read_gguf_header
from rmm_widgets.loading.headers.safetensors import parse_safetensors, read_safetensors_header
from rmm_widgets.types import ModelType

from . import gguf_files
from .gguf_files import LIST, TEXT, U32, U64, key, model, tensor

SECONDS = 2.0
BYTES = 256 << 20
Parser = Callable[[BinaryIO, int], Any]


# ---- S3: lies --------------------------------------------------------------------------------------------------


def safetensors(header: object, data: int = 0) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def entry(*offsets: int, shape: list[Any] | None = None, dtype: object = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [1] if shape is None else shape, "data_offsets": list(offsets)}


ONE = b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'

SAFETENSORS_LIES: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "too short"),
    "seven bytes": (bytes(7), "too short"),
    "no header": (struct.pack("<Q", 0), "no JSON object"),
    "header longer than the file": (struct.pack("<Q", 2**64 - 1) + b"{}", "cut off"),
    "header of 100 MB": (struct.pack("<Q", 100_000_000) + b"{" + b" " * 99_999_999, "100000000 bytes"),
    "a million tensors": (
        safetensors(b"{%s}" % b",".join(b'"%d":{"dtype":"U8","shape":[0]}' % n for n in range(10**6))),
        "bytes",
    ),
    "a hundred thousand tensors": (
        safetensors(b"{%s}" % b",".join(b'"%d":{"dtype":"U8","shape":[0]}' % n for n in range(10**5))),
        "more than 50000 tensors",
    ),
    "a million lists": (safetensors(b'{"a":[%s]}' % b",".join([b"[]"] * 10**6)), "more than"),
    "a shape of a million axes": (safetensors(b'{"a":[%s]}' % b",".join([b"1"] * 10**6)), "more than"),
    "a hundred thousand axes": (safetensors({"a": entry(0, 4, shape=[1] * 10**5)}, 4), "shape"),
    "overlap": (safetensors({"a": entry(0, 4), "b": entry(2, 6)}, 6), "overlaps"),
    "the same place twice": (safetensors({"a": entry(0, 4), "b": entry(0, 4)}, 4), "overlaps"),
    "a gap": (safetensors({"a": entry(0, 4), "b": entry(5, 9)}, 9), "gap"),
    "a gap at the start": (safetensors({"a": entry(4, 8)}, 8), "gap"),
    "bytes left over": (safetensors({"a": entry(0, 4)}, 5), "5 bytes follow"),
    "data cut off": (safetensors({"a": entry(0, 4)}, 3), "3 bytes follow"),
    "backwards": (safetensors({"a": entry(4, 0)}, 4), "-4"),
    "size overflow": (safetensors({"a": entry(0, 4, shape=[2**62, 2**62])}, 4), "impossibly large"),
    "size wraps to the right one": (safetensors({"a": entry(0, 4, shape=[2**32, 2**32 + 1])}, 4), "impossibly"),
    "offset overflow": (safetensors({"a": entry(2**64 - 4, 2**64)}, 4), "place"),
    "size and shape differ": (safetensors({"a": entry(0, 8)}, 8), "should have 4 bytes and has 8"),
    "half bytes": (safetensors({"a": entry(0, 2, shape=[3], dtype="F4")}, 2), "1.5 bytes"),
    "one name twice": (safetensors(b'{"a":%s,"a":%s}' % (ONE, ONE), 4), "'a' twice"),
    "one name twice, escaped": (safetensors(b'{"a":%s,"\\u0061":%s}' % (ONE, ONE), 4), "'a' twice"),
    "one field twice": (
        safetensors(b'{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
        "'dtype' twice",
    ),
    "metadata twice": (safetensors(b'{"__metadata__":{},"__metadata__":{}}'), "twice"),
    "metadata is a list": (safetensors({"__metadata__": []}), "metadata|follow"),
    "metadata holds a number": (safetensors({"__metadata__": {"a": 1}}), "metadata"),
    "a number for a tensor": (safetensors({"a": 1}), "no object"),
    "no dtype": (safetensors({"a": {"shape": [1], "data_offsets": [0, 4]}}, 4), "dtype"),
    "unknown dtype": (safetensors({"a": entry(0, 4, dtype="F31")}, 4), "'F31'"),
    "a dtype that cannot be looked up": (safetensors({"a": entry(0, 4, dtype=["F32"])}, 4), "dtype"),
    "a negative axis": (safetensors({"a": entry(0, 4, shape=[-1, -1])}, 4), "shape"),
    "an axis of 1.0": (safetensors({"a": entry(0, 4, shape=[1.0])}, 4), "shape"),
    "an axis that is true": (safetensors({"a": entry(0, 4, shape=[True])}, 4), "shape"),
    "three offsets": (safetensors({"a": entry(0, 4, 4)}, 4), "place"),
    "not a number": (safetensors(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', 4), "NaN"),
    "a number of 100000 digits": (safetensors(b'{"a":%s}' % (b"9" * 10**5)), "limit"),
    "no UTF-8": (safetensors(b'{"\xff":1}'), "utf-8"),
    "half a surrogate pair": (safetensors(b'{"\\ud800":%s}' % ONE, 4), "surrogates"),
    "half a surrogate pair in the metadata": (safetensors(b'{"__metadata__":{"a":"\\ud800"}}'), "surrogates"),
    "another field": (safetensors({"a": {**entry(0, 4), "more": 1}}, 4), "unknown field"),
    "nested deeply": (safetensors(b'{"a":' * 40_000 + b"1" + b"}" * 40_000), "nested"),
    "JSON cut off": (safetensors(b'{"a":{"dtype"'), "char"),
    "text after the object": (safetensors(b"{}{}"), "Extra"),
    "a list": (safetensors(b"[]"), "no JSON object"),
}

ARCHITECTURE = key("general.architecture", TEXT, "llama")

GGUF_LIES: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "no GGUF"),
    "another magic": (b"GGML" + bytes(100), "no GGUF"),
    "version 1": (model([], version=1), "version 1"),
    "version 4": (model([], version=4), "version 4"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "cut off": (gguf_files.small()[:100], "cut off"),
    "a million tensors": (model([], counts=(10**6, 0)), "1000000 tensors"),
    "2^64 - 1 tensors": (model([], counts=(2**64 - 1, 0)), "tensors"),
    "a million keys": (model([ARCHITECTURE], counts=(0, 10**6)), "1000000 keys"),
    "more tensors than there are": (model([], counts=(3, 0), data=4), "cut off"),
    "a key of 2^63 bytes": (model([struct.pack("<Q", 2**63) + b"a"]), "longer than the file"),
    "a key of 5000 bytes": (model([key("a" * 5000, U32, 1)]), "5000 bytes"),
    "one key twice": (model([ARCHITECTURE, ARCHITECTURE]), "'general.architecture' twice"),
    "a text longer than the file": (model([key("a", U64, 1), b"\1" + bytes(7) + b"b\x08\0\0\0" + b"\xff" * 8]), "long"),
    "a list of 2^63 texts": (model([_list := key("a", LIST, (TEXT, []))[:-8] + struct.pack("<Q", 2**63)]), "texts"),
    "a list of 2^62 numbers": (model([key("a", LIST, (U64, []))[:-8] + struct.pack("<Q", 2**62)]), "cut off"),
    "a list of texts that is cut off": (model([key("a", LIST, (TEXT, []))[:-8] + struct.pack("<Q", 10**6)]), "cut off"),
    "a list of lists": (model([key("a", LIST, (LIST, [(U32, [1])]))]), "kind 9"),
    "an unknown kind": (model([key("a", U32, 1)[:-8] + struct.pack("<II", 99, 0)]), "kind 99"),
    "a key that is no text": (model([key("", U32, 1)[8:], b""]), "file|cut|bytes"),
    "one tensor name twice": (model([], [tensor("a", [8], 0, 0), tensor("a", [8], 0, 32)], 64), "one name"),
    "overlap": (model([], [tensor("a", [16], 0, 0), tensor("b", [8], 0, 32)], 96), "overlaps"),
    "the same place twice": (model([], [tensor("a", [8], 0, 0), tensor("b", [8], 0, 0)], 64), "overlaps"),
    "after the end": (model([], [tensor("a", [8], 0, 32)], 63), "after the end"),
    "offset overflow": (model([], [tensor("a", [8], 0, 2**64 - 32)], 64), "after the end"),
    "an odd offset": (model([], [tensor("a", [8], 0, 4)], 64), "middle of a block"),
    "size overflow": (model([], [tensor("a", [2**62, 2**62], 0, 0)], 64), "impossibly large"),
    "size wraps to the right one": (model([], [tensor("a", [2**32, 2**32], 24, 0)], 64), "impossibly large"),
    "a part of a block": (model([], [tensor("a", [33], 8, 0)], 64), "multiple of 32"),
    "five axes": (model([], [tensor("a", [1] * 5, 0, 0)], 64), "5 axes"),
    "2^32 - 1 axes": (model([], [tensor("a", [], 0, 0)[:-16] + b"\xff" * 4 + bytes(64)], 64), "axes"),
    "an unknown type": (model([], [tensor("a", [8], 4, 0)], 64), "type 4"),
    "a name of 300 bytes": (model([], [tensor("a" * 300, [8], 0, 0)], 64), "300 bytes"),
    "a name that is no UTF-8": (model([], [tensor(b"\xff", [8], 0, 0)], 64), "utf-8"),
    "an alignment of 0": (model([key("general.alignment", U32, 0)]), "alignment"),
    "an alignment of 3": (model([key("general.alignment", U32, 3)]), "alignment"),
    "an alignment of 2^31": (model([key("general.alignment", U32, 2**31)]), "alignment"),
    "an alignment that is a text": (model([key("general.alignment", TEXT, "32")]), "alignment"),
}


def check_bounds(parse: Parser, content: bytes, size: int | None = None) -> Any:
    """What a parser answers, None where it refuses; it fails where that takes too long or too much memory."""
    file = io.BytesIO(content)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    began = time.process_time()
    try:
        answer = parse(file, len(content) if size is None else size)
    except (ValueError, RecursionError):
        answer = None
    assert time.process_time() - began < SECONDS
    assert tracemalloc.get_traced_memory()[1] - before < BYTES
    return answer


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start(1)
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("lie", SAFETENSORS_LIES)
def test_S3_safetensors_headers_that_lie(tmp_path: Path, traced: None, lie: str) -> None:
    content, words = SAFETENSORS_LIES[lie]
    assert check_bounds(parse_safetensors, content) is None
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(LoadError, match=rf"model.safetensors is damaged: .*({words})") as caught:
        read_safetensors_header(tmp_path / "model.safetensors")
    assert caught.value.hint
    with pytest.raises(LoadError, match=words):
        torch_estimate(tmp_path)


@pytest.mark.parametrize("lie", GGUF_LIES)
def test_S3_gguf_headers_that_lie(tmp_path: Path, traced: None, lie: str) -> None:
    content, words = GGUF_LIES[lie]
    assert check_bounds(parse_gguf, content) is None
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(LoadError, match=rf"m.gguf is damaged: .*({words})") as caught:
        read_gguf_header(tmp_path / "m.gguf")
    assert caught.value.hint


MEASURE = """
import resource, sys, time
from pathlib import Path
from rmm_widgets.loading.headers.gguf import read_gguf_header
from rmm_widgets.loading.headers.safetensors import read_safetensors_header
path = Path(sys.argv[1])
read = read_gguf_header if path.suffix == ".gguf" else read_safetensors_header
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.process_time()
read(path)
print(time.process_time() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def _most_tensors() -> bytes:
    names = [f"\U0001f600 model.layers.{n}.mlp.experts.down_proj.weight" for n in range(49_000)]
    text = json.dumps({name: entry(0, 0, shape=[0, 4096]) for name in names}, ensure_ascii=False).encode()
    text = text[:-1] + b', "__metadata__": {"a": "' + b"a" * ((16 << 20) - len(text) - 40) + b'"}}'
    return struct.pack("<Q", len(text)) + text


MOST: dict[str, Callable[[], bytes]] = {
    "tensors.safetensors": _most_tensors,
    "tensors.gguf": lambda: model([], [tensor(f"{n:>250}", [0, 2**33, 2**34, 2**35], 0, 0) for n in range(50_000)]),
    "lists.gguf": lambda: model([key(f"{n}", LIST, (12, [1.5] * 512)) for n in range(4096)]),
    "texts.gguf": lambda: model([_vocabulary(2 * 10**6)]),
}


def _vocabulary(texts: int) -> bytes:
    return key("a", LIST, (TEXT, []))[:-8] + struct.pack("<Q", texts) + gguf_files.text("abc") * texts


@pytest.mark.slow
@pytest.mark.parametrize("most", MOST)
def test_S3_the_most_that_is_read_stays_within_the_bounds(tmp_path: Path, most: str) -> None:
    (tmp_path / most).write_bytes(MOST[most]())
    command = [sys.executable, "-c", MEASURE, str(tmp_path / most)]
    seconds, grown = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert seconds < SECONDS
    assert grown < BYTES


# ---- S2: mutations ---------------------------------------------------------------------------------------------

_EXTREMES = [0, 1, 7, 8, 127, 128, 255, 2**16 - 1]
_EXTREMES += [n for power in (31, 32, 62, 63) for n in (2**power - 1, 2**power)] + [2**64 - 1]
_WORDS = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"\xff", b"\x00", b"null", b"true"),
    *(b"-1", b"1e308", b"1e999", b"NaN", b"18446744073709551616", b'"F64"', b'"shape":[]', b"[[[[", b" " * 99),
    b'{"a":' * 50,
]


def mutated(numbers: random.Random, content: bytes) -> bytes:
    """The content with one to eight changes."""
    changed = bytearray(content)
    for _ in range(numbers.choice([1, 1, 1, 2, 3, 8])):
        at = numbers.randrange(len(changed) + 1)
        match numbers.randrange(8):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << numbers.randrange(8)
            case 1:
                changed[at : at + 1] = numbers.randbytes(1)
            case 2:
                size = numbers.choice([1, 2, 4, 8])
                changed[at : at + size] = (numbers.choice(_EXTREMES) % 256**size).to_bytes(size, "little")
            case 3:
                changed[at : at + numbers.randrange(40)] = b""
            case 4:
                changed[at:at] = numbers.choice(_WORDS)
            case 5:
                begin = numbers.randrange(len(changed) + 1)
                changed[at:at] = changed[begin : begin + numbers.randrange(1, 200)]
            case 6:
                changed[at : at + numbers.randrange(1, 20)] = str(numbers.choice(_EXTREMES)).encode()
            case _:
                del changed[at + numbers.randrange(200) :]
    return bytes(changed)


def mutate_safetensors(numbers: random.Random, times: int) -> int:
    """Mutations of real headers; what ours accepts, the library accepts too, and they agree. How many were accepted."""
    library: Any = pytest.importorskip("safetensors")
    tensors = {
        "a": entry(0, 24, shape=[2, 3]),
        "b.c": entry(24, 28, shape=[], dtype="I32"),
        "e": entry(28, 28, shape=[0]),
    }
    small = safetensors({"__metadata__": {"format": "pt"}, **tensors}, 28)
    length = 8 + int.from_bytes(small[:8], "little")
    large = (MODELS_DIR / "minilm-toy" / "model.safetensors").read_bytes()
    accepted = 0
    for turn in range(times):
        if turn % 20 == 0:  # a larger one, of which only the header is changed
            begin = 8 + int.from_bytes(large[:8], "little")
            content = mutated(numbers, large[:begin])
            check_bounds(parse_safetensors, content, len(content) + len(large) - begin)
            continue
        header = mutated(numbers, small[8:length])
        content = numbers.choice(
            [struct.pack("<Q", len(header)) + header + small[length:], mutated(numbers, small), mutated(numbers, small)]
        )
        found = check_bounds(parse_safetensors, content)
        if found is not None:
            accepted += 1
            theirs = {name: (each["dtype"], each["shape"]) for name, each in library.deserialize(content)}
            assert {each.name: (each.dtype, list(each.shape)) for each in found.tensors} == theirs, content
            assert found.nbytes == sum(each.nbytes for each in found.tensors) <= len(content)
    return accepted


def mutate_gguf(numbers: random.Random, times: int) -> int:
    """Mutations of a small file; what is accepted has its tensors inside of the file, side by side."""
    whole = gguf_files.small()
    accepted = 0
    for _ in range(times):
        size = len(whole)
        content = mutated(numbers, whole[: size - 17280])
        found = check_bounds(parse_gguf, content, len(content) + 17280)
        if found is not None:
            accepted += 1
            assert found.nbytes <= size + 10_000
            assert gguf_estimate([found], context=512, text=512).total >= found.nbytes
    return accepted


def mutate_json(numbers: random.Random, times: int, folder: Path) -> int:
    """Mutations of config.json, by way of the estimates that use it."""
    whole = (MODELS_DIR / "minilm-toy" / "config.json").read_bytes()
    accepted = 0
    for turn in range(times):
        (folder / "config.json").write_bytes(mutated(numbers, whole))
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        began = time.process_time()
        try:
            read_optional_json(folder / "config.json")
            estimate = onnx_estimate if turn % 2 else lambda *given: torch_estimate(given[0], model_type=given[1])
            assert estimate(folder, ModelType.EMBEDDING_MODEL, {}).total > 0
            accepted += 1
        except (LoadError, InvalidConfigError):
            pass
        assert time.process_time() - began < SECONDS
        assert tracemalloc.get_traced_memory()[1] - before < BYTES
    return accepted


def mutate_all(times: int, folder: Path) -> None:
    seed = int(os.environ.get("RMM_TEST_SEED", random.randrange(2**32)))
    print(f"RMM_TEST_SEED={seed}")
    numbers = random.Random(seed)
    accepted = (
        mutate_safetensors(numbers, times * 9 // 20),
        mutate_gguf(numbers, times * 9 // 20),
        mutate_json(numbers, times // 10, folder),
    )
    print(f"accepted: {accepted}")
    assert min(accepted) > times // 1000, "mutations that destroy everything find little"


@pytest.mark.slow
def test_S2_20000_mutated_headers(tmp_path: Path, traced: None) -> None:
    mutate_all(20_000, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.slow
def test_S2_200000_mutated_headers(tmp_path: Path, traced: None) -> None:
    mutate_all(200_000, tmp_path)
