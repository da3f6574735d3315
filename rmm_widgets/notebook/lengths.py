"""How long the texts may be that travel to views. Whatever characters they hold travels as it is: views show text."""

from __future__ import annotations

__all__ = ["CARD", "NAME", "TEXT", "cut"]

CARD = 500
"""Characters of what a card or a user says of a model."""
NAME = 200
"""Characters of a name, a tag, a place."""
TEXT = 1000
"""Characters of a sentence: an error, a hint, the line of an event."""


def cut(text: str, length: int) -> str:
    """The text, at most so long, and such that it can be encoded: halves of characters become question marks."""
    if len(text) > length:
        text = f"{text[: length - 1]}…"
    return text if text.isascii() else text.encode(errors="replace").decode()
