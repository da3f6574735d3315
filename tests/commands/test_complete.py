"""Completion offers what fits at the cursor."""

from __future__ import annotations

import pytest

from rmm_widgets.commands.complete import complete
from rmm_widgets.commands.table import TABLE

IDS = ("bert", "bart-large", "has space", "clip")


@pytest.mark.parametrize(
    ("text", "fragment", "words"),
    [
        (" do", "do", ["download"]),
        (" download ", "", ["bart-large", "bert", "clip"]),
        (" download b", "b", ["bart-large", "bert"]),
        (" download bert b", "b", ["bart-large"]),
        (" info bert ", "", []),
        (" load bert --w", "--w", ["--wait"]),
        (" load bert --wait --", "--", ["--as", "--device", "--in-kernel", "--keep-alive", "--loader", "--restart"]),
        (" search x --type c", "c", ["caption_generator", "classification_model"]),
        (" load bert --as ", "", []),
        (" why b", "b", ["bart-large", "bert"]),
        (" help lo", "lo", ["load"]),
        (" nonsense ", "", []),
        (" ls --j", "--j", ["--json"]),
    ],
)
def test_what_fits(text: str, fragment: str, words: list[str]) -> None:
    assert complete(text, TABLE, IDS) == (fragment, words)


def test_nothing_typed_offers_every_command() -> None:
    assert complete("", TABLE, IDS) == ("", sorted(TABLE))
