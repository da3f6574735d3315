"""The status bar with its popup, the palette, menu and toolbar: models at a glance, and every action from the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, expect

from .conftest import DARK, LIGHT, SCREENSHOTS
from .lab import LabPage, Notebook
from .scenes import Scene, button, row
from .side_panel import comms_and_publishers
from .waiting import wait_until

OpenNotebook = Callable[..., Notebook]
IMPORTED = "import sys; print('rmm_widgets' in sys.modules)"
MESSAGES = """
from ipykernel.kernelapp import IPKernelApp
print(len(seen))
"""


@pytest.fixture(autouse=True)
def hidden_at_first(lab: LabPage) -> Iterator[None]:
    lab.hide_models_panel()
    yield
    lab.page.keyboard.press("Escape")
    lab.execute("apputils:dismiss-all-notifications") if False else None


def item(lab: LabPage) -> Locator:
    """The status bar's item."""
    return lab.page.locator("#jp-main-statusbar").get_by_role("button", name=re.compile("^Models:"))


def popup(lab: LabPage) -> Locator:
    return lab.page.get_by_role("dialog", name=re.compile("^Models of"))


def choose(lab: LabPage, title: str, model_id: str, ok: str) -> None:
    """Choose a model in the dialog of a command."""
    dialog = lab.page.get_by_role("dialog").filter(has_text=title)
    dialog.get_by_role("combobox").select_option(model_id)
    button(dialog, ok).click()


def palette(lab: LabPage, label: str) -> None:
    """Run a command as a user does."""
    lab.page.keyboard.press("Control+Shift+C")
    lab.page.locator(".jp-ModalCommandPalette input").fill(label)
    lab.page.get_by_role("menuitem", name=label).first.click()


def test_it_follows_memory_and_downloads(lab: LabPage, scene: Scene, themes: Callable[[str], None]) -> None:
    notebook = scene.start(models=["vit-digits", "blip-shapes"])
    expect(item(lab)).to_have_count(0)
    panel = lab.models_panel()
    expect(item(lab)).to_have_text("Models: 0 loaded")
    button(row(panel, "vit-digits"), "Download vit-digits").click()
    button(row(panel, "vit-digits"), "Load vit-digits").click()
    lab.hide_models_panel()
    expect(item(lab)).to_have_text(re.compile(r"^Models: 1 loaded, [\d.]+ MB of [\d.]+ [GT]B$"))
    scene.hub.rate = 60_000
    notebook.ask("job = manager.download_model('blip-shapes')")
    expect(item(lab)).to_contain_text(re.compile(r"; 1 download, [\d.]+ kB/s$"))
    item(lab).click()
    details = popup(lab)
    expect(details.get_by_role("list", name="In memory")).to_contain_text("vit-digits")
    bar = details.get_by_role("progressbar", name="blip-shapes")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))
    for theme in (LIGHT, DARK):
        themes(theme)
        SCREENSHOTS.mkdir(exist_ok=True)
        lab.page.screenshot(path=SCREENSHOTS / f"status-bar-{theme}.png")
    button(details, "Cancel blip-shapes").click()
    expect(item(lab)).not_to_contain_text("download")
    button(details, "Unload vit-digits").click()
    expect(details).to_contain_text("No model is loaded.")
    expect(item(lab)).to_have_text("Models: 0 loaded")
    lab.page.keyboard.press("Escape")
    expect(details).to_have_count(0)
    expect(item(lab)).to_be_focused()
    assert lab.page_errors == []
