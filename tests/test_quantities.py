"""Amounts as people write them."""

from __future__ import annotations

import math

import pytest

from rmm_widgets.quantities import bytes_text, parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("8GB", 8_000_000_000),
        ("8 gb", 8_000_000_000),
        ("512MiB", 512 << 20),
        ("1.5G", 1_500_000_000),
        ("2Ki", 2048),
        ("1000000", 1_000_000),
        ("10 B", 10),
        ("1T", 10**12),
    ],
)
def test_bytes(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "8 GBB", "8i", "8iB", "1e9", "8GB each", "½GB"])
def test_no_bytes(text: str) -> None:
    with pytest.raises(ValueError, match="no amount of bytes"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("90s", 90), ("10m", 600), ("10 min", 600), ("2h", 7200), ("0.5h", 1800), ("1d", 86400)],
)
def test_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


def test_for_ever() -> None:
    assert parse_seconds("forever") == parse_seconds("Inf") == math.inf


@pytest.mark.parametrize("text", ["", "m", "-5m", "5 weeks", "soon", "nan"])
def test_no_seconds(text: str) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        parse_seconds(text)


def test_text() -> None:
    assert [bytes_text(n) for n in (0, 999, 1000, 12_345_678, 10**12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12.3 MB",
        "1.0 TB",
    ]
