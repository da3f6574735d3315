"""Hostile pickles, made anew with every run: each leaves a file behind when it is opened, and does nothing else.

`python -m tests.loading.safety.hostile FOLDER` writes them and opens every one in the way it is meant for, to
show that they are what they claim to be.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import pickletools
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

Opener = Literal["pickle", "second", "third", "skip", "zip", "tar", "gzip", "bz2", "xz", "zlib", "npy", "npz", "nested"]

SKIPPED = b"\x00\x01garbage\xff\xfe\x00\x00"
"""What stands before a pickle that a reader finds by skipping bytes."""


class Sample(NamedTuple):
    """A file, and what opens it."""

    data: bytes
    opener: Opener = "pickle"


class _Call:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def samples(marker: Callable[[str], Path]) -> dict[str, Sample]:
    """The corpus by name; `marker(name)` is the file that the sample of that name would leave behind."""
    found: dict[str, Sample] = {}
    for name, call in _calls().items():
        found[name] = Sample(pickle.dumps(call(str(marker(name)))))
    for name, build in _BUILDERS.items():
        found[name] = build(f"touch {marker(name)}".encode())
    return found


def _calls() -> dict[str, Callable[[str], object]]:
    """One pickle for each way to call something."""
    import builtins
    import codecs
    import cProfile
    import functools
    import importlib
    import logging
    import operator
    import os
    import pathlib
    import profile
    import pty
    import shutil
    import subprocess
    import timeit

    def code(path: str) -> str:
        return f"open({path!r}, 'w').close()"

    return {
        "os.system": lambda path: _Call(os.system, f"touch {path}"),
        "os.popen": lambda path: _Call(os.popen, f"touch {path}"),
        "os.mkdir": lambda path: _Call(os.mkdir, path),
        "os.open": lambda path: _Call(os.open, path, os.O_CREAT | os.O_WRONLY),
        "os.symlink": lambda path: _Call(os.symlink, "/", path),
        "subprocess.call": lambda path: _Call(subprocess.call, ["touch", path]),
        "subprocess.run": lambda path: _Call(subprocess.run, ["touch", path]),
        "subprocess.getoutput": lambda path: _Call(subprocess.getoutput, f"touch {path}"),
        "subprocess.check_output": lambda path: _Call(subprocess.check_output, ["touch", path]),
        "eval": lambda path: _Call(builtins.eval, code(path)),
        "exec": lambda path: _Call(builtins.exec, code(path)),
        "open": lambda path: _Call(builtins.open, path, "w"),
        "codecs.open": lambda path: _Call(codecs.open, path, "w"),
        "io.FileIO": lambda path: _Call(io.FileIO, path, "w"),
        "Path.touch": lambda path: _Call(pathlib.Path.touch, pathlib.Path(path)),
        "timeit": lambda path: _Call(timeit.timeit, code(path), "pass", timeit.default_timer, 1),
        "cProfile": lambda path: _Call(cProfile.run, code(path), f"{path}.profile"),
        "profile": lambda path: _Call(profile.run, code(path), f"{path}.profile"),
        "pty.spawn": lambda path: _Call(pty.spawn, ["touch", path]),
        "shutil.copyfile": lambda path: _Call(shutil.copyfile, __file__, path),
        "zipfile": lambda path: _Call(zipfile.ZipFile, path, "w"),
        "logging": lambda path: _Call(logging.FileHandler, path),
        "numpy.save": lambda path: _Call(np.savetxt, path, [1]),
        "partial": lambda path: _Call(functools.reduce, operator.add, [_Call(os.system, f"touch {path}"), 1]),
        "methodcaller": lambda path: _Call(operator.methodcaller("touch").__call__, pathlib.Path(path)),
        "attrgetter": lambda path: _Call(_Lookup("os", "system"), f"touch {path}"),
        "import_module": lambda path: _Call(operator.methodcaller("mkdir", path).__call__, _Import(importlib)),
        "nested": lambda path: _Call(pickle.loads, pickle.dumps(_Call(os.system, f"touch {path}"))),
    }  # fmt: skip


class _Lookup:
    """Pickles as `getattr` of an imported module."""

    def __init__(self, module: str, name: str) -> None:
        self.where = module, name

    def __reduce__(self) -> tuple[Any, ...]:
        import importlib

        return getattr, (_Call(importlib.import_module, self.where[0]), self.where[1])

    def __call__(self) -> None: ...


class _Import:
    def __init__(self, importlib: Any) -> None:
        self._import = importlib.import_module

    def __reduce__(self) -> tuple[Any, ...]:
        return self._import, ("os",)


# Opcode by opcode, with a shell command.


def _protocol(number: int, command: bytes) -> bytes:
    import os

    return pickle.dumps(_Call(os.system, command.decode()), protocol=number)


def _global(command: bytes) -> bytes:
    return b"cos\nsystem\n(S'" + command + b"'\ntR."


def _stack_global(command: bytes, *, end: bytes = b".") -> bytes:
    return b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c" + bytes([len(command)]) + command + b"\x85R" + end


def _memoized(command: bytes) -> bytes:
    """The names come out of the memo, where a scanner that looks at the last two texts does not find them."""
    start = b"\x80\x04\x8c\x06system\x940\x8c\x05posix\x940\x8c\x05posix\x8c\x06system"
    return start + b"00h\x01h\x00\x93\x8c" + bytes([len(command)]) + command + b"\x85R."


def _build(command: bytes) -> bytes:
    """The state of an object is handed to what stands under `__setstate__`."""
    return (
        b"\x80\x02ctypes\nSimpleNamespace\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsbX"
        + struct.pack("<I", len(command)) + command + b"b."
    )  # fmt: skip


def _zipped(pickled: bytes, *, before: bytes = b"", damaged: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    data = bytearray(out.getvalue())
    if damaged:
        at = data.index(b"PK\x01\x02") + 16
        data[at : at + 4] = b"\x00\x00\x00\x00"
        data[14:18] = b"\x00\x00\x00\x00"
    return before + bytes(data)


def _tarred(pickled: bytes, format_: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        entry = tarfile.TarInfo("pickle")
        entry.size = len(pickled)
        archive.addfile(entry, io.BytesIO(pickled))
    return out.getvalue()


def _v7(pickled: bytes) -> bytes:
    """A tar without the mark of newer ones."""
    data = bytearray(_tarred(pickled, tarfile.USTAR_FORMAT))
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\x00 " % sum(data[:512])
    return bytes(data)


def _array(command: bytes) -> bytes:
    import os

    holder = np.empty(1, dtype=object)
    holder[0] = _Call(os.system, command.decode())
    out = io.BytesIO()
    np.save(out, holder, allow_pickle=True)
    return out.getvalue()


def _arrays(command: bytes) -> bytes:
    import os

    holder = np.empty(1, dtype=object)
    holder[0] = _Call(os.system, command.decode())
    out = io.BytesIO()
    np.savez(out, weights=holder)
    return out.getvalue()


def as_safetensors(command: bytes, *, skip: int = 100) -> bytes:
    """A sound safetensors file that is a pickle too.

    The length of its header begins with the opcode BINBYTES, whose argument ends inside the header, in the value
    of a text; from there texts of up to 126 bytes lead over the rest of the header into the tensor.
    """
    evil = _global(command)
    start = 5 + skip - 8
    length = int.from_bytes(b"B" + skip.to_bytes(4, "little"), "little")
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]},"__metadata__":{"x":"' % (len(evil), len(evil))
    header = header.ljust(start, b"a")
    while (rest := length - len(header)) > 256:
        header += b"U~".ljust(128, b"a")
    for size in (rest // 2, rest - rest // 2):
        header += b"U%c" % (size - 2) + b"a" * (size - 2)
    header = header[:-3] + b'"}}'
    assert len(header) == length
    return length.to_bytes(8, "little") + header + evil


_BUILDERS: dict[str, Callable[[bytes], Sample]] = {
    **{f"protocol {number}": lambda c, n=number: Sample(_protocol(n, c)) for number in range(6)},
    "GLOBAL": lambda c: Sample(_global(c)),
    "INST": lambda c: Sample(b"(S'" + c + b"'\nios\nsystem\n."),
    "OBJ": lambda c: Sample(b"(cos\nsystem\nS'" + c + b"'\no."),
    "STACK_GLOBAL": lambda c: Sample(_stack_global(c)),
    "memoized names": lambda c: Sample(_memoized(c)),
    "BUILD": lambda c: Sample(_build(c)),
    "optimized": lambda c: Sample(pickletools.optimize(_protocol(4, c))),
    "cut off after the call": lambda c: Sample(_stack_global(c, end=b"")),
    "damaged after the call": lambda c: Sample(_stack_global(c, end=b"\xff\xff\xff")),
    "garbage after": lambda c: Sample(_stack_global(c) + b"\x00\xff" * 500),
    "no protocol": lambda c: Sample(_stack_global(c)[2:]),
    "long way to it": lambda c: Sample(b"\x80\x04B\xa0\x86\x01\x00" + bytes(100_000) + b"0" + _stack_global(c)[2:]),
    "many marks": lambda c: Sample(b"\x80\x02" + b"N0" * 40_000 + _global(c)),
    "blanks around": lambda c: Sample(b"N0" * 20 + _global(c) + b"\n\n"),
    "harmless one first": lambda c: Sample(pickle.dumps({"weights": [1, 2]}) + _stack_global(c), "second"),
    "harmless text first": lambda c: Sample(b"I1\n.I2\n." + _global(c), "third"),
    "magic number first": lambda c: Sample(
        pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + _protocol(2, c), "third"
    ),
    "garbage before": lambda c: Sample(SKIPPED + _stack_global(c), "skip"),
    "zip": lambda c: Sample(_zipped(_stack_global(c)), "zip"),
    "zip with wrong checksums": lambda c: Sample(_zipped(_stack_global(c), damaged=True), "zip"),
    "zip after garbage": lambda c: Sample(_zipped(_stack_global(c), before=SKIPPED), "zip"),
    "tar": lambda c: Sample(_tarred(_stack_global(c), tarfile.USTAR_FORMAT), "tar"),
    "tar of GNU": lambda c: Sample(_tarred(_stack_global(c), tarfile.GNU_FORMAT), "tar"),
    "tar of old": lambda c: Sample(_v7(_stack_global(c)), "tar"),
    "gzip": lambda c: Sample(gzip.compress(_stack_global(c)), "gzip"),
    "bz2": lambda c: Sample(bz2.compress(_stack_global(c)), "bz2"),
    "xz": lambda c: Sample(lzma.compress(_stack_global(c)), "xz"),
    "zlib": lambda c: Sample(zlib.compress(_stack_global(c)), "zlib"),
    "safetensors too": lambda c: Sample(as_safetensors(c)),
    "array of objects": lambda c: Sample(_array(c), "npy"),
    "arrays of objects": lambda c: Sample(_arrays(c), "npz"),
}  # fmt: skip


def open_sample(sample: Sample) -> None:
    """Open a sample as what it is meant for; whatever that raises."""
    data = sample.data
    stream = io.BytesIO(data)
    match sample.opener:
        case "second" | "third":
            for _ in range({"second": 2, "third": 3}[sample.opener]):
                pickle.load(stream)
        case "skip":
            pickle.loads(data[len(SKIPPED) :])
        case "zip":
            with zipfile.ZipFile(stream) as archive:
                entry = archive.getinfo("archive/data.pkl")
                stream.seek(entry.header_offset + 30 + len(entry.filename))
                pickle.loads(stream.read(entry.file_size))  # as readers do that take no notice of checksums
        case "tar":
            with tarfile.open(fileobj=stream) as archive:
                member = archive.extractfile("pickle")
                assert member is not None
                pickle.load(member)
        case "gzip" | "bz2" | "xz" | "zlib":
            unpack: dict[str, Callable[[bytes], bytes]] = {
                "gzip": gzip.decompress,
                "bz2": bz2.decompress,
                "xz": lzma.decompress,
                "zlib": zlib.decompress,
            }
            pickle.loads(unpack[sample.opener](data))
        case "npy" | "npz":
            loaded = np.load(stream, allow_pickle=True)
            if sample.opener == "npz":
                loaded["weights"]
        case _:
            pickle.loads(data)


def main(folder: Path) -> None:
    """Open every sample; afterwards the folder holds a marker for each that worked."""
    for sample in samples(lambda name: folder / name.replace(" ", "-")).values():
        try:
            open_sample(sample)
        except Exception:  # damaged on purpose
            pass


if __name__ == "__main__":
    main(Path(sys.argv[1]))
