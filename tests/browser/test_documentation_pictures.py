"""The pictures of README and documentation: the panel in JupyterLab, with real models at work.

`RMM_UPDATE_SNAPSHOTS=1` takes them anew; look at them before they are committed. Otherwise the new ones are left in
the folder of artefacts, and the kept ones are held to their size: a page that grew or lost a part is told.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from .conftest import DARK, LIGHT, REPOSITORY, SCREENSHOTS
from .lab import LabPage
from .pictures import UPDATE
from .scenes import PANEL, Scene, button, panel_of, row

IMAGES = REPOSITORY / "docs" / "images"
MODELS = ("vit-digits", "minilm-toy", "yolos-shapes", "blip-shapes", "mdlm-stories")
SIDES = 0.1
"""The part of their height by which pictures may differ: fonts are not the same everywhere."""


@pytest.fixture
def wide(lab: LabPage) -> Iterator[None]:
    """A page that has room for the notebook's whole panel, without the file browser."""
    lab.page.set_viewport_size({"width": 1480, "height": 1000})
    lab.page.evaluate("window.jupyterapp.shell.collapseLeft()")
    yield
    lab.page.evaluate("window.jupyterapp.shell.expandLeft()")
    lab.page.set_viewport_size({"width": 1280, "height": 900})


def at_work(scene: Scene) -> Locator:
    """A panel: one model is loaded, one on disk, one on its way, one paused, one only registered."""
    notebook = scene.start(PANEL, models=MODELS)
    notebook.ask("manager.download_model('yolos-shapes').result(60)")
    notebook.ask("manager.load_model('vit-digits').result(90)")
    notebook.ask("for _ in range(20): manager.check_health('vit-digits').result(30)")
    shown = notebook.cell(1)
    scene.hub.rate = 100_000
    for name in ("mdlm-stories", "blip-shapes"):
        button(row(shown, name), f"Download {name}").click()
        bar = row(shown, name).get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d"))
    button(row(shown, "mdlm-stories"), "Pause mdlm-stories").click()
    expect(row(shown, "mdlm-stories")).to_contain_text("paused")
    expect(row(shown, "vit-digits")).to_contain_text("healthy")
    scene.hub.rate = 60_000
    return panel_of(shown)


def keep(view: Locator, name: str) -> None:
    """Leave a picture of a view, and hold the kept one of that name to its size."""
    png = view.screenshot(animations="disabled", caret="hide")
    kept = IMAGES / f"{name}.png"
    if os.environ.get(UPDATE):
        kept.write_bytes(png)
        return
    SCREENSHOTS.mkdir(exist_ok=True)
    (SCREENSHOTS / kept.name).write_bytes(png)
    with Image.open(kept) as before, Image.open(io.BytesIO(png)) as after:
        assert after.width == before.width, name
        assert after.height == pytest.approx(before.height, rel=SIDES), name


def test_the_panel_at_work(lab: LabPage, scene: Scene, wide: None, themes: Callable[[str], None]) -> None:
    panel = at_work(scene)
    for theme, name in ((LIGHT, "panel-light"), (DARK, "panel-dark")):
        themes(theme)
        lab.page.mouse.move(0, 0)
        keep(panel, name)
    themes(LIGHT)
    button(panel, "Details vit-digits").click()
    panel.get_by_role("tab", name="Health").click()
    expect(panel.get_by_role("tabpanel", name="Health").get_by_role("img")).to_be_visible()
    keep(panel, "details")
    scene.hub.rate = None
