"""The status bar with its popup, and the commands in palette, menu, toolbar and under a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .conftest import DARK, LIGHT, SCREENSHOTS
from .lab import LabPage, Notebook
from .scenes import Scene, button, row
from .side_panel import expect_models, models

pytestmark = pytest.mark.usefixtures("quiet_console")

OpenNotebook = Callable[..., Notebook]
IMPORTED = "import sys; print('rmm_widgets' in sys.modules)"
CELLS = "print(len(In))"
PINGS = 11_000
"""Milliseconds within which a view that is drawn asks whether its kernel is there."""
COUNT = """(path) => {
    const { kernel } = [...window.jupyterapp.shell.widgets('main')]
        .find((widget) => widget.context?.path === path).sessionContext.session;
    window.rmmSent = 0;
    kernel.anyMessage.connect((_, { direction }) => { window.rmmSent += Number(direction === 'send'); });
}"""


@pytest.fixture(autouse=True)
def hidden_at_first(lab: LabPage) -> Iterator[None]:
    lab.hide_models_panel()
    yield
    # A test that failed may have left a dialog.
    lab.page.keyboard.press("Escape")


def item(lab: LabPage) -> Locator:
    """The status bar's item."""
    return lab.page.locator("#jp-main-statusbar").get_by_role("button", name=re.compile("^Models:"))


def popup(lab: LabPage) -> Locator:
    """What the item opens."""
    return lab.page.get_by_role("dialog", name=re.compile("^Models of"))


def run_in_palette(lab: LabPage, label: str) -> None:
    """Run a command as a user does who has found it."""
    lab.execute("apputils:activate-command-palette")
    palette = lab.page.locator(".lm-CommandPalette").filter(visible=True)
    palette.locator("input").fill(label)
    palette.get_by_role("menuitem", name=label, exact=True).click()


def dialog(lab: LabPage, title: str) -> Locator:
    """An open dialog of JupyterLab."""
    return lab.page.locator(".jp-Dialog").filter(has_text=title)


def keep_picture(lab: LabPage, name: str) -> None:
    """Leave a picture of the page for eyes."""
    SCREENSHOTS.mkdir(exist_ok=True)
    lab.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


def test_it_follows_memory_and_downloads(lab: LabPage, scene: Scene, themes: Callable[[str], None]) -> None:
    notebook = scene.start(models=["vit-digits", "blip-shapes"])
    # A cell that uses the package is enough.
    expect(item(lab)).to_have_text("Models: 0 loaded")
    panel = lab.models_panel()
    button(row(panel, "vit-digits"), "Download vit-digits").click()
    button(row(panel, "vit-digits"), "Load vit-digits").click()
    lab.hide_models_panel()
    expect(item(lab)).to_have_text(re.compile(r"^Models: 1 loaded, [\d.]+ MB of [\d.]+ [GT]B$"))
    scene.hub.rate = 60_000
    notebook.ask("job = manager.download_model('blip-shapes')")
    expect(item(lab)).to_contain_text(re.compile(r"; 1 download, [\d.]+ kB/s$"))
    item(lab).press("Enter")
    details = popup(lab)
    expect(details.get_by_role("list", name="In memory")).to_contain_text("vit-digits")
    bar = details.get_by_role("progressbar", name="blip-shapes")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))
    for theme, name in ((LIGHT, "status-bar-light"), (DARK, "status-bar-dark")):
        themes(theme)
        keep_picture(lab, name)
    button(details, "Cancel blip-shapes").click()
    expect(item(lab)).not_to_contain_text("download")
    button(details, "Unload vit-digits").click()
    expect(details).to_contain_text("No model is loaded.")
    expect(item(lab)).to_have_text("Models: 0 loaded")
    lab.page.keyboard.press("Escape")
    expect(details).to_have_count(0)
    expect(item(lab)).to_be_focused()
    item(lab).click()
    button(details, "Open the Models panel").click()
    expect(details).to_have_count(0)
    expect(panel).to_be_visible()
    assert lab.page_errors == []


def test_it_is_about_kernels_that_have_a_manager(lab: LabPage, open_notebook: OpenNotebook, tmp_path: Path) -> None:
    user = open_notebook(models("one", folder=tmp_path))
    user.run(0)
    expect(item(lab)).to_have_text("Models: 0 loaded")
    other = open_notebook("import rmm_widgets", "import sys; print('rmm_widgets.manager' in sys.modules)")
    for index in (0, 1):
        other.run(index)
    expect(item(lab)).to_have_count(0)
    assert other.text(1).strip() == "False", "code of the package is no reason to make a manager"
    user.bring_to_front()
    expect(item(lab)).to_have_text("Models: 0 loaded")
    lab.page.evaluate(COUNT, user.path)
    lab.page.wait_for_timeout(PINGS)
    assert lab.page.evaluate("window.rmmSent") <= 1, "a sign of life in 80 seconds, no pings"
    user.ask("manager.register_model(rmm_widgets.ModelInfo('two', 'embedding_model', 'rmm-demo/minilm-toy'))")
    item(lab).click()
    expect(popup(lab)).to_contain_text("No model is loaded.")
    lab.page.keyboard.press("Escape")
    expect_models(lab.models_panel(), "one", "two")


