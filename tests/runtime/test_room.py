"""Whether a model would find memory, from numbers alone."""

from __future__ import annotations

import msgspec
import pytest

from rmm_widgets.runtime.room import Room, fits, room_for, with_needs
from rmm_widgets.types import HubModel


@pytest.mark.parametrize(
    ("need", "word"),
    [(None, "unknown"), (0, "yes"), (10, "yes"), (11, "tight"), (50, "tight"), (51, "no")],
)
def test_the_word_for_a_need(need: int | None, word: str) -> None:
    assert fits(need, Room(now=10, most=50)) == word


def test_a_budget_counts_what_models_hold_and_the_machine_what_is_free() -> None:
    assert room_for(free=70, most=90, held=5, budget=None) == Room(70, 90)
    assert room_for(free=70, most=90, held=5, budget=40) == Room(35, 40)
    assert room_for(free=20, most=90, held=5, budget=40) == Room(20, 40)
    assert room_for(free=20, most=90, held=50, budget=40) == Room(0, 40), "more is held than a new budget allows"
    assert room_for(free=-30, most=-1, held=0, budget=None) == Room(0, 0), "more is promised than there is"


def test_only_weights_tell_what_a_repository_needs() -> None:
    known = HubModel(repo_id="o/known", weights=10**9, size=10**9)
    unknown = HubModel(repo_id="o/unknown", size=10**12)
    first, second = with_needs([known, unknown], Room(now=10**9, most=10**10))
    assert first.need is not None
    assert 1.2 * 10**9 <= first.need < 2 * 10**9, "weights, a share for calls, and the library"
    assert first.fits == "tight"
    assert (second.need, second.fits) == (None, "unknown")


def test_a_repository_with_onnx_files_needs_no_torch() -> None:
    room = Room(now=10**9, most=10**10)
    tiny = HubModel(repo_id="o/tiny", weights=10**6)
    torch, onnx, gguf = with_needs(
        [tiny, *(msgspec.structs.replace(tiny, formats=each) for each in (("onnx", "safetensors"), ("gguf",)))], room
    )
    assert torch.need is not None
    assert onnx.need is not None
    assert gguf.need is not None
    assert max(onnx.need, gguf.need) < 0.3 * torch.need
