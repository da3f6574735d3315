"""The view never lies: closed pages, second views, restarted and killed kernels, notebooks of last week."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from ..notebook.conftest import unpack
from .lab import LabPage, Notebook
from .saved import executed, widget_states, write
from .scenes import PANEL, Scene, button, manager_on, panel_of, registering, row
from .waiting import wait_until

SOON = 5_000.0
"""Milliseconds in which a view must have noticed that its kernel is gone."""
HANGS = 20_000.0
A_PART = re.compile(r"[1-9]\d?")

WATCH = """
(() => {
    // When the first view is drawn, and what its first bar says.
    const seen = (window.rmmSeen = {});
    new MutationObserver(() => {
        if (seen.root === undefined && document.querySelector('.rmm-root')) {
            seen.root = performance.now();
        }
        const bar = document.querySelector('.rmm-root [role=progressbar]');
        if (seen.bar === undefined && bar) {
            seen.bar = performance.now();
            seen.value = Number(bar.getAttribute('aria-valuenow'));
        }
    }).observe(document, { childList: true, subtree: true });
})()
"""


def test_N2_a_download_goes_on_while_the_page_is_closed(lab: LabPage, scene: Scene) -> None:
    notebook = scene.start_panel("vit-digits")
    scene.hub.rate = 60_000
    digits = row(notebook.panel, "vit-digits")
    button(digits, "Download vit-digits").click()
    bar = digits.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", A_PART)
    notebook.save()
    before = int(bar.get_attribute("aria-valuenow") or 0)
    lab.page.goto("about:blank")
    sent = scene.hub.bytes_sent("rmm-demo/vit-digits")
    wait_until(lambda: scene.hub.bytes_sent("rmm-demo/vit-digits") > sent + 60_000, "bytes without a page")
    lab.load()
    lab.page.evaluate(WATCH)
    notebook.show()
    expect(bar).to_be_visible()
    seen: dict[str, Any] = lab.page.evaluate("window.rmmSeen")
    assert seen["value"] > before, "the first thing shown is what happened meanwhile"
    assert seen["bar"] - seen["root"] < 1_000
    scene.hub.rate = None
    expect(button(digits, "Load vit-digits")).to_be_enabled()
    assert notebook.ask("print(manager.is_model_available('vit-digits'))").strip() == "True"


def test_N3_all_views_in_the_page_stay_in_step(lab: LabPage, scene: Scene) -> None:
    lab.page.set_viewport_size({"width": 1280, "height": 2600})  # JupyterLab draws only the cells in sight
    try:
        others = ["panel", "rmm_widgets.ModelManagerPanel()", "rmm_widgets.DownloadProgress()"]
        notebook = scene.start(PANEL, *others, models=["vit-digits"])
        grids = notebook.panel.get_by_role("grid", name="Models")
        expect(grids).to_have_count(3)
        scene.hub.rate = 100_000
        button(notebook.cell(1), "Download vit-digits").click()
        for index in (1, 2, 3, 4):
            expect(notebook.cell(index).get_by_role("progressbar")).to_be_visible()
            expect(button(notebook.cell(index), "Cancel vit-digits")).to_be_enabled()
        scene.hub.rate = None
        for index in (1, 2, 3):
            expect(button(notebook.cell(index), "Load vit-digits")).to_be_enabled()
        notebook.ask("manager.register_from_hub('rmm-demo/minilm-toy').result(60)")
        for index in (1, 2, 3):
            expect(row(notebook.cell(index), "minilm-toy")).to_be_visible()
            expect(row(notebook.cell(index), "vit-digits").get_by_role("progressbar")).to_have_count(0)
    finally:
        lab.page.set_viewport_size({"width": 1280, "height": 900})


def expect_not_connected(notebook: Notebook, timeout: float = SOON) -> None:
    """The view says in time that it is not connected, and its buttons are not to be pressed."""
    view = panel_of(notebook.panel)
    expect(view).to_contain_text("Not connected", timeout=timeout)
    expect(button(view, "Download vit-digits")).to_be_disabled()


def test_a_view_says_soon_that_its_kernel_was_restarted(scene: Scene) -> None:
    notebook = scene.start_panel("vit-digits")
    expect(button(notebook.panel, "Download vit-digits")).to_be_enabled()
    notebook.restart_kernel()
    expect_not_connected(notebook)


def test_a_view_says_soon_that_its_kernel_was_killed(lab: LabPage, scene: Scene) -> None:
    notebook = scene.start_panel("vit-digits")
    expect(button(notebook.panel, "Download vit-digits")).to_be_enabled()
    os.kill(int(notebook.ask("import os; print(os.getpid())")), signal.SIGKILL)
    lab.page.get_by_role("dialog").get_by_role("button", name="Ok").click()  # JupyterLab itself noticed
    expect_not_connected(notebook)


def test_a_view_says_that_its_kernel_hangs(scene: Scene) -> None:
    """A stopped process keeps its sockets open: only silence tells, and that takes longer."""
    notebook = scene.start_panel("vit-digits")
    expect(button(notebook.panel, "Download vit-digits")).to_be_enabled()
    kernel = int(notebook.ask("import os; print(os.getpid())"))
    os.kill(kernel, signal.SIGSTOP)
    try:
        expect_not_connected(notebook, HANGS)
    finally:
        os.kill(kernel, signal.SIGCONT)
    expect(button(notebook.panel, "Download vit-digits")).to_be_enabled()


def test_a_busy_kernel_is_not_called_dead(scene: Scene) -> None:
    notebook = scene.start_panel("vit-digits")
    notebook.ask("import threading, time; done = threading.Event()")
    view = panel_of(notebook.panel)
    said: list[str] = []
    notebook.lab.page.expose_binding("rmmSaid", lambda _source, text: said.append(text))
    view.evaluate(
        """(root) => new MutationObserver(() => {
            if (root.textContent.includes('Not connected')) { window.rmmSaid(root.textContent); }
        }).observe(root, { childList: true, subtree: true, characterData: true })"""
    )
    notebook.ask("end = time.monotonic() + 7\nwhile time.monotonic() < end: pass")
    expect(button(notebook.panel, "Download vit-digits")).to_be_enabled()
    assert said == []


def static_table(place: Locator) -> Locator:
    """The table without scripts: not that of a live view."""
    return place.locator("table").filter(has_text="vit-digits")


def test_a_notebook_reopened_with_a_new_kernel_shows_its_table(lab: LabPage, scene: Scene) -> None:
    notebook = scene.start_panel("vit-digits")
    expect(static_table(notebook.panel)).to_be_hidden()  # the live view stands in its place
    notebook.save()
    notebook.shut_kernel_down()
    notebook.leave()
    again = lab.open_file(notebook.path)
    try:
        expect(static_table(again.cell(1))).to_be_visible()
        expect(static_table(again.cell(1))).to_contain_text("registered")
        assert again.ask("import sys; print('rmm_widgets' in sys.modules)").strip() == "False"
        again.run(0)
        again.run(1)
        expect(button(again.cell(1), "Download vit-digits")).to_be_enabled()
        expect(static_table(again.cell(1))).to_be_hidden()
    finally:
        again.close()


HOSTILE = "<img src=x onerror='window.__pwned=1'>"


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
def test_S16_a_notebook_with_saved_widgets_runs_nothing(lab: LabPage, scene: Scene, trusted: bool) -> None:
    content = executed(manager_on(scene.hub, scene.folder), registering("vit-digits"), PANEL, widget_state=True)
    for state in widget_states(content):
        state["_rows"] = [{**row, "description": HOSTILE, "error": HOSTILE} for row in unpack(state["_rows"])]
    path = f"saved-{trusted}.ipynb"
    write(content, lab.server.root / path, signed_in=lab.server.data if trusted else None)
    notebook = lab.open_file(path)
    try:
        if trusted:
            view = panel_of(notebook.panel)
            expect(view).to_contain_text("Not connected", timeout=SOON)
            expect(button(view, "Download vit-digits")).to_be_disabled()
            expect(view).to_contain_text(HOSTILE)
        else:
            expect(static_table(notebook.panel)).to_be_visible()
            expect(panel_of(notebook.panel)).to_have_count(0)
        imported = notebook.ask("import sys; print('rmm_widgets' in sys.modules, get_ipython().execution_count)")
        assert imported.split() == ["False", "1"]
        assert lab.page.evaluate("window.__pwned") is None
        assert lab.dialogs == []
    finally:
        notebook.close()
