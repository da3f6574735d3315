"""Whether bytes are a pickle that would import or call something. Pure; nothing is ever unpickled.

The opcodes are walked as the unpickler would take them, so it does not matter what the file is called, whether
the pickle is whole (an unpickler runs what stands before the damage), or whether a harmless one comes first.
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Iterator

__all__ = ["buried_pickle", "leading_pickle"]

_NAME = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_STRINGS = frozenset(
    [
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    ]
)
_GETS = frozenset(["GET", "BINGET", "LONG_BINGET"])
_CALLS = frozenset(["REDUCE", "BUILD", "OBJ", "NEWOBJ", "NEWOBJ_EX"])
_ENOUGH = 3
"""Opcodes after the protocol's number that make a pickle of binary data."""
_LONG = 1000
"""Opcodes in a row that no other file has."""
_STARTS = re.compile(rb"\x80[\x00-\x05]|c[A-Za-z_][\w.]{0,99}\n[A-Za-z_][\w.]{0,99}\n|\(i[A-Za-z_]")
_PLACES = 16
"""Places in the middle of a file that are tried."""


class _Walk:
    """What the opcodes from one place on would do, as far as they can be read and until that is clear."""

    def __init__(self, data: bytes, start: int, most: int) -> None:
        self.names: list[str] = []
        """What they would import, as "module name"."""
        self.called = self.stopped = self.cut = False
        self.protocol = False
        self.opcodes = 0
        self.kinds: set[str] = set()
        self.end = start
        self._strings: list[str] = []
        self._gets = 0
        for name, argument in self._read(data, start):
            self._take(name, argument)
            if self.called or self.opcodes >= most:
                break

    @property
    def long(self) -> bool:
        """Whether so many opcodes stand in a row that it can be nothing else; one over and over is just a number."""
        return self.opcodes >= _LONG and len(self.kinds) > 1

    def _read(self, data: bytes, start: int) -> Iterator[tuple[str, object]]:
        stream = io.BytesIO(data)
        stream.seek(start)
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                self.end = stream.tell()
                yield opcode.name, argument
        except (ValueError, OverflowError, IndexError, Warning):
            # Cut off is what ends together with the bytes at hand; everything else is not an opcode.
            self.cut = stream.tell() >= len(data)

    def _take(self, name: str, argument: object) -> None:
        self.opcodes += 1
        self.kinds.add(name)
        if name == "PROTO":
            self.protocol = self.protocol or self.opcodes == 1
        elif name in _STRINGS:
            self._strings = [*self._strings[-1:], str(argument)]
        elif name in _GETS:
            self._gets += 1
        elif name in {"GLOBAL", "INST"}:
            self._import(*str(argument).split(" ", 1))
            self.called |= name == "INST" and bool(self.names)
        elif name == "STACK_GLOBAL":
            if len(self._strings) + self._gets >= 2:
                self.names.append(" ".join(self._strings))
        elif name in _CALLS:
            self.called |= bool(self.names)
        elif name == "STOP":
            self.stopped = True

    def _import(self, module: str, name: str = "") -> None:
        if _NAME.fullmatch(module) and _NAME.fullmatch(name):
            self.names.append(f"{module} {name}")


def leading_pickle(head: bytes, *, text: bool, whole: bool) -> str | None:
    """What the pickle at the start of a file names, empty where it names nothing; None where there is no pickle.

    Args:
        head: The file's first bytes.
        text: They are text, in which an opcode may be a letter like any other.
        whole: They are all of the file.
    """
    start = 0
    while start < len(head):
        walk = _Walk(head, start, len(head) if text else _LONG)
        if text:
            found = bool(walk.names) and (walk.called or walk.stopped)
        else:
            found = bool(walk.names) or (walk.protocol and (walk.stopped or walk.cut or walk.opcodes > _ENOUGH))
        if found or (walk.long and not (text and (whole or not walk.cut))):
            return ", ".join(walk.names[:3])
        if not walk.stopped:
            return None
        start = walk.end  # another may follow a harmless one
    return None


def buried_pickle(data: bytes) -> str | None:
    """What a pickle somewhere in binary data names, which a reader that skips bytes would find; None without one."""
    for number, place in enumerate(_STARTS.finditer(data)):
        if number >= _PLACES:
            break
        walk = _Walk(data, place.start(), _LONG)
        if walk.called:
            return ", ".join(walk.names[:3])
    return None
