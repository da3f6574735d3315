"""How far a job is, in numbers a person can follow: never falling, smoothed, exact at the end. Pure."""

from __future__ import annotations

from math import exp

from ...types import DownloadPhase
from ..spec import FetchProgress

_SMOOTHING = 3.0
"""Seconds over which the rate is averaged."""


class ProgressMeter:
    """Makes progress records; times come in from outside, in seconds."""

    def __init__(self) -> None:
        self.total_bytes = 0
        self.files_total = 0
        self._shown_bytes = 0
        self._shown_files = 0
        self._rate: float | None = None
        self._measured: tuple[float, int] | None = None

    def set_plan(self, total_bytes: int, files_total: int) -> None:
        """What there is to fetch."""
        self.total_bytes = total_bytes
        self.files_total = files_total

    def measure(self, now: float, fetched_bytes: int) -> None:
        """Take in how much the network has brought so far; call this at regular times."""
        if self._measured is not None and now > self._measured[0]:
            elapsed = now - self._measured[0]
            rate = max(0, fetched_bytes - self._measured[1]) / elapsed
            weight = 1 - exp(-elapsed / _SMOOTHING)
            self._rate = rate if self._rate is None else self._rate + weight * (rate - self._rate)
        self._measured = (now, fetched_bytes)

    def record(
        self,
        phase: DownloadPhase,
        *,
        downloaded_bytes: int,
        files_done: int,
        current_file: str | None = None,
        note: str = "",
    ) -> FetchProgress:
        """The record to show. Bytes that had to be thrown away do not show as a step back."""
        self._shown_bytes = min(max(self._shown_bytes, downloaded_bytes), self.total_bytes)
        self._shown_files = min(max(self._shown_files, files_done), self.files_total)
        left = self.total_bytes - self._shown_bytes
        rate = self._rate or 0.0
        return FetchProgress(
            phase=phase,
            downloaded_bytes=self._shown_bytes,
            total_bytes=self.total_bytes,
            current_file=current_file,
            files_done=self._shown_files,
            files_total=self.files_total,
            bytes_per_second=rate if phase == "downloading" else 0.0,
            eta=left / rate if phase == "downloading" and rate >= 1 else None,
            note=note,
        )


class StallWatch:
    """Notices that nothing, or next to nothing, has come for too long.

    Args:
        timeout: Seconds.
        now: The time at which watching begins, seconds.
    """

    MINIMUM_RATE = 1000
    """Bytes per second below which a line counts as dead."""

    def __init__(self, timeout: float, now: float) -> None:
        self.timeout = timeout
        self._since = now
        self._bytes = 0

    def alive(self, now: float) -> None:
        """Something happened that is no stall: a file done, a refusal, a wait that was asked for."""
        self._since = max(self._since, now)

    def is_stalled(self, now: float, fetched_bytes: int) -> bool:
        """Whether too little came since the last sign of life."""
        if fetched_bytes - self._bytes >= self.MINIMUM_RATE * self.timeout:
            self._bytes = fetched_bytes
            self._since = max(self._since, now)
        return now - self._since > self.timeout
