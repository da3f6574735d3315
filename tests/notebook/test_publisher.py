"""The publisher: coalesces, sends only what changed, always delivers the last state, leaves no thread."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from rmm_widgets.errors import ManagerClosedError
from rmm_widgets.notebook.protocol import Progress, Row, Summary
from rmm_widgets.notebook.publisher import INTERVAL, Changes, Publisher, changes, everything
from rmm_widgets.notebook.snapshots import Snapshot, only
from rmm_widgets.types import ModelHealth, ModelStatus, ModelType

LONG = 20.0
"""Seconds for what must happen, on however slow a machine."""


def make_row(model_id: str, stage: str = "registered") -> Row:
    return Row(
        id=model_id,
        type=ModelType.EMBEDDING_MODEL,
        repo="o/n",
        description="",
        size=0,
        status=ModelStatus.NOT_DOWNLOADED,
        stage=stage,
        health=ModelHealth.UNKNOWN,
        health_reason="",
        error="",
        hint="",
        fix="",
        guide="",
        memory=0,
        device="",
        placement="",
        allowed=False,
        pinned=False,
        need=0,
        actions=(),
    )


def make_progress(done: int) -> Progress:
    return Progress(
        phase="downloading",
        percent=0,
        done=done,
        total=0,
        rate=0,
        eta=None,
        file="",
        files_done=0,
        files_total=0,
        note="",
        place=0,
    )


EMPTY = Snapshot(
    rows={},
    progress={},
    summary=Summary(
        version="1",
        revision=0,
        models=0,
        downloaded=0,
        loaded=0,
        downloads=0,
        queued=0,
        memory=0,
        budget=0,
        rate=0,
    ),
)


class Source:
    """A state that many threads change, with the two functions that a publisher wants."""

    def __init__(self) -> None:
        self.snapshot = EMPTY
        self.closed = False
        self.taken = 0
        self.callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def take(self) -> Snapshot:
        self.taken += 1
        if self.closed:
            raise ManagerClosedError("closed")
        return self.snapshot

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def change(self, model_id: str, done: int, stage: str = "downloading") -> None:
        with self._lock:
            before = self.snapshot
            self.snapshot = Snapshot(
                rows={**before.rows, model_id: make_row(model_id, stage)},
                progress={**before.progress, model_id: make_progress(done)},
                summary=msgspec.structs.replace(before.summary, revision=before.summary.revision + 1),
            )
        self.tell()

    def close(self) -> None:
        self.closed = True
        self.tell()

    def tell(self) -> None:
        for callback in list(self.callbacks):
            callback()


class Recorder:
    """A view that keeps what it is sent, and what it would show after it."""

    def __init__(self, model_ids: list[str] | None = None) -> None:
        self.model_ids = model_ids
        self.received: list[tuple[float, Changes]] = []
        self.shown = EMPTY
        self._news = threading.Condition()

    def select(self, snapshot: Snapshot) -> Snapshot:
        return snapshot if self.model_ids is None else only(snapshot, self.model_ids)

    def publish(self, changes: Changes) -> None:
        with self._news:
            self.received.append((time.monotonic(), changes))
            self.shown = Snapshot(
                rows=self.shown.rows if changes.rows is None else changes.rows,
                progress=self.shown.progress if changes.progress is None else changes.progress,
                summary=self.shown.summary if changes.summary is None else changes.summary,
            )
            self._news.notify_all()

    def shows(self, snapshot: Snapshot) -> bool:
        """Rows and progress agree; the summary's revision may be older, as it alone is not worth a message."""
        return self.shown.rows == snapshot.rows and self.shown.progress == snapshot.progress

    def wait(self, condition: Callable[[Recorder], bool]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: condition(self), LONG)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def publisher(source: Source) -> Iterator[Publisher]:
    publisher = Publisher(source)
    yield publisher
    publisher.close(LONG)
    assert not publisher.running
    assert not [thread for thread in threading.enumerate() if thread.name == "rmm-publisher"]
    assert not source.callbacks


def test_a_new_view_gets_everything(source: Source, publisher: Publisher) -> None:
    source.change("a", 1)
    view = Recorder()
    publisher.attach(view)
    view.wait(lambda view: bool(view.received))
    assert view.shown == source.snapshot


def test_changes_holds_only_the_parts_that_differ() -> None:
    source = Source()
    source.change("a", 1)
    before = source.snapshot
    source.change("a", 2)
    after = source.snapshot
    difference = changes(before, after)
    assert difference.rows is None
    assert difference.summary is None, "a revision alone is nothing to see"
    assert difference.progress == {"a": make_progress(2)}
    assert difference.revision == after.summary.revision
    assert not changes(after, after)
    assert everything(after) == changes(None, after)


