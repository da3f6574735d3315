"""The probe policy against a reference that judges whole histories, in virtual time."""

from __future__ import annotations

import os
import random
from statistics import median

import pytest

from rmm_widgets.health import HealthPolicy, HealthTracker, Observation, Outcome
from rmm_widgets.types import ModelHealth

HEALTHY, DEGRADED = ModelHealth.HEALTHY, ModelHealth.DEGRADED
UNHEALTHY, UNKNOWN = ModelHealth.UNHEALTHY, ModelHealth.UNKNOWN


def ok(latency: float = 0.01) -> Observation:
    return Observation(at=0, outcome=Outcome.OK, latency=latency)


def seen(outcome: Outcome, detail: str = "") -> Observation:
    return Observation(at=0, outcome=outcome, detail=detail)


MISS, BUSY = seen(Outcome.MISSED), seen(Outcome.BUSY)


def watch(*observations: Observation, every: float = 10.0, tracker: HealthTracker | None = None) -> list[HealthTracker]:
    """The trackers after each observation, one every so many seconds."""
    tracker = tracker or HealthTracker()
    trackers: list[HealthTracker] = []
    for number, each in enumerate(observations, 1):
        tracker = tracker.observe(
            Observation(at=number * every, outcome=each.outcome, latency=each.latency, detail=each.detail)
        )
        trackers.append(tracker)
    return trackers


def healths(*observations: Observation, every: float = 10.0) -> list[ModelHealth]:
    return [tracker.health for tracker in watch(*observations, every=every)]


def test_L11_not_probed_is_unknown() -> None:
    assert HealthTracker().health is UNKNOWN
    assert HealthTracker().reason == ""


def test_L11_three_misses_make_unhealthy_and_one_success_healthy() -> None:
    assert healths(ok(), MISS, MISS, MISS, MISS, ok()) == [HEALTHY, HEALTHY, HEALTHY, UNHEALTHY, UNHEALTHY, HEALTHY]
    assert healths(MISS, MISS, MISS) == [UNKNOWN, UNKNOWN, UNHEALTHY]
    assert watch(ok(), MISS, MISS, MISS, MISS)[-1].reason == "no answer to the last 4 probes"


def test_L11_misses_count_in_a_row_only() -> None:
    assert set(healths(*[ok(), MISS, MISS] * 5)) == {HEALTHY}


def test_L11_throwing_check_is_unhealthy_at_once_with_its_text() -> None:
    tracker = watch(ok(), seen(Outcome.FAILED, "ValueError: no weights"))[-1]
    assert (tracker.health, tracker.reason) == (UNHEALTHY, "ValueError: no weights")
    assert watch(seen(Outcome.FAILED))[-1].reason


def test_L11_dead_is_unhealthy_at_once() -> None:
    tracker = watch(ok(), seen(Outcome.DEAD))[-1]
    assert (tracker.health, tracker.reason) == (UNHEALTHY, "the model's process ended")


def test_L11_what_the_model_says_of_itself_counts() -> None:
    tracker = watch(ok(), seen(Outcome.DEGRADED, "cache is cold"))[-1]
    assert (tracker.health, tracker.reason) == (DEGRADED, "cache is cold")
    assert tracker.observe(Observation(at=100, outcome=Outcome.OK, latency=0.01)).health is HEALTHY


DOWN_AND_UP = [MISS, MISS, MISS, ok()]


def test_L11_flapping_is_degraded_until_it_has_been_calm() -> None:
    trackers = watch(ok(), *DOWN_AND_UP * 2, *[ok()] * 40)
    assert [t.health for t in trackers[:9]] == [
        *[HEALTHY] * 3, UNHEALTHY, HEALTHY, HEALTHY, HEALTHY, UNHEALTHY, DEGRADED,
    ]  # fmt: skip
    assert trackers[8].reason == "unstable: 4 changes within 5 minutes"
    calm = [t.health for t in trackers].index(HEALTHY, 8)
    # The first of the four changes came with the fourth probe, at 40 s.
    assert (calm + 1) * 10.0 == 340.0
    assert {t.health for t in trackers[calm:]} == {HEALTHY}


