"""A whole session with the side panel leaves nothing in the browser's console."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from rmm_widgets.demo import sample

from .lab import LabPage
from .scenes import Scene, button, row

pytestmark = pytest.mark.usefixtures("quiet_console")


def test_a_session(lab: LabPage, scene: Scene) -> None:
    lab.hide_models_panel()
    first = scene.start(models=["vit-digits"])
    panel = lab.models_panel()
    digits = row(panel, "vit-digits")
    button(digits, "Download vit-digits").click()
    button(digits, "Load vit-digits").click()
    expect(button(digits, "Unload vit-digits")).to_be_enabled()
    button(panel, "Details vit-digits").click()
    panel.get_by_role("tab", name="Try it").click()
    form = panel.get_by_role("form", name="Try it")
    form.locator("input[type=file]").set_input_files(sample("digit-1.png"))
    button(form, "Run").click()
    expect(form.get_by_role("region", name="Result")).to_be_visible()
    second = scene.open_notebook("1")
    expect(panel.locator(".rmm-SidePanel-head")).to_have_text(second.path)
    expect(panel.get_by_role("grid", name="Models").or_(panel.get_by_text("No models yet")).first).to_be_visible()
    first.bring_to_front()
    expect(digits).to_be_visible()
    first.restart_kernel()
    first.run(0)
    expect(button(digits, "Load vit-digits")).to_be_enabled()
    lab.execute("rmm-widgets:load", {"model_id": "vit-digits"})
    item = lab.page.locator("#jp-main-statusbar").get_by_role("button", name=re.compile("^Models: 1 loaded"))
    item.click()
    popup = lab.page.get_by_role("dialog", name=re.compile("^Models of"))
    expect(button(popup, "Unload vit-digits")).to_be_enabled()
    lab.page.keyboard.press("Escape")
    lab.execute("rmm-widgets:unload", {"model_id": "vit-digits"})
    lab.execute("rmm-widgets:cancel-all")
    lab.execute("rmm-widgets:log")
    expect(panel.get_by_role("list", name="Recent events")).to_contain_text("vit-digits")
    first.save()
    lab.page.reload(wait_until="commit")
    lab.wait_until_ready()
    first.show()
    lab.models_panel()
    expect(button(digits, "Load vit-digits")).to_be_enabled()
    second.close()
    first.close()
    expect(panel).to_contain_text("No notebook or console is open")
