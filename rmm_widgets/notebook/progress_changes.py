"""What to tell a view of downloads that go on: only those that moved, only what can be seen of it, in few bytes.

A bar is read, not logged. Its bytes are told where their first three digits, which is what it shows, are others; its
rate, time left and file once a second; all of it less often where very many move. What matters is told at once: a
download that began, waits, stands, checks its files, or has ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from .protocol import Progress

__all__ = ["CALM", "KILOBYTE", "ProgressNews", "ToldProgress", "advanced", "floor_percent", "repaced"]

CALM = 1.0
"""Seconds between two figures that change all the time and are read one by one: rates, times left, files."""

MOVES = 350
"""Bars that move in one second at most; where more do, each moves less often."""

KILOBYTE = 1000

_SLACK = 0.05
"""Seconds by which something may come early, rather than a whole tick late."""


class ProgressNews(msgspec.Struct, kw_only=True):
    """What is to be told of downloads, by model id.

    Attributes:
        changed: Those that are new, and those of which more than the following is.
        moved: Kilobytes that were added.
        paced: Their rate, and the seconds that are left, None where that cannot be told.
        ended: Those that are no more.
    """

    changed: dict[str, Progress] = {}
    moved: dict[str, int] = {}
    paced: dict[str, tuple[float, float | None]] = {}
    ended: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.moved or self.paced or self.ended)


class ToldProgress:
    """What one view has been told of downloads; not thread-safe."""

    def __init__(self, progress: Mapping[str, Progress]) -> None:
        self.records = dict(progress)
        """As the view has them."""
        self._latest: Mapping[str, Progress] = progress
        self._moved_at = self._calm_at = -math.inf

    def tell(
        self, progress: Mapping[str, Progress] | None, now: float, *, at_once: bool = False
    ) -> tuple[ProgressNews, float]:
        """Take these as the present downloads, None standing for those of the last time.

        Args:
            now: Seconds of a clock that only goes forward.
            at_once: Hold nothing back.

        Returns:
            What is to be told now, and the seconds after which there is more.
        """
        self._latest = latest = self._latest if progress is None else progress
        pace = len(latest) / MOVES
        is_calm = at_once or now >= self._calm_at + CALM - _SLACK
        news = ProgressNews(ended=[each for each in self.records if each not in latest])
        moves: dict[str, int] = {}
        is_held = False
        for model_id, record in latest.items():
            told = self.records.get(model_id)
            if told is record:
                continue
            if told is None or _is_other(told, record):
                news.changed[model_id] = record
                continue
            if _is_elsewhere(told, record):
                if is_calm:
                    news.changed[model_id] = record
                    continue
                is_held = True
            elif told.rate != record.rate or told.eta != record.eta:
                if is_calm:
                    news.paced[model_id] = record.rate, record.eta
                else:
                    is_held = True
            if is_seen(told.done, record.done) or (at_once and record.done - told.done >= KILOBYTE):
                moves[model_id] = (record.done - told.done) // KILOBYTE
        if is_calm and (news.paced or news.changed):
            self._calm_at = now
        wait = self._calm_at + CALM - now if is_held else math.inf
        if moves and (at_once or news.paced or now >= self._moved_at + pace - _SLACK):
            news.moved, self._moved_at = moves, now
        elif moves:
            wait = min(wait, self._moved_at + pace - now)
        self._apply(news)
        return news, wait

    def _apply(self, news: ProgressNews) -> None:
        for model_id in news.ended:
            del self.records[model_id]
        self.records.update(news.changed)
        for model_id, kilobytes in news.moved.items():
            self.records[model_id] = advanced(self.records[model_id], kilobytes)
        for model_id, (rate, eta) in news.paced.items():
            self.records[model_id] = repaced(self.records[model_id], rate, eta)


def advanced(record: Progress, kilobytes: int) -> Progress:
    """The record with kilobytes more; its share falls never, also where a total was found to be larger."""
    done = record.done + kilobytes * KILOBYTE
    percent = max(record.percent, floor_percent(done, record.total))
    return msgspec.structs.replace(record, done=done, percent=percent)


def repaced(record: Progress, rate: float, eta: float | None) -> Progress:
    """The record with another rate and time left."""
    return msgspec.structs.replace(record, rate=rate, eta=eta)


def floor_percent(done: int, total: int) -> float:
    """Tenths of a percent, rounded down: 100 is said when everything is there."""
    return min(1000, done * 1000 // total) / 10 if total > 0 else 0.0


def is_seen(before: int, now: int) -> bool:
    """Whether any of the first three digits, or of the kilobytes, is another."""
    step = max(KILOBYTE, 10 ** (len(str(now)) - 3))
    return before // step != now // step


def _is_other(told: Progress, now: Progress) -> bool:
    """Whether more changed than how far and how fast it is."""
    return (
        told.phase != now.phase
        or told.total != now.total
        or told.note != now.note
        or told.place != now.place
        or now.done < told.done
    )


def _is_elsewhere(told: Progress, now: Progress) -> bool:
    return told.file != now.file or told.files_done != now.files_done or told.files_total != now.files_total