def test_L11_flapping_never_hides_that_a_model_is_down() -> None:
    trackers = watch(ok(), *DOWN_AND_UP * 5, MISS, MISS, MISS)
    assert trackers[-1].health is UNHEALTHY
    assert trackers[-2].health is DEGRADED


def test_L11_slow_changes_are_no_flapping() -> None:
    assert DEGRADED not in healths(ok(), *DOWN_AND_UP * 10, every=60.0)


def test_L11_slow_against_its_own_baseline() -> None:
    fast = [ok(0.1)] * 5
    assert healths(*fast, ok(0.6), ok(0.6), ok(0.6), ok(0.1))[5:] == [HEALTHY, HEALTHY, DEGRADED, HEALTHY]
    assert watch(*fast, *[ok(0.6)] * 3)[-1].reason == "slow: 0.60 s for a probe, usually 0.10 s"
    assert set(healths(*fast, *[ok(0.45)] * 9)) == {HEALTHY}, "less than five times as slow"
    assert set(healths(*fast, *[ok(0.6), ok(0.6), ok(0.1)] * 5)) == {HEALTHY}, "three in a row"
    assert set(healths(*[ok(0.001)] * 5, *[ok(0.04)] * 9)) == {HEALTHY}, "nobody notices 40 ms"
    assert healths(*[ok(0.001)] * 5, *[ok(0.06)] * 3)[-1] is DEGRADED


def test_every_change_tells_why_also_for_the_better() -> None:
    def reason(*observations: Observation) -> str:
        before, after = watch(*observations)[-2:]
        assert before.health is not after.health
        return after.reason_since(before, observations[-1])

    assert watch(ok(0.25))[0].reason_since(HealthTracker(), ok(0.25)) == "its first answer came in 0.25 s"
    assert reason(ok(), MISS, MISS, MISS) == "no answer to the last 3 probes"
    assert reason(ok(), *[MISS] * 5, ok(0.25)) == "it answers again after 5 missed probes, in 0.25 s"
    assert reason(ok(), seen(Outcome.FAILED), ok(0.25)) == "it answers again, in 0.25 s"
    assert reason(ok(), seen(Outcome.DEGRADED), ok(0.25)) == "it answers as it usually does, in 0.25 s"
    assert reason(ok(), *DOWN_AND_UP * 2, *[ok()] * 25) == "it has been stable for 5 minutes"


def test_L11_always_slow_is_how_this_model_is() -> None:
    assert set(healths(*[ok(3.0)] * 20)) == {HEALTHY}


def test_L11_staying_slow_does_not_become_usual() -> None:
    assert set(healths(*[ok(0.1)] * 10, *[ok(1.0)] * 100)[12:]) == {DEGRADED}


def test_L11_first_slow_answer_after_being_down_is_healthy() -> None:
    assert healths(*[ok(0.1)] * 5, *[ok(1.0)] * 3, MISS, MISS, MISS, ok(1.0))[-5:] == [
        DEGRADED, DEGRADED, DEGRADED, UNHEALTHY, HEALTHY,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "before", [[], [ok()], [seen(Outcome.DEGRADED)], [MISS] * 3, [ok(), *DOWN_AND_UP * 2]], ids=lambda b: str(len(b))
)
def test_L13_busy_model_stays_what_it_was(before: list[Observation]) -> None:
    trackers = watch(*before, *[BUSY] * 500)
    was = trackers[len(before) - 1] if before else HealthTracker()
    assert {(t.health, t.reason) for t in trackers[len(before) :]} == {(was.health, was.reason)}


def test_L13_busy_is_a_sign_of_life() -> None:
    assert set(healths(ok(), *[MISS, MISS, BUSY] * 20)) == {HEALTHY}


def test_observing_changes_no_tracker() -> None:
    before = watch(ok())[-1]
    after = before.observe(MISS)
    assert before == watch(ok())[-1]
    assert after.misses == 1
    with pytest.raises(AttributeError):
        before.misses = 5  # type: ignore[misc]


