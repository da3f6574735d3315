"""Documents about what could be registered: results of a search, and models in the cache. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ..disk_records import CachedModel
from ..types import Fits, HubModel
from .render import Column, Table, size

__all__ = ["cached_table", "formats_text", "search_table"]

_SAFE_FORMATS = frozenset({"safetensors", "onnx", "gguf"})
_FITS: Mapping[Fits, str] = {"yes": "yes", "tight": "if others leave", "no": "no", "unknown": ""}


def search_table(models: Iterable[HubModel], *, numbered: bool = False) -> Table:
    """What a search of the Hub found; `numbered` where `add` takes the number of a row."""
    table = Table(
        columns=(
            Column("repository"),
            Column("type"),
            Column("size", "right"),
            Column("needs", "right"),
            Column("fits"),
            Column("downloads", "right"),
            Column("licence"),
            Column("safety"),
        ),
        rows=tuple(
            (
                each.repo_id,
                each.model_type.value if each.model_type else "",
                size(each.size or 0),
                size(each.need or 0),
                _FITS[each.fits],
                str(each.downloads),
                ", ".join(filter(None, (each.licence, "gated" if each.gated else ""))),
                formats_text(each),
            )
            for each in models
        ),
        empty="The Hub has nothing that fits.",
    )
    if not numbered:
        return table
    return msgspec.structs.replace(
        table,
        columns=(Column("#", "right"), *table.columns),
        rows=tuple((str(number), *row) for number, row in enumerate(table.rows, start=1)),
        caption="%rmm add NUMBER registers the one of that row." if table.rows else "",
    )


def formats_text(model: HubModel) -> str:
    """What a repository's weights come as, or why loading them would be refused; empty where nothing tells."""
    unsafe = [each for each in model.formats if each not in _SAFE_FORMATS]
    if unsafe or model.needs_code:
        return f"refused: {', '.join([*unsafe, *(['code'] if model.needs_code else [])])}"
    return ", ".join(model.formats)


def cached_table(models: Sequence[CachedModel]) -> Table:
    """The repositories in the cache that no registered model is of; those that can be adopted first."""
    ready = [each for each in models if not each.reason]
    return Table(
        columns=(
            Column("repository"),
            Column("type"),
            Column("size", "right"),
            Column("commit"),
            Column("state"),
        ),
        rows=tuple(
            (
                each.repo_id + (f"@{each.revision}" if each.revision else ""),
                each.model_type or "",
                size(each.size),
                (each.commit or "")[:12],
                each.reason or "complete",
            )
            for each in sorted(models, key=lambda each: bool(each.reason))
        ),
        caption="%rmm adopt REPO registers one without a download, %rmm adopt --all every complete one."
        if ready
        else "",
        empty="The cache holds no model that is not registered.",
    )
