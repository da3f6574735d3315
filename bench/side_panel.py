"""How soon a click in the side panel acts, in a kernel at rest and while a cell blocks.

A click is one on "Pin" in a model's details, until the manager's method is called. Its peer is a click on a button of
ipywidgets, until its handler is called. Both come at random moments, in random order. While a cell blocks the peer may
wait for its end, so that ratios are taken with the peer at rest.
"""

from __future__ import annotations

import random
import statistics

from .lab import Lab, kernel_value, open_lab

CLICKS = 10
"""Of each kind, in one round."""
AIM = 500.0
"""Milliseconds in which a click acts while a cell blocks."""

_SETUP = """
import time
from pathlib import Path
import ipywidgets
from IPython.display import display
import rmm_widgets
from rmm_widgets.default_manager import use_for_default

use_for_default(data_dir=Path.cwd() / "data", cache_dir=Path.cwd() / "hub")
manager = rmm_widgets.get_manager()
manager.register_model(rmm_widgets.ModelInfo("pinned", "embedding_model", "bench/pinned"))
ours, peers = [], []

def observed(method):
    def call(*arguments, **options):
        ours.append(time.time())
        return method(*arguments, **options)
    return call

manager.pin, manager.unpin = observed(manager.pin), observed(manager.unpin)
button = ipywidgets.Button(description="Peer")
button.on_click(lambda _button: peers.append(time.time()))
"""
_BUTTON = "display(button)"
_BLOCK = "time.sleep(600)"


def main(rounds: int) -> None:
    """Print the table."""
    count = rounds * CLICKS
    with open_lab([_SETUP, _BUTTON, _BLOCK]) as lab:
        lab.run(0)
        lab.run(1)
        lab.page.evaluate("window.jupyterapp.commands.execute('rmm-widgets:open').then(() => 0)")
        lab.page.get_by_role("button", name="Details pinned", exact=True).click()
        lab.settle()
        quiet = _clicks(lab, count)
        lab.run(2, wait=False)
        blocked = _clicks(lab, count)
        if not lab.notebook.is_running(2):
            raise SystemExit("the cell has ended beside the clicks")
        ended = lab.probe("now")
        lab.notebook.interrupt()
        lab.notebook.wait_for_cell(2)
        acted = {name: [each * 1e3 for each in kernel_value(lab, name)] for name in ("ours", "peers")}
    rest = statistics.median(_took(acted["peers"][:count], quiet["peers"]))
    print("\nMilliseconds\n\n| a click on | median | 90 % are within | worst | of the peer's, at rest | aim |")
    print("| --- | --- | --- | --- | --- | --- |")
    _print("a button of ipywidgets, kernel at rest", _took(acted["peers"][:count], quiet["peers"]), rest, "")
    _print("the side panel, kernel at rest", _took(acted["ours"][:count], quiet["ours"]), rest, "")
    _print("the side panel, while a cell blocks", _took(acted["ours"][count:], blocked["ours"]), rest, f"{AIM:g}")
    waited = sum(each >= ended for each in acted["peers"][count:])
    print(f"\nOf {count} clicks on the button of ipywidgets while the cell blocked, {waited} acted when it had ended.")


def _took(acted: list[float], clicked: list[float]) -> list[float]:
    return [after - before for after, before in zip(acted, clicked, strict=True)]


def _print(name: str, took: list[float], peer: float, aim: str) -> None:
    median, within = statistics.median(took), statistics.quantiles(took, n=10)[-1]
    print(f"| {name} | {median:.1f} | {within:.1f} | {max(took):.1f} | {median / peer:.2f} | {aim} |")


def _clicks(lab: Lab, count: int) -> dict[str, list[float]]:
    """When each click was, by what was clicked."""
    pin = lab.page.get_by_role("region", name="Models").get_by_role("button", name="Pin", exact=True)
    clicked: dict[str, list[float]] = {"ours": [], "peers": []}
    for name in random.sample([*clicked] * count, k=2 * count):
        lab.page.wait_for_timeout(random.uniform(200, 500))
        if name == "peers":
            lab.page.get_by_role("button", name="Peer", exact=True).click()
        else:
            pressed = pin.get_attribute("aria-pressed")
            pin.click()
            pin.and_(lab.page.locator(f"[aria-pressed={'false' if pressed == 'true' else 'true'}]")).wait_for()
        clicked[name].append(lab.probe("lastClick"))
    return clicked


if __name__ == "__main__":
    main(3)
