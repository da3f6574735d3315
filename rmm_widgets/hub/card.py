"""What a model card says: its front matter and its first sentence. Pure; cards are untrusted text."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

__all__ = ["Card", "first_sentence", "parse_card"]

_LONGEST_SENTENCE = 200
_READ = 8_000  # characters; keeps the backtracking of the patterns below harmless
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"<[^>]{0,500}>")
_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_NOT_PROSE = re.compile(r"\s*(#|>|\||[-*+]\s|\d+\.\s|=+\s*$|-+\s*$)")
_SENTENCE = re.compile(r"(.+?[.!?])(?=\s|$)", re.DOTALL)


class Card(msgspec.Struct, frozen=True):
    """The fields of the front matter that say what a model is; None or empty where absent."""

    pipeline_tag: str | None = None
    library: str | None = None
    tags: tuple[str, ...] = ()
    licence: str | None = None


def parse_card(text: str) -> Card:
    """The card's front matter; broken YAML counts as none."""
    found = _FRONT_MATTER.match(text)
    if found is None:
        return Card()
    try:
        fields: Any = msgspec.yaml.decode(found.group(1))
    except (msgspec.DecodeError, ImportError, ValueError, RecursionError):
        return Card()
    if not isinstance(fields, dict):
        return Card()
    known = cast("dict[object, object]", fields)
    tags = known.get("tags")
    listed = cast("list[object]", tags) if isinstance(tags, list) else []
    return Card(
        pipeline_tag=_word(known.get("pipeline_tag")),
        library=_word(known.get("library_name")),
        tags=tuple(tag for tag in listed if isinstance(tag, str)),
        licence=_word(known.get("license")),
    )


def first_sentence(text: str) -> str:
    """The first sentence of the card's first paragraph of prose, as plain text; empty where there is none."""
    start = _FRONT_MATTER.match(text)
    body = text[start.end() if start else 0 :][:_READ]
    body = _FENCE.sub("", _COMMENT.sub("", body))
    for paragraph in re.split(r"\n\s*\n", body):
        prose = _plain(paragraph)
        if any(c.isalpha() for c in prose):
            found = _SENTENCE.match(prose)
            return _cut(found.group(1) if found else prose)
    return ""


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _plain(paragraph: str) -> str:
    lines = [line for line in paragraph.splitlines() if not _NOT_PROSE.match(line)]
    words = _TAG.sub("", _LINK.sub(r"\1", _IMAGE.sub("", " ".join(lines))))
    return " ".join(_EMPHASIS.sub("", words).split())


def _cut(sentence: str) -> str:
    if len(sentence) <= _LONGEST_SENTENCE:
        return sentence
    return sentence[: _LONGEST_SENTENCE - 1].rsplit(" ", 1)[0] + "…"
