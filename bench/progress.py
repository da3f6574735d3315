"""100 downloads that move for 10 seconds: what showing them costs, beside as many bars of tqdm.notebook.

Ours are real downloads from a hub on the loopback address that is slow on each connection, shown in the panel. tqdm's
bars stand in the same page and are updated ten times a second by a cell. What the downloads alone cost the kernel is
measured, too, with nothing shown: tqdm's bars have none behind them.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import msgspec

from .lab import Lab, Spent, installed, kernel_value, median, open_lab
from .trickle_hub import trickle_hub

DOWNLOADS = 100
SECONDS = 10
SIZE = 4_000_000
"""Bytes of a model: more than comes until the end, and so few that it comes on one connection."""
RATE = 60_000
"""Bytes a second of one connection."""

_SETUP = """
import time
from pathlib import Path
from IPython.display import display
from rmm_widgets import ModelInfo, ModelManager, ModelManagerPanel
manager = ModelManager(
    endpoint="{endpoint}", cache_dir=Path.cwd() / "hub", data_dir=Path.cwd() / "data", max_concurrent_downloads={count}
)
names = [f"model-{{number:03d}}" for number in range({count})]
manager.register_models(ModelInfo(name, "embedding_model", f"bench/{{name}}") for name in names)

def is_moving():
    return sum(each.phase == "downloading" and each.downloaded_bytes > 0
               for each in manager.get_all_download_progress().values())

def fetched():
    return {{name: each.downloaded_bytes for name, each in manager.get_all_download_progress().items()}}

def end():
    for job in [manager.discard_download(name) for name in names]:
        job.result()
"""
_PANEL = "panel = ModelManagerPanel(manager)\ndisplay(panel)"
_BARS = f"""
from tqdm.notebook import tqdm
bars = [tqdm(total={SECONDS * 10 * 2}, desc=name) for name in names]
is_over = False
"""
_MOVE_BARS = f"""
due = time.monotonic()
for _ in range({SECONDS * 10}):
    for bar in bars:
        bar.update(1)
    due += 0.1
    time.sleep(max(0.0, due - time.monotonic()))
is_over = True
"""
_CLOSE_BARS = "for bar in bars: bar.close()"


class Aims(msgspec.Struct, frozen=True):
    """The most that ours may be of tqdm's."""

    messages: float = 1 / 50
    bytes: float = 1 / 50
    kernel: float = 1 / 20
    browser: float = 1 / 4


def main(rounds: int) -> None:
    """Print the table."""
    ways = {"100 downloads in the panel": _in_panel, "100 downloads, nothing shown": _unseen, "the page at rest": _rest}
    if installed("tqdm"):
        ways["100 bars of tqdm.notebook"] = _as_bars
    found: dict[str, list[Spent]] = {name: [] for name in ways}
    with (
        tempfile.TemporaryDirectory(prefix="rmm-bench-") as folder,
        trickle_hub(_repositories(Path(folder)), rate=RATE) as endpoint,
        open_lab([_SETUP.format(endpoint=endpoint, count=DOWNLOADS), _PANEL, _BARS, _MOVE_BARS]) as lab,
    ):
        lab.run(0)
        for _ in range(rounds):
            for name in random.sample(list(ways), len(ways)):
                found[name].append(ways[name](lab))
    _print({name: median(spent) for name, spent in found.items()})


def _repositories(folder: Path) -> dict[str, dict[str, Path]]:
    repositories: dict[str, dict[str, Path]] = {}
    for number in range(DOWNLOADS):
        name = f"model-{number:03d}"
        path = folder / name
        with path.open("wb") as file:
            file.write(name.encode())  # no two models share a file
            file.truncate(SIZE)
        repositories[f"bench/{name}"] = {"model.safetensors": path}
    return repositories


def _rest(lab: Lab) -> Spent:
    lab.settle()
    before = lab.spent()
    lab.page.wait_for_timeout(SECONDS * 1e3)
    return lab.spent().since(before)


def _in_panel(lab: Lab) -> Spent:
    lab.run(1)
    spent = _unseen(lab)
    lab.ask("panel.close()")
    lab.clear()
    return spent


def _unseen(lab: Lab) -> Spent:
    lab.ask("jobs = [manager.download_model(name) for name in names]")
    while kernel_value(lab, "is_moving()") < DOWNLOADS:
        lab.page.wait_for_timeout(200)
    had = kernel_value(lab, "fetched()")
    bars = lab.page.get_by_role("grid", name="Models").get_by_role("progressbar")
    texts = bars.evaluate_all("(bars) => bars.map((bar) => bar.ariaValueText)")
    before = lab.spent()
    lab.page.wait_for_timeout(SECONDS * 1e3)
    spent = lab.spent().since(before)
    now = bars.evaluate_all("(bars) => bars.map((bar) => bar.ariaValueText)")
    has = kernel_value(lab, "fetched()")
    still = [name for name in had if has[name] <= had[name]]
    if still or kernel_value(lab, "is_moving()") < DOWNLOADS:
        raise SystemExit(f"downloads stood still, or ended: {still}")
    if any(new == old for new, old in zip(now, texts, strict=True)):
        raise SystemExit("a bar stood still")
    lab.ask("end()")
    return spent


def _as_bars(lab: Lab) -> Spent:
    lab.run(2)
    lab.settle()
    before = lab.spent()
    lab.run(3, wait=False)  # the message that tells its end may be among those that are dropped
    lab.page.wait_for_timeout(SECONDS * 1e3)
    lab.settle()  # what lags behind belongs to it
    spent = lab.spent().since(before)
    if not kernel_value(lab, "is_over"):
        raise SystemExit("tqdm's bars were not through when nothing more came")
    lab.ask(_CLOSE_BARS)
    lab.notebook.lab.execute("notebook:clear-all-cell-outputs")
    lab.settle()
    return spent


def _print(medians: dict[str, Spent]) -> None:
    print(f"\n{SECONDS} seconds; seconds of processor time")
    print("\n| what | messages | kB | kernel, s | page's main thread, s |\n| --- | --- | --- | --- | --- |")
    for name, each in medians.items():
        print(f"| {name} | {each.messages:.0f} | {each.bytes / 1e3:.0f} | {each.kernel:.2f} | {each.browser:.2f} |")
    ours, unseen, rest, *peers = medians.values()
    for peer in peers:
        aims = Aims()
        rows = {
            "ours is of it": ours,
            "ours beyond the downloads themselves": Spent(
                ours.messages, ours.bytes, ours.kernel - unseen.kernel, ours.browser - rest.browser
            ),
        }
        for name, each in rows.items():
            shares = " | ".join(f"{getattr(each, key) / getattr(peer, key):.3f}" for key in Aims.__struct_fields__)
            print(f"| {name} | {shares} |")
        print("| aim | " + " | ".join(f"{getattr(aims, key):g}" for key in Aims.__struct_fields__) + " |")


if __name__ == "__main__":
    main(3)
