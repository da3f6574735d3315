"""The arguments of the commands that a view may send. Whatever else a message holds is refused."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..types import ModelType
from .lengths import NAME

__all__ = [
    "Configuration",
    "Model",
    "Models",
    "NamedError",
    "Nothing",
    "OneOrMany",
    "Query",
    "Removal",
    "Repository",
    "Trial",
]

MOST_IDS = 1000
"""Models that one command may name."""
MOST_KEYS = 50
"""Settings that one command may change."""
LONGEST_INPUT = 8_000
"""Characters of a text that a model is tried with."""
LARGEST = 2**53 - 1
"""A size in bytes: the largest number that a browser tells exactly."""


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No arguments."""


_Ids = Annotated[list[str], Meta(min_length=1, max_length=MOST_IDS)]


class OneOrMany(msgspec.Struct, forbid_unknown_fields=True):
    """One model, or several."""

    model_id: str | None = None
    model_ids: _Ids | None = None

    def __post_init__(self) -> None:
        if (self.model_id is None) == (self.model_ids is None):
            raise ValueError("either model_id or model_ids is needed")


class Model(msgspec.Struct, forbid_unknown_fields=True):
    """One model."""

    model_id: str


class Models(msgspec.Struct, forbid_unknown_fields=True):
    """Several models."""

    model_ids: _Ids


class Removal(msgspec.Struct, forbid_unknown_fields=True):
    """Models to delete, with their files or without."""

    model_ids: _Ids
    files: bool


class Configuration(msgspec.Struct, forbid_unknown_fields=True):
    """Settings to change."""

    model_id: str
    config: Annotated[dict[Annotated[str, Meta(max_length=NAME)], Any], Meta(max_length=MOST_KEYS)]


class Repository(msgspec.Struct, forbid_unknown_fields=True):
    """A repository to register."""

    repo: str
    model_id: str | None = None
    type: ModelType | None = None


class Trial(msgspec.Struct, forbid_unknown_fields=True):
    """What a model is tried with, where that is no picture: that comes beside the message."""

    model_id: str
    texts: Annotated[list[Annotated[str, Meta(max_length=LONGEST_INPUT)]], Meta(max_length=2)] = []


class NamedError(msgspec.Struct, forbid_unknown_fields=True):
    """An error of the guide."""

    error: Annotated[str, Meta(max_length=NAME)]


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """Words to look for on the Hub."""

    query: Annotated[str, Meta(max_length=NAME)]
    type: ModelType | None = None
    max_size: Annotated[int, Meta(ge=1, le=LARGEST)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
