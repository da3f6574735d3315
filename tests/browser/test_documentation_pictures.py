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
from playwright.sync_api import Locator, Page, expect

from rmm_widgets.demo import sample

from .conftest import DARK, LIGHT, REPOSITORY, SCREENSHOTS
from .lab import LabPage, Notebook
from .pictures import UPDATE
from .scenes import PANEL, Scene, button, manager_on, panel_of, registering, row

IMAGES = REPOSITORY / "docs" / "images"
MODELS = ("vit-digits", "minilm-toy", "yolos-shapes", "blip-shapes", "mdlm-stories")
SIDES = 0.1
"""The part of their height by which pictures may differ: fonts are not the same everywhere."""


@pytest.fixture
def wide(lab: LabPage) -> Iterator[None]:
    """A page that has room for the notebook's whole panel, without the file browser."""
    lab.page.set_viewport_size({"width": 1480, "height": 1000})
    lab.hide_models_panel()
    lab.page.evaluate("window.jupyterapp.shell.collapseLeft()")
    yield
    lab.page.evaluate("window.jupyterapp.shell.expandLeft()")
    lab.page.set_viewport_size({"width": 1280, "height": 900})


@pytest.fixture
def side_bar(lab: LabPage) -> Iterator[None]:
    """A page with a wide side bar and nothing on its left."""
    lab.page.evaluate("window.jupyterapp.shell.collapseLeft()")
    panel = lab.models_panel()
    lab.drag_side_bar(792)
    expect(panel).to_have_css("width", re.compile(r"^45\d"))
    yield
    lab.drag_side_bar(992)
    lab.hide_models_panel()
    lab.page.evaluate("window.jupyterapp.shell.expandLeft()")


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


def keep(view: Locator | Page, name: str) -> None:
    """Leave a picture of a view, and hold the kept one of that name to its size."""
    png = view.screenshot(animations="disabled", caret="hide")
    kept = IMAGES / f"{name}.png"
    if os.environ.get(UPDATE):
        kept.write_bytes(png)
        return
    SCREENSHOTS.mkdir(exist_ok=True)
    (SCREENSHOTS / kept.name).write_bytes(png)
    with Image.open(kept) as before, Image.open(io.BytesIO(png)) as after:
        assert after.width == pytest.approx(before.width, rel=0.02), name
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


CELLS = (
    "%load_ext rmm_widgets",
    "%rmm load vit-digits --as digits --wait",
    'digits(rmm_widgets.demo.sample("digit-1.png"))[:3]',
)


@pytest.fixture
def class_notebook(scene: Scene, open_notebook: Callable[..., Notebook]) -> Notebook:
    """A notebook with a name, whose manager was set up beside its cells."""
    notebook = open_notebook(*CELLS, name="digits")
    notebook.ask(manager_on(scene.hub, scene.folder))
    notebook.ask(registering("vit-digits", "blip-shapes", "yolos-shapes", "minilm-toy"))
    return notebook


def test_the_side_panel_at_work(
    lab: LabPage, scene: Scene, class_notebook: Notebook, side_bar: None, themes: Callable[[str], None]
) -> None:
    class_notebook.ask("for name in ('vit-digits', 'yolos-shapes'): manager.download_model(name).result(60)")
    for index in range(len(CELLS)):
        class_notebook.run(index)
        assert class_notebook.errors(index) == []
    class_notebook.ask("for _ in range(20): manager.check_health('vit-digits').result(30)")
    class_notebook.save()
    panel = lab.models_panel()
    expect(row(panel, "vit-digits")).to_contain_text("healthy")
    scene.hub.rate = 60_000
    button(row(panel, "blip-shapes"), "Download blip-shapes").click()
    bar = row(panel, "blip-shapes").get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d"))
    panel.get_by_role("grid", name="Models").evaluate("(grid) => { grid.scrollTop = 0; }")
    for theme, name in ((LIGHT, "lab-light"), (DARK, "lab-dark")):
        themes(theme)
        lab.page.mouse.move(0, 0)
        keep(lab.page, name)
    scene.hub.rate = None


def test_a_model_tried(lab: LabPage, class_notebook: Notebook, side_bar: None) -> None:
    class_notebook.ask(
        "manager.download_model('yolos-shapes').result(60); manager.load_model('yolos-shapes').result(90)"
    )
    panel = lab.models_panel()
    button(panel, "Details yolos-shapes").click()
    panel.get_by_role("tab", name="Try it").click()
    form = panel.get_by_role("form", name="Try it")
    form.locator("input[type=file]").set_input_files(sample("detect-1.png"))
    button(form, "Run").click()
    expect(form.get_by_role("list", name="What was found")).to_be_visible()
    drawer = panel.locator(".rmm-details")
    drawer.evaluate("(drawer) => { drawer.scrollTop = 0; }")
    lab.page.mouse.move(0, 0)
    keep(drawer, "try-it")
