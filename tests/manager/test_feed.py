"""Events as they happen: each once and in order, also those of other kernels, until somebody ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rmm_widgets.manager import ModelManager
from rmm_widgets.runtime.feed import EventFeed
from rmm_widgets.types import ModelEvent

from .models import info

LONG = 30.0


def take(feed: EventFeed, number: int) -> list[ModelEvent]:
    """So many events."""
    found: list[ModelEvent] = []
    ends = time.monotonic() + LONG
    while len(found) < number:
        assert time.monotonic() < ends, found
        event = feed.next(0.2)
        found += [event] if event is not None else []
    return found


def test_each_event_once_and_in_order_while_many_write(manager: ModelManager) -> None:
    manager.register_model(info("first"))
    with manager.follow_events(limit=5) as feed:

        def register(thread: int) -> None:
            for number in range(25):
                manager.register_model(info(f"model-{thread}-{number}"))

        threads = [threading.Thread(target=register, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        seen = take(feed, 101)
        for thread in threads:
            thread.join()
        assert feed.next(0.7) is None, "nor after a look at what others wrote"
    assert [event.seq for event in seen] == list(range(1, 102))


def test_what_happens_while_it_begins_comes_once(manager: ModelManager) -> None:
    stop = threading.Event()

    def register() -> None:
        number = 0
        while not stop.is_set():
            manager.register_model(info(f"model-{number}"))
            number += 1

    thread = threading.Thread(target=register)
    thread.start()
    try:
        for _ in range(10):
            with manager.follow_events(limit=3) as feed:
                numbers = [event.seq for event in take(feed, 10)]
                assert numbers == list(range(numbers[0], numbers[0] + 10))
    finally:
        stop.set()
        thread.join()


def test_one_model_only(manager: ModelManager) -> None:
    with manager.follow_events("b") as feed:
        for name in ("a", "b", "c"):
            manager.register_model(info(name))
        assert [event.model_id for event in take(feed, 1)] == ["b"]
        manager.unregister_model("b")
        (event,) = take(feed, 1)
        assert event.data["action"] == "deleted"
        assert feed.next(0.1) is None


def test_what_another_kernel_does_comes_once_too(make_manager: Callable[..., ModelManager]) -> None:
    mine, other = make_manager(), make_manager()
    with mine.follow_events() as feed:
        for number in range(5):
            other.register_model(info(f"other-{number}"))
            mine.register_model(info(f"mine-{number}"))
        seen = [event.model_id for event in take(feed, 10)]
        assert feed.next(1.2) is None
    assert sorted(seen) == sorted([f"{who}-{number}" for who in ("mine", "other") for number in range(5)])
    for who in ("mine", "other"):
        assert [name for name in seen if name.startswith(who)] == [f"{who}-{number}" for number in range(5)]


def test_it_ends_with_its_manager_and_leaves_nothing(make_manager: Callable[..., ModelManager]) -> None:
    manager = make_manager()
    seen: list[ModelEvent] = []
    feed = manager.follow_events()
    thread = threading.Thread(target=lambda: seen.extend(feed))
    thread.start()
    manager.register_model(info("a"))
    manager.close()
    thread.join(LONG)
    assert not thread.is_alive()
    assert [event.model_id for event in seen] == ["a"]
    feed.close()
    assert list(feed) == []


@pytest.mark.parametrize("bad", [{"model_id": 3}, {"limit": -1}, {"limit": "3"}])
def test_what_is_no_request_begins_nothing(manager: ModelManager, bad: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        manager.follow_events(**bad)
    manager.register_model(info("a"))
    names = [thread.name for thread in threading.enumerate()]
    assert "rmm-listener-put" not in names, "no listener was added"
