"""How long a change takes from the kernel to the screen, and a click from the browser to Python.

A change is a model that is registered: from the moment at which the manager says that something is new, until the
frame with the new row has been painted. The publisher's interval is in it: once with nothing else going on, once beside
a download whose progress is published all the time. A click is one on a row's "Download" button, until the manager's
`download_model` is called. Both come at random moments.
"""

from __future__ import annotations

import random
import statistics
import tempfile
from pathlib import Path

from .lab import Lab, kernel_value, open_lab
from .trickle_hub import trickle_hub

CHANGES = 20
"""In one round."""
CLICKS = 20
SIZE = 8_000_000
RATE = 20_000
"""Bytes a second; the download does not end while it is needed."""
CHANGE_AIM = 120.0
CLICK_AIM = 15.0

_SETUP = """
import time
from pathlib import Path
from IPython.display import display
from rmm_widgets import ModelInfo, ModelManager, ModelManagerPanel

class Observed(ModelManager):
    def download_model(self, *arguments, **options):
        global called
        called = time.time()
        return super().download_model(*arguments, **options)

manager = Observed(endpoint="{endpoint}", cache_dir=Path.cwd() / "hub", data_dir=Path.cwd() / "data")
called = changed = awaited = None

def look():
    global changed, awaited
    if awaited in manager.get_all_models():
        changed, awaited = time.time(), None

unsubscribe = manager.subscribe(look)

def register(name):
    global awaited
    awaited = name
    manager.register_model(ModelInfo(name, "embedding_model", "bench/" + name))

register("clicked")
register("moving")
"""
_PANEL = "panel = ModelManagerPanel(manager)\ndisplay(panel)"
_ROWS = '[role="grid"][aria-label="Models"] [role="row"]'


def main(rounds: int) -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory(prefix="rmm-bench-") as folder,
        trickle_hub(_repositories(Path(folder)), rate=RATE) as endpoint,
        open_lab([_SETUP.format(endpoint=endpoint), _PANEL]) as lab,
    ):
        lab.run(0)
        lab.run(1)
        lab.settle()
        changes = [_change(lab, f"quiet-{number}") for number in range(rounds * CHANGES)]
        clicks = [_click(lab) for _ in range(rounds * CLICKS)]
        lab.ask("manager.download_model('moving')")
        lab.page.locator(_ROWS).get_by_role("progressbar").wait_for()
        beside = [_change(lab, f"beside-{number}") for number in range(rounds * CHANGES)]
        if kernel_value(lab, "manager.get_download_progress('moving').phase") != "downloading":
            raise SystemExit("the download beside the changes has ended")
    print("\nMilliseconds\n\n| from | median | 90 % are within | worst | aim |\n| --- | --- | --- | --- | --- |")
    for name, found, aim in (
        ("change in the kernel to pixels", changes, CHANGE_AIM),
        ("the same beside a download", beside, CHANGE_AIM),
        ("click to Python", clicks, CLICK_AIM),
    ):
        within = statistics.quantiles(found, n=10)[-1]
        print(f"| {name} | {statistics.median(found):.1f} | {within:.1f} | {max(found):.1f} | {aim:g} |")


def _repositories(folder: Path) -> dict[str, dict[str, Path]]:
    for name in ("clicked", "moving"):
        with (folder / name).open("wb") as file:
            file.write(name.encode())
            file.truncate(SIZE)
    return {f"bench/{name}": {"model.safetensors": folder / name} for name in ("clicked", "moving")}


def _change(lab: Lab, name: str) -> float:
    lab.page.wait_for_timeout(random.uniform(200, 500))
    lab.probe("expectShown", [_ROWS, name])
    lab.ask(f"register({name!r})")
    shown = lab.probe("whenShown")
    took = shown - kernel_value(lab, "changed") * 1e3
    lab.ask(f"manager.unregister_model({name!r})")
    lab.page.locator(_ROWS, has_text=name).wait_for(state="detached")
    return float(took)


def _click(lab: Lab) -> float:
    lab.page.wait_for_timeout(random.uniform(200, 500))
    lab.page.get_by_role("button", name="Download clicked", exact=True).click()
    lab.page.get_by_role("button", name="Cancel clicked", exact=True).wait_for()
    took = kernel_value(lab, "called") * 1e3 - lab.probe("lastClick")
    lab.ask("manager.discard_download('clicked').result()")
    return float(took)


if __name__ == "__main__":
    main(3)
