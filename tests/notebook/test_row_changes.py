"""Only changed rows travel, and whoever applies all changes has the rows."""

from __future__ import annotations

import random
import threading

import msgspec

from rmm_widgets.notebook.protocol import Row
from rmm_widgets.notebook.publisher import Changes
from rmm_widgets.notebook.row_changes import difference
from rmm_widgets.notebook.told import Told

from .conftest import Shown
from .test_publisher import make_row


def rows(*model_ids: str) -> dict[str, Row]:
    return {model_id: make_row(model_id) for model_id in model_ids}


def test_only_what_differs_is_named() -> None:
    before = rows("a", "b", "c")
    now = {**before, "b": make_row("b", "loaded"), "d": make_row("d")}
    del now["a"]
    change = difference(before, now)
    assert [row.id for row in change.changed] == ["b", "d"]
    assert change.removed == ("a",)
    assert change.order is None, "new rows at the end need no order"
    assert difference(now, now) == difference(before, dict(before))


def test_the_order_is_named_where_it_is_another() -> None:
    before = rows("a", "b")
    assert difference(before, dict(reversed(before.items()))).order == ("b", "a")
    assert difference(before, {"c": make_row("c"), **before}).order == ("c", "a", "b")


def test_a_view_that_applies_every_change_has_the_rows() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    present = rows(*(f"m{n}" for n in range(5)))
    told, shown = Told(dict(present), {}), Shown()
    shown.take_all(0, msgspec.to_builtins(list(present.values())), {})
    for _ in range(500):
        ids = list(present)
        for model_id in draw.sample(ids, min(len(ids), draw.randrange(3))):
            present.pop(model_id)
        for _ in range(draw.randrange(3)):
            model_id = f"m{draw.randrange(12)}"
            present[model_id] = make_row(model_id, draw.choice(("registered", "loaded", "error")))
        if draw.random() < 0.2:
            ids = list(present)
            draw.shuffle(ids)
            present = {model_id: present[model_id] for model_id in ids}
        telling = told.tell(Changes(revision=0, rows=dict(present)))
        if telling.changes is not None:
            shown.take(msgspec.to_builtins(telling.changes))
        assert shown.rows() == msgspec.to_builtins(list(present.values()))
        assert shown.seq == told.seq == told.all().seq


def test_all_rows_and_their_number_belong_together_whoever_asks() -> None:
    versions = [{"a": make_row("a", str(number))} for number in range(2000)]
    told = Told(versions[0], {})
    wrong: list[tuple[int, str]] = []

    def ask() -> None:
        while told.seq < len(versions) - 1:
            every = told.all()
            if every.rows[0].stage != str(every.seq):
                wrong.append((every.seq, every.rows[0].stage))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    for version in versions[1:]:
        told.tell(Changes(revision=0, rows=version))
    for thread in asking:
        thread.join()
    assert not wrong
