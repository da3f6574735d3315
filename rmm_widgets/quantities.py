"""Amounts as people write and read them: "8 GB", "10m". Bytes and seconds everywhere else."""

from __future__ import annotations

import math
import re

__all__ = ["bytes_text", "parse_bytes", "parse_seconds"]

_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_BYTES = re.compile(_NUMBER + r"(?:([kmgt])(i)?)?b?\s*", re.IGNORECASE)
_SECONDS = re.compile(_NUMBER + r"(s|m|min|h|d)?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_LENGTHS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_FOREVER = frozenset({"forever", "for ever", "inf"})


def bytes_text(count: float) -> str:
    """Bytes for people, in decimal units: "12.3 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if abs(count) >= 100 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def parse_bytes(text: str) -> int:
    """The bytes that "8GB", "512 MiB" or "1000000" stand for.

    Raises:
        ValueError: It is no amount of bytes.
    """
    found = _BYTES.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no amount of bytes; write it like '8GB' or '512MiB'")
    number, letter, binary = found.groups()
    return round(float(number) * (1024 if binary else 1000) ** _POWERS[(letter or "").lower()])


def parse_seconds(text: str) -> float:
    """The seconds that "30", "90s", "10m", "2h" or "forever" (infinity) stand for.

    Raises:
        ValueError: It is no length of time.
    """
    if text.strip().lower() in _FOREVER:
        return math.inf
    found = _SECONDS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no length of time; write it like '90s', '10m', '2h' or 'forever'")
    number, unit = found.groups()
    return float(number) * _LENGTHS[(unit or "s").lower()]
