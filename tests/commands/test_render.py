"""Documents as text and as HTML: hostile values stay text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmm_widgets.commands.render import SHOWN_ROWS, Column, Message, Table, printable, size, to_html, to_text

HOSTILE = '<script>alert(1)</script><img src=x onerror="x">&amp;{{ 7 * 7 }}{% raw %}'


class _Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def table(*cells: str, caption: str = "") -> Table:
    columns = tuple(Column(f"c{n}") for n in range(len(cells)))
    return Table(columns=columns, rows=(cells,), caption=caption)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text() | st.just(HOSTILE), min_size=1, max_size=4), st.text())
def test_html_shows_every_value_and_adds_no_element(cells: list[str], caption: str) -> None:
    plain = _Elements(to_html(table(*["x"] * len(cells), caption="y")))
    hostile = _Elements(to_html(table(*cells, caption=caption)))
    assert hostile.tags <= plain.tags
    assert hostile.attributes <= plain.attributes


def test_html_keeps_hostile_text_readable() -> None:
    assert HOSTILE in "".join(_Elements(to_html(table(HOSTILE))).texts)
    assert HOSTILE in "".join(_Elements(to_html(Message(HOSTILE))).texts)


def test_html_follows_the_theme_and_has_fallbacks() -> None:
    html = to_html(table("a"))
    assert html.count("var(--jp-") == html.count("var(--jp-ui-font-size1, ") + html.count(", #")


def test_control_characters_never_reach_a_terminal() -> None:
    text = to_text(table("\x1b[2J\x1b]0;title\x07", "a\u202eb", "\ud800"))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.encode()
    assert printable("tab\tand\nline stay") == "tab\tand\nline stay"


def test_text_is_aligned_and_folds_long_values() -> None:
    document = Table(columns=(Column("id"), Column("size", "right")), rows=(("a", "1 kB"), ("bcd", "20 kB")))
    assert to_text(document).splitlines()[-2:] == ["a      1 kB", "bcd   20 kB"]
    long = to_text(table("x" * 500, "y"), width=60)
    assert max(len(line) for line in long.splitlines()) <= 60
    assert sum(line.count("x") for line in long.splitlines()) == 500


def test_an_empty_table_says_so() -> None:
    document = Table(columns=(Column("id"),), rows=(), empty="No models.")
    assert to_text(document) == "No models."
    assert "No models." in to_html(document)


def test_large_tables_are_cut_and_counted() -> None:
    document = Table(columns=(Column("id"),), rows=tuple((f"m{n}",) for n in range(SHOWN_ROWS + 7)))
    assert "… and 7 more" in to_html(document)
    assert "… and 7 more" in to_text(document, max_rows=SHOWN_ROWS)
    assert len(to_text(document).splitlines()) >= SHOWN_ROWS + 7


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "-"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12.3 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (5 * 10**9, "5.0 GB"),
        (2.5 * 10**12, "2.5 TB"),
    ],
)
def test_sizes_are_decimal(count: float, shown: str) -> None:
    assert size(count) == shown
