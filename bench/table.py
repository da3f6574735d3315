"""A table of 10,000 rows in a notebook: until its first row is painted, beside other tables; scrolling, filtering.

The time runs from before the table is made in the kernel until the frame with its first row has been painted in the
browser, in one page and one kernel, in turns, in random order. Every table has its data before: the manager its
models, the others a data frame of eight columns.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from .lab import Lab, Spent, installed, kernel_value, median, open_lab
from .table_rows import ROWS, first_id, infos, manager

SCROLL = 10.0
"""Seconds in which the whole table passes by."""
DIGITS = 4
"""Of the first row's id that are typed into the filter, one by one."""


class Contestant(msgspec.Struct, frozen=True):
    """A way to show the table.

    Attributes:
        code: Shows it; `began` is the moment before.
        selector: Where its first row is in the page; empty where it is drawn on a canvas.
        most: The share of its time that ours may take.
        module: What it needs.
    """

    name: str
    code: str
    selector: str
    most: float | None = None
    module: str = ""


CONTESTANTS = (
    Contestant(
        "ModelManagerPanel",
        "display(shown := ModelManagerPanel(manager))",
        '[role="grid"][aria-label="Models"] [role="row"][aria-rowindex="2"]',
    ),
    Contestant(
        "ipydatagrid",
        "display(shown := ipydatagrid.DataGrid(frame, base_column_size=120))",
        "",
        1 / 5,
        "ipydatagrid",
    ),
    Contestant(
        "itables, show()",
        "itables.show(frame, maxBytes=0)",
        "table.dataTable > tbody > tr:first-child > td",
        1 / 2,
        "itables",
    ),
)

_SETUP = """
import gc, time
from pathlib import Path
from IPython.display import display
from bench import table_rows
from rmm_widgets import ModelManagerPanel
shown = None
"""
_PEERS = {
    "ipydatagrid": "import ipydatagrid; frame = table_rows.frame()",
    "itables": "import itables; frame = table_rows.frame(); itables.init_notebook_mode(connected=False)",
}
_CLOSE = """
if shown is not None:
    shown.close()
shown = None
gc.collect()
"""


def main(rounds: int) -> None:
    """Print the tables."""
    peers = installed("ipydatagrid", "itables")
    contestants = [each for each in CONTESTANTS if not each.module or each.module in peers]
    cells = [_SETUP, "\n".join(_PEERS[name] for name in peers)]
    cells += [f"began = time.time()\n{each.code}" for each in contestants]
    with open_lab(cells) as lab:
        lab.run(0)
        _register(lab)
        lab.run(1)  # stays: itables' program is in its output
        figures: dict[str, list[tuple[float, Spent]]] = {each.name: [] for each in contestants}
        for _ in range(rounds + 1):
            for number in random.sample(range(len(contestants)), len(contestants)):
                contestant = contestants[number]
                figures[contestant.name].append(_show(lab, 2 + number, contestant))
        _print_times(contestants, figures)
        lab.run(2)
        lab.settle()
        _scroll(lab, rounds)
        _filter(lab, rounds)


def _register(lab: Lab) -> None:
    began = time.perf_counter()
    with manager(lab.folder) as registry:
        registry.register_models(infos())
    registered = time.perf_counter()
    lab.ask(f"manager = table_rows.manager(Path({str(lab.folder)!r}))")
    opened = time.perf_counter()
    each = (registered - began) / ROWS * 1e3
    print(f"{ROWS} models: registered in {registered - began:.0f} s, {each:.1f} ms each", flush=True)
    print(f"a manager opened on that registry: {opened - registered:.1f} s", flush=True)


def _show(lab: Lab, cell: int, contestant: Contestant) -> tuple[float, Spent]:
    """Milliseconds until the first row is painted, and what was spent until the page had come to rest."""
    lab.probe("expectShown", [contestant.selector, first_id()])
    before = lab.spent()
    lab.run(cell)
    shown = lab.probe("whenShown")
    lab.settle()
    took, spent = shown - kernel_value(lab, "began") * 1e3, lab.spent().since(before)
    lab.ask(_CLOSE)
    lab.clear()
    return took, spent


def _print_times(contestants: Sequence[Contestant], figures: dict[str, list[tuple[float, Spent]]]) -> None:
    medians = {name: statistics.median(took for took, _ in found[1:]) for name, found in figures.items()}
    ours = medians[CONTESTANTS[0].name]
    print(f"\nUntil the first of {ROWS} rows is painted, ms; processor time until the page has come to rest, s")
    print("\n| table | first time | then, median | ours is of it | aim | kB | kernel, s | page's main thread, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for each in contestants:
        found = figures[each.name]
        share = "" if each.most is None else f"{ours / medians[each.name]:.2f}"
        aim = "" if each.most is None else f"{each.most:g}"
        spent = median([one for _, one in found[1:]])
        print(
            f"| {each.name} | {found[0][0]:.0f} | {medians[each.name]:.0f} | {share} | {aim} | "
            f"{spent.bytes / 1e3:.0f} | {spent.kernel:.2f} | {spent.browser:.2f} |"
        )


def _scroll(lab: Lab, rounds: int) -> None:
    resting = [lab.probe("rest", [2]) for _ in range(rounds)]
    runs: list[dict[str, Any]] = [lab.probe("scroll", [SCROLL]) for _ in range(rounds)]
    if any(run["last"] != run["rows"] for run in runs):
        raise SystemExit("the last row was not reached")
    print(f"\nScrolling from the first row to the last in {SCROLL:g} s")
    print("\n| page | frames a second | aim | longest frame, ms | frames that began without rows |")
    print("| --- | --- | --- | --- | --- |")
    print(f"| at rest | {_rate(resting):.1f} | | {max(map(max, resting)):.0f} | |")
    scrolling = [run["between"] for run in runs]
    blank = statistics.median(run["blank"] for run in runs)
    print(f"| scrolling | {_rate(scrolling):.1f} | 55 | {max(map(max, scrolling)):.0f} | {blank:.0%} |")


def _rate(runs: Sequence[Sequence[float]]) -> float:
    return statistics.median(len(between) / sum(between) * 1e3 for between in runs)


def _filter(lab: Lab, rounds: int) -> None:
    box = lab.page.get_by_label("Filter models", exact=True)
    typed: dict[str, list[float]] = {}

    def press(key: str, name: str) -> None:
        lab.probe("expectResult")
        lab.page.keyboard.press(key)
        typed.setdefault(name, []).append(lab.probe("whenResult"))

    for _ in range(rounds):
        box.click()
        for place, digit in enumerate(first_id()[:DIGITS], 1):
            press(digit, f"{place}. character")
        lab.page.keyboard.press("Control+a")
        lab.page.wait_for_timeout(100)
        press("Delete", "emptied")
        lab.settle()
    print("\nFrom a key in the filter to the painted result, ms")
    print("\n| key | median | worst | aim |\n| --- | --- | --- | --- |")
    for name, found in typed.items():
        print(f"| {name} | {statistics.median(found):.1f} | {max(found):.1f} | 50 |")


if __name__ == "__main__":
    main(3)