def test_numbers_come_from_the_policy() -> None:
    strict = HealthTracker(policy=HealthPolicy(misses=1, slow_row=1, slow_factor=2.0, slow_floor=0.0, baseline=2))
    assert [t.health for t in watch(ok(), MISS, ok(), ok(0.03), tracker=strict)] == [
        HEALTHY, UNHEALTHY, HEALTHY, DEGRADED,
    ]  # fmt: skip


# -- the reference: looks at the whole history for every answer


def reference(history: list[Observation]) -> list[ModelHealth]:
    plain: list[ModelHealth] = []
    shown: list[ModelHealth] = []
    for end in range(1, len(history) + 1):
        plain.append(plain_health(history[:end], plain))
        if history[end - 1].outcome is Outcome.BUSY:
            shown.append(shown[-1] if shown else UNKNOWN)
            continue
        now = history[end - 1].at
        steps = zip(plain[:-1], plain[1:], history[1:end], strict=True)
        flips = [s.at for a, b, s in steps if a is not b and a is not UNKNOWN and s.at > now - 300]
        shown.append(DEGRADED if plain[-1] is HEALTHY and len(flips) >= 4 else plain[-1])
    return shown


def plain_health(history: list[Observation], plain: list[ModelHealth]) -> ModelHealth:
    last = history[-1]
    before = plain[-1] if plain else UNKNOWN
    match last.outcome:
        case Outcome.FAILED | Outcome.DEAD:
            return UNHEALTHY
        case Outcome.DEGRADED:
            return DEGRADED
        case Outcome.BUSY:
            return before
        case Outcome.MISSED:
            return UNHEALTHY if {o.outcome for o in history[-3:]} == {Outcome.MISSED} and len(history) > 2 else before
        case Outcome.OK:
            return DEGRADED if slow_in_a_row(history, plain) >= 3 else HEALTHY


def slow_in_a_row(history: list[Observation], plain: list[ModelHealth]) -> int:
    usual: list[float] = []
    row = 0
    for each, health in zip(history, [*plain, None], strict=True):
        if health is UNHEALTHY and each.outcome is not Outcome.BUSY:
            row = 0
        if each.outcome is not Outcome.OK:
            continue
        if len(usual) >= 5 and each.latency > max(0.05, 5 * median(usual[-10:])):
            row += 1
        else:
            row = 0
            usual.append(each.latency)
    return row


def pattern(numbers: random.Random) -> list[Observation]:
    """Probes in runs, as real trouble comes; each pattern has its own mixture."""
    weights = [numbers.random() ** 2 for _ in Outcome]
    usual = numbers.choice([0.002, 0.05, 1.0])
    history: list[Observation] = []
    at = 0.0
    while len(history) < 50:
        outcome = numbers.choices(list(Outcome), weights)[0]
        slowness = numbers.choice([1, 1, 1, 4.9, 5.1, 30])
        for _ in range(numbers.choice([1, 1, 2, 3, 6])):
            at += numbers.choice([10, 10, 10, 30, 100])
            history.append(Observation(at=at, outcome=outcome, latency=usual * slowness * numbers.uniform(0.9, 1.1)))
    return history


def test_L11_thousand_random_patterns_against_the_reference() -> None:
    seed = int(os.environ.get("RMM_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"RMM_TEST_SEED={seed}")
    numbers = random.Random(seed)
    met: set[ModelHealth] = set()
    for _ in range(1000):
        history = pattern(numbers)
        tracker = HealthTracker()
        judged: list[ModelHealth] = []
        for each in history:
            before, tracker = tracker, tracker.observe(each)
            judged.append(tracker.health)
            assert before.health is tracker.health or tracker.reason_since(before, each)
            assert bool(tracker.reason) == (tracker.health in {DEGRADED, UNHEALTHY})
        assert judged == reference(history), history
        met |= set(judged)
    assert met == set(ModelHealth)
