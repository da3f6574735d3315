"""What a story is made of. Every text in it is one line without control characters."""

from __future__ import annotations

from datetime import datetime

import msgspec

__all__ = ["Story", "StoryLine", "moment", "told"]


class StoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a model.

    Attributes:
        timestamp: When, an aware UTC datetime; of several times the last.
        text: What, in a sentence or two.
        times: How often in a row.
    """

    timestamp: datetime
    text: str
    times: int = 1


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a model, how it is now, and what to do next; as text with `str(story)`.

    Attributes:
        lines: What happened, the newest last.
        left_out: Earlier lines that were left out.
        now: How it is now, in a sentence or two.
        advice: What to do next, empty where nothing needs to be done.
    """

    model_id: str
    lines: tuple[StoryLine, ...]
    left_out: int
    now: str
    advice: str

    @property
    def ending(self) -> str:
        """How it is now and what to do next, a line each; and what was left out before."""
        return "\n".join(
            filter(
                None,
                (
                    f"{self.left_out} earlier lines are left out." if self.left_out else "",
                    f"Now: {self.now}",
                    f"What to do: {self.advice}" if self.advice else "",
                ),
            )
        )

    def __str__(self) -> str:
        lines = [f"{moment(line.timestamp)}  {told(line)}" for line in self.lines]
        head = f"The story of {self.model_id}"
        return "\n".join([head, *(lines or ["Nothing is known to have happened."]), self.ending])


def moment(timestamp: datetime) -> str:
    """A time as people here read it, in their own time zone."""
    return timestamp.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def told(line: StoryLine) -> str:
    """A line's text, with how often it happened."""
    return line.text if line.times == 1 else f"{line.text} ({line.times} times in a row)"
