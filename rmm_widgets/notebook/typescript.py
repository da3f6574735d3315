"""TypeScript types of the protocol, generated from its Python records.

Owns the translation only; what travels is decided in `protocol`. Run it as
`python -m rmm_widgets.notebook.protocol [--check] PATH`.
"""

from __future__ import annotations

import argparse
import ast
import enum
import inspect
import itertools
import sys
import types as python_types
import typing
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from .. import __version__
from ..types import DownloadPhase, Fits, ModelHealth, ModelStatus, ModelType
from . import protocol

__all__ = ["generate", "main"]

_ALIASES: dict[Any, str] = {
    protocol.Action: "Action",
    protocol.Fix: "Fix",
    Fits: "Fits",
    DownloadPhase: "DownloadPhase",
}
_ENUMS: tuple[type[enum.Enum], ...] = (ModelType, ModelStatus, ModelHealth)
_RECORDS: tuple[type[msgspec.Struct], ...] = (
    protocol.Row,
    protocol.RowChanges,
    protocol.AllRows,
    protocol.PackedRows,
    protocol.Progress,
    protocol.Summary,
    protocol.Many,
    protocol.Command,
    protocol.CommandError,
    protocol.Reply,
    protocol.StateUpdate,
    protocol.Ended,
    protocol.Greeting,
    protocol.Hello,
    protocol.SearchResult,
    protocol.LogEntry,
    protocol.FileLine,
    protocol.ProbePoint,
    protocol.Setting,
    protocol.Details,
    protocol.Configured,
    protocol.Explanation,
    protocol.DiskModel,
    protocol.ScoredLabel,
    protocol.LabelledBox,
    protocol.TrialResult,
    protocol.Usage,
    protocol.Removed,
)
_SIMPLE: dict[Any, str] = {
    Any: "unknown",
    bool: "boolean",
    datetime: "string",
    float: "number",
    int: "number",
    str: "string",
    type(None): "null",
}
_HEADER = """\
// Generated from the Python records by `python -m rmm_widgets.notebook.protocol`. Do not edit.
"""


def generate() -> str:
    """The whole TypeScript module, ending with a newline."""
    parts = [_HEADER, *_constants()]
    parts += [_enum(each) for each in _ENUMS]
    parts += [f"export type {name} = {_literals(alias)};\n" for alias, name in _ALIASES.items()]
    parts += [_interface(record) for record in _RECORDS]
    return "\n".join(parts)


def _constants() -> Iterator[str]:
    yield (
        f'export const PACKAGE_VERSION = "{__version__}";\n'
        f"export const PROTOCOL_VERSION = {protocol.PROTOCOL_VERSION};\n"
        f'export const COMMAND_KIND = "{protocol.COMMAND_KIND}";\n'
        f'export const REPLY_KIND = "{protocol.REPLY_KIND}";\n'
    )


def _enum(enumeration: type[enum.Enum]) -> str:
    words = " | ".join(f'"{member.value}"' for member in enumeration)
    return f"{_comment(enumeration.__doc__, '')}export type {enumeration.__name__} = {words};\n"


def _literals(alias: Any) -> str:
    return " | ".join(f'"{word}"' for word in typing.get_args(alias))


def _interface(record: type[msgspec.Struct]) -> str:
    notes = _field_notes(record)
    lines: list[str] = []
    for field in msgspec.structs.fields(record):
        mark = "" if field.required else "?"
        lines.append(f"{_comment(notes.get(field.name), '  ')}  {field.name}{mark}: {_type(field.type)};\n")
    return f"{_comment(record.__doc__, '')}export interface {record.__name__} {{\n{''.join(lines)}}}\n"


def _type(annotation: Any) -> str:
    """A Python annotation as TypeScript; raises TypeError for one the protocol does not use."""
    if annotation in _ALIASES:
        return _ALIASES[annotation]
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if annotation in _ENUMS or annotation in _RECORDS:
        return annotation.__name__
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return _literals(annotation)
    if origin in {python_types.UnionType, typing.Union}:
        return " | ".join(_type(each) for each in arguments)
    if origin in {tuple, list}:
        return f"{_type(arguments[0])}[]"
    if origin is dict:
        return f"Record<string, {_type(arguments[1])}>"
    raise TypeError(f"the protocol uses {annotation!r}, which has no TypeScript type here")


def _comment(text: str | None, indent: str) -> str:
    if not text:
        return ""
    return f"{indent}/** {' '.join(text.split())} */\n"


def _field_notes(record: type[msgspec.Struct]) -> dict[str, str]:
    """The string literals that follow fields in the source: Python keeps no other trace of them."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(record)).body if isinstance(node, ast.ClassDef))
    notes: dict[str, str] = {}
    for field, note in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(note, ast.Expr)
            and isinstance(note.value, ast.Constant)
            and isinstance(note.value.value, str)
        ):
            notes[field.target.id] = note.value.value
    return notes


def main(arguments: Sequence[str]) -> int:
    """Write the file, or with `--check` only compare; returns the exit status, 1 for a file that is not current."""
    parser = argparse.ArgumentParser(prog="python -m rmm_widgets.notebook.protocol", description=__doc__)
    parser.add_argument("path", type=Path, help="the TypeScript file")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if the file is not current")
    options = parser.parse_args(arguments)
    path: Path = options.path
    wanted = generate()
    current = path.read_text(encoding="utf-8") if path.is_file() else None
    if current == wanted:
        return 0
    if options.check:
        sys.stderr.write(f"{path} is not current; run: python -m rmm_widgets.notebook.protocol {path}\n")
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wanted, encoding="utf-8")
    return 0
