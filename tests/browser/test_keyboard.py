"""The whole main job by keyboard: the mouse is not touched once the notebook is open."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from .lab import LabPage
from .scenes import PANEL, Scene, button, row
from .waiting import wait_until

MOST_STEPS = 60
WHERE = """
() => {
    const at = document.activeElement;
    const text = at.getAttribute('aria-label') ?? at.getAttribute('placeholder') ?? at.textContent ?? '';
    return [at.closest('.rmm-root') !== null, text.trim()];
}
"""
HUB = re.compile(r"search words|owner/name|^(Add|Search|Find)\b.*(Hub|models?)", re.IGNORECASE)
FIELD = re.compile(r"owner/name|search words", re.IGNORECASE)
ADD = re.compile(r"^Add\b")
CONFIRM = re.compile(r"^(Remove|Delete|Unregister|Forget)\b", re.IGNORECASE)


def reach(page: Page, wanted: re.Pattern[str], key: str = "Tab") -> str:
    """Press a key until the focus is on something of our views whose name fits."""
    passed: list[str] = []
    for _ in range(MOST_STEPS):
        page.keyboard.press(key)
        ours, name = page.evaluate(WHERE)
        if ours and wanted.search(name):
            return name
        passed.append(name[:40])
    raise AssertionError(f"{key} never reached {wanted.pattern!r}, only {passed}")


def press_in_row(page: Page, model_row: Locator, name: str) -> None:
    """From a row that has the focus, or one of its buttons: to that button by arrow keys, and press it."""
    wanted = button(model_row, name)
    expect(wanted).to_be_enabled()
    for key in ["ArrowRight"] * 8 + ["ArrowLeft"] * 16:
        if wanted.evaluate("(each) => each === document.activeElement"):
            page.keyboard.press("Enter")
            return
        page.keyboard.press(key)
    raise AssertionError(f"arrow keys never reached {name!r}")


def type_into_search(page: Page, text: str) -> None:
    """From the cell that was run: to the field of the Hub search, through a button that opens it if there is one."""
    reach(page, HUB)
    if not page.evaluate("document.activeElement instanceof HTMLInputElement"):
        page.keyboard.press("Enter")
        if not page.evaluate("document.activeElement instanceof HTMLInputElement"):
            reach(page, FIELD)
    page.keyboard.type(text)


def test_enter_adds_the_repository_that_was_typed(lab: LabPage, scene: Scene) -> None:
    notebook = scene.start(PANEL)
    expect(notebook.panel.get_by_role("grid", name="Models")).to_have_attribute("aria-rowcount", "1")
    type_into_search(lab.page, "rmm-demo/vit-digits")
    lab.page.keyboard.press("Enter")
    expect(row(notebook.panel, "vit-digits")).to_be_attached()


def test_the_main_job_by_keyboard(lab: LabPage, scene: Scene) -> None:
    page = lab.page
    notebook = scene.start(PANEL)
    expect(notebook.panel.get_by_role("grid", name="Models")).to_have_attribute("aria-rowcount", "1")
    type_into_search(page, "rmm-demo/vit-digits")
    reach(page, ADD)
    page.keyboard.press("Enter")
    digits = row(notebook.panel, "vit-digits")
    expect(digits).to_be_attached()
    if page.locator("dialog[open]").count():
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        if digits.evaluate("(each) => each.contains(document.activeElement)"):
            break
    press_in_row(page, digits, "Download vit-digits")
    press_in_row(page, digits, "Load vit-digits")
    expect(digits).to_contain_text("healthy")
    probes = int(notebook.ask("print(len(manager.get_probe_history('vit-digits')))"))
    press_in_row(page, digits, "Check vit-digits")
    expect(digits).to_contain_text("healthy")
    wait_until(
        lambda: int(notebook.ask("print(len(manager.get_probe_history('vit-digits')))")) > probes, "a probe by hand"
    )
    press_in_row(page, digits, "Unload vit-digits")
    expect(button(digits, "Load vit-digits")).to_be_enabled()
    assert notebook.ask("print(manager.get_statistics().loaded_models)").strip() == "0"
    press_in_row(page, digits, "Remove vit-digits")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    reach(page, CONFIRM)
    page.keyboard.press("Enter")
    expect(digits).to_have_count(0)
    assert notebook.ask("print(len(manager.get_all_models()))").strip() == "0"
    assert page.evaluate("document.activeElement.closest('.rmm-root') !== null"), "the focus is still in the panel"
    assert lab.page_errors == []
