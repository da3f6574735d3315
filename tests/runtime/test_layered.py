"""The mapping behind a picture: as a dict would be, never changed, and shared instead of copied."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from rmm_widgets.runtime.layered import MOST, LayeredMap

from ..manager.conftest import numbers

__all__ = ["numbers"]


def test_it_is_as_a_dict_would_be_and_no_copy_changes_another(numbers: random.Random) -> None:
    now, model = LayeredMap[str, int](), dict[str, int]()
    kept: list[tuple[LayeredMap[str, int], dict[str, int]]] = []
    for step in range(3000):
        news = {f"k{numbers.randrange(600)}": step for _ in range(numbers.choice((0, 1, 1, 1, 5)))}
        gone = {f"k{numbers.randrange(600)}"} - news.keys() if numbers.random() < 0.03 else set[str]()
        now = now.changed(news, gone)
        model = {key: value for key, value in {**model, **news}.items() if key not in gone}
        asked = f"k{numbers.randrange(600)}"
        assert now.get(asked) == model.get(asked)  # before anybody went through all of it
        assert (asked in now) == (asked in model)
        if numbers.random() < 0.1:
            kept.append((now, model))
    for layered, plain in kept:
        assert list(layered) == list(plain)
        assert list(layered.values()) == list(plain.values())
        assert list(layered.items()) == list(plain.items())
        assert layered.keys() == plain.keys()
        assert layered == plain
        assert len(layered) == len(plain)


def test_changes_share_what_they_leave_alone() -> None:
    """Whole copies are counted: they are what makes a thousand changes of ten thousand keys dear."""
    now = LayeredMap(dict.fromkeys(range(10000), 0))
    below = [now._below]
    for step in range(1000):
        now = now.changed({step % 100: step})
        if now._below is not below[-1]:
            below.append(now._below)
    assert len(below) == 1
    for step in range(1000):
        now = now.changed({10_000 + step: step})
        if now._below is not below[-1]:
            below.append(now._below)
    assert len(below) - 1 <= 1100 / MOST
    assert list(now)[-1] == 10_999


def test_going_through_it_again_puts_nothing_together_again() -> None:
    layered = LayeredMap({"a": 1}).changed({"b": 2})
    assert layered._whole() is layered._whole()


def test_threads_that_read_at_once_see_the_same() -> None:
    for _ in range(50):
        layered = LayeredMap({n: n for n in range(1000)}).changed({-1: -1})
        with ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(sum, [layered] * 4))
        assert seen == [499_499] * 4
