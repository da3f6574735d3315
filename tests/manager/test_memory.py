"""L15 and keep_alive: room is made by policy or the load is refused with the numbers; the idle go, the used stay."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from rmm_widgets.base_model import BaseModel
from rmm_widgets.demo.server import DemoHub
from rmm_widgets.errors import InsufficientMemoryError, InvalidConfigError, LoadCancelledError, ModelNotLoadedError
from rmm_widgets.manager import ModelManager
from rmm_widgets.memory_records import MemoryHolder
from rmm_widgets.runtime.measurements import Kind, alike
from rmm_widgets.types import ModelEvent, ModelInfo, ModelStatus, ModelType
from rmm_widgets.workers.capacity import Capacity, Machine, kept_back

from ..downloads.fetching import wait_until
from .models import Barrier, Scripted, info
from .test_residents import workers, works

SHAPES, TOY = "shapes", "toy"
HEAVY = 150_000_000
MB = 1_000_000


@pytest.fixture
def endpoint(hub: DemoHub) -> str:
    return hub.url


@pytest.fixture
def three(manager: ModelManager, digits: str) -> ModelManager:
    """A manager with three models on disk: digits, shapes, toy; each takes about 45 MB in its process."""
    manager.register_model(ModelInfo(SHAPES, ModelType.DETECTION_MODEL, "rmm-demo/yolos-shapes"))
    manager.register_model(ModelInfo(TOY, ModelType.EMBEDDING_MODEL, "rmm-demo/minilm-toy"))
    for model_id in (SHAPES, TOY):
        manager.download_model(model_id).result(30)
    return manager


class Heavy(Scripted):
    """Takes real memory while it is loaded."""

    weights: np.ndarray[Any, Any] | None = None

    async def load(self, config: Any = None) -> None:
        self.weights = np.ones(HEAVY, dtype=np.uint8)
        await super().load(config)

    async def unload(self) -> None:
        self.weights = None
        await super().unload()


@pytest.fixture
def heavy(manager: ModelManager) -> Callable[..., Heavy]:
    def add(**stages: Any) -> Heavy:
        model = Heavy("heavy", **stages)
        manager.register_model(info("heavy"), model=model)
        return model

    return add


def loaded(manager: ModelManager) -> set[str]:
    return {name for name in manager.get_all_models() if manager.is_model_loaded(name)}


def evictions(manager: ModelManager) -> list[tuple[str, str]]:
    return [
        (event.model_id, str(event.data["evicted_for"]))
        for event in manager.events(limit=1000)
        if event.type == "unload" and event.data["action"] == "evicted"
    ]


def refused(manager: ModelManager, model_id: str) -> InsufficientMemoryError:
    with pytest.raises(InsufficientMemoryError) as caught:
        manager.load_model(model_id).result(60)
    assert caught.value.model_id == model_id
    assert caught.value.hint
    assert manager.get_model_status(model_id) is ModelStatus.ERROR
    return caught.value


def need_of(manager: ModelManager, model_id: str) -> int:
    """What a model is expected to need, as the refusal of its load says."""
    manager.memory_budget = 1
    return refused(manager, model_id).need


def test_L15_within_a_budget_the_least_recently_used_goes_and_no_other(three: ModelManager) -> None:
    manager = three
    digits = manager.load_model("digits").result(60)
    shapes = manager.load_model(SHAPES).result(60)
    shapes.call("__call__", np.zeros((64, 64, 3), dtype=np.uint8))
    assert works(digits)
    need = need_of(manager, TOY)
    manager.memory_budget = manager.get_statistics().total_memory_usage + need - 5 * MB
    manager.load_model(TOY).result(60)
    assert evictions(manager) == [(SHAPES, TOY)]
    assert loaded(manager) == {"digits", TOY}
    assert works(digits)
    with pytest.raises(ModelNotLoadedError):
        shapes(None)
    event = next(each for each in manager.events(SHAPES) if each.type == "unload")
    assert event.data["memory_bytes"] > 10 * MB
    assert event.data["idle_seconds"] >= 0

    # What can never fit evicts nobody.
    manager.memory_budget = "20MB"
    error = refused(manager, SHAPES)
    assert error.budget == 20 * MB
    assert error.need > 20 * MB
    assert error.free == 0
    assert {each.model_id for each in error.holders} == {"digits", TOY}
    assert "memory_budget" in str(error)
    assert "smaller" in error.hint
    assert loaded(manager) == {"digits", TOY}

    # Neither does what fits only in the place of models that are pinned or in use.
    manager.memory_budget = manager.get_statistics().total_memory_usage + error.need - 5 * MB
    manager.pin(TOY)
    with manager.use("digits"), manager.use("digits") as inner:
        error = refused(manager, SHAPES)
        assert works(inner)
    states = {each.model_id: each.state for each in error.holders}
    assert states == {TOY: "pinned", "digits": "in_use"}
    assert f"{TOY} " in str(error)
    assert f"unpin {TOY}" in error.hint.lower()
    assert loaded(manager) == {"digits", TOY}

    manager.load_model(SHAPES).result(60)
    assert evictions(manager)[1:] == [("digits", SHAPES)]
    assert len(workers()) == 2


def test_L15_refused_before_a_process_is_started_where_the_machine_is_full(manager: ModelManager, digits: str) -> None:
    total = 10_000 * MB
    full = Capacity(
        total=total, available=kept_back(Capacity(total=total, available=0, source="")) + MB, source="a box"
    )
    manager._engine.settings.read_machine = lambda **_: Machine(ram=full)
    seen: list[ModelEvent] = []
    manager.add_event_listener(seen.append)
    error = refused(manager, digits)
    assert error.free == MB
    assert error.need > 40 * MB
    assert (error.device, error.budget, error.holders) == ("ram", None, ())
    assert "a box" in str(error)
    assert [(each.type, each.data["action"]) for each in seen if each.type == "load_error"] == [
        ("load_error", "load_failed")
    ]
    assert not any(thread.name.startswith("rmm-process") for thread in threading.enumerate())
    assert workers() == []

    # On a GPU, main memory has to hold the libraries only; the GPU's memory counts for the rest.
    roomy = Capacity(total=total, available=total, source="a box")
    gpu = Capacity(total=16_000 * MB, available=900 * MB, source="a GPU")
    manager._engine.settings.read_machine = lambda **_: Machine(ram=roomy, devices={"cuda:0": gpu})
    with pytest.raises(InsufficientMemoryError) as caught:
        manager.load_model(digits, device="cuda").result(60)
    assert caught.value.device == "cuda:0"
    assert caught.value.free == 900 * MB - kept_back(gpu)
    assert caught.value.need > 500 * MB
    assert 'device="cpu"' in caught.value.hint
    assert workers() == []

    assert works(manager.load_model(digits).result(60)), "an error of memory is no obstacle to a later load"


def test_L15_loads_at_once_see_what_is_promised_to_each_other(three: ModelManager) -> None:
    manager = three
    names = ["digits", SHAPES]
    manager.memory_budget = max(need_of(manager, name) for name in names) + 10 * MB
    for name in names:
        manager.pin(name)
    jobs = {name: manager.load_model(name) for name in names}
    errors = {name: job.exception(60) for name, job in jobs.items()}
    (first,) = [name for name, error in errors.items() if error is None]
    (error,) = [error for error in errors.values() if error is not None]
    assert isinstance(error, InsufficientMemoryError)
    assert [(each.model_id, each.state) for each in error.holders] == [(first, "pinned")]
    assert evictions(manager) == []
    assert len(workers()) == 1


def test_a_model_whose_call_runs_is_not_evicted(
    manager: ModelManager, digits: str, heavy: Callable[..., Heavy], barrier: Barrier
) -> None:
    model = heavy(call=barrier)
    instance = manager.load_model("heavy").result(30)
    manager.memory_budget = HEAVY + 20 * MB
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(instance)
        assert barrier.reached.wait(30)
        error = refused(manager, digits)
        assert [each.state for each in error.holders] == ["in_use"]
        assert error.holders[0].bytes > 0.9 * HEAVY
        barrier.open.set()
        call.result(30)
    assert works(manager.load_model(digits).result(60))
    assert evictions(manager) == [("heavy", digits)]
    assert model.weights is None
    # What it took the last time is what it is expected to take now.
    manager.memory_budget = 100 * MB
    error = refused(manager, "heavy")
    assert error.need > 0.9 * HEAVY
    assert loaded(manager) == {digits}


def test_a_model_that_nobody_had_time_to_use_is_waited_for(
    manager: ModelManager, digits: str, heavy: Callable[..., Heavy]
) -> None:
    heavy()
    settings = manager._engine.settings
    settings.first_use = 600.0
    manager.load_model("heavy").result(30)
    manager.memory_budget = HEAVY + 20 * MB
    job = manager.load_model(digits)
    wait_until(lambda: manager._engine.memory.admission._turn.locked())
    with pytest.raises(TimeoutError):
        job.result(0.5)
    assert manager.cancel_load(digits)
    assert isinstance(job.exception(30), LoadCancelledError)
    assert manager.get_model_status(digits) is ModelStatus.DOWNLOADED
    assert loaded(manager) == {"heavy"}
    assert workers() == []

    manager.load_model("heavy").result(30)  # it is loaded: this begins its time anew
    settings.first_use = 0.3
    manager.load_model("heavy").result(30)
    assert works(manager.load_model(digits).result(60))
    (event,) = [each for each in manager.events("heavy") if each.type == "unload"]
    assert event.data["idle_seconds"] >= 0.3
    assert evictions(manager) == [("heavy", digits)]


def test_an_eviction_that_fails_is_told_and_leaves_the_model_where_it_is(
    manager: ModelManager, digits: str, heavy: Callable[..., Heavy]
) -> None:
    def stuck() -> None:
        raise RuntimeError("I stay")

    model = heavy(unload=stuck)
    manager.load_model("heavy").result(30)(1)
    manager.memory_budget = HEAVY + 20 * MB
    error = refused(manager, digits)
    assert [(each.model_id, each.state) for each in error.holders] == [("heavy", "stuck")]
    assert manager.get_model_status("heavy") is ModelStatus.ERROR
    model.stages.clear()
    manager.unload_model("heavy").result(30)
    (event,) = [each for each in manager.events("heavy") if each.type == "unload"]
    assert event.data["action"] == "unloaded", "this one was asked for"


def test_what_a_load_took_is_remembered_and_expected_the_next_time(
    make_manager: Callable[..., ModelManager], digits: str
) -> None:
    first = make_manager()
    took = first.load_model(digits).result(60).memory_bytes
    expected = first.describe(digits).estimated_bytes
    complete = next(each for each in first.events(digits) if each.type == "load_complete")
    assert complete.data["estimated_bytes"] == expected > 0
    assert complete.data["memory_bytes"] == pytest.approx(took, rel=0.4)
    first.close()
    again = make_manager()
    (kept,) = alike(again._engine.entries[digits].measured, Kind("onnxruntime", "process", "cpu"))
    assert kept.estimated == expected
    assert kept.measured == pytest.approx(took, rel=0.4)
    again.load_model(digits).result(60)
    assert again.describe(digits).estimated_bytes == pytest.approx(max(kept.measured, expected / 2), abs=1)
    assert again.get_statistics().total_memory_usage > 10 * MB


class Unloads:
    """Waits for unloads, whose events it collects."""

    def __init__(self, manager: ModelManager) -> None:
        self.seen: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()
        manager.add_event_listener(self._take)

    def _take(self, event: ModelEvent) -> None:
        if event.type == "unload":
            with self._changed:
                self.seen[event.model_id] = dict(event.data)
                self._changed.notify_all()

    def wait(self, model_id: str) -> dict[str, Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: model_id in self.seen, 30)
        return self.seen[model_id]


def test_keep_alive_unloads_what_is_idle_and_nothing_else(
    manager: ModelManager, scripted: Callable[..., Scripted], barrier: Barrier
) -> None:
    unloads = Unloads(manager)
    manager.keep_alive = 0.2
    for name in ("idle", "own", "pinned", "held", "later"):
        scripted(name)
    scripted("called", call=barrier)
    manager.pin("pinned")
    called = manager.load_model("called").result(30)
    with ThreadPoolExecutor(1) as pool, manager.use("held"):
        call = pool.submit(called)
        assert barrier.reached.wait(30)
        manager.load_model("own", keep_alive=math.inf).result(30)
        for name in ("pinned", "idle"):
            manager.load_model(name).result(30)
        told = unloads.wait("idle")
        assert told["action"] == "idle"
        assert told["idle_seconds"] >= 0.2
        manager.load_model("later").result(30)
        unloads.wait("later")  # by now the others have been idle for as long as that, too
        assert loaded(manager) == {"called", "held", "own", "pinned"}
        barrier.open.set()
        call.result(30)
        unloads.wait("called")
    unloads.wait("held")
    manager.unpin("pinned")
    unloads.wait("pinned")
    manager.load_model("own", keep_alive=0.1)
    unloads.wait("own")
    assert loaded(manager) == set()
    manager.keep_alive = None
    manager.load_model("own").result(30)
    assert manager.describe("own").keep_alive is None, "it was given for the load before"


@pytest.mark.parametrize("bad", [0, -1, "10m", True, float("nan")])
def test_a_keep_alive_that_is_none(manager: ModelManager, scripted: Callable[..., Scripted], bad: Any) -> None:
    scripted("custom")
    with pytest.raises(InvalidConfigError, match="keep_alive"):
        manager.load_model("custom", keep_alive=bad)
    assert loaded(manager) == set()


def test_a_holder_sums_its_pools() -> None:
    assert MemoryHolder(model_id="m", held={"ram": 2, "cuda:0": 3}, state="idle").bytes == 5


def test_a_block_that_could_not_load_its_model_holds_nothing(
    manager: ModelManager, scripted: Callable[..., Scripted]
) -> None:
    def fail() -> None:
        raise RuntimeError("no")

    model: BaseModel = scripted("custom", load=fail)
    with pytest.raises(Exception, match="no"), manager.use("custom"):
        raise AssertionError("never reached")
    entry = manager._engine.entries[model.model_id]
    assert entry.residency.blocks == 0
