"""L2: any schedule of concurrent requests, answers, failures and deaths keeps the invariants.

`explorer` says how. A failing test prints its seed; `explore(seed, models)` repeats it.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from rmm_widgets import demo
from rmm_widgets.runtime import engine, registrar, residents
from rmm_widgets.runtime.job import Job

from .explorer import Violation, explore

SCHEDULES = 5_000
SHARES = 20


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the simulated manager, with the files that its models have when they are on disk."""
    folder = tmp_path_factory.mktemp("simulation")
    for name in ("0", "1", "2", "3"):
        shutil.copytree(demo.MODELS_DIR / "vit-digits", folder / "models" / name)
    return folder


def _explore_many(first: int, count: int, folder: Path) -> int:
    for seed in range(first, first + count):
        explore(seed, folder)
    return count


def _explore_everywhere(count: int, folder: Path) -> None:
    first = random.SystemRandom().randrange(1 << 40)
    print(f"first seed: {first}")
    share = count // SHARES
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 8), mp_context=get_context("spawn")) as pool:
        begins = range(first, first + count, share)
        done = sum(pool.map(_explore_many, begins, [share] * SHARES, [folder] * SHARES))
    assert done == count


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_L2_five_thousand_schedules(models: Path) -> None:
    _explore_everywhere(SCHEDULES, models)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_L2_a_hundred_thousand_schedules(models: Path) -> None:
    _explore_everywhere(20 * SCHEDULES, models)


def test_L2_a_few_schedules(models: Path) -> None:
    assert _explore_many(0, 100, models) == 100


@pytest.mark.parametrize(
    "seed",
    [
        *(1, 74, 208, 253, 487, 844, 1029, 1256, 1896),
        *(489, 660, 100582),  # a configuration or pin of ours was lost: the registry was being read when it came
        973291557188,  # what was deleted while the registry was read came back
        973291510543,  # a limit rose and fell between two checks: a false alarm
        328121780706,
        963703807768,  # a worker died while it was told a configuration: taken back, it was still shown
    ],
)
def test_L2_seeds_that_once_failed(models: Path, seed: int) -> None:
    explore(seed, models)


def test_a_seed_repeats_exactly_in_any_process(models: Path) -> None:
    seeds = range(7, 12)
    here = [explore(seed, models) for seed in seeds]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = list(pool.map(explore, seeds, [models] * len(seeds)))
    assert here == there
    assert len(set(here)) == len(seeds)


def _deaf(*_: object) -> None:
    """In place of what would tell the machine, or somebody else."""


async def _deaf_later(*_: object, **__: object) -> None:
    """The same, where it is awaited."""


def _twice(_engine: object, job: Job[Any], value: object) -> None:
    job.finish(value)
    job.finish(value)


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        (residents.Residents, "_exited", _deaf),
        (residents.Residents, "_end", _deaf_later),
        (registrar.Registrar, "_remove", _deaf_later),
        (engine.Engine, "finish_job", _twice),
    ],
    ids=["deaths", "given up loads", "deletions", "jobs"],
)
def test_the_explorer_notices_what_is_broken(
    models: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, broken: Callable[..., None]
) -> None:
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(Violation, match=r"seed \d+, step \d+: "):
        _explore_many(0, 200, models)
