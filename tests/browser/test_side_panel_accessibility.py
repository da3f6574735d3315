"""WCAG 2.2 AA as far as axe-core can tell: side panel, status bar and dialogs in JupyterLab's themes; their keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, expect

from rmm_widgets.demo import sample

from .axe import violations
from .kernelspecs import WITHOUT_PACKAGE, add_kernel
from .lab import LabPage
from .scenes import Scene, button
from .test_accessibility import THEMES

pytestmark = pytest.mark.usefixtures("quiet_console")

EachTheme = Callable[[], Iterator[str]]
ASKING = {"search": "Search the Hub", "add": "Add a Model of the Hub", "freeze": "Freeze the Models"}
"""Commands that ask in a dialog, with its title."""
LOADED = "manager.download_model('vit-digits').result(60); manager.load_model('vit-digits').result(90); 0"


@pytest.fixture(autouse=True)
def hidden_at_first(lab: LabPage) -> Iterator[None]:
    lab.hide_models_panel()
    yield
    # A test that failed may have left a dialog.
    lab.page.keyboard.press("Escape")


@pytest.fixture
def each_theme(themes: Callable[[str], None]) -> Callable[[], Iterator[str]]:
    """Goes through the themes. JupyterLab hides all for a moment where they change: what was open may be closed."""

    def each_theme() -> Iterator[str]:
        for theme in THEMES:
            themes(theme)
            yield theme

    return each_theme


def found(where: str, part: Locator) -> list[str]:
    """What axe finds in a part of the page."""
    return [f"{where}: {line}" for line in violations(part)]


def test_axe_finds_nothing_in_the_side_panel(lab: LabPage, scene: Scene, each_theme: EachTheme) -> None:
    panel = lab.models_panel()
    expect(panel).to_contain_text("No notebook or console is open")
    bad = found("no notebook", panel)
    without = scene.open_notebook("1", kernel=add_kernel(lab.server, "without", WITHOUT_PACKAGE))
    notebook = scene.start(models=["vit-digits", "minilm-toy"])
    notebook.ask(LOADED)
    form = panel.get_by_role("form", name="Try it")
    for theme in each_theme():
        without.bring_to_front()
        expect(panel).to_contain_text("rmm_widgets is not installed in this kernel")
        bad += found(f"not installed, {theme}", panel)
        notebook.bring_to_front()
        button(panel, "Details vit-digits").click()
        panel.get_by_role("tab", name="Try it").click()
        form.locator("input[type=file]").set_input_files(sample("digit-1.png"))
        button(form, "Run").click()
        expect(form.get_by_role("region", name="Result")).to_be_visible()
        for x, width in ((600, "wide"), (1270, "narrow")):
            lab.drag_side_bar(x)
            bad += found(f"{width}, {theme}", panel)
            assert panel.evaluate("(each) => each.scrollWidth <= each.clientWidth"), "nothing is cut off"
        button(panel, "Close details of vit-digits").click()
    assert bad == []


def test_the_status_popup_by_keyboard(lab: LabPage, scene: Scene, each_theme: EachTheme) -> None:
    notebook = scene.start(models=["vit-digits"])
    notebook.ask(LOADED)
    expect(lab.models_panel().get_by_role("grid", name="Models")).to_be_visible()
    lab.hide_models_panel()
    item = lab.page.locator("#jp-main-statusbar").get_by_role("button", name=re.compile("^Models: 1 loaded"))
    popup = lab.page.get_by_role("dialog", name=re.compile("^Models of"))
    for key in ("Enter", "Space"):
        item.press(key)
        expect(popup).to_be_visible()
        expect(item).to_have_attribute("aria-expanded", "true")
        lab.page.keyboard.press("Tab")
        passed: list[str] = []
        while popup.evaluate("(each) => each.contains(document.activeElement)"):
            name = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
            passed.append(str(lab.page.evaluate(name)))
            if passed[-1] == "Open the Models panel":
                break
            lab.page.keyboard.press("Tab")
        assert "Unload vit-digits" in passed, passed
        assert passed[-1] == "Open the Models panel", passed
        lab.page.keyboard.press("Escape")
        expect(popup).to_have_count(0)
        expect(item).to_be_focused()
        expect(item).to_have_attribute("aria-expanded", "false")
    bad: list[str] = []
    for theme in each_theme():
        if not popup.is_visible():
            item.press("Enter")
        expect(popup).to_be_visible()
        bad += found(f"item, {theme}", item) + found(f"popup, {theme}", popup)
    lab.page.keyboard.press("Escape")
    assert bad == []


def test_axe_finds_nothing_in_what_commands_show(lab: LabPage, scene: Scene, each_theme: EachTheme) -> None:
    scene.start(models=["minilm-toy"])
    panel = lab.models_panel()
    search = panel.get_by_role("dialog", name="Search the Hub")
    log = panel.get_by_role("list", name="Recent events")
    bad: list[str] = []
    for theme in each_theme():
        for command, title in ASKING.items():
            lab.page.evaluate(f"void window.jupyterapp.commands.execute('rmm-widgets:{command}')")
            dialog = lab.page.locator(".jp-Dialog").filter(has_text=title)
            expect(dialog).to_be_visible()
            bad += found(f"{command}, {theme}", dialog)
            lab.page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
        lab.execute("rmm-widgets:search", {"query": "digits"})
        expect(search).to_contain_text("rmm-demo/vit-digits")
        bad += found(f"search, {theme}", search)
        lab.page.keyboard.press("Escape")
        expect(search).to_have_count(0)
        lab.execute("rmm-widgets:log")
        expect(log).to_contain_text("minilm-toy")
        bad += found(f"log, {theme}", panel)
    assert bad == []
