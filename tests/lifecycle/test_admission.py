"""L15: who is evicted for whom, against a reference that tries every set of models."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from rmm_widgets.lifecycle.admission import Admit, Evict, Refuse, Wait, plan_admission
from rmm_widgets.memory_records import HolderState, MemoryHolder

POOLS = ("ram", "cuda:0")
STATES: tuple[HolderState, ...] = (
    "idle",
    "idle",
    "idle",
    "pinned",
    "in_use",
    "first_use",
    "loading",
    "unloading",
    "stuck",
)

amounts = st.integers(0, 12)
needs = st.dictionaries(st.sampled_from(POOLS), amounts, min_size=1)
frees = st.fixed_dictionaries({pool: st.integers(-4, 12) for pool in POOLS})


@st.composite
def holders(draw: st.DrawFn) -> list[MemoryHolder]:
    count = draw(st.integers(0, 7))
    ages = draw(st.permutations(range(count)))
    return [
        MemoryHolder(
            model_id=f"m{n}",
            held=draw(st.dictionaries(st.sampled_from(POOLS), amounts)),
            state=draw(st.sampled_from(STATES)),
            idle_since=float(ages[n]),
        )
        for n in range(count)
    ]


class World:
    """What a model needs and what there is; says whether it fits once some models are gone."""

    def __init__(
        self, need: Mapping[str, int], free: Mapping[str, int], budget: int | None, residents: list[MemoryHolder]
    ) -> None:
        self.need, self.free, self.budget, self.residents = need, free, budget, residents

    def fits(self, gone: list[MemoryHolder]) -> bool:
        return self.fits_pools(gone) and self.fits_budget(gone)

    def fits_pools(self, gone: list[MemoryHolder], *pools: str) -> bool:
        return all(
            wanted == 0 or sum(each.held.get(pool, 0) for each in gone) + self.free[pool] >= wanted
            for pool, wanted in self.need.items()
            if not pools or pool in pools
        )

    def fits_budget(self, gone: list[MemoryHolder]) -> bool:
        wanted = self.need.get("ram", 0)
        stay = sum(each.held.get("ram", 0) for each in self.residents if each not in gone)
        return self.budget is None or wanted == 0 or stay + wanted <= self.budget


def in_state(all_: list[MemoryHolder], *states: str) -> list[MemoryHolder]:
    return sorted((each for each in all_ if each.state in states), key=lambda each: each.idle_since)


@settings(max_examples=400, deadline=None)
@given(need=needs, free=frees, budget=st.none() | st.integers(0, 25), residents=holders())
def test_L15_the_plan_is_the_best_of_all_sets(
    need: dict[str, int], free: dict[str, int], budget: int | None, residents: list[MemoryHolder]
) -> None:
    plan = plan_admission(need, free, budget, residents)
    world = World(need, free, budget, residents)
    leaving, idle = in_state(residents, "unloading"), in_state(residents, "idle")
    soon = in_state(residents, "loading", "first_use")
    sets = [list(chosen) for size in range(len(idle) + 1) for chosen in combinations(idle, size)]
    enough = [chosen for chosen in sets if world.fits(leaving + chosen)]
    if world.fits([]):
        assert plan == Admit()
    elif world.fits(leaving):
        assert plan == Wait(tuple(each.model_id for each in leaving))
    elif enough:
        # The newest member decides first: a set is read as a binary number with the newest model's digit in front.
        best = min(enough, key=lambda chosen: sum(2 ** idle.index(each) for each in chosen))
        assert plan == Evict(tuple(each.model_id for each in best))
        assert all(not world.fits(leaving + [other for other in best if other is not each]) for each in best)
    elif world.fits(leaving + idle + soon):
        assert isinstance(plan, Wait)
        assert set(plan.model_ids) == {each.model_id for each in leaving + soon}
    else:
        assert isinstance(plan, Refuse), "what cannot fit evicts nobody"
        assert plan.short
        for pool in plan.short:
            gone = leaving + idle + soon
            assert not (world.fits_budget(gone) if pool == "budget" else world.fits_pools(gone, pool))


def _holder(name: str, size: int, state: HolderState = "idle", at: float = 0.0) -> MemoryHolder:
    return MemoryHolder(model_id=name, held={"ram": size}, state=state, idle_since=at)


def test_the_least_recently_used_goes_first_and_no_more_than_needed() -> None:
    old, middle, new = _holder("old", 5, at=1), _holder("middle", 5, at=2), _holder("new", 5, at=3)
    for need, evicted in ((5, ("old",)), (6, ("old", "middle")), (15, ("old", "middle", "new"))):
        assert plan_admission({"ram": need}, {"ram": 0}, None, [new, old, middle]) == Evict(evicted)


def test_a_small_old_model_is_spared_where_it_would_not_help() -> None:
    assert plan_admission({"ram": 8}, {"ram": 0}, None, [_holder("small", 1, at=1), _holder("big", 9, at=2)]) == Evict(
        ("big",)
    )


def test_nobody_goes_for_a_model_that_can_never_fit() -> None:
    held = [_holder("idle", 5), _holder("pinned", 50, "pinned"), _holder("used", 50, "in_use")]
    assert plan_admission({"ram": 6}, {"ram": 0}, None, held) == Refuse(("ram",))


def test_what_needs_nothing_is_admitted_even_where_too_much_is_promised() -> None:
    assert plan_admission({"ram": 0}, {"ram": -5}, None, [_holder("idle", 5)]) == Admit()


def test_a_budget_counts_what_is_held_and_spares_what_the_machine_would_not() -> None:
    held = [_holder("idle", 5, at=1), _holder("pinned", 5, "pinned")]
    assert plan_admission({"ram": 4}, {"ram": 100}, 14, held) == Admit()
    assert plan_admission({"ram": 5}, {"ram": 100}, 14, held) == Evict(("idle",))
    assert plan_admission({"ram": 10}, {"ram": 100}, 14, held) == Refuse(("budget",))
