"""When to try again: no clock, no network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmm_widgets.downloads.fetcher.retry import RetryPolicy, asked_wait

NOW = datetime(2026, 1, 1, tzinfo=UTC)
policy = RetryPolicy()


def test_D16_six_tries_in_a_row_and_then_no_more() -> None:
    waits = [policy.wait(n, asked=None, chance=1.0) for n in range(1, 7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, None]


@given(st.integers(0, 5), st.floats(0, 1))
def test_D16_waits_are_spread_and_bounded(failures: int, chance: float) -> None:
    wait = policy.wait(failures, asked=None, chance=chance)
    longest = policy.wait(failures, asked=None, chance=1.0)
    assert wait is not None
    assert longest is not None
    assert 0 <= wait <= longest <= policy.longest
    assert failures == 0 or wait >= longest / 2


@pytest.mark.parametrize(
    ("asked", "chance", "wait"),
    [(2.0, 0.0, 2.0), (2.0, 1.0, 3.0), (300.0, 0.0, 60.0), (601.0, 0.0, None), (0.0, 0.5, 0.5)],
)
def test_D16_what_the_server_asks_for_is_done_within_reason(asked: float, chance: float, wait: float | None) -> None:
    assert policy.wait(1, asked=asked, chance=chance) == wait


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (503, {"Retry-After": "0.5"}, 0.5),
        (429, {"RateLimit": '"resolvers";r=0;t=42', "Retry-After": "7"}, 42.0),
        (503, {"RateLimit": '"resolvers";r=0;t=42'}, None),
        (503, {"Retry-After": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}, 30.0),
        (503, {"Retry-After": format_datetime(NOW - timedelta(days=3), usegmt=True)}, 0.0),
        (503, {"Retry-After": "soon"}, None),
        (503, {"Retry-After": "-5"}, None),
        (503, {"Retry-After": "9" * 400}, None),
        (503, {}, None),
    ],
)
def test_D16_retry_after_in_all_its_forms(status: int, headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(status, headers, NOW) == seconds
