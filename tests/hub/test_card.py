"""Model cards: front matter and the first sentence, also from people who mean harm."""

from __future__ import annotations

import time

import pytest

from rmm_widgets.hub.card import Card, first_sentence, parse_card


def test_front_matter() -> None:
    text = "---\npipeline_tag: image-to-text\nlibrary_name: transformers\ntags:\n- a\n- 3\n- b\n---\n# Title"
    assert parse_card(text) == Card("image-to-text", "transformers", ("a", "b"))
    assert parse_card(text.replace("\n", "\r\n")).tags == ("a", "b")


@pytest.mark.parametrize(
    "text", ["", "no header", "---\n", "---\n: : [\n---", "---\n3\n---", "---\n!!python/object:os.x {}\n---"]
)
def test_broken_front_matter_is_none(text: str) -> None:
    assert parse_card(text) == Card()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("---\na: b\n---\n\n# Title\n\nA model. It is good.", "A model."),
        ("# T\n\n[![badge](x)](y)\n\nThe `my_model` of [ours](http://x) is **very** _good_.",
         "The my_model of ours is very good."),
        ("It works in v1.5 here. Yes.", "It works in v1.5 here."),
        ("<!-- A comment. -->\n\n| a | b |\n|---|---|\n\n```\ncode.\n```\n\nProse without an end",
         "Prose without an end"),
        ("<h1>Title</h1>", "Title"),
        ("- a list\n- of things\n\n> a quote\n\nTwo lines\nof prose! More.", "Two lines of prose!"),
        ("# Only a title", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_first_sentence(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_long_sentences_are_cut_at_a_word() -> None:
    cut = first_sentence("word " * 500)
    assert len(cut) <= 200
    assert cut.endswith("word…")


@pytest.mark.parametrize(
    "evil", ["<!--", "```\n", "*", "[", "<", "---\n", "![", "_", "a_", "[](", "<a ", "---\na: &a [*a, *a]\n---\n"]
)
def test_hostile_cards_cost_no_time(evil: str) -> None:
    text = evil * (65_536 // len(evil))
    started = time.process_time()
    assert isinstance(first_sentence(text), str)
    assert isinstance(parse_card(text), Card)
    assert time.process_time() - started < 5
