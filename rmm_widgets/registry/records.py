"""What the registry keeps, and how it looks as text.

Owns the stored record, the report of an opening, one numbered change, and their encoding. Text is
plain JSON in ASCII, so that any string a user can register (control characters, lone surrogates)
fits on one line and comes back unchanged. Files and their repair are left to the other modules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from .. import names
from ..errors import InvalidConfigError, InvalidModelInfoError, RegistryError
from ..types import FrozenDict, ModelEvent, ModelInfo, freeze


def _now() -> datetime:
    return datetime.now(UTC)


class StoredModel(msgspec.Struct, frozen=True):
    """A registered model as the registry remembers it.

    Args:
        info: The model's description.
        config: Configuration set by the user, plain data.
        pinned: Never evicted from memory.
        commit: Commit of the files last downloaded, 40 hex digits, or None.
        custom: The model is the user's own Python object, which a later kernel does not have.
        allowed_commit: Commit whose files the user allowed to run code, or None.
        measured: What its last loads took beside what was expected, plain data, the newest last.
        registered_at, updated_at: Aware datetimes.

    Raises:
        InvalidModelInfoError: A commit is malformed or a time has no zone.
    """

    info: ModelInfo
    config: Mapping[str, Any] = msgspec.field(default_factory=FrozenDict)
    pinned: bool = False
    commit: str | None = None
    custom: bool = False
    registered_at: datetime = msgspec.field(default_factory=_now)
    updated_at: datetime = msgspec.field(default_factory=_now)
    allowed_commit: str | None = None
    measured: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        try:
            for commit in (self.commit, self.allowed_commit):
                if commit is not None:
                    names.check_commit(commit)
            if self.registered_at.tzinfo is None or self.updated_at.tzinfo is None:
                raise ValueError("registered_at and updated_at must be aware datetimes")
        except ValueError as error:
            raise InvalidModelInfoError(
                str(error), model_id=self.model_id, hint="See help(rmm_widgets.registry.records.StoredModel)."
            ) from None
        msgspec.structs.force_setattr(self, "config", freeze(self.config))
        msgspec.structs.force_setattr(self, "measured", freeze(self.measured))

    @property
    def model_id(self) -> str:
        """The id the model is registered under."""
        return self.info.model_id


class StoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What opening the registry found.

    Attributes:
        damaged: A file was damaged, missing or edited from outside.
        recovered_from: Name of the file the models were restored from, or None.
        quarantined: Where the damaged file was kept, or None.
        message: What happened, for the user; empty where there is nothing to say.
        models: Number of models that can be used.
    """

    damaged: bool = False
    recovered_from: str | None = None
    quarantined: Path | None = None
    message: str = ""
    models: int = 0


class Change(msgspec.Struct, frozen=True):
    """One change of the registry: the row `model_id` is now `body`, or is removed (None).

    Changes are numbered 1, 2, 3, ... over the life of the registry; the number tells which of two copies is newer.
    """

    number: int
    model_id: str
    body: str | None


def digest(text: str) -> str:
    """Checksum of a line or row: detects damage, is no protection against intent."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def encode_model(model: StoredModel) -> str:
    """The record as one line of ASCII JSON.

    Raises:
        InvalidConfigError: The configuration is not plain data.
    """
    try:
        return _dumps(msgspec.to_builtins(model, str_keys=True))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidConfigError(
            f"The configuration of {model.model_id!r} cannot be stored: {error}",
            model_id=model.model_id,
            hint="Use only text, numbers, booleans, None, lists and dicts in a configuration.",
        ) from None


def decode_model(body: str) -> StoredModel | None:
    """The record, or None where this version does not understand it."""
    try:
        return msgspec.convert(json.loads(body), StoredModel)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def encode_event(event: ModelEvent) -> str:
    """The event as one line of ASCII JSON.

    Raises:
        RegistryError: The event's data is not plain data.
    """
    try:
        return _dumps(msgspec.to_builtins(event, str_keys=True))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise RegistryError(
            f"An event cannot be stored: {error}",
            model_id=event.model_id,
            hint="Put only text, numbers, booleans, None, lists and dicts into an event's data.",
        ) from None


def decode_event(body: str) -> ModelEvent | None:
    """The event with its data frozen, or None where this version does not understand it."""
    try:
        event = msgspec.convert(json.loads(body), ModelEvent)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
    return msgspec.structs.replace(event, data=freeze(event.data))


def _dumps(plain: Any) -> str:
    return json.dumps(plain, ensure_ascii=True, separators=(",", ":"))
