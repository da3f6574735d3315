"""WCAG 2.2 AA as far as axe-core can tell, in JupyterLab's themes and on the bare page; sizes, motion, reflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from . import answers
from .axe import violations
from .conftest import DARK, LIGHT
from .lab import LabPage
from .rows import every_state
from .scenes import PANEL, Scene, button, panel_of, row
from .standalone import StandaloneView

THEMES = [LIGHT, DARK, "JupyterLab Dark High Contrast"]
SMALLEST_TARGET = 24


def test_axe_finds_nothing_in_jupyterlab(lab: LabPage, scene: Scene, themes: Callable[[str], None]) -> None:
    others = ["rmm_widgets.DownloadProgress()", "rmm_widgets.HealthBadge()"]
    lab.page.set_viewport_size({"width": 1280, "height": 2200})
    try:
        notebook = scene.start(PANEL, *others, models=["vit-digits", "minilm-toy", "yolos-shapes"])
        notebook.ask("manager.load_model('vit-digits').result(90)")
        notebook.ask("manager.register_model(rmm_widgets.ModelInfo('gone', 'embedding_model', 'rmm-demo/gone'))")
        button(row(notebook.cell(1), "gone"), "Download gone").click()
        scene.hub.rate = 20_000
        button(row(notebook.cell(1), "yolos-shapes"), "Download yolos-shapes").click()
        expect(row(notebook.cell(1), "yolos-shapes").get_by_role("progressbar")).to_be_visible()
        expect(row(notebook.cell(1), "gone")).to_contain_text("error")
        expect(row(notebook.cell(1), "vit-digits")).to_contain_text("healthy")
        button(notebook.cell(2), "More about RepositoryNotFoundError").click()
        expect(notebook.cell(2)).to_contain_text("The Hub gives the same answer for a wrong name")
        views = [panel_of(notebook.cell(index)) for index in (1, 2, 3)]
        found: list[str] = []
        for theme in THEMES:
            themes(theme)
            found += [f"{theme}: {line}" for view in views for line in violations(view)]
        scene.hub.rate = None
        assert found == []
    finally:
        lab.page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1000, 320], ids=["wide", "narrow"])
def test_axe_finds_nothing_on_a_bare_page(standalone: Callable[..., StandaloneView], dark: bool, width: int) -> None:
    view = standalone(dark=dark, width=width)
    root = view.show("panel")
    expect(root).to_contain_text("No models")
    found = [f"empty: {line}" for line in violations(root)]
    view.set(**every_state(), rows_seq=2)
    expect(root).to_contain_text("The disk is full")
    found += [f"full: {line}" for line in violations(root)]
    button(root, "Load on-disk").click()
    view.refuse(view.sent("load"), "It does not fit.")
    expect(root).to_contain_text("It does not fit.")
    root.get_by_role("searchbox", name="Filter models").fill("nothing has this")
    expect(root).to_contain_text("No model")
    found += [f"notice, nothing found: {line}" for line in violations(root)]
    assert found == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_details_and_dialogs(standalone: Callable[..., StandaloneView], dark: bool) -> None:
    view = standalone(dark=dark)
    root = view.show("panel", **every_state())
    found: list[str] = []

    def look(where: str) -> None:
        found.extend(f"{where}: {line}" for line in violations(root))

    button(root, "Details healthy").click()
    view.answer(view.sent("details"), answers.details("healthy"))
    for tab in ("Overview", "Try it", "Files", "Settings", "Health", "History"):
        root.get_by_role("tab", name=tab).click()
        expect(root.get_by_role("tabpanel", name=tab)).to_be_visible()
        look(tab)
    root.page.keyboard.press("Escape")
    button(root, "Browse the Hub").click()
    dialog = root.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("demo")
    root.page.keyboard.press("Enter")
    view.answer(view.sent("search"), answers.found())
    expect(dialog).to_contain_text("demo/big")
    look("search")
    root.page.keyboard.press("Escape")
    button(root, "Disk use").click()
    view.answer(view.sent("usage"), answers.usage())
    expect(dialog).to_contain_text("partial")
    look("disk use")
    root.page.keyboard.press("Escape")
    root.get_by_role("checkbox", name="Select healthy").click()
    button(root, "Remove… selected").click()
    expect(dialog).to_contain_text("Delete with its files")
    look("removal")
    assert found == []


@pytest.mark.parametrize("widget", ["progress", "badge"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_the_small_widgets(
    standalone: Callable[..., StandaloneView], widget: str, dark: bool
) -> None:
    view = standalone(dark=dark)
    root = view.show(widget, **every_state())
    expect(root).to_contain_text("The disk is full")
    assert violations(root) == []


@pytest.mark.parametrize("width", [1000, 320], ids=["wide", "narrow"])
def test_targets_are_large_enough(standalone: Callable[..., StandaloneView], width: int) -> None:
    view = standalone(width=width)
    root = view.show("panel", **every_state())
    small = root.evaluate(
        """(root, smallest) => [...root.querySelectorAll('button, input, select, summary, a, [role=button]')]
            .filter((each) => each.checkVisibility())
            .map((each) => [each.getAttribute('aria-label') ?? each.textContent, each.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && (box.width < smallest || box.height < smallest))
            .map(([name, box]) => `${name}: ${box.width.toFixed(1)} x ${box.height.toFixed(1)}`)""",
        SMALLEST_TARGET,
    )
    assert small == []


def overflow(root: Locator) -> int:
    """Pixels by which the page is wider than its window."""
    return int(root.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_nothing_is_cut_off_at_double_size(standalone: Callable[..., StandaloneView]) -> None:
    """At 200 % a window of 1280 pixels has room for 640."""
    view = standalone(width=640)
    root = view.show("panel", **every_state())
    assert overflow(root) <= 0
    for name in ("Download registered", "Cancel moving", "Unload healthy"):
        expect(button(root, name)).to_be_visible()


def test_text_may_run_from_right_to_left(standalone: Callable[..., StandaloneView]) -> None:
    view = standalone()
    root = view.show("panel", **every_state())
    view.page.evaluate("document.documentElement.dir = 'rtl'")
    assert overflow(root) <= 0
    cells = root.get_by_role("columnheader").evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().x)")
    assert cells == sorted(cells, reverse=True), "the first column is the rightmost"
    rows = root.get_by_role("row").nth(1).get_by_role("gridcell")
    assert rows.evaluate_all("(all) => all.map((each) => Math.round(each.getBoundingClientRect().x))") == [
        round(x) for x in cells
    ]


def test_who_wants_no_motion_gets_none(standalone: Callable[..., StandaloneView]) -> None:
    view = standalone()  # its browser says that it prefers reduced motion
    state = every_state()
    state["rows"][0] |= {"status": "loading", "stage": "loading", "actions": ["cancel"]}
    root = view.show("panel", **state)
    expect(root.get_by_role("progressbar", name="registered")).to_be_visible()
    running = root.evaluate("() => document.getAnimations().filter((each) => each.playState === 'running').length")
    assert running == 0


def test_every_state_differs_by_more_than_colour(standalone: Callable[..., StandaloneView]) -> None:
    view = standalone()
    state = every_state()
    root = view.show("panel", **state)
    words = {"registered": "not downloaded", "moving": "downloading", "partial": "partial", "on-disk": "downloaded"}
    for model_id, word in (words | {"healthy": "healthy", "slow": "degraded", "broken": "unhealthy"}).items():
        expect(row(root, model_id)).to_contain_text(word)


def test_the_focus_can_be_seen(standalone: Callable[..., StandaloneView]) -> None:
    view = standalone()
    root = view.show("panel", **every_state())
    view.page.mouse.move(0, 0)
    unseen: list[str] = []
    for _ in range(12):
        view.page.keyboard.press("Tab")
        name, visible = root.evaluate(
            """() => {
                const at = document.activeElement;
                const style = getComputedStyle(at);
                const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
                return [at.getAttribute('aria-label') ?? at.textContent.slice(0, 40),
                    at === document.body || outline || style.boxShadow !== 'none'];
            }"""
        )
        if not visible:
            unseen.append(name)
    assert unseen == []
