"""Trying a model from its details with real models, and taking its code into a notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from rmm_widgets.demo import sample

from .conftest import DARK, LIGHT, SCREENSHOTS
from .lab import LabPage
from .scenes import PANEL, Scene, button, panel_of

pytestmark = pytest.mark.usefixtures("quiet_console")

KINDS = ("vit-digits", "yolos-shapes", "blip-shapes", "minilm-toy", "mdlm-stories")


@pytest.fixture(autouse=True)
def hidden_at_first(lab: LabPage) -> None:
    lab.hide_models_panel()


def loading(name: str) -> str:
    return f"manager.download_model({name!r}).result(60); manager.load_model({name!r}).result(90); 0"


def trial(place: Locator, name: str) -> Locator:
    """The form in which a model is tried."""
    button(place, f"Details {name}").click()
    place.get_by_role("tab", name="Try it").click()
    form = place.get_by_role("form", name="Try it")
    expect(form).to_be_visible()
    return form


def run(form: Locator, **fields: str) -> Locator:
    """Fill fields in, run the model, and wait for its result."""
    for label, text in fields.items():
        form.get_by_label(label.replace("_", " "), exact=True).fill(text)
    button(form, "Run").click()
    result = form.get_by_role("region", name="Result")
    expect(result).to_be_visible()
    return result


def picture(form: Locator, name: str) -> None:
    form.locator("input[type=file]").set_input_files(sample(name))
    expect(form.get_by_role("img", name=re.compile(re.escape(name)))).to_be_visible()


def keep(place: Locator, name: str) -> None:
    """Leave a picture for eyes."""
    SCREENSHOTS.mkdir(exist_ok=True)
    place.screenshot(path=SCREENSHOTS / f"trial-{name}.png", animations="disabled", caret="hide")


def test_every_type_of_model_can_be_tried(lab: LabPage, scene: Scene) -> None:
    notebook = scene.start(models=KINDS)
    for name in KINDS[:-1]:
        notebook.ask(loading(name))
    panel = lab.models_panel()
    said = panel.get_by_role("status").last

    form = trial(panel, "vit-digits")
    picture(form, "digit-1.png")
    labels = run(form).get_by_role("list", name="Labels, the best first").get_by_role("listitem")
    expect(labels.first).to_have_text(re.compile(r"^3\d+\.\d %$"))
    expect(panel.get_by_text(re.compile("^Best label: 3, "))).to_have_count(1)
    keep(form, "labels")

    form = trial(panel, "yolos-shapes")
    picture(form, "detect-1.png")
    result = run(form)
    expect(result.get_by_role("list", name="What was found").get_by_role("listitem").first).to_be_visible()
    expect(result.get_by_role("img", name=re.compile("with \\d+ box"))).to_be_visible()
    keep(form, "boxes")

    form = trial(panel, "blip-shapes")
    picture(form, "caption-1.png")
    captions = json.loads(sample("digit-1.png").with_name("expected.json").read_text())
    words = json.dumps(captions)
    text = run(form).locator(".rmm-trial-text").inner_text()
    assert text, said.inner_text()
    assert text in words

    form = trial(panel, "minilm-toy")
    score = run(form, First_text="the cat sleeps quickly", Second_text="a kitten naps fast").locator(".rmm-trial-score")
    expect(score).to_have_text(re.compile(r"^0\.9\d\d$"))
    keep(form, "similarity")

    form = trial(panel, "mdlm-stories")
    expect(button(form, "Run")).to_have_attribute("aria-disabled", "true")
    button(form, "Download mdlm-stories").click()
    button(form, "Load mdlm-stories").click()
    expect(button(form, "Run")).to_have_attribute("aria-disabled", "false", timeout=60_000)
    result = run(form, Prompt="once")
    expect(result.locator("[data-unfinished]")).to_have_count(0)
    expect(result.locator(".rmm-trial-text")).not_to_contain_text("[MASK]")
    result.get_by_role("slider", name="Step").press("Home")
    expect(result.locator(".rmm-trial-text")).to_contain_text("[MASK]")
    keep(form, "steps")
    assert lab.page_errors == []


def test_a_widget_sends_pictures_too(scene: Scene, themes: Callable[[str], None]) -> None:
    notebook = scene.start(PANEL, models=["vit-digits"])
    notebook.ask(loading("vit-digits"))
    panel = panel_of(notebook.cell(1))
    form = trial(panel, "vit-digits")
    picture(form, "digit-2.png")
    labels = run(form).get_by_role("list", name="Labels, the best first").get_by_role("listitem")
    expect(labels.first).to_be_visible()
    expect(button(panel, "Copy code")).to_be_visible()
    for theme, word in ((LIGHT, "light"), (DARK, "dark")):
        themes(theme)
        keep(panel, f"widget-{word}")


def cells(lab: LabPage) -> list[str]:
    return lab.page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map((cell) => cell.source)"
    )


def test_code_comes_into_the_notebook_as_text(lab: LabPage, scene: Scene, tmp_path: Path) -> None:
    notebook = scene.start("'the last'", models=["minilm-toy"])
    panel = lab.models_panel()
    before = cells(lab)
    button(panel, "Details minilm-toy").click()
    button(panel, "Insert code").click()
    expect(notebook.cell(2)).to_contain_text("download_model")
    inserted = cells(lab)
    assert inserted[:2] == before[:2]
    assert 'await manager.load_model("minilm-toy")' in inserted[2]
    assert notebook.outputs(2) == []
    notebook.run(2)
    assert notebook.errors(2) == []
    assert "(2, 64)" in notebook.text(2)


def test_a_row_is_dragged_into_the_notebook(lab: LabPage, scene: Scene) -> None:
    notebook = scene.start("'the last'", models=["minilm-toy"])
    panel = lab.models_panel()
    row = panel.get_by_role("grid", name="Models").get_by_role("row").filter(has_text="rmm-demo/minilm-toy")
    source = row.locator(".rmm-repo")
    expect(source).to_be_visible()
    before = cells(lab)
    start, target = source.bounding_box(), notebook.cell(1).bounding_box()
    assert start
    assert target
    mouse = lab.page.mouse
    mouse.move(start["x"] + 5, start["y"] + 5)
    mouse.down()
    mouse.move(start["x"] - 20, start["y"] + 20, steps=4)
    expect(lab.page.locator(".rmm-SidePanel-drag")).to_have_text("minilm-toy")
    mouse.move(target["x"] + 80, target["y"] + 10, steps=8)
    mouse.up()
    expect(lab.page.locator(".rmm-SidePanel-drag")).to_have_count(0)
    after = cells(lab)
    assert len(after) == len(before) + 1
    assert 'manager.load_model("minilm-toy")' in after[1]
    assert lab.page_errors == []