def test_the_order_of_rows_is_a_difference() -> None:
    one, two = make_row("a"), make_row("b")
    before = msgspec.structs.replace(EMPTY, rows={"a": one, "b": two})
    after = msgspec.structs.replace(EMPTY, rows={"b": two, "a": one})
    assert changes(before, after).rows is not None


def test_updates_are_coalesced_and_the_last_one_arrives(source: Source, publisher: Publisher) -> None:
    view = Recorder()
    publisher.attach(view)
    view.wait(lambda view: bool(view.received))
    started = time.monotonic()
    for done in range(1, 2001):
        source.change("a", done)
    view.wait(lambda view: view.shown.progress == {"a": make_progress(2000)})
    took = time.monotonic() - started
    updates = [when for when, _ in view.received if when >= started]
    assert len(updates) <= took / INTERVAL + 2


def test_a_view_of_one_model_hears_nothing_of_others(source: Source, publisher: Publisher) -> None:
    narrow, wide = Recorder(["a"]), Recorder()
    source.change("a", 1)
    publisher.attach(narrow)
    publisher.attach(wide)
    narrow.wait(lambda view: "a" in view.shown.rows)
    source.change("b", 7)
    wide.wait(lambda view: "b" in view.shown.rows)
    assert set(narrow.shown.rows) == {"a"}
    assert len(narrow.received) == 1


def test_N3_twenty_views_get_one_message_each_per_update(source: Source, publisher: Publisher) -> None:
    views = [Recorder() for _ in range(20)]
    for view in views:
        publisher.attach(view)
    for view in views:
        view.wait(lambda view: len(view.received) == 1)
    source.change("a", 1)
    for view in views:
        view.wait(lambda view: view.shown.rows == source.snapshot.rows)
        assert len(view.received) == 2


def test_a_view_that_says_what_it_shows_is_told_only_what_is_new(source: Source, publisher: Publisher) -> None:
    source.change("a", 1)
    shown = source.snapshot
    source.change("b", 1)
    view = Recorder()
    view.shown = shown
    publisher.attach(view, shown)
    view.wait(lambda view: view.shows(source.snapshot))
    (_, change), *more = view.received
    assert not more
    assert change.summary is None


def test_a_view_that_asks_is_called_without_changes(source: Source, publisher: Publisher) -> None:
    view = Recorder()
    publisher.attach(view, source.snapshot)
    publisher.ask(view)
    view.wait(lambda view: bool(view.received))
    assert not view.received[0][1]
    publisher.ask(Recorder())  # one that is not attached


def test_the_thread_ends_with_the_last_view_and_starts_again(source: Source, publisher: Publisher) -> None:
    view = Recorder()
    for _ in range(3):
        publisher.attach(view)
        view.wait(lambda view: bool(view.received))
        publisher.detach(view)
        deadline = time.monotonic() + LONG
        while publisher.running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not publisher.running
        view.received.clear()


def test_a_closed_source_ends_the_thread(source: Source, publisher: Publisher) -> None:
    view = Recorder()
    publisher.attach(view)
    view.wait(lambda view: bool(view.received))
    source.close()
    deadline = time.monotonic() + LONG
    while publisher.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not publisher.running


def test_a_view_that_raises_is_dropped_and_the_others_go_on(source: Source, publisher: Publisher) -> None:
    class Broken(Recorder):
        def publish(self, changes: Changes) -> None:
            raise OSError("gone")

    broken, sound = Broken(), Recorder()
    publisher.attach(broken)
    publisher.attach(sound)
    sound.wait(lambda view: bool(view.received))
    source.change("a", 1)
    sound.wait(lambda view: view.shows(source.snapshot))


def test_a_source_that_raises_once_is_asked_again() -> None:
    failures = [ValueError("a bug")]

    class Faulty(Source):
        def take(self) -> Snapshot:
            if failures:
                raise failures.pop()
            return super().take()

    source = Faulty()
    publisher = Publisher(source)
    view = Recorder()
    publisher.attach(view)
    deadline = time.monotonic() + LONG
    while failures and time.monotonic() < deadline:
        time.sleep(0.01)
    source.change("a", 1)
    view.wait(lambda view: view.shows(source.snapshot))
    publisher.close(LONG)
    assert not publisher.running


def test_the_last_state_arrives_under_stress(source: Source, publisher: Publisher) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        views = [Recorder() for _ in range(5)]

        def work(number: int) -> None:
            draw = random.Random(seed + number)
            for done in range(200):
                source.change(f"m{number}", done)
                if draw.random() < 0.1:
                    publisher.attach(draw.choice(views))
                elif draw.random() < 0.05:
                    publisher.detach(draw.choice(views))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for view in views:
            publisher.attach(view)
        for view in views:
            view.wait(lambda view: view.shows(source.snapshot))
    finally:
        sys.setswitchinterval(before)
