"""Completion offers what fits at the cursor."""

from __future__ import annotations

import pytest

from rmm_widgets import errors
from rmm_widgets.commands.complete import Known, complete
from rmm_widgets.commands.table import TABLE

SETTINGS = {"batch_size": (), "normalize": ("false", "true"), "dtype": ("auto", "float32")}
KNOWN = Known(
    model_ids=lambda: ("bert", "bart-large", "has space", 'quo"te', "clip"),
    settings=lambda model_id: SETTINGS if model_id == "bert" else {},
    cached=lambda: ("org/bert", "org/clip"),
    found=lambda: ("org/found", "other/bert"),
)


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
        (" help Dis", "Dis", ["DiskFullError"]),
        (" help err", "err", ["errors"]),
        (" help load ", "", []),
        (" nonsense ", "", []),
        (" ls --j", "--j", ["--json"]),
        (" config bert ", "", ["batch_size=", "dtype=", "normalize="]),
        (" config bert batch_size=3 n", "n", ["normalize="]),
        (" config bert normalize=", "normalize=", ["normalize=false", "normalize=true"]),
        (" load bert --wait dtype=f", "dtype=f", ["dtype=float32"]),
        (" load --device cpu b", "b", ["bart-large", "bert"]),
        (" load --device cpu bert d", "d", ["dtype="]),
        (" config clip ", "", []),
        (" config bert batch_size=", "batch_size=", []),
        (" add ", "", ["org/bert", "org/clip", "org/found", "other/bert"]),
        (" add other", "other", ["other/bert"]),
        (" add org/bert ", "", []),
        (" adopt org/bert ", "", ["org/clip"]),
    ],
)
def test_what_fits(text: str, fragment: str, words: list[str]) -> None:
    assert complete(text, TABLE, KNOWN) == (fragment, words)


def test_help_offers_commands_and_errors() -> None:
    assert complete(" help ", TABLE, KNOWN)[1] == sorted([*TABLE, "errors", *errors.__all__])


def test_nothing_typed_offers_every_command() -> None:
    assert complete("", TABLE, KNOWN) == ("", sorted(TABLE))


def test_only_what_fits_is_asked() -> None:
    def never(*_arguments: object) -> tuple[str, ...]:
        raise AssertionError("asked in vain")

    known = Known(model_ids=never, settings=never, cached=never, found=never)  # type: ignore[arg-type]
    for text in ("", " lo", " load x --dev", " search words ", " load x --device "):
        complete(text, TABLE, known)
    with pytest.raises(AssertionError, match="in vain"):
        complete(" load ", TABLE, known)
