"""The queue of slots: what waits is told in order, and made anew only when it has changed."""

from __future__ import annotations

import random

from rmm_widgets.lifecycle.queues import SlotQueue

from ..manager.conftest import numbers

__all__ = ["numbers"]


def test_who_waits_is_always_told_in_order(numbers: random.Random) -> None:
    queue, model = SlotQueue(3), list[str]()
    for _ in range(3000):
        name = f"m{numbers.randrange(20)}"
        match numbers.choice(("queued", "running", "neither", "move")):
            case "move":
                position = numbers.randrange(22)
                changed = queue.move(name, position)
                before = list(model)
                if name in model:
                    model.remove(name)
                    model.insert(position, name)
                assert changed == (model != before)
            case kind:
                queue.moved(name, queued=kind == "queued", running=kind == "running")
                if kind != "queued" and name in model:
                    model.remove(name)
                elif kind == "queued" and name not in model:
                    model.append(name)
        assert queue.waiting == tuple(model)
        assert len(queue) == len(model)


def test_who_waits_is_not_put_together_again_for_each_report_of_one_that_runs() -> None:
    queue = SlotQueue(1)
    for name in ("a", "b", "c"):
        queue.moved(name, queued=True, running=False)
    queue.moved("a", queued=False, running=True)
    waiting = queue.waiting
    queue.moved("a", queued=False, running=True)
    assert queue.waiting is waiting
