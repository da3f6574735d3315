"""The main job by clicking: the panel in a notebook, on models from the demo hub."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from .lab import LabPage, Notebook

START = """
import rmm_widgets
hub = rmm_widgets.demo.start()
manager = rmm_widgets.get_manager()
for model_id in list(manager.get_all_models()):
    manager.delete_model(model_id, remove_files=True).result(30)
manager.register_from_hub("rmm-demo/vit-digits").result(60)
manager.register_from_hub("rmm-demo/minilm-toy").result(60)
"""
PANEL = "panel = rmm_widgets.ModelManagerPanel()\npanel"
SLOW = "hub.throttle(rate=60_000)"
QUICK = "hub.throttle(rate=None)"
AGAIN = """
import rmm_widgets
hub = rmm_widgets.demo.start()
hub.throttle(rate=None)
manager = rmm_widgets.get_manager()
"""
A_PART = re.compile(r"[1-9]\d?")


QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01-quickstart.ipynb"


def row(notebook: Notebook, model_id: str) -> Locator:
    """A model's row in the panel of the notebook."""
    grid = notebook.panel.get_by_role("grid", name="Models")
    return grid.get_by_role("row").filter(has_text=f"rmm-demo/{model_id}")


@pytest.fixture
def notebook(open_notebook: Callable[..., Notebook]) -> Notebook:
    """A notebook whose second cell shows the panel of two registered models, with nothing on disk."""
    notebook = open_notebook(START, PANEL)
    notebook.run(0)
    assert not [output for output in notebook.outputs(0) if output["output_type"] == "error"]
    notebook.run(1)
    return notebook


def test_the_quickstart_runs(lab: LabPage) -> None:
    name = "quickstart.ipynb"
    shutil.copy(QUICKSTART, lab.server.root / name)
    cells = nbformat.read(QUICKSTART, 4).cells
    notebook = lab.open_file(name)
    try:
        for index in (n for n, cell in enumerate(cells) if cell.cell_type == "code"):
            notebook.run(index)
            raised = [output["ename"] for output in notebook.outputs(index) if output["output_type"] == "error"]
            wanted = "raises-exception" in cells[index].metadata.get("tags", ())
            assert bool(raised) == wanted, f"cell {index} raised {raised}"
        expect(notebook.panel.get_by_role("grid", name="Models")).to_be_attached()
        assert notebook.ask("print(len(manager.get_all_models()))").strip() == "5"
        assert notebook.ask("print(manager.get_statistics().loaded_models)").strip() == "0"
        assert lab.page_errors == []
    finally:
        notebook.close()


def test_download_load_and_unload_by_clicking(lab: LabPage, notebook: Notebook) -> None:
    digits = row(notebook, "vit-digits")
    expect(digits).to_contain_text("not downloaded")
    notebook.ask(SLOW)
    digits.get_by_role("button", name="Download vit-digits", exact=True).click()
    bar = digits.get_by_role("progressbar")
    expect(bar).to_be_visible()
    expect(digits.get_by_role("button", name="Cancel vit-digits", exact=True)).to_be_enabled()
    notebook.ask(QUICK)
    load = digits.get_by_role("button", name="Load vit-digits", exact=True)
    load.click()
    unload = digits.get_by_role("button", name="Unload vit-digits", exact=True)
    expect(unload).to_be_enabled()
    expect(digits).to_contain_text("loaded")
    expect(digits).to_contain_text("healthy")
    assert notebook.ask("print(manager.get_model_status('vit-digits').value)").strip() == "loaded"
    unload.click()
    expect(load).to_be_enabled()
    expect(digits).to_contain_text("downloaded")
    assert notebook.ask("print(manager.get_statistics().loaded_models)").strip() == "0"
    expect(row(notebook, "minilm-toy")).to_contain_text("not downloaded")
    assert lab.page_errors == []


