"""When a model whose worker died by itself is loaded again, and when that is given up. Pure; time comes from outside.

Only the counting is here. That a reload waits, runs and may be called off is a matter of `ModelState.restart`.
"""

from __future__ import annotations

import msgspec

__all__ = ["RestartPolicy", "Restarts"]


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the judgement.

    Attributes:
        waits: Seconds before each reload; there are as many reloads in a window as there are waits.
        window: Seconds within which reloads are counted.
    """

    waits: tuple[float, ...] = (1.0, 2.0, 4.0)
    window: float = 600.0


class Restarts(msgspec.Struct, frozen=True):
    """The reloads of one model since a user last loaded it. `begun`: when each of them was due, in seconds."""

    begun: tuple[float, ...] = ()

    def crashed(self, policy: RestartPolicy, at: float) -> tuple[Restarts, int]:
        """What follows a crash.

        Args:
            at: When it crashed, in seconds of any clock that does not go back.

        Returns:
            The reloads with the one that follows, and its attempt: 1 for the first within the window (after the
            first wait), and so on; 0 where there were too many, and nothing follows.
        """
        recent = tuple(moment for moment in self.begun if moment > at - policy.window)
        if len(recent) >= len(policy.waits):
            return Restarts(recent), 0
        return Restarts((*recent, at + policy.waits[len(recent)])), len(recent) + 1