def test_the_palette_reaches_every_action(lab: LabPage, scene: Scene) -> None:
    notebook = scene.start()
    cells = notebook.ask(CELLS)
    run_in_palette(lab, "Add a Model…")
    asked = dialog(lab, "Add a Model of the Hub")
    asked.get_by_role("textbox").fill("rmm-demo/minilm-toy")
    button(asked, "Add").click()
    expect(lab.page.get_by_text("Added minilm-toy.")).to_be_visible()
    expect(item(lab)).to_have_text("Models: 0 loaded")
    for label, title, ok, said in (
        ("Download a Model…", "Download a model", "Download", "Downloading minilm-toy."),
        ("Load a Model…", "Load a model into memory", "Load", "Loading minilm-toy."),
        ("Unload a Model…", "Take a model out of memory", "Unload", "Unloading minilm-toy."),
    ):
        if ok == "Load":
            notebook.ask("manager.download_model('minilm-toy').result(60)")
        if ok == "Unload":
            expect(item(lab)).to_contain_text("1 loaded")
        run_in_palette(lab, label)
        asked = dialog(lab, title)
        expect(asked.get_by_role("combobox")).to_have_value("minilm-toy")
        button(asked, ok).click()
        expect(lab.page.get_by_text(said, exact=True)).to_be_visible()
    expect(item(lab)).to_contain_text("0 loaded")
    run_in_palette(lab, "Cancel All Downloads and Loads")
    expect(lab.page.get_by_text("Nothing is being downloaded or loaded.")).to_be_visible()
    assert notebook.ask(CELLS) == cells
    assert lab.page_errors == []


def test_search_and_log_open_in_the_panel(lab: LabPage, scene: Scene) -> None:
    scene.start(models=["minilm-toy"])
    run_in_palette(lab, "Search the Hub…")
    asked = dialog(lab, "Search the Hub")
    asked.get_by_role("textbox").fill("digits")
    button(asked, "Search").click()
    panel = lab.page.get_by_role("region", name="Models")
    found = panel.get_by_role("dialog", name="Search the Hub")
    expect(found).to_contain_text("rmm-demo/vit-digits")
    lab.page.keyboard.press("Escape")
    expect(found).to_have_count(0)
    lab.hide_models_panel()
    run_in_palette(lab, "Show the Log of Models")
    expect(panel.get_by_role("list", name="Recent events")).to_contain_text("minilm-toy")


def test_freezing_is_left_to_the_user(lab: LabPage, open_notebook: OpenNotebook) -> None:
    notebook = open_notebook("1")
    run_in_palette(lab, "Freeze the Models…")
    told = dialog(lab, "Freeze the Models")
    expect(told.get_by_role("button", name="Copy: %load_ext rmm_widgets %rmm freeze")).to_be_visible()
    keep_picture(lab, "freeze-light")
    button(told, "Close").click()
    assert notebook.ask(IMPORTED).strip() == "False"


def test_menu_toolbar_and_key_open_the_panel(lab: LabPage, open_notebook: OpenNotebook, tmp_path: Path) -> None:
    notebook = open_notebook(models("one", folder=tmp_path))
    notebook.run(0)
    lab.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    lab.page.locator(".lm-Menu-item").filter(has_text=re.compile("^Models$")).hover()
    expect(lab.page.get_by_role("menuitem", name="Cancel All Downloads and Loads")).to_be_visible()
    keep_picture(lab, "menu-light")
    lab.page.get_by_role("menuitem", name=re.compile("^Show Models")).click()
    panel = lab.page.get_by_role("region", name="Models")
    expect_models(panel, "one")
    lab.hide_models_panel()
    notebook.panel.get_by_role("button", name=re.compile("^Show the models")).click()
    expect(panel).to_be_visible()
    lab.hide_models_panel()
    lab.page.keyboard.press("Control+Shift+Y")
    expect(panel).to_be_visible()


def test_commands_are_off_where_there_is_no_kernel(lab: LabPage, open_notebook: OpenNotebook) -> None:
    enabled = """() => {
        const { commands } = window.jupyterapp;
        return commands.listCommands().filter((id) => id.startsWith('rmm-widgets:') && commands.isEnabled(id));
    }"""
    notebook = open_notebook("1")
    assert len(lab.page.evaluate(enabled)) == 9
    notebook.shut_kernel_down()
    lab.page.wait_for_function(f"({enabled})().length === 1")
    assert lab.page.evaluate(enabled) == ["rmm-widgets:open"]
    caption = lab.page.evaluate("window.jupyterapp.commands.caption('rmm-widgets:load')")
    assert caption == "Load a model into memory: There is no notebook or console with a running kernel."