def test_cancel_by_clicking_keeps_what_was_fetched(notebook: Notebook) -> None:
    digits = row(notebook, "vit-digits")
    notebook.ask(SLOW)
    digits.get_by_role("button", name="Download vit-digits", exact=True).click()
    expect(digits.get_by_role("progressbar")).to_have_attribute("aria-valuenow", A_PART)
    digits.get_by_role("button", name="Cancel vit-digits", exact=True).click()
    expect(digits.get_by_role("button", name="Discard vit-digits", exact=True)).to_be_enabled()
    expect(digits).to_contain_text("not downloaded, partial")
    notebook.ask(QUICK)
    digits.get_by_role("button", name="Download vit-digits", exact=True).click()
    expect(digits.get_by_role("button", name="Load vit-digits", exact=True)).to_be_enabled()


def test_discard_by_clicking_leaves_nothing(notebook: Notebook) -> None:
    digits = row(notebook, "vit-digits")
    notebook.ask(SLOW)
    digits.get_by_role("button", name="Download vit-digits", exact=True).click()
    expect(digits.get_by_role("progressbar")).to_have_attribute("aria-valuenow", A_PART)
    digits.get_by_role("button", name="Cancel vit-digits", exact=True).click()
    digits.get_by_role("button", name="Discard vit-digits", exact=True).click()
    expect(digits.get_by_role("button", name="Download vit-digits", exact=True)).to_be_enabled()
    assert notebook.ask("print(manager.describe('vit-digits').partial_bytes)").strip() == "0"
    notebook.ask(QUICK)


def test_D20_a_kernel_killed_in_a_download_shows_the_part_and_goes_on(
    lab: LabPage, open_notebook: Callable[..., Notebook]
) -> None:
    notebook = open_notebook(START, PANEL, f"{AGAIN}\n{PANEL}")
    notebook.run(0)
    notebook.run(1)
    digits = row(notebook, "vit-digits")
    notebook.ask(SLOW)
    digits.get_by_role("button", name="Download vit-digits", exact=True).click()
    expect(digits.get_by_role("progressbar")).to_have_attribute("aria-valuenow", A_PART)
    os.kill(int(notebook.ask("import os; print(os.getpid())")), signal.SIGKILL)
    lab.page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    notebook.wait_for_kernel()
    notebook.run(2)
    digits = row(notebook, "vit-digits").last
    expect(digits).to_contain_text("not downloaded, partial")
    expect(digits.get_by_role("progressbar")).to_have_attribute("aria-valuetext", re.compile(r"paused, .+ of 1.14 MB"))
    digits.get_by_role("button", name="Resume vit-digits", exact=True).click()
    expect(digits.get_by_role("button", name="Load vit-digits", exact=True)).to_be_enabled()
    assert notebook.ask("print(manager.verify_model('vit-digits').result().ok)").strip() == "True"


def test_N2_a_reload_in_mid_download_shows_the_truth(lab: LabPage, notebook: Notebook) -> None:
    digits = row(notebook, "vit-digits")
    notebook.ask(SLOW)
    digits.get_by_role("button", name="Download vit-digits", exact=True).click()
    expect(digits.get_by_role("progressbar")).to_be_visible()
    lab.execute("docmanager:save")
    lab.page.reload(wait_until="commit")
    lab.wait_until_ready()
    notebook.show()
    expect(digits.get_by_role("progressbar")).to_be_visible()
    before = float(digits.get_by_role("progressbar").get_attribute("aria-valuenow") or 0)
    assert notebook.ask("print(manager.get_model_status('vit-digits').value)").strip() == "downloading"
    assert 0 <= before < 100
    notebook.ask(QUICK)
    expect(digits.get_by_role("button", name="Load vit-digits", exact=True)).to_be_enabled()
    assert notebook.ask("print(manager.is_model_available('vit-digits'))").strip() == "True"


def test_an_error_is_shown_with_what_to_do(notebook: Notebook) -> None:
    notebook.ask("manager.register_model(rmm_widgets.ModelInfo('gone', 'embedding_model', 'rmm-demo/gone'))")
    gone = row(notebook, "gone")
    gone.get_by_role("button", name="Download gone", exact=True).click()
    expect(gone).to_contain_text("error")
    hint = notebook.ask("print(manager.describe('gone').hint)").strip()
    assert hint
    expect(gone).to_contain_text(hint)
