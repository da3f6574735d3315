"""Probe policy: what a series of probe results says about a model's health.

Pure: no I/O, no clock, no threads. A `HealthTracker` is a frozen value; `observe` gives the next
one. Sending probes, one at a time, and telling a busy model from a silent one is the runtime's.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from statistics import median

import msgspec

from .types import ModelHealth


class Outcome(StrEnum):
    """How a probe ended."""

    OK = "ok"
    """The model answered; `latency` tells how fast."""
    DEGRADED = "degraded"
    """The model answered that it is degraded; `detail` may tell why."""
    FAILED = "failed"
    """The model's check raised, or it answered that it is unhealthy; `detail` is its text."""
    MISSED = "missed"
    """No answer in time, and nothing else moved either."""
    BUSY = "busy"
    """No answer because the model works: its CPU time or its progress moved."""
    DEAD = "dead"
    """The model's process is gone."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One probe: `at` and `latency` in seconds, `at` on any clock that does not go back."""

    at: float
    outcome: Outcome
    latency: float = 0.0
    detail: str = ""


class ProbeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One probe of a loaded model, as it is kept for people and their charts.

    Attributes:
        timestamp: When it ended, an aware UTC datetime.
        latency: Seconds until the answer, or until the wait for it was given up.
        outcome: How it ended: an `Outcome`.
        health: The model's health with this probe counted.
        detail: What the model said, or what kept it from answering; mostly empty.
    """

    timestamp: datetime
    latency: float
    outcome: Outcome
    health: ModelHealth
    detail: str = ""


class HealthPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the judgement.

    Attributes:
        misses: Missed probes in a row that make a model unhealthy.
        flap_changes, flap_window: So many changes within so many seconds are flapping.
        slow_factor, slow_floor: A latency above `slow_factor` times the model's usual one is slow,
            but never one below `slow_floor` seconds.
        slow_row: Slow answers in a row that make a model degraded.
        baseline: Number of latencies that make up what is usual; half of them before anything is slow.
    """

    misses: int = 3
    flap_changes: int = 4
    flap_window: float = 300.0
    slow_factor: float = 5.0
    slow_floor: float = 0.05
    slow_row: int = 3
    baseline: int = 10


class HealthTracker(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one loaded model so far. A new load begins with a new tracker.

    Attributes:
        health: The judgement.
        reason: Why it is not better, for the user; empty for a healthy model.
    """

    policy: HealthPolicy = HealthPolicy()
    health: ModelHealth = ModelHealth.UNKNOWN
    reason: str = ""
    plain: ModelHealth = ModelHealth.UNKNOWN
    """The judgement before flapping is considered."""
    plain_reason: str = ""
    misses: int = 0
    slow: int = 0
    usual: tuple[float, ...] = ()
    """The newest latencies that were not slow."""
    changes: tuple[float, ...] = ()
    """When `plain` changed, the newest ones."""

    def observe(self, seen: Observation) -> HealthTracker:
        """The tracker after one more probe."""
        match seen.outcome:
            case Outcome.BUSY:
                return msgspec.structs.replace(self, misses=0)
            case Outcome.OK:
                judged = self._answered(seen.latency)
            case Outcome.DEGRADED:
                reason = seen.detail or "the model says that it is degraded"
                judged = self._judged(ModelHealth.DEGRADED, reason)
            case Outcome.FAILED:
                judged = self._judged(ModelHealth.UNHEALTHY, seen.detail or "the health check failed")
            case Outcome.DEAD:
                judged = self._judged(ModelHealth.UNHEALTHY, seen.detail or "the model's process ended")
            case Outcome.MISSED:
                judged = self._missed()
        return judged._considering_flaps(self.plain, seen.at)  # noqa: SLF001 - another value of this class

    def reason_since(self, before: HealthTracker, seen: Observation) -> str:
        """Why the health is now what it is, in a few words, also where it is well again; `seen` changed it."""
        if self.reason or self.health is not ModelHealth.HEALTHY:
            return self.reason
        match before.health:
            case ModelHealth.UNKNOWN:
                return f"its first answer came in {seen.latency:.2f} s"
            case ModelHealth.UNHEALTHY:
                missed = f" after {before.misses} missed probes" if before.misses else ""
                return f"it answers again{missed}, in {seen.latency:.2f} s"
            case _ if before.plain is ModelHealth.HEALTHY:
                return f"it has been stable for {self.policy.flap_window / 60:g} minutes"
            case _:
                return f"it answers as it usually does, in {seen.latency:.2f} s"

    def _missed(self) -> HealthTracker:
        misses = self.misses + 1
        if misses < self.policy.misses:
            return msgspec.structs.replace(self, misses=misses)
        down = self._judged(ModelHealth.UNHEALTHY, f"no answer to the last {misses} probes")
        return msgspec.structs.replace(down, misses=misses)

    def _answered(self, latency: float) -> HealthTracker:
        if not self._is_slow(latency):
            usual = (*self.usual, latency)[-self.policy.baseline :]
            return msgspec.structs.replace(self._judged(ModelHealth.HEALTHY, ""), usual=usual, slow=0)
        slow = self.slow + 1
        if slow < self.policy.slow_row:
            return msgspec.structs.replace(self._judged(ModelHealth.HEALTHY, ""), slow=slow)
        reason = f"slow: {latency:.2f} s for a probe, usually {median(self.usual):.2f} s"
        return msgspec.structs.replace(self._judged(ModelHealth.DEGRADED, reason), slow=slow)

    def _is_slow(self, latency: float) -> bool:
        if len(self.usual) * 2 < self.policy.baseline:
            return False
        return latency > max(self.policy.slow_floor, self.policy.slow_factor * median(self.usual))

    def _judged(self, plain: ModelHealth, reason: str) -> HealthTracker:
        # An unhealthy model starts anew once it answers: one success is enough, even a slow one.
        slow = 0 if plain is ModelHealth.UNHEALTHY else self.slow
        return msgspec.structs.replace(self, plain=plain, plain_reason=reason, misses=0, slow=slow)

    def _considering_flaps(self, before: ModelHealth, at: float) -> HealthTracker:
        changes = tuple(moment for moment in self.changes if moment > at - self.policy.flap_window)
        if self.plain is not before and before is not ModelHealth.UNKNOWN:
            changes = (*changes, at)[-self.policy.flap_changes :]
        health, reason = self.plain, self.plain_reason
        # Flapping never hides that a model is down now.
        if health is ModelHealth.HEALTHY and len(changes) >= self.policy.flap_changes:
            health = ModelHealth.DEGRADED
            reason = f"unstable: {len(changes)} changes within {self.policy.flap_window / 60:g} minutes"
        return msgspec.structs.replace(self, health=health, reason=reason, changes=changes)
