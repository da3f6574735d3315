"""From events and a description to a story."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from ..types import ModelEvent
from .now import advice_for, standing
from .records import Story, StoryLine
from .sentences import Teller

if TYPE_CHECKING:
    from ..runtime.entry import ModelDescription

__all__ = ["tell"]


def tell(model_id: str, events: Iterable[ModelEvent], description: ModelDescription | None, *, limit: int) -> Story:
    """The story of a model.

    Args:
        events: Those of this model, the newest last, also of several kernels one after another.
        description: How it is now; None where it is not registered any more.
        limit: Lines at most; the oldest are left out.
    """
    teller = Teller()
    lines: list[StoryLine] = []
    begun = ""
    for event in events:
        other = teller.break_before(event)
        if other and lines:
            lines.append(StoryLine(timestamp=event.timestamp, text=other))
            begun = ""
        sentence = teller.sentence(event)
        if not sentence.text:
            continue
        if begun and sentence.closes == begun:
            lines.pop()
        begun = sentence.opens
        line = StoryLine(timestamp=event.timestamp, text=sentence.text)
        if lines and lines[-1].text == line.text:
            line = msgspec.structs.replace(line, times=lines.pop().times + 1)
        lines.append(line)
    shown = lines[max(len(lines) - limit, 0) :]
    return Story(
        model_id=model_id,
        lines=tuple(shown),
        left_out=len(lines) - len(shown),
        now=standing(description) if description is not None else "It is not registered.",
        advice=advice_for(description) if description is not None else "%rmm add REPO registers it again.",
    )
