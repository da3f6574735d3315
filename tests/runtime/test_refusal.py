"""What a model that does not fit is told: numbers, holders, and advice that would help."""

from __future__ import annotations

import pickle

from rmm_widgets.errors import InsufficientMemoryError
from rmm_widgets.memory_records import HolderState, MemoryHolder
from rmm_widgets.runtime.refusal import refusal
from rmm_widgets.workers.capacity import Capacity, Machine

GB = 10**9
MACHINE = Machine(
    ram=Capacity(total=16 * GB, available=3 * GB, source="the machine"),
    devices={"cuda:0": Capacity(total=24 * GB, available=2 * GB, source="NVIDIA A10")},
)


def holder(name: str, size: float, state: HolderState, pool: str = "ram") -> MemoryHolder:
    return MemoryHolder(model_id=name, held={pool: round(size * GB)}, state=state)


def test_main_memory() -> None:
    holders = [holder("small", 1, "idle"), holder("big", 8, "pinned"), holder("busy", 2, "in_use")]
    error = refusal(
        "new", short="ram", need={"ram": 6 * GB}, free={"ram": 2 * GB}, budget=None, machine=MACHINE, holders=holders
    )
    assert str(error) == (
        "Model new needs about 6.0 GB, and 2.0 GB of the 16.0 GB of the machine is free; "
        "in memory: big 8.0 GB (pinned), busy 2.0 GB (in use), small 1.0 GB (idle)"
    )
    assert error.hint == "Unpin big, or end what uses busy, or choose a smaller model or a smaller dtype."
    assert (error.need, error.free, error.device, error.budget) == (6 * GB, 2 * GB, "ram", None)
    assert [each.model_id for each in error.holders] == ["big", "busy", "small"]


def test_a_model_that_can_never_fit_is_not_told_to_unpin_others() -> None:
    error = refusal(
        "new",
        short="ram",
        need={"ram": 40 * GB},
        free={"ram": 2 * GB},
        budget=None,
        machine=MACHINE,
        holders=[holder("big", 8, "pinned")],
    )
    assert error.hint == "Choose a smaller model or a smaller dtype."


def test_a_budget_that_is_too_small_for_it() -> None:
    error = refusal(
        "new", short="budget", need={"ram": 6 * GB}, free={"ram": 9 * GB}, budget=4 * GB, machine=MACHINE, holders=[]
    )
    assert "4.0 GB of the memory_budget of 4.0 GB is free" in str(error)
    assert error.hint.startswith("Raise manager.memory_budget to 6.0 GB or more")


def test_a_gpu_and_many_holders() -> None:
    holders = [holder(f"m{n}", 1 + n, "in_use", "cuda:0") for n in range(7)]
    error = refusal(
        "new",
        short="cuda:0",
        need={"ram": GB, "cuda:0": 4 * GB},
        free={"ram": 9 * GB, "cuda:0": -1},
        budget=None,
        machine=MACHINE,
        holders=holders,
    )
    assert (error.device, error.need, error.free) == ("cuda:0", 4 * GB, 0)
    assert "0 B of the 24.0 GB of cuda:0 (NVIDIA A10) is free" in str(error)
    assert str(error).endswith("m2 3.0 GB (in use), 2 more")
    assert 'load it with device="cpu"' in error.hint


def test_it_can_be_sent_and_kept() -> None:
    error = refusal(
        "new",
        short="ram",
        need={"ram": 6},
        free={"ram": 2},
        budget=None,
        machine=MACHINE,
        holders=[holder("big", 8, "pinned")],
    )
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, InsufficientMemoryError)
    assert (str(again), again.need, again.holders) == (str(error), 6, error.holders)
