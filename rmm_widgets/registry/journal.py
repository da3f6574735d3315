"""The journal: every change of the registry, in order, as plain text.

One change is one line, `digest number put {...}` or `digest number remove {"model_id": ...}`, after
a first line that names the format and the number the journal starts after. Digests show a
damaged line, consecutive numbers show that no line is missing. Parsing and replaying are pure; `Journal` writes. It
knows nothing of the database, and its callers hold the registry's lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from .records import Change, digest

FORMAT = 1
_HEADER = "journal"


class JournalCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal says.

    Attributes:
        exists: There is a journal at all.
        format: The format its first line names; 0 where that line is unreadable.
        changes: The readable changes, numbers rising.
        problem: Why it cannot be trusted to be complete; empty where it can.
    """

    exists: bool
    format: int = 0
    changes: tuple[Change, ...] = ()
    problem: str = ""
    after: int = 0

    @property
    def last(self) -> int:
        """Number of the newest readable change."""
        return self.changes[-1].number if self.changes else self.after

    def rows(self, *, upto: int | None = None) -> dict[str, Change]:
        """The registry after all changes, or after those numbered `upto` and less."""
        return replay({}, (c for c in self.changes if upto is None or c.number <= upto))


def replay(rows: Mapping[str, Change], changes: Iterable[Change]) -> dict[str, Change]:
    """`rows` after `changes`, given in order."""
    result = dict(rows)
    for change in changes:
        if change.body is None:
            result.pop(change.model_id, None)
        else:
            result[change.model_id] = change
    return result


def parse(data: bytes) -> JournalCopy:
    """Read a journal as far as it can be read; never raises.

    A change whose number comes again was written by a save that did not finish: the later one counts.
    An unreadable line that leaves no gap in the numbers is what such a save left of itself.
    """
    lines = data.decode("ascii", "replace").split("\n")
    header = _parse_header(lines[0])
    changes: list[Change] = []
    for line in lines[1:] if header else lines:
        change = _parse_change(line)
        if change is None:
            continue
        while changes and changes[-1].number >= change.number:
            changes.pop()
        changes.append(change)
    if header is None:
        return JournalCopy(exists=True, changes=tuple(changes), problem="its first line is unreadable")
    form, after = header
    gap = _first_gap(after, changes)
    problem = f"change {gap} is missing" if gap else ""
    return JournalCopy(exists=True, format=form, changes=tuple(changes), problem=problem, after=after)


def _first_gap(after: int, changes: Iterable[Change]) -> int | None:
    for change in changes:
        after += 1
        if change.number != after:
            return after
    return None


def _parse_header(line: str) -> tuple[int, int] | None:
    parts = _parse_line(line)
    if parts is None or parts[1] != _HEADER or not isinstance(parts[2].get("format"), int):
        return None
    return parts[2]["format"], parts[0]


def _parse_change(line: str) -> Change | None:
    parts = _parse_line(line)
    if parts is None:
        return None
    number, verb, plain, text = parts
    match verb, plain:
        case "put", {"info": {"model_id": str(model_id)}}:
            return Change(number, model_id, text)
        case "remove", {"model_id": str(model_id)}:
            return Change(number, model_id, None)
        case _:
            return None


def _parse_line(line: str) -> tuple[int, str, dict[str, Any], str] | None:
    """Number, verb, payload and the payload's text of an undamaged line."""
    given, _, rest = line.partition(" ")
    if not rest or given != digest(rest):
        return None
    try:
        number, verb, text = rest.split(" ", 2)
        return int(number), verb, dict(json.loads(text)), text
    except (ValueError, TypeError, RecursionError):
        return None


def _line(number: int, verb: str, payload: str) -> bytes:
    rest = f"{number} {verb} {payload}"
    return f"{digest(rest)} {rest}\n".encode("ascii")


def _change_line(change: Change) -> bytes:
    if change.body is None:
        return _line(change.number, "remove", json.dumps({"model_id": change.model_id}))
    return _line(change.number, "put", change.body)


class Journal:
    """The journal's file. All methods raise `OSError` where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> JournalCopy:
        """What is on disk."""
        try:
            return parse(self.path.read_bytes())
        except FileNotFoundError:
            return JournalCopy(exists=False, problem="it is missing")

    def size(self) -> int:
        """Bytes on disk, 0 where there is no file."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, changes: Iterable[Change]) -> None:
        """Add changes and force them to disk; after an error the file is as before."""
        data = b"".join(_change_line(change) for change in changes)
        with self.path.open("r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                _write(file, data if _ends_a_line(file, size) else b"\n" + data)
            except OSError:
                with suppress(OSError):
                    file.truncate(size)
                raise

    def truncate(self, size: int) -> None:
        """Take back what was appended since the file had `size` bytes."""
        os.truncate(self.path, size)

    def rewrite(self, rows: Mapping[str, Change], last: int) -> None:
        """Replace the journal in one step by the shortest one that leads to `rows`, numbered up to `last`."""
        after = last - len(rows)
        lines = [_line(after, _HEADER, json.dumps({"format": FORMAT}))]
        for number, (model_id, row) in enumerate(rows.items(), after + 1):
            lines.append(_change_line(Change(number, model_id, row.body)))
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            with open(new, "wb", buffering=0, opener=open_private) as file:
                _write(file, b"".join(lines))
            new.replace(self.path)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        sync_folder(self.path.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, where the system can."""
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_private(path: str, flags: int) -> int:
    """An `opener` for `open` that lets only the owner read what it creates."""
    return os.open(path, flags, 0o600)


def _write(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
    os.fsync(file.fileno())


def _ends_a_line(file: FileIO, size: int) -> bool:
    if size == 0:
        return True
    file.seek(size - 1)
    ends = file.read(1) == b"\n"
    file.seek(size)
    return ends
