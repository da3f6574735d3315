"""How many connections a job works with: found, not fixed. Pure; times come in from outside, in seconds.

A server that limits each connection, or a long way to it, makes more connections faster; a line that is
full does not get faster. So the number is doubled as long as that brings more, and taken back where it
did not (hill climbing, as TCP's slow start and xet-core's adaptive concurrency do).
"""

from __future__ import annotations

FIRST = 8
"""Connections to begin with; what huggingface_hub uses, too."""
WINDOW = 0.25
"""Seconds over which a rate is measured."""
SETTLING = 0.1
"""Seconds after a change that are not measured: connections open, the line fills."""
GAIN = 1.15
"""How much more a doubled number must bring to be kept."""
SLUMP = 0.7
"""Share of the rate that was known, below which the knowledge is out of date."""
HOLD = 5.0
"""Seconds until the next attempt after one that brought nothing; doubles each time."""
LONGEST_HOLD = 60.0
BUSY = 0.75
"""Share of a core: a process that uses more is not waiting for the network. More threads are in its way then."""
LEAST = 3
"""Connections that a process without time to spare keeps."""


class Crew:
    """The number of connections of one job.

    Attributes:
        size: How many there should be now.
    """

    def __init__(self, now: float, most: int, first: int = FIRST) -> None:
        self.size = min(first, most)
        self._most = most
        self._trial: tuple[int, float] | None = None
        self._known = 0.0
        self._hold = HOLD
        self._rests_until = now
        self._begin(now)

    def measure(self, now: float, fetched: int, cpu: float, *, has_work: bool) -> None:
        """Take in how far the job is; call it often.

        Args:
            fetched: Bytes that have come so far.
            cpu: Seconds of processor time that this process has used so far.
            has_work: Work waits for a free connection.
        """
        if now < self._from:
            return
        if self._start is None or not has_work:
            self._start = (now, fetched, cpu)
            return
        since, fetched_before, cpu_before = self._start
        elapsed = now - since
        if elapsed < WINDOW:
            return
        self._judge(now, (fetched - fetched_before) / elapsed, (cpu - cpu_before) / elapsed)

    def slow_down(self, now: float, seconds: float) -> None:
        """The server asks for less: halve, and do not grow for a while."""
        self.size = max(1, self.size // 2)
        self._trial, self._known = None, 0.0
        self._rest(now, max(seconds, self._hold))

    def _judge(self, now: float, rate: float, load: float) -> None:
        trial, self._trial = self._trial, None
        if trial is not None and rate < GAIN * trial[1]:
            self.size, self._known = trial
            self._rest(now, self._hold)
            self._hold = min(LONGEST_HOLD, 2 * self._hold)
            return
        if load >= BUSY and self.size > LEAST:
            self.size = max(LEAST, self.size // 2)
            self._begin(now)
            return
        # A server may begin with a burst: where the line turns out slower than it seemed, nothing is known.
        is_due = now >= self._rests_until or rate < SLUMP * self._known
        if is_due and self.size < self._most and load < BUSY and rate > 0:
            self._trial = (self.size, rate)
            self.size = min(self._most, 2 * self.size)
        self._begin(now)

    def _rest(self, now: float, seconds: float) -> None:
        self._rests_until = now + seconds
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._from = now + SETTLING
        self._start: tuple[float, int, float] | None = None
