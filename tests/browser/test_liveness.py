"""What a view says of its kernel: busy, restarting, gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from playwright.sync_api import expect

from .lab import LabPage, Notebook

PANEL = "import rmm_widgets\npanel = rmm_widgets.ModelManagerPanel()\npanel"
GREY = '.rmm-panel[data-connected="false"]'
LIMIT = 5.0
"""Seconds in which a kernel that is gone must be seen."""


def test_a_killed_kernel_greys_the_view_out_within_five_seconds(
    lab: LabPage, open_notebook: Callable[..., Notebook]
) -> None:
    notebook = open_notebook(PANEL)
    notebook.run(0)
    expect(notebook.panel.locator(".rmm-panel")).to_have_attribute("data-connected", "true")
    pid = int(notebook.ask("import os; print(os.getpid())"))
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    notebook.panel.locator(GREY).wait_for()
    took = time.monotonic() - killed
    expect(notebook.panel).to_contain_text("Not connected: the kernel")
    lab.page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    assert took < LIMIT


def test_a_restarted_kernel_greys_the_view_out_at_once(lab: LabPage, open_notebook: Callable[..., Notebook]) -> None:
    notebook = open_notebook(PANEL)
    notebook.run(0)
    expect(notebook.panel.locator(".rmm-panel")).to_have_attribute("data-connected", "true")
    restarted = time.monotonic()
    lab.page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); return 0; }"
    )
    notebook.panel.locator(GREY).wait_for()
    assert time.monotonic() - restarted < LIMIT
    notebook.wait_for_kernel()
    expect(notebook.panel).to_contain_text("was restarted, this view shows how it was before")
