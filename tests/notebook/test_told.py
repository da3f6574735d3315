"""What travels of downloads: what can be seen, in few bytes, and everything in the end."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import msgspec

from rmm_widgets.notebook.packed_rows import Rows, pack
from rmm_widgets.notebook.progress_changes import CALM, MOVES, floor_percent
from rmm_widgets.notebook.protocol import Progress, Row
from rmm_widgets.notebook.publisher import INTERVAL, Changes
from rmm_widgets.notebook.rows import three_digits
from rmm_widgets.notebook.told import Told
from rmm_widgets.types import ModelHealth, ModelStatus

from .conftest import Shown, unpack
from .test_publisher import EMPTY, make_progress, make_row

GIGABYTE = 10**9


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Pair:
    """What the kernel has told, and a front end that shows it."""

    def __init__(self, rows: dict[str, Row], progress: dict[str, Progress]) -> None:
        self.clock = Clock()
        self.told = Told(rows, progress, EMPTY.summary, clock=self.clock)
        self.shown = Shown()
        self.bytes = self.messages = 0
        self.shown.take_all(0, msgspec.to_builtins(list(rows.values())), msgspec.to_builtins(progress))

    def tell(self, **news: Any) -> float:
        """Returns after how many seconds there is more."""
        telling = self.told.tell(Changes(revision=0, **news))
        if telling.changes is not None:
            text = json.dumps(msgspec.to_builtins(telling.changes), separators=(",", ":"))
            self.bytes += len(text)
            self.shown.take(json.loads(text))
        self.messages += telling.changes is not None or telling.summary is not None
        assert self.shown.seq == self.told.seq
        assert self.shown.progress == msgspec.to_builtins(self.told.all().progress), "the front end shows what was told"
        return telling.wait


def moving(done: int, total: int = GIGABYTE, **changes: Any) -> Progress:
    fields = {"total": total, "percent": floor_percent(done, total), **changes}
    return msgspec.structs.replace(make_progress(done), **fields)


def one(record: Progress) -> Pair:
    return Pair({"a": make_row("a")}, {"a": record})


def test_only_what_is_seen_of_a_download_travels() -> None:
    pair = one(moving(123_400_000))
    pair.clock.now += CALM
    assert pair.tell(progress={"a": moving(123_900_000)}) == math.inf
    assert pair.messages == 0, "123 MB are shown of both"
    pair.clock.now += CALM
    pair.tell(progress={"a": moving(124_000_999)})
    assert pair.shown.progress["a"]["done"] == 124_000_000
    assert pair.bytes == len('{"seq":1,"moved":[0,600]}')


def test_a_rate_is_told_once_a_second_and_the_last_one_always() -> None:
    pair = one(moving(0))
    pair.tell(progress={"a": moving(0, rate=10, eta=5)})
    assert pair.shown.progress["a"]["rate"] == 10
    pair.clock.now += INTERVAL
    wait = pair.tell(progress={"a": moving(0, rate=20, eta=None)})
    assert pair.messages == 1
    assert 0 < wait <= CALM - INTERVAL + 1e-9
    pair.clock.now += wait
    assert pair.tell() == math.inf, "nothing new came, and yet it is told"
    assert (pair.shown.progress["a"]["rate"], pair.shown.progress["a"]["eta"]) == (20, None)


def test_what_matters_is_told_at_once() -> None:
    pair = one(moving(0))
    pair.tell(progress={"a": moving(0, rate=10)})
    for change in ({"phase": "paused"}, {"note": "busy"}, {"place": 3}, {"total": 5}, {"phase": "done", "total": 5}):
        wait = pair.tell(progress={"a": moving(0, **{"rate": 99, **change})})
        assert wait == math.inf
        assert pair.shown.progress["a"].items() >= {**change, "rate": 99}.items()
    pair.tell(progress={"a": moving(0, phase="done", total=5), "b": moving(7)}, rows={n: make_row(n) for n in "ab"})
    assert pair.shown.progress["b"]["done"] == 7
    pair.tell(progress={})
    assert pair.shown.progress == {}


def test_the_last_telling_holds_nothing_back() -> None:
    pair = one(moving(0, rate=1))
    pair.tell(progress={"a": moving(0, rate=2)})
    summary = msgspec.structs.replace(EMPTY.summary, rate=5)
    assert pair.tell(progress={"a": moving(700_000_000, rate=3, file="b")}, summary=summary, last=True) == math.inf
    assert pair.shown.progress["a"].items() >= {"done": 700_000_000, "rate": 3, "file": "b", "percent": 70.0}.items()


def test_the_more_move_the_less_often_each_and_the_last_place_is_told() -> None:
    ids = [f"m{number}" for number in range(1000)]
    pair = Pair({each: make_row(each) for each in ids}, {each: moving(0) for each in ids})
    pair.tell(progress={each: moving(GIGABYTE // 100) for each in ids})
    before = pair.messages
    waits = []
    for tick in range(10):
        pair.clock.now += INTERVAL
        waits.append(pair.tell(progress={each: moving(GIGABYTE // 100 * (tick + 2)) for each in ids}))
    assert pair.messages == before
    assert 0 < waits[-1] <= len(ids) / MOVES
    pair.clock.now += waits[-1]
    pair.tell()
    assert {each["percent"] for each in pair.shown.progress.values()} == {11.0}


def test_the_head_lines_rate_alone_waits_and_anything_else_does_not() -> None:
    pair = one(moving(0))
    pair.tell(summary=msgspec.structs.replace(EMPTY.summary, rate=1, revision=1))
    assert pair.messages == 1
    wait = pair.tell(summary=msgspec.structs.replace(EMPTY.summary, rate=2, revision=2))
    assert (pair.messages, 0 < wait <= CALM) == (1, True)
    pair.tell(summary=msgspec.structs.replace(EMPTY.summary, rate=3, downloads=1, revision=3))
    assert pair.messages == 2
    wait = pair.tell(summary=msgspec.structs.replace(EMPTY.summary, rate=4, downloads=1, revision=4))
    pair.clock.now += wait
    pair.tell()
    assert pair.messages == 3


def test_a_hundred_that_move_cost_few_bytes() -> None:
    """With what Jupyter puts around a message, below 900 bytes, 10 s are a fiftieth of a hundred bars of tqdm."""
    ids = [f"organisation-model-{number:03}" for number in range(100)]
    draw = random.Random(1)
    done = dict.fromkeys(ids, 1_000_000)
    pair = Pair({each: make_row(each) for each in ids}, {each: moving(done[each]) for each in ids})
    for tick in range(100):
        pair.clock.now += INTERVAL
        for each in ids:
            done[each] += draw.randrange(500_000, 1_500_000)
        pair.tell(progress={each: moving(done[each], rate=draw.randrange(10**6, 10**7), eta=tick) for each in ids})
    print(f"{pair.messages} messages, {pair.bytes} bytes")
    assert pair.messages <= 50
    assert pair.bytes + 900 * pair.messages <= 120_000


def test_whatever_happens_the_front_end_has_what_was_told_and_in_the_end_all() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    ids = [f"m{number}" for number in range(9)]
    rows = {each: make_row(each) for each in ids}
    pair = Pair(rows, {})
    progress: dict[str, Progress] = {}
    for _ in range(2000):
        pair.clock.now += draw.choice((0.0, 0.05, INTERVAL, 0.7))
        each = draw.choice(ids)
        match draw.randrange(8):
            case 0:
                progress = {name: record for name, record in progress.items() if name != each}
            case 1:
                phase = draw.choice(("downloading", "paused", "verifying"))
                progress = {**progress, each: moving(draw.randrange(10**7), draw.choice((0, 10**7)), phase=phase)}
            case 2:
                draw.shuffle(ids)
                rows = {name: rows[name] for name in ids}
            case _:
                progress = {
                    name: msgspec.structs.replace(
                        record,
                        done=record.done + draw.randrange(200_000),
                        rate=draw.randrange(3),
                        eta=draw.randrange(3),
                    )
                    for name, record in progress.items()
                }
        pair.tell(rows=rows, progress=progress)
        assert [each["id"] for each in pair.shown.rows()] == list(rows)
    pair.tell(last=True)
    assert pair.shown.progress.keys() == progress.keys()
    for name, record in progress.items():
        shown = pair.shown.progress[name]
        assert 0 <= record.done - shown["done"] < 1000
        assert (shown["phase"], shown["rate"], shown["eta"]) == (record.phase, record.rate, record.eta)


def test_packed_rows_are_the_rows_and_small() -> None:
    usual = make_row("a")
    rows = [
        msgspec.structs.replace(usual, actions=("download",)),
        msgspec.structs.replace(usual, actions=("load",), pinned=True, need=7),
        msgspec.structs.replace(usual, fix="retry", error="“\U0001f600”\n", status=ModelStatus.ERROR),
        msgspec.structs.replace(usual, health=ModelHealth.HEALTHY),
    ]
    rows = [msgspec.structs.replace(row, id=f"m{number}") for number, row in enumerate(rows)]
    assert unpack(pack({row.id: row for row in rows})) == json.loads(msgspec.json.encode(rows))
    assert unpack(pack({})) == []
    many = Rows({f"m{number}": msgspec.structs.replace(rows[0], id=f"m{number}") for number in range(1000)})
    assert len(pack(many)) < 1000 * 60
    assert pack(many) is pack(many)


def test_figures_are_rounded_as_they_are_shown() -> None:
    assert [three_digits(each) for each in (0, 7.4, 999, 1234, 123_456.7, 99_950_000)] == [
        0,
        7,
        999,
        1230,
        123_000,
        100_000_000,
    ]
    assert floor_percent(9_999, 10_000) == 99.9
    assert floor_percent(11, 10) == 100.0
