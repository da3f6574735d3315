"""When to try again: back-off with jitter, and what a server asks for. Pure, without a clock.

The chance comes in as a number from 0 to 1, so that a test can choose it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

RETRY_STATUSES = frozenset([408, 425, 429, 500, 502, 503, 504])
_RATE_LIMIT_RESET = re.compile(r"\bt=(\d+)")


class RetryPolicy(msgspec.Struct, frozen=True):
    """How long and how often.

    Attributes:
        tries: Attempts in a row that bring no byte before giving up.
        hasty_tries: The same where nobody is at the address and never was: the address is wrong, or the machine
            is offline, and the user waits to be told. A download that has begun gets all its tries.
        first, longest: Seconds of the first and of the longest wait, before jitter.
        longest_asked: Seconds; a server that asks for more is not waited for longer than this.
        hopeless: Seconds; a server that asks for more than this is not waited for at all.
    """

    tries: int = 6
    hasty_tries: int = 3
    first: float = 0.5
    longest: float = 30.0
    longest_asked: float = 60.0
    hopeless: float = 600.0

    def wait(self, failures: int, *, asked: float | None, chance: float, hasty: bool = False) -> float | None:
        """Seconds to wait before the next attempt; None is giving up.

        Args:
            failures: Attempts in a row that brought no byte; 0 where the last one brought some.
            asked: What the server asked for, seconds.
            chance: Random, 0 to 1.
            hasty: Do with `hasty_tries`.
        """
        if failures >= (min(self.hasty_tries, self.tries) if hasty else self.tries) or (asked or 0) > self.hopeless:
            return None
        if asked is not None:
            return min(asked, self.longest_asked) + chance
        if failures == 0:
            return 0.1 * chance
        return (0.5 + 0.5 * chance) * min(self.longest, self.first * 2 ** (failures - 1))


def asked_wait(status: int, headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds a server asks to wait: `RateLimit` of a 429, else `Retry-After`; None where it does not say."""
    if status == 429 and (reset := _RATE_LIMIT_RESET.search(headers.get("RateLimit", ""))):
        return float(reset[1])
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
