"""What may be set on a model, for an editor in a view: read off the typed records of `loading.config`. Pure.

The records stay the only place where a setting is written: its kind and range come from its annotation, its
explanation from the record's docstring.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

import msgspec
from msgspec import inspect as types

from ..errors import InvalidConfigError
from ..loading.config import ModelConfig, config_record, parse_config
from ..types import ModelType, thaw
from .lengths import TEXT, cut
from .protocol import Setting

__all__ = ["key_of", "problems", "settings"]

_ATTRIBUTE = re.compile(r"    (\w+): (.*)")
_AT_LOAD = "takes effect at the next load"


def settings(model_type: ModelType, config: Mapping[str, Any]) -> tuple[Setting, ...]:
    """The settings of a type, with their values in a configuration."""
    return tuple(
        msgspec.structs.replace(each, value=thaw(config.get(each.key, each.default)))
        for each in _schema(config_record(model_type))
    )


def problems(model_type: ModelType, config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a configuration, by its keys; empty where nothing is."""
    known = {each.key: each for each in _schema(config_record(model_type))}
    found: dict[str, str] = {}
    for key, value in config.items():
        try:
            parse_config(model_type, {key: value})
        except InvalidConfigError as error:
            found[key] = cut(_wanted(known[key]) if key in known else error.message, TEXT)
    return found


def key_of(message: str, config: Mapping[str, Any]) -> str:
    """The key that an error's message is about, as loaders word theirs; empty where it is none of these."""
    return next((key for key in config if message.startswith(f"{key} is ")), "")


@functools.cache
def _schema(record: type[ModelConfig]) -> tuple[Setting, ...]:
    description = cast("types.StructType", types.type_info(record))
    notes = _notes(record)
    return tuple(_setting(field, notes.get(field.name, "")) for field in description.fields)


def _setting(field: types.Field, note: str) -> Setting:
    options = field.type.types if isinstance(field.type, types.UnionType) else (field.type,)
    (kind,) = (each for each in options if not isinstance(each, types.NoneType))
    numbers = kind.item_types[0] if isinstance(kind, types.TupleType) else kind
    limited = isinstance(numbers, types.IntType | types.FloatType)
    return Setting(
        key=field.name,
        kind=_kind(kind),
        value=field.default,
        default=field.default,
        optional=len(options) > 1,
        minimum=numbers.ge if limited else None,
        maximum=numbers.le if limited else None,
        choices=tuple(map(str, kind.values)) if isinstance(kind, types.LiteralType) else (),
        note=note,
        at_load=_AT_LOAD in note.lower(),
    )


def _kind(kind: types.Type) -> Literal["flag", "whole", "number", "text", "choice", "size"]:
    match kind:
        case types.BoolType():
            return "flag"
        case types.IntType():
            return "whole"
        case types.FloatType():
            return "number"
        case types.StrType():
            return "text"
        case types.LiteralType():
            return "choice"
        case types.TupleType(item_types=(types.IntType(), types.IntType())):
            return "size"
        case _:
            raise TypeError(f"no editor knows what to do with a setting of {kind!r}")


def _notes(record: type[ModelConfig]) -> dict[str, str]:
    """The explanation of each field, from the "Attributes" of the record's docstring and of those it extends."""
    return {name: note for each in reversed(record.__mro__) for name, note in _attributes(each.__doc__ or "")}


def _attributes(docstring: str) -> Iterator[tuple[str, str]]:
    _, _, section = inspect.cleandoc(docstring).partition("\nAttributes:\n")
    name, words = "", list[str]()
    for line in section.splitlines():
        if begins := _ATTRIBUTE.fullmatch(line):
            if name:
                yield name, " ".join(words)
            name, words = begins[1], [begins[2]]
        else:
            words.append(line.strip())
    if name:
        yield name, " ".join(words)


def _wanted(setting: Setting) -> str:
    """What would be right, in words."""
    within = f" from {setting.minimum:g} to {setting.maximum:.15g}" if setting.minimum is not None else ""
    allowed = {
        "flag": "true or false",
        "whole": f"a whole number{within}",
        "number": f"a number{within}",
        "text": "a file of the repository: its path in there, its name, or a quantisation",
        "choice": f"one of {', '.join(setting.choices)}",
        "size": f"height and width, two whole numbers{within}",
    }
    return f"it must be {allowed[setting.kind]}" + (", or nothing" if setting.optional else "")
